//! What became of each path, by what rsync said.

use super::*;

fn check_one(path: &str, message: &str, reason: &str) {
    let text = format!("{message}\n{PARTIAL}");
    let shown = crate::engine::escape(path.as_bytes());
    check(
        daemon("sub", None),
        &batch(&[path, "other"]),
        23,
        &text,
        &[&format!("{shown}: {reason}")],
        &[],
    );
}

#[test]
fn what_became_another_thing_under_way_is_looked_at_again() {
    for said in [
        "rsync: [sender] send_files failed to open \"/data/website/d/f\": Not a directory (20)",
        "rsync: [sender] read errors mapping \"/data/website/d/f\": Is a directory (21)",
        "directory has vanished: \"/data/website/d/f\"",
        "WARNING: parent dir is absent in the file list: d/f",
    ] {
        let text = format!("{said}\n{PARTIAL}");
        check(
            daemon("sub", None),
            &batch(&["d/f", "other"]),
            23,
            &text,
            &[],
            &["d/f"],
        );
    }
}

#[test]
fn real_messages_name_their_path() {
    for message in [
        "rsync: [receiver] rename \"/sub/d/.f.v6t62c\" (in m) -> \"d/f\": Operation not permitted (1)",
        "rsync: [receiver] rename \"/sub/d/.f.v6t62c\" (in m) -> \"d/f\" failed: Operation not permitted (1)",
    ] {
        check_one("d/f", message, "rename: operation not permitted");
    }
    check_one(
        "d/f",
        "rsync: [generator] delete_file: unlink(d/f) failed: Operation not permitted (1)",
        "unlink: operation not permitted",
    );
    check_one(
        "d/x",
        "rsync: [generator] delete_file: rmdir(d/x) failed: Permission denied (13)",
        "rmdir: permission denied",
    );
    check_one(
        "d/new",
        "rsync: [receiver] mkstemp \"/sub/d/.new.LEUEyy\" (in m) failed: Permission denied (13)",
        "mkstemp: permission denied",
    );
    check_one(
        "d/new",
        "rsync: [receiver] mkstemp \"d/.new.LEUEyy\" (in m) failed: Permission denied (13)",
        "mkstemp: permission denied",
    );
    check_one(
        "d",
        "rsync: [generator] failed to set times on \"/sub/d\" (in m): Operation not permitted (1)",
        "failed to set times on: operation not permitted",
    );
    check_one(
        "d/f",
        "rsync: [sender] send_files failed to open \"/data/website/d/f\": Permission denied (13)",
        "send_files failed to open: permission denied",
    );
    check_one(
        "l",
        "rsync: [generator] symlink \"/sub/l\" (in m) -> \"a\" -> \"b\" failed: Permission denied (13)",
        "symlink: permission denied",
    );
    check_one(
        "x -> \"y",
        "rsync: [receiver] rename \"/sub/.x -> \"y.AbCdEf\" (in m) -> \"x -> \"y\": Operation not permitted (1)",
        "rename: operation not permitted",
    );
    let odd = "w\nz\\ \"q\"";
    check_one(
        odd,
        "rsync: [receiver] mkstemp \"/sub/.w\\#012z\\ \"q\".uNUhfJ\" (in m) failed: Operation not permitted (1)",
        "mkstemp: operation not permitted",
    );
    check_one(
        "d/f",
        "skipping daemon-excluded file \"d/f\"",
        "the daemon's own filter excludes it",
    );
}

#[test]
fn a_cut_temporary_name_is_found_by_its_beginning() {
    let long = "n".repeat(255);
    let message = format!(
        "rsync: [receiver] mkstemp \"/sub/d/.{}.t5eLld\" (in m) failed: File name too long (36)\n{PARTIAL}",
        "n".repeat(240)
    );
    let path = format!("d/{long}");
    let text = format!("{path}: mkstemp: file name too long");
    check(
        daemon("sub", None),
        &batch(&[&path, "d/other"]),
        23,
        &message,
        &[&text],
        &[],
    );
    // Two could be meant: their directory stands for both.
    let other = format!("d/{}x", "n".repeat(250));
    check(
        daemon("sub", None),
        &batch(&[&path, &other]),
        23,
        &message,
        &["d: mkstemp: file name too long"],
        &[],
    );
}

