//! Command lines as a user would read them, and rsync's real messages (collected from 3.5.0 by provoking each).

mod corpus;

use super::invocation::{Leave, Orders, list};
use super::judge::{Case, Judged, judge};
use super::kind::kind_of;
use super::report::Report;
use super::show::command_lines;
use super::steps::Step;
use crate::engine::{RelPath, Verdict};
use crate::filter::{Filter, FilterSpec, Rule};
use crate::plan::*;
use crate::transfer::batch::{Act, Entry};
use crate::transfer::progress::Progress;

fn rules(patterns: &[&str]) -> Vec<Rule> {
    patterns
        .iter()
        .map(|text| Rule {
            pattern: text.to_string(),
            origin: None,
        })
        .collect()
}

fn source() -> SourcePlan {
    SourcePlan {
        name: SourceName("web".into()),
        path: "/data/website".into(),
        filter: FilterSpec {
            include: rules(&["**"]),
            exclude: Vec::new(),
        },
        events: EventSet::default(),
        one_file_system: true,
        guard: SourceGuard::default(),
        labels: Default::default(),
        routes: Default::default(),
    }
}

fn daemon(path: &str, password: Option<Secret>) -> Target {
    Target::Daemon {
        user: Some("web".into()),
        host: "10.0.0.9".into(),
        port: 873,
        module: "m".into(),
        path: path.into(),
        password,
    }
}

fn ssh() -> Target {
    Target::Ssh {
        user: Some("mirror".into()),
        host: "2001:db8::1".into(),
        port: Some(2222),
        path: "/srv/mirror".into(),
        identity_file: Some("/etc/heliostat/a key".into()),
        known_hosts_file: Some("/etc/heliostat/known_hosts".into()),
        jump: Some("bastion".into()),
    }
}

fn route(target: Target, delete: DeletePolicy) -> RoutePlan {
    RoutePlan {
        name: RouteName {
            source: SourceName("web".into()),
            target: TargetName("far".into()),
        },
        target,
        filter: FilterSpec {
            include: rules(&["**"]),
            exclude: rules(&["/cache/", "*.tmp"]),
        },
        delete,
        max_delete: DeleteBudget::Default,
        sync: Sync::Live,
        windows: Vec::new(),
        debounce: Debounce {
            quiet_ms: 5,
            max_wait_ms: 1000,
        },
        rescan: Rescan {
            schedule: None,
            compare: Compare::Quick,
            on_start: OnStart::Auto,
        },
        bandwidth: None,
        compress: Compress::None,
        attributes: Attributes::default(),
        timeout_ms: 60_000,
        retry: Retry {
            initial_ms: 1000,
            max_ms: 60_000,
        },
        rsync_args: Vec::new(),
        require_mount: false,
    }
}

fn entry(path: &str, act: Act) -> Entry {
    Entry {
        path: RelPath::new(path.as_bytes()).unwrap(),
        act,
    }
}

