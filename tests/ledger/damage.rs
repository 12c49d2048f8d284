//! Files that are not what they were: opening says so, takes a moment, and never gives what was not written.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::rig::Scratch;
use heliostat::ledger::{DAMAGED, NAME, Opened};

/// Cases of random damage; set `HELIOSTAT_LEDGER_CASES` for more.
const CASES: u64 = 300;
/// Far longer than any opening takes: one that hangs fails the test and not the whole run.
const HANGS: Duration = Duration::from_secs(60);

/// Copies what there is of a ledger.
fn copy(from: &Path, to: &Path) {
    for side in ["", "-wal"] {
        let name = format!("{NAME}{side}");
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// A ledger of ten checkpoints of two sources, left as SIGKILL would (`with` its journal) or as a proper end does.
struct Written {
    histories: [History; 2],
    with: PathBuf,
    without: PathBuf,
}

impl Written {
    fn new(scratch: &Scratch) -> Written {
        let (live, with, without) = (scratch.dir("l"), scratch.dir("w"), scratch.dir("o"));
        let mut histories = [History::new("one", 3), History::new("two", 4)];
        let (ledger, _) = open(&live);
        for number in 1..=10 {
            for history in &mut histories {
                history.write(&ledger, number);
            }
            ledger.remember_mounts(&source("one"), vec![path("m/n")]);
            ledger.book(run(number));
            assert!(ledger.flush());
        }
        copy(&live, &with);
        assert!(ledger.close());
        copy(&live, &without);
        Written {
            histories,
            with,
            without,
        }
    }

    /// What was opened is of what was written, and goes on.
    fn check(&mut self, directory: &Path, opened: Opened) {
        let Opened { ledger, memory, .. } = opened;
        for history in &self.histories {
            let standing = history.standing(&memory);
            // Without a standing nobody asks for rows; they are none that were not written all the same.
            history.check_true(&ledger, standing.unwrap_or(10));
        }
        for (name, memory) in &memory.sources {
            assert!(["one", "two"].contains(&name.0.as_str()), "{name}");
            let true_mounts = [vec![], vec![path("m/n")]];
            assert!(true_mounts.contains(&memory.mounts));
        }
        for found in ledger.runs(100) {
            assert_eq!(found, run(found.took_ms));
        }
        for history in &mut self.histories {
            let step = history.step(11);
            let whole = Commit {
                whole: true,
                ..step.commit
            };
            ledger.stage(whole.survey, step.staged);
            ledger.commit(whole);
        }
        assert!(ledger.flush());
        assert!(ledger.close());
        let again = Ledger::open(directory);
        for history in &mut self.histories {
            // A whole survey's rows are not those of the history; its routes are.
            history.standing(&again.memory);
            history.after.truncate(11);
        }
    }
}

/// Opens in another thread, with a deadline.
fn open_in_time(directory: &Path) -> Opened {
    let (sender, receiver) = mpsc::channel();
    let at = directory.to_owned();
    thread::spawn(move || {
        // Nobody waits for it only where the test has failed.
        let _ = sender.send(Ledger::open(&at));
    });
    receiver.recv_timeout(HANGS).expect("it opens at all")
}

/// Damages one file.
fn damage(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) -> &'static str {
    let length = bytes.len().max(1);
    let at = random.usize(..length);
    match random.u32(..100) {
        0..25 => {
            bytes.truncate(at);
            "truncated"
        }
        25..75 => {
            for _ in 0..random.usize(1..9) {
                let at = random.usize(..length);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.u32(..8);
                }
            }
            "flipped"
        }
        75..82 => {
            // Where the structure is: the first bytes of a page.
            let at = at / 4096 * 4096 + random.usize(..32);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.u8(..);
            }
            "page head"
        }
        82..88 => {
            let end = (at / 4096 * 4096 + 4096).min(bytes.len());
            bytes[at / 4096 * 4096..end].fill(0);
            "zeroed"
        }
        88..94 => {
            let (one, two) = (at / 8192 * 8192, random.usize(..length) / 8192 * 8192);
            if one.max(two) + 8192 <= bytes.len() {
                for offset in 0..8192 {
                    bytes.swap(one + offset, two + offset);
                }
            }
            "swapped"
        }
        _ => {
            bytes.extend((0..random.usize(1..20_000)).map(|_| random.u8(..)));
            "longer"
        }
    }
}

#[test]
fn random_damage_never_gives_what_was_not_written() {
    let cases = std::env::var("HELIOSTAT_LEDGER_CASES")
        .map_or(CASES, |cases| cases.parse().expect("a number of cases"));
    let scratch = Scratch::new();
    let mut written = Written::new(&scratch);
    let (mut said, mut stood) = (0, 0);
    for seed in 0..cases {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = scratch.dir("case");
        let base = match random.bool() {
            true => &written.with,
            false => &written.without,
        };
        copy(base, &directory);
        let journal = directory.join(format!("{NAME}-wal"));
        let file = match journal.exists() && random.u32(..3) > 0 {
            true => journal,
            false => directory.join(NAME),
        };
        let mut bytes = fs::read(&file).unwrap();
        let kind = damage(&mut random, &mut bytes);
        fs::write(&file, bytes).unwrap();
        eprintln!("case {seed}: {kind} {}", file.display());
        let opened = open_in_time(&directory);
        said += u64::from(opened.damage.is_some());
        stood += u64::from(!opened.memory.routes.is_empty());
        written.check(&directory, opened);
        fs::remove_dir_all(&directory).unwrap();
    }
    eprintln!("of {cases}: {said} were said to be damaged, {stood} had something left");
    assert!(said > cases / 10 && stood > cases / 10, "{said} {stood}");
}