#[test]
fn a_directory_that_failed_takes_what_is_listed_below_along() {
    let text = format!(
        "rsync: [generator] recv_generator: mkdir \"/sub/d\" (in m) failed: No space left on device (28)\n\
         *** Skipping any contents from this failed directory ***\n{PARTIAL}"
    );
    check(
        daemon("sub", None),
        &batch(&["d/a", "d/e/b", "f"]),
        23,
        &text,
        &[
            "d: mkdir: no space left on device",
            "d/a: mkdir: no space left on device",
            "d/e/b: mkdir: no space left on device",
        ],
        &[],
    );
}

#[test]
fn what_changed_meanwhile_is_looked_at_again() {
    let vanished = "file has vanished: \"/data/website/d/f\"\n\
                    rsync warning: some files vanished before they could be transferred (code 24) at main.c(1394) [sender=3.5.0]";
    check(
        daemon("", None),
        &batch(&["d/f", "g"]),
        24,
        vanished,
        &[],
        &["d/f"],
    );
    let missing = format!(
        "rsync: [sender] link_stat \"/data/website/d/f\" failed: No such file or directory (2)\n{PARTIAL}"
    );
    check(
        daemon("", None),
        &batch(&["d/f", "g"]),
        23,
        &missing,
        &[],
        &["d/f"],
    );
    let above = "WARNING: parent dir is absent in the file list: d";
    check(
        daemon("", None),
        &batch(&["d/f", "g"]),
        0,
        above,
        &[],
        &["d"],
    );
    let unsteady = "WARNING: d/f failed verification -- update discarded (will try again).";
    check(
        daemon("", None),
        &batch(&["d/f", "g"]),
        0,
        unsteady,
        &[],
        &["d/f"],
    );
}

#[test]
fn zero_is_not_success() {
    let step = batch(&["d", "f"]);
    let one = |leave, output: &str| judged(daemon("", None), &step, leave, Some(0), output);
    let kept = "cannot delete non-empty directory: d";
    assert!(one(Leave::None, kept).wants_deletions && one(Leave::One, kept).wants_deletions);
    let counted = one(Leave::Counted(3), kept);
    assert!(!counted.wants_deletions && counted.notes.len() == 1 && counted.failed.is_empty());
    let fence = "Deletions stopped due to --max-delete limit (4 skipped)";
    assert!(
        one(Leave::None, fence).wants_deletions && one(Leave::Counted(3), fence).wants_deletions
    );
    assert!(matches!(
        one(Leave::Counted(3), "something new under the sun").verdict,
        Verdict::Retry(_)
    ));
    assert!(matches!(
        one(Leave::Counted(3), "rsync: [receiver] something new (13)").verdict,
        Verdict::Retry(_)
    ));
    // A path that this run cannot have meant.
    let elsewhere =
        "rsync: [generator] delete_file: unlink(else/where) failed: Operation not permitted (1)";
    assert!(matches!(
        one(Leave::Counted(3), elsewhere).verdict,
        Verdict::Retry(_)
    ));
    // Partial, and no path is named.
    let bare = judged(
        daemon("", None),
        &step,
        Leave::Counted(3),
        Some(23),
        PARTIAL,
    );
    assert!(matches!(bare.verdict, Verdict::Retry(trouble) if trouble.code == "unclear"));
}