fn words(route: &RoutePlan, step: &Step, leave: Leave) -> String {
    let (source, filter) = (source(), Filter::compile(&route.filter).unwrap());
    let orders = Orders {
        source: &source,
        route,
        filter: &filter,
        bandwidth: Some(5_000),
        small: true,
    };
    let all = orders.arguments(step, leave, vec!["--kind".into()], "far:/");
    all.iter()
        .map(|word| word.to_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

const COMMON: &str = "--no-motd --no-human-readable --out-format=%i|%b|%n";
const OWN: &str = "--filter=- .heliostat-????????????????.tmp";

#[test]
fn command_lines_of_a_daemon_route() {
    let mut mirror = route(
        daemon("htdocs", Some(Secret::File("/etc/heliostat/secret".into()))),
        DeletePolicy::Mirror,
    );
    mirror.filter.exclude = rules(&["/cache/"]);
    let rules = Filter::compile(&mirror.filter).unwrap().rsync_rules();
    let rules: String = rules
        .iter()
        .map(|rule| format!(" '--filter={rule}'"))
        .collect();
    let tail = format!(
        "'--out-format=%i|%b|%n' --contimeout=10 --sockopts=TCP_NODELAY --password-file=/etc/heliostat/secret '{OWN}'{rules} -- \
         /data/website/ rsync://web@10.0.0.9:873/m/htdocs/"
    );
    let head = "rsync --links --perms --times --owner --group --recursive --delete-after";
    assert_eq!(
        command_lines(&source(), &mirror),
        [
            format!(
                "{head} --delete-missing-args --force --max-delete=COUNTED --from0 --files-from=- --modify-window=-1 --ignore-times \
                 --one-file-system --timeout=60 --no-motd --no-human-readable {tail}"
            ),
            format!(
                "{head} --force --max-delete=COUNTED --stats --modify-window=-1 --one-file-system --timeout=60 --no-motd \
                 --no-human-readable --info=progress2 {tail}"
            ),
        ]
    );
}

#[test]
fn secrets_are_shown_by_reference() {
    let lines = |secret| {
        command_lines(
            &source(),
            &route(daemon("", Some(secret)), DeletePolicy::Never),
        )
    };
    assert!(lines(Secret::Env("PW".into()))[0].starts_with("RSYNC_PASSWORD=\"$PW\" rsync "));
    assert!(
        lines(Secret::Credential("c".into()))[0]
            .starts_with("RSYNC_PASSWORD=\"$(cat \"$CREDENTIALS_DIRECTORY/c\")\" rsync ")
    );
    assert!(
        command_lines(
            &source(),
            &route(
                Target::Local {
                    path: "/mnt/x".into()
                },
                DeletePolicy::Never
            )
        )
        .is_empty()
    );
}

#[test]
fn the_remote_shell_is_one_word() {
    let line = &command_lines(&source(), &route(ssh(), DeletePolicy::Never))[0];
    let shell = "-e 'ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o LogLevel=ERROR -o ServerAliveInterval=15 -o ConnectTimeout=10 \
                 -o UserKnownHostsFile=/etc/heliostat/known_hosts -o GlobalKnownHostsFile=/dev/null \
                 -o '\\''IdentityFile=\"/etc/heliostat/a key\"'\\'' -o IdentitiesOnly=yes -o ProxyJump=bastion -p 2222'";
    assert!(line.contains(shell), "{line}");
    assert!(
        line.ends_with("-- /data/website/ 'mirror@[2001:db8::1]:/srv/mirror/'"),
        "{line}"
    );
    assert!(
        !line.contains("--contimeout") && !line.contains("delete"),
        "{line}"
    );
}

#[test]
fn each_leave_has_its_options() {
    let mut route = route(daemon("", None), DeletePolicy::Mirror);
    route.filter.exclude = Vec::new();
    let step = Step {
        entries: vec![entry("a", Act::Remove)],
        recurse: true,
        trust: false,
        delete: true,
        pass: None,
    };
    let rules: String = Filter::compile(&route.filter)
        .unwrap()
        .rsync_rules()
        .iter()
        .map(|rule| format!("--filter={rule} "))
        .collect();
    let line = |middle: &str| {
        format!(
            "--links --perms --times --owner --group --recursive {middle}--from0 --files-from=- --modify-window=-1 --ignore-times \
             --one-file-system --whole-file --bwlimit=5 {COMMON} --kind {OWN} {rules}-- /data/website/ far:/"
        )
    };
    for (leave, middle) in [
        (Leave::Never, ""),
        (Leave::One, "--delete-missing-args --max-delete=1 "),
        (
            Leave::None,
            "--delete-during --delete-missing-args --max-delete=0 ",
        ),
        (
            Leave::Count,
            "--dry-run --delete-after --delete-missing-args --force ",
        ),
        (
            Leave::Counted(7),
            "--delete-after --delete-missing-args --force --max-delete=7 ",
        ),
    ] {
        assert_eq!(words(&route, &step, leave), line(middle), "{leave:?}");
    }
    // Without `--delete` nothing else that deletes may be there: the receiver would not know the filters.
    let keeping = Step {
        delete: false,
        ..step
    };
    assert_eq!(words(&route, &keeping, Leave::Counted(7)), line(""));
}

#[test]
fn attributes_and_options() {
    let mut route = route(daemon("", None), DeletePolicy::Never);
    route.attributes = Attributes {
        archive: false,
        acls: true,
        xattrs: true,
        hard_links: true,
        devices: true,
        numeric_ids: true,
    };
    route.compress = Compress::Zlib;
    route.bandwidth = Some(1);
    route.rsync_args = vec!["--chmod=D755".into()];
    let step = Step {
        entries: vec![entry("a", Act::Attributes)],
        trust: true,
        ..Step::default()
    };
    let line = words(&route, &step, Leave::Never);
    let begin = "--times --devices --specials --hard-links --acls --xattrs --numeric-ids --no-recursive --from0 --files-from=- \
                 --modify-window=-1 --one-file-system --whole-file --bwlimit=1 --compress-choice=zlibx";
    assert!(
        line.starts_with(begin) && line.contains(" --chmod=D755 --kind "),
        "{line}"
    );
    assert!(
        line.contains(&format!(" {OWN} ")) && line.contains(" --filter=- *.tmp"),
        "{line}"
    );
    let pass = Step {
        recurse: true,
        trust: true,
        pass: Some(Compare::Checksum),
        ..Step::default()
    };
    let line = words(&route, &pass, Leave::Never);
    assert!(
        line.contains(" --stats --modify-window=-1 --checksum ") && !line.contains("files-from"),
        "{line}"
    );
}

#[test]
fn a_removed_way_passes_its_own_filter() {
    let mut route = route(daemon("", None), DeletePolicy::Mirror);
    route.filter = FilterSpec {
        include: rules(&["*.rs"]),
        exclude: Vec::new(),
    };
    let entries = vec![
        entry("a.rs", Act::Remove),
        entry("d/e", Act::Remove),
        entry("w*[x]\\y", Act::Remove),
        entry("b\\c", Act::Remove),
    ];
    let step = Step {
        entries,
        recurse: true,
        delete: true,
        ..Step::default()
    };
    let line = words(&route, &step, Leave::Counted(1));
    assert!(
        line.contains("tmp --filter=+ /d/e --filter=+ /w\\*\\[x]\\\\y --filter=+ /b\\c --filter="),
        "{line}"
    );
    assert!(!line.contains("+ /a.rs"), "{line}");
}

#[test]
fn the_list_is_bytes_each_with_its_dot() {
    let entries = vec![
        entry("#a", Act::Send),
        entry("-rf\nx", Act::Send),
        entry("", Act::Send),
    ];
    assert_eq!(
        list(&Step {
            entries,
            ..Step::default()
        }),
        b"./#a\0./-rf\nx\0./\0"
    );
}

#[test]
fn a_listing_is_named_with_its_slash_and_nothing_is_entered() {
    let entries = vec![
        entry("", Act::Listing),
        entry("d\n", Act::Listing),
        entry("d\n/e", Act::Listing),
    ];
    let step = Step {
        entries,
        trust: true,
        delete: true,
        ..Step::default()
    };
    assert_eq!(list(&step), b"./\0./d\n/\0./d\n/e/\0");
    let mirror = route(daemon("", None), DeletePolicy::Mirror);
    let line = words(&mirror, &step, Leave::Counted(3));
    assert!(
        line.contains(
            " --no-recursive --delete-after --delete-missing-args --force --max-delete=3 --from0 "
        ),
        "{line}"
    );
    assert!(!line.contains("- /*") && !line.contains("--ignore-times"));
}

/// rsync takes `./` for the root and everything directly in it.
#[test]
fn the_roots_own_attributes_bring_nothing_of_what_is_in_it() {
    let mirror = route(daemon("", None), DeletePolicy::Mirror);
    let step = |path| Step {
        entries: vec![entry(path, Act::Attributes)],
        trust: true,
        ..Step::default()
    };
    assert!(words(&mirror, &step(""), Leave::Never).contains(" --filter=- /* --filter="));
    assert!(!words(&mirror, &step("d"), Leave::Never).contains("- /*"));
}

// ------------------------------------------------------------------ judging

fn judged(target: Target, step: &Step, leave: Leave, code: Option<i32>, output: &str) -> Judged {
    let policy = if leave == Leave::Never {
        DeletePolicy::Never
    } else {
        DeletePolicy::Mirror
    };
    let (source, route, progress) = (source(), route(target, policy), Progress::new());
    let kind = kind_of(&route.target).unwrap();
    let mut report = Report::new(leave == Leave::Count);
    output
        .lines()
        .for_each(|line| report.take(line.as_bytes(), &progress));
    judge(
        Case {
            source: &source,
            route: &route,
            kind,
            step,
            leave,
        },
        code,
        &report,
    )
}

fn batch(paths: &[&str]) -> Step {
    let entries = paths.iter().map(|path| entry(path, Act::Send)).collect();
    Step {
        entries,
        recurse: true,
        delete: true,
        ..Step::default()
    }
}

/// `failed` and `again` as `path: reason`.
fn check(target: Target, step: &Step, code: i32, output: &str, failed: &[&str], again: &[&str]) {
    let judged = judged(target, step, Leave::Counted(1), Some(code), output);
    assert_eq!(judged.verdict, Verdict::Done, "{output}");
    let shown: Vec<String> = judged
        .failed
        .iter()
        .map(|failure| format!("{}: {}", failure.path, failure.reason))
        .collect();
    assert_eq!(shown, failed, "{output}");
    assert_eq!(
        judged
            .again
            .iter()
            .map(RelPath::to_string)
            .collect::<Vec<_>>(),
        again,
        "{output}"
    );
}

const PARTIAL: &str = "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]";

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
    let mut report = Report::new(true);
    let progress = Progress::new();
    counted
        .lines()
        .for_each(|line| report.take(line.as_bytes(), &progress));
    let paths: Vec<_> = report.counted().iter().map(RelPath::to_string).collect();
    assert_eq!(paths, ["g/h/old"]);

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

/// How a refusal is judged: `retry` or `permanent`, its code, and what its message must say.
fn refused(target: Target, code: i32, output: &str, expected: (&str, &str), says: &str) {
    let judged = judged(target, &batch(&["d"]), Leave::None, Some(code), output);
    let (kind, trouble) = match judged.verdict {
        Verdict::Retry(trouble) => ("retry", trouble),
        Verdict::Permanent(trouble) => ("permanent", trouble),
        other => panic!("{other:?}"),
    };
    assert_eq!((kind, trouble.code), expected, "{trouble:?}");
    assert!(
        trouble.message.contains(says) && !trouble.message.contains('\n'),
        "{trouble:?}"
    );
    assert_eq!(trouble.soon, trouble.code == "busy");
}

#[test]
fn refusals_of_a_daemon() {
    let cases = [
        (
            5,
            "@ERROR: auth failed on module m",
            ("permanent", "auth"),
            "auth failed",
        ),
        (
            5,
            "@ERROR: Unknown module 'nomod'",
            ("permanent", "unknownModule"),
            "nomod",
        ),
        (
            5,
            "@ERROR: max connections (1) reached -- try again later",
            ("retry", "busy"),
            "max connections",
        ),
        (
            5,
            "@ERROR: chdir failed",
            ("retry", "noDestination"),
            "mount or create",
        ),
        (
            5,
            "rsync: [sender] read error: Connection reset by peer (104)\n@ERROR: chroot failed",
            ("retry", "noDestination"),
            "chroot",
        ),
        (
            5,
            "rsync: server sent \"HTTP/1.1 400 Bad Request\" rather than greeting",
            ("retry", "daemon"),
            "HTTP",
        ),
        (
            1,
            "ERROR: module is read only",
            ("permanent", "readOnly"),
            "read only = no",
        ),
        (
            1,
            "ERROR: password file must not be other-accessible",
            ("permanent", "passwordFile"),
            "chmod 600",
        ),
        (
            1,
            "rsync: --foo: unknown option",
            ("permanent", "usage"),
            "--foo",
        ),
        (
            2,
            "protocol version mismatch -- is your shell clean?",
            ("permanent", "protocol"),
            "too old",
        ),
        (3, "", ("retry", "sourceMissing"), "nothing"),
        (
            10,
            "rsync: [sender] failed to connect to 127.0.0.1 (127.0.0.1): Connection refused (111)",
            ("retry", "unreachable"),
            "refused",
        ),
        (
            10,
            "rsync: getaddrinfo: nohost.invalid 873: Name or service not known",
            ("retry", "unreachable"),
            "nohost",
        ),
        (
            11,
            "rsync: [receiver] write failed on \"/bigf\" (in full): No space left on device (28)",
            ("retry", "noSpace"),
            "make room",
        ),
        (
            11,
            "rsync: [Receiver] mkdir \"/a/b/c\" (in full) failed: No such file or directory (2)",
            ("retry", "noDestination"),
            "create",
        ),
        (
            12,
            "rsync: connection unexpectedly closed (8 bytes received so far) [sender]",
            ("retry", "connectionLost"),
            "closed",
        ),
        (
            30,
            "[sender] io timeout after 1 seconds -- exiting",
            ("retry", "timeout"),
            "io timeout",
        ),
        (35, "", ("retry", "timeout"), ""),
    ];
    for (code, output, expected, says) in cases {
        refused(daemon("", None), code, output, expected, says);
    }
}

#[test]
fn refusals_of_ssh() {
    let closed = "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n\
                  rsync error: unexplained error (code 255) at io.c(232) [sender=3.5.0]";
    let cases = [
        (
            "mirror@host: Permission denied (publickey).",
            ("permanent", "auth"),
        ),
        ("Host key verification failed.", ("permanent", "hostKey")),
        (
            "ssh: connect to host host port 1: Connection refused",
            ("retry", "unreachable"),
        ),
        (
            "ssh: Could not resolve hostname host: Name or service not known",
            ("retry", "unreachable"),
        ),
        (
            "kex_exchange_identification: banner line contains invalid characters",
            ("retry", "ssh"),
        ),
    ];
    for (line, expected) in cases {
        refused(ssh(), 255, &format!("{line}\n{closed}"), expected, line);
    }
    refused(
        ssh(),
        127,
        "bash: line 1: rsync: command not found",
        ("permanent", "noRsync"),
        "install",
    );
    check(
        ssh(),
        &batch(&["d/f", "g"]),
        23,
        &format!(
            "rsync: [receiver] mkstemp \"/srv/mirror/d/.f.aBcDeF\" failed: Permission denied (13)\n{PARTIAL}"
        ),
        &["d/f: mkstemp: permission denied"],
        &[],
    );
}

#[test]
fn messages_cannot_speak_to_a_terminal() {
    let judged = judged(
        daemon("", None),
        &batch(&["d"]),
        Leave::None,
        Some(5),
        "@ERROR: \u{1b}[31mauth failed",
    );
    assert!(
        matches!(judged.verdict, Verdict::Permanent(trouble) if !trouble.message.contains('\u{1b}'))
    );
}
