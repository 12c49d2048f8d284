//! As an ordinary user: what may not be read, given away or entered. Root runs these tests once more as `nobody`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use heliostat::engine::Verdict;
use heliostat::transfer::batch::Act;

use super::snapshot::{self, differences};
use super::{World, batch, p};
use crate::rig;

/// Runs the test `name` of this file as an ordinary user.
fn ordinarily(name: &str, body: impl FnOnce()) {
    rig::ordinary::ordinarily(&format!("local::ordinary::{name}"), body);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn an_unreadable_directory_suspends_deletions_below_it_only() {
    ordinarily(
        "an_unreadable_directory_suspends_deletions_below_it_only",
        || {
            let world = World::new();
            for path in [
                "source/shut/deep",
                "source/open",
                "target/shut/deep",
                "target/open",
            ] {
                std::fs::create_dir_all(world.scratch.path().join(path)).unwrap();
            }
            for path in ["shut/extra", "shut/deep/extra", "open/extra", "extra"] {
                std::fs::write(world.target().join(path), b"x").unwrap();
            }
            std::fs::write(world.source().join("open/unreadable"), b"x").unwrap();
            std::fs::write(world.source().join("open/readable"), b"x").unwrap();
            mode(&world.source().join("open/unreadable"), 0o000);
            // Searchable, but not to be listed.
            mode(&world.source().join("shut"), 0o311);
            let outcome = world.pass();
            mode(&world.source().join("shut"), 0o755);
            assert_eq!(
                (&outcome.verdict, outcome.stats.deleted),
                (&Verdict::Done, 2),
                "{outcome:?}"
            );
            let failed: Vec<_> = outcome
                .failed
                .iter()
                .map(|failure| (failure.path.to_string(), &*failure.reason))
                .collect();
            let wanted = [
                (
                    "open/unreadable".to_string(),
                    "opening the source: permission denied",
                ),
                (
                    "shut".to_string(),
                    "opening a directory of the source: permission denied",
                ),
            ];
            assert_eq!(failed, wanted);
            assert!(
                world.target().join("shut/extra").exists()
                    && world.target().join("shut/deep/extra").exists()
            );
            assert_eq!(snapshot::names(&world.target().join("open")), [b"readable"]);
        },
    );
}

#[test]
fn read_only_directories_are_written_and_stay_read_only() {
    ordinarily(
        "read_only_directories_are_written_and_stay_read_only",
        || {
            let world = World::new();
            std::fs::create_dir_all(world.source().join("a/b")).unwrap();
            for path in ["a/one", "a/b/two", "a/gone"] {
                std::fs::write(world.source().join(path), b"x").unwrap();
            }
            let shut = |bits| {
                ["a/b", "a"]
                    .iter()
                    .for_each(|path| mode(&world.source().join(path), bits))
            };
            let open = |bits| {
                ["a", "a/b"]
                    .iter()
                    .for_each(|path| mode(&world.source().join(path), bits))
            };
            let in_step = || {
                let text = differences(
                    &snapshot::of(&world.source(), &world.attributes),
                    &snapshot::of(&world.target(), &world.attributes),
                );
                assert!(text.is_empty(), "{text}");
            };
            shut(0o555);
            let outcome = world.pass();
            assert_eq!(
                (&outcome.verdict, outcome.failed.len()),
                (&Verdict::Done, 0),
                "{outcome:?}"
            );
            in_step();
            // A batch into them, and a deletion.
            open(0o755);
            std::fs::write(world.source().join("a/b/two"), b"changed").unwrap();
            std::fs::remove_file(world.source().join("a/gone")).unwrap();
            shut(0o555);
            let outcome = world.run(&batch([
                (p("a/b/two"), Act::Send),
                (p("a/gone"), Act::Remove),
            ]));
            assert_eq!(
                (
                    &outcome.verdict,
                    outcome.failed.len(),
                    outcome.stats.deleted
                ),
                (&Verdict::Done, 0, 1),
                "{outcome:?}"
            );
            in_step();
            // A whole read-only tree goes.
            open(0o755);
            std::fs::remove_dir_all(world.source().join("a")).unwrap();
            let outcome = world.pass();
            assert_eq!(
                (
                    &outcome.verdict,
                    outcome.failed.len(),
                    outcome.stats.deleted
                ),
                (&Verdict::Done, 0, 4),
                "{outcome:?}"
            );
            in_step();
        },
    );
}

#[test]
fn who_cannot_give_files_away_keeps_them() {
    ordinarily("who_cannot_give_files_away_keeps_them", || {
        let world = World::new();
        // A source of somebody else's: the system's own.
        let source = Path::new("/etc/ssl");
        if !source.is_dir() {
            return;
        }
        let outcome = world.run_between(
            source,
            &world.target(),
            &batch([(p("openssl.cnf"), Act::Send)]),
        );
        assert_eq!(
            (&outcome.verdict, outcome.failed.len()),
            (&Verdict::Done, 0),
            "{outcome:?}"
        );
        if let (Ok(ours), Ok(theirs)) = (
            source.join("openssl.cnf").metadata(),
            world.target().join("openssl.cnf").metadata(),
        ) {
            assert_eq!(
                (ours.mode(), ours.mtime_nsec()),
                (theirs.mode(), theirs.mtime_nsec())
            );
            assert_ne!(ours.uid(), theirs.uid());
        }
    });
}