/// rsync 3.5.0, of `g/h/i/j/` with something protected in `j`.
#[test]
fn directories_that_stay_are_no_deletions_and_no_fence() {
    let counted = "\
cannot delete non-empty directory: g/h/i/j
*deleting  |0|g/h/i/j/
cannot delete non-empty directory: g/h/i
*deleting  |0|g/h/i/
*deleting  |0|g/h/old
cannot delete non-empty directory: g/h
*deleting  |0|g/h/
cannot delete non-empty directory: g";
    let mut report = Report::preview();
    let progress = Progress::new();
    counted
        .lines()
        .for_each(|line| report.take(line.as_bytes(), &progress));
    let old = RelPath::new(b"g/h/old").unwrap();
    assert_eq!(report.counted(), crate::engine::Deletions::of([&old]));
    assert_eq!(report.named().deletes, [old]);

    let entries = vec![entry("", Act::Listing)];
    let step = Step {
        entries,
        delete: true,
        ..Step::default()
    };
    let kept = "\
cannot delete non-empty directory: g/h/i/j
cannot delete non-empty directory: g/h/i
cannot delete non-empty directory: g/h
cannot delete non-empty directory: g
Deletions stopped due to --max-delete limit";
    let wants = |leave, skipped| {
        let text = format!("{kept} ({skipped} skipped)");
        judged(daemon("", None), &step, leave, Some(0), &text).wants_deletions
    };
    assert!(!wants(Leave::Counted(1), 3));
    assert!(wants(Leave::Counted(1), 4), "one of them would have gone");
    assert!(wants(Leave::None, 3), "only a count tells");
    let unknown = judged(daemon("", None), &step, Leave::Counted(1), Some(0), kept);
    assert!(unknown.wants_deletions);
}

#[test]
fn deletions_that_a_read_error_stopped_stay_dirty() {
    let entries = vec![
        entry("a", Act::Remove),
        entry("b", Act::Send),
        entry(
            "d",
            Act::Reconcile {
                trust: false,
                delete: true,
            },
        ),
    ];
    let step = Step {
        entries,
        recurse: true,
        delete: true,
        ..Step::default()
    };
    let text = format!(
        "rsync: [sender] opendir \"/data/website/d/x\" failed: Permission denied (13)\n\
         IO error encountered -- skipping file deletion\n{PARTIAL}"
    );
    check(
        daemon("", None),
        &step,
        23,
        &text,
        &[
            "a: nothing was deleted, because something could not be read",
            "d: nothing was deleted, because something could not be read",
            "d/x: opendir: permission denied",
        ],
        &[],
    );
    // What went away meanwhile is no fault.
    let text = format!(
        "rsync: [sender] opendir \"/data/website/d/x\" failed: No such file or directory (2)\n\
         IO error encountered -- skipping file deletion\n{PARTIAL}"
    );
    check(daemon("", None), &step, 23, &text, &[], &["a", "d", "d/x"]);
}

#[test]
fn a_directory_in_the_way() {
    let text = format!(
        "could not make way for new regular file: d\ncannot delete non-empty directory: d\n{PARTIAL}"
    );
    let one = |leave| {
        judged(
            daemon("", None),
            &batch(&["d", "e"]),
            leave,
            Some(23),
            &text,
        )
    };
    let asked = one(Leave::None);
    assert!(asked.wants_deletions && asked.failed.is_empty() && asked.verdict == Verdict::Done);
    for (leave, reason) in [
        (Leave::Never, "delete: never"),
        (Leave::Counted(1), "protected"),
    ] {
        let judged = one(leave);
        assert!(
            !judged.wants_deletions
                && judged.failed.len() == 1
                && judged.failed[0].reason.contains(reason),
            "{judged:?}"
        );
    }
}

