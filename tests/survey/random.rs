//! Random histories between two surveys: what differs is marked, and what does not is not.
//!
//! `HELIOSTAT_CASES` sets the number of histories, `HELIOSTAT_SEED` repeats a run; the seed of a red run is printed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use heliostat::engine::{Dirt, RelPath, Surveyed};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use super::{World, p, set_modified};

const CASES: u32 = 200;

/// Something that somebody does. It may fail; then nothing happens.
#[derive(Clone, Debug)]
enum Act {
    Write(String, u8),
    /// The same size, and the time set back.
    Rewrite(String, u8),
    Mode(String, u8),
    Back(String, i64),
    Rename(String, String),
    Exchange(String, String),
    Link(String, String),
    Symlink(String),
    Pipe(String),
    Directory(String),
    Remove(String),
    /// Removed, and made again as it was.
    Again(String),
    ComeAndGo(String),
    Out(String),
    In(String),
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a"), Just("b"), Just("a-"), Just("\u{e9}")];
    proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (path(), 0..3u8).prop_map(|(path, byte)| Act::Write(path, byte)),
        2 => (path(), any::<u8>()).prop_map(|(path, byte)| Act::Rewrite(path, byte)),
        1 => (path(), any::<u8>()).prop_map(|(path, mode)| Act::Mode(path, mode)),
        1 => (path(), 0..3i64).prop_map(|(path, time)| Act::Back(path, time)),
        2 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Act::Exchange(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| Act::Link(from, to)),
        1 => path().prop_map(Act::Symlink),
        1 => path().prop_map(Act::Pipe),
        4 => path().prop_map(Act::Directory),
        2 => path().prop_map(Act::Remove),
        2 => path().prop_map(Act::Again),
        1 => path().prop_map(Act::ComeAndGo),
        1 => path().prop_map(Act::Out),
        1 => path().prop_map(Act::In),
    ]
}

fn remove(path: &Path) {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        let _ = fs::remove_dir_all(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

impl Act {
    fn happen(&self, world: &World) -> Option<()> {
        let outside = world.scratch.path().join("outside");
        let is_link = |path: &Path| {
            path.symlink_metadata()
                .is_ok_and(|found| found.is_symlink())
        };
        match self {
            Act::Write(path, byte) => {
                let path = world.at(path);
                let is_file = path
                    .symlink_metadata()
                    .map_or(true, |found| found.is_file());
                is_file.then(|| fs::write(path, vec![b'x'; usize::from(*byte)]).ok())?
            }
            Act::Rewrite(path, byte) => {
                let path = world.at(path);
                let found = path.symlink_metadata().ok()?;
                if !found.is_file() {
                    return None;
                }
                fs::write(&path, vec![*byte; found.len() as usize]).ok()?;
                set_modified(&path, found.mtime(), found.mtime_nsec());
                Some(())
            }
            Act::Mode(path, mode) => {
                let path = world.at(path);
                let mode = 0o700 | u32::from(*mode & 0o77);
                (!is_link(&path))
                    .then(|| fs::set_permissions(path, PermissionsExt::from_mode(mode)).ok())?
            }
            Act::Back(path, time) => {
                let path = world.at(path);
                path.symlink_metadata().ok()?;
                set_modified(&path, 1_000_000 + time, 0);
                Some(())
            }
            Act::Rename(from, to) => fs::rename(world.at(from), world.at(to)).ok(),
            Act::Exchange(one, other) => renameat_with(
                CWD,
                world.at(one),
                CWD,
                world.at(other),
                RenameFlags::EXCHANGE,
            )
            .ok(),
            Act::Link(from, to) => fs::hard_link(world.at(from), world.at(to)).ok(),
            Act::Symlink(path) => std::os::unix::fs::symlink("a", world.at(path)).ok(),
            Act::Pipe(path) => mknodat(CWD, world.at(path), FileType::Fifo, Mode::RUSR, 0).ok(),
            Act::Directory(path) => fs::create_dir(world.at(path)).ok(),
            Act::Remove(path) => {
                remove(&world.at(path));
                Some(())
            }
            Act::Again(path) => {
                let path = world.at(path);
                let found = path.symlink_metadata().ok()?;
                // Not of a pipe: who reads one waits for a writer.
                let content = found.is_file().then(|| fs::read(&path));
                remove(&path);
                if found.is_dir() {
                    fs::create_dir(&path).ok()
                } else {
                    fs::write(&path, content?.ok()?).ok()?;
                    set_modified(&path, found.mtime(), found.mtime_nsec());
                    Some(())
                }
            }
            Act::ComeAndGo(path) => {
                let path = world.at(path).join("guest");
                fs::write(&path, "").ok()?;
                fs::remove_file(path).ok()
            }
            Act::Out(path) => {
                remove(&outside);
                fs::rename(world.at(path), outside).ok()
            }
            Act::In(path) => fs::rename(outside, world.at(path)).ok(),
        }
    }
}

/// What `lstat` and a reader see of one path.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    is_dir: bool,
    inode: u64,
    facts: [i64; 10],
    content: Vec<u8>,
}

type Tree = BTreeMap<RelPath, Seen>;

fn see(root: &Path) -> Tree {
    let (mut tree, mut open) = (Tree::new(), vec![RelPath::root()]);
    while let Some(path) = open.pop() {
        let at = path.under(root);
        let found = at.symlink_metadata().unwrap();
        let kind = found.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(&at).unwrap() {
                open.push(path.join(entry.unwrap().file_name().as_bytes()));
            }
        }
        let seen = Seen {
            is_dir: kind.is_dir(),
            inode: found.ino(),
            facts: [
                i64::from(found.mode()),
                i64::from(found.uid()),
                i64::from(found.gid()),
                if kind.is_dir() {
                    0
                } else {
                    found.size() as i64
                },
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
                found.rdev() as i64,
                i64::from(kind.is_fifo()),
            ],
            content: if kind.is_file() {
                fs::read(&at).unwrap()
            } else if kind.is_symlink() {
                fs::read_link(&at).unwrap().as_os_str().as_bytes().to_vec()
            } else {
                Vec::new()
            },
        };
        tree.insert(path, seen);
    }
    tree
}