#[test]
fn files_of_different_moments_are_one_checkpoint_or_none() {
    let scratch = Scratch::new();
    let live = scratch.dir("live");
    let (ledger, _) = open(&live);
    let mut history = History::new("one", 8);
    let mut random = fastrand::Rng::with_seed(8);
    for number in 1..=60 {
        history.write(&ledger, number);
        if random.bool() {
            // While it is being written: the file is of an earlier moment than its journal, or of a later one.
            let directory = scratch.dir("copy");
            let mut sides = ["", "-wal"];
            random.shuffle(&mut sides);
            for side in sides {
                let name = format!("{NAME}{side}");
                let _ = fs::copy(live.join(&name), directory.join(&name));
            }
            if directory.join(NAME).exists() {
                let opened = open_in_time(&directory);
                let standing = history.standing(&opened.memory);
                history.check_true(&opened.ledger, standing.unwrap_or(number));
                assert!(opened.ledger.close());
            }
            fs::remove_dir_all(directory).unwrap();
        }
    }
    assert!(ledger.flush());
    history.check_whole(&ledger, 60);
}

/// What is in the place is said not to be good, is kept aside, and the ledger goes on without it.
fn set_aside(directory: &Path, expected: &str) {
    let opened = open_in_time(directory);
    let damage = opened.damage.unwrap();
    assert!(damage.contains(expected), "{damage}");
    assert_eq!(opened.memory, Memory::default());
    assert!(fs::symlink_metadata(directory.join(DAMAGED)).is_ok());
    let mut history = History::new("one", 1);
    history.write(&opened.ledger, 1);
    assert!(opened.ledger.close());
    let (ledger, memory) = open(directory);
    assert_eq!(history.standing(&memory), Some(1));
    history.check_whole(&ledger, 1);
}

#[test]
fn another_file_in_its_place_is_set_aside() {
    let scratch = Scratch::new();
    let place = scratch.path().join(NAME);
    for content in [&b""[..], b"SQLite format 3\0", &[0; 5000], b"# notes\n"] {
        fs::write(&place, content).unwrap();
        set_aside(scratch.path(), "beginning an empty one");
        assert_eq!(fs::read(scratch.path().join(DAMAGED)).unwrap(), content);
    }
    fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink("/nonexistent", &place).unwrap();
    set_aside(scratch.path(), "it is not a regular file");
    fs::remove_file(&place).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &place,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    set_aside(scratch.path(), "it is not a regular file");
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(place.join("mine"), "1").unwrap();
    set_aside(scratch.path(), "it is not a regular file");
    assert_eq!(
        fs::read(scratch.path().join(DAMAGED).join("mine")).unwrap(),
        b"1"
    );
}

#[test]
fn what_cannot_be_set_aside_is_left_alone_and_it_goes_on_without() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join(NAME), "mine").unwrap();
    // Full of somebody's files: not for us to remove.
    fs::create_dir_all(scratch.path().join(DAMAGED).join("mine")).unwrap();
    let opened = open_in_time(scratch.path());
    let damage = opened.damage.unwrap();
    assert!(damage.contains("going on without it"), "{damage}");
    let ledger = opened.ledger;
    History::new("one", 1).write(&ledger, 1);
    ledger.book(run(1));
    assert!(ledger.flush() && ledger.runs(1).is_empty());
    assert!(ledger.rows(&source("one")).is_none());
    assert!(ledger.close());
    assert_eq!(fs::read(scratch.path().join(NAME)).unwrap(), b"mine");
}

/// Four bytes in the file's header.
fn header(directory: &Path, at: usize, value: u32) {
    let mut bytes = fs::read(directory.join(NAME)).unwrap();
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    fs::write(directory.join(NAME), bytes).unwrap();
}

#[test]
fn a_newer_version_and_another_programs_database_are_set_aside() {
    let scratch = Scratch::new();
    let written = Written::new(&scratch);
    let (newer, other) = (scratch.dir("newer"), scratch.dir("other"));
    copy(&written.without, &newer);
    header(&newer, 60, 99);
    set_aside(&newer, "it is of version 99");
    copy(&written.without, &other);
    header(&other, 68, 1234);
    set_aside(&other, "it is not a ledger");
}

#[test]
fn a_first_start_and_a_journal_alone_are_no_damage() {
    let scratch = Scratch::new();
    let written = Written::new(&scratch);
    let alone = scratch.dir("alone");
    let journal = format!("{NAME}-wal");
    fs::copy(written.with.join(&journal), alone.join(&journal)).unwrap();
    let (ledger, memory) = open(&alone);
    assert_eq!(memory, Memory::default());
    assert!(ledger.close());
}