/// What rsync 3.5.0 says of `./d/` without `--recursive`.
#[test]
fn a_listing_places_what_leaves_at_any_depth_and_nothing_elsewhere() {
    let step = Step {
        entries: vec![entry("d", Act::Listing), entry("e", Act::Listing)],
        trust: true,
        delete: true,
        ..Step::default()
    };
    let daemon = || daemon("", None);
    let held_back = "\
cannot delete non-empty directory: d/extra/inner
cannot delete non-empty directory: d/extra
<f+++++++++|45|d/a
cd+++++++++|0|d/new/
Deletions stopped due to --max-delete limit (5 skipped)";
    let found = judged(daemon(), &step, Leave::None, Some(0), held_back);
    assert!(found.wants_deletions && found.failed.is_empty());
    assert_eq!((found.verdict, found.stats.files), (Verdict::Done, 2));
    let blocked = "\
rsync: [generator] delete_file: unlink(d/extra/inner/f) failed: Operation not permitted (1)
cannot delete non-empty directory: d/extra/inner
cannot delete non-empty directory: d/extra
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]";
    let found = judged(daemon(), &step, Leave::Counted(9), Some(23), blocked);
    assert_eq!(found.verdict, Verdict::Done);
    assert_eq!(found.failed.len(), 1);
    assert_eq!(found.failed[0].path.to_string(), "d/extra/inner/f");
    let unreadable = "\
rsync: [sender] opendir \"/data/website/d\" failed: Permission denied (13)
IO error encountered -- skipping file deletion
rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]";
    let found = judged(daemon(), &step, Leave::Counted(9), Some(23), unreadable);
    let failed: Vec<_> = found.failed.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(failed, ["d", "e"]);
    let elsewhere =
        "rsync: [receiver] mkstemp \"/f/.x.AbCdEf\" (in m) failed: Permission denied (13)";
    let found = judged(daemon(), &step, Leave::Counted(9), Some(23), elsewhere);
    assert!(matches!(found.verdict, Verdict::Retry(_)), "{found:?}");
}

#[test]
fn items_and_statistics() {
    let step = Step {
        recurse: true,
        trust: true,
        delete: true,
        pass: Some(Compare::Quick),
        ..Step::default()
    };
    let text = "*deleting  |0|d/\n.d..t......|0|./\n<f+++++++++|45|w\\#012z|\nhf         |0|g\ncL+++++++++|0|ln\n\n\
                Number of files: 7 (reg: 2, dir: 2, link: 1, dev: 1, special: 1)\n\
                Number of created files: 3 (link: 1, dev: 1, special: 1)\nNumber of deleted files: 1 (dir: 1)\n\
                Number of regular files transferred: 0\nTotal file size: 5 bytes\nFile list size: 0\n\
                File list generation time: 0.001 seconds\nTotal bytes sent: 342\n\n\
                sent 342 bytes  received 110 bytes  904.00 bytes/sec\ntotal size is 7  speedup is 0.02";
    let judged = |leave| judged(daemon("", None), &step, leave, Some(0), text);
    let done = judged(Leave::Counted(1));
    assert_eq!(done.verdict, Verdict::Done);
    let stats = done.stats;
    assert_eq!(
        (
            stats.files,
            stats.created,
            stats.bytes,
            stats.deleted,
            stats.target_entries
        ),
        (4, 2, 45, 1, Some(4))
    );
    // In a count it is what the target has before: one more for the deletion, two fewer for what is new.
    assert_eq!(judged(Leave::Count).stats.target_entries, Some(3));
}

/// Whatever a far side says in rsync's words stays short, and names no path that rsync could not.
#[test]
fn a_far_sides_words_are_cut() {
    let step = batch(&["a"]);
    let said = |path: &str, verb: &str, why: &str| {
        let line = format!("rsync: [receiver] {verb} \"{path}\" failed: {why} (13)\n{PARTIAL}");
        judged(daemon("", None), &step, Leave::Counted(1), Some(23), &line)
    };
    let long = "x".repeat(20_000);
    let named = said("a", &long, &long);
    assert_eq!(named.verdict, Verdict::Done);
    assert_eq!(named.failed.len(), 1);
    assert!(named.failed[0].reason.len() < 500);
    // Below what was listed, where any name may come up.
    let lost = said(&format!("a/{long}"), "mkdir", "No");
    assert_eq!(lost.failed, []);
    match lost.verdict {
        Verdict::Retry(trouble) => {
            assert!(trouble.message.len() < 2000, "{}", trouble.message.len());
        }
        other => panic!("{other:?}"),
    }
    let refused = judged(
        daemon("", None),
        &step,
        Leave::Never,
        Some(11),
        &format!("rsync: [receiver] mkdir \"{long}\" failed: No such file or directory (2)"),
    );
    assert!(format!("{:?}", refused.verdict).len() < 2000);
}