/// What the marks do not say of what differs, and what they say of what does not.
fn complaints(before: &Tree, now: &Tree, found: &Surveyed) -> Vec<String> {
    let marks: BTreeMap<RelPath, Dirt> = match found {
        Surveyed::Done { marks, young } if young.is_empty() => {
            let marks = marks.iter().map(|mark| (mark.path.clone(), mark.dirt));
            marks.collect()
        }
        other => return vec![format!("{other:?}")],
    };
    let mut complaints = Vec::new();
    let mut complain = |path: &RelPath, what: &str| complaints.push(format!("{path}: {what}"));
    // Whether it or something above it has these marks.
    let covered = |path: &RelPath, dirt: Dirt| {
        let above = path.ancestors().filter_map(RelPath::new);
        let mut all = above.chain([RelPath::root(), path.clone()]);
        all.any(|path| marks.get(&path).is_some_and(|found| found.has(dirt)))
    };
    let own = |path: &RelPath, dirt: Dirt| marks.get(path).is_some_and(|found| found.has(dirt));
    let whole = Dirt::SUBTREE | Dirt::CONTENT;
    let paths: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
    for path in paths {
        let (one, other) = (before.get(path), now.get(path));
        if one == other {
            if own(path, Dirt::none()) {
                complain(path, "marked, and nothing differs");
            }
            continue;
        }
        let right = match (one, other) {
            (Some(_), None) => covered(path, Dirt::GONE),
            (Some(one), Some(other)) if one.is_dir && other.is_dir && one.inode == other.inode => {
                own(path, Dirt::LISTING | Dirt::ATTRIBUTES) || covered(path, whole)
            }
            (Some(one), Some(other)) if one.is_dir != other.is_dir => {
                let there = if other.is_dir { whole } else { Dirt::CONTENT };
                covered(path, Dirt::GONE) && (own(path, there) || covered(path, whole))
            }
            (_, Some(other)) if other.is_dir => covered(path, whole),
            _ => own(path, Dirt::CONTENT) || covered(path, whole),
        };
        if !right {
            complain(path, "differs, and is not covered");
        }
        let same_dir = matches!((one, other), (Some(one), Some(other))
            if one.is_dir && other.is_dir && one.inode == other.inode);
        if same_dir && (own(path, Dirt::SUBTREE) || own(path, Dirt::GONE)) {
            complain(path, "the same directory, marked with all that is below");
        }
    }
    for path in marks.keys() {
        if !before.contains_key(path) && !now.contains_key(path) {
            complain(path, "marked, and was never there");
        }
    }
    complaints
}

fn property(acts: &[Act], then: &[Vec<Act>]) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for act in acts {
        act.happen(&world);
    }
    world.learn();
    for acts in then {
        let before = see(&world.source());
        let root = before[&p("")].clone();
        for act in acts {
            act.happen(&world);
        }
        let now = see(&world.source());
        let (found, staged) = world.compare();
        let wrong = complaints(&before, &now, &found);
        prop_assert!(wrong.is_empty(), "{wrong:#?}\n{found:?}\n{root:?}");
        world.rows.commit(staged);
        let fresh = world.fresh();
        prop_assert_eq!(&world.rows.directories(), &fresh.directories());
        prop_assert!(world.rows == fresh, "rows are not those of a fresh survey");
        let (found, staged) = world.compare();
        prop_assert!(complaints(&now, &now, &found).is_empty(), "{found:?}");
        prop_assert!(staged.is_empty());
        world.tick();
    }
    Ok(())
}

#[test]
fn what_differs_is_marked_and_nothing_else() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = number("HELIOSTAT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let cases = number("HELIOSTAT_CASES").map_or(CASES, |cases| cases as u32);
    println!("HELIOSTAT_SEED={seed} HELIOSTAT_CASES={cases}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let acts = |most| proptest::collection::vec(act(), 0..most);
    let histories = (acts(30), proptest::collection::vec(acts(8), 1..4));
    let found = TestRunner::new_with_rng(config, rng)
        .run(&histories, |(acts, then)| property(&acts, &then));
    if let Err(failure) = found {
        panic!("HELIOSTAT_SEED={seed} HELIOSTAT_CASES={cases}\n{failure}");
    }
}
