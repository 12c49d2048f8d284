//! Races between what happens in a tree and the watch that follows it: at the end of each, a copy that follows the marks
//! is the same, and what was renamed, replaced or brought back still has its watches.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use heliostat::engine::{Dirt, Mark, Notice, RelPath};
use heliostat::filter::Filter;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::shadow::Shadow;
use super::{Watch, World};

/// A watched tree, and a copy that follows its marks.
struct Followed {
    world: World,
    watch: Watch,
    shadow: Shadow,
}

impl Followed {
    /// A tree that has these directories when the watch begins.
    fn new(directories: &[&str]) -> Followed {
        Followed::of(World::new(), directories)
    }

    fn of(world: World, directories: &[&str]) -> Followed {
        for path in directories {
            fs::create_dir_all(world.at(path)).unwrap();
        }
        let watch = world.ready();
        let filter = Filter::compile(&world.plan.filter).unwrap();
        let shadow = Shadow::full(&world.root(), filter);
        Followed {
            world,
            watch,
            shadow,
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.world.at(path)
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.world.scratch.path().join(name)
    }

    /// Applies what is told up to a barrier.
    fn follow(&mut self) {
        for notice in self.watch.barrier() {
            match notice {
                Notice::Changed(marks) => marks.iter().for_each(|mark| self.shadow.apply(mark)),
                Notice::Ready(_) => self.shadow.apply(&Mark {
                    path: RelPath::root(),
                    dirt: Dirt::SUBTREE | Dirt::CONTENT,
                }),
                _ => {}
            }
        }
    }

    /// The copy is the same now, and still follows a file in every directory of the tree.
    fn check(&mut self) {
        self.follow();
        assert_eq!(self.shadow.differences(), Vec::<String>::new());
        touch_all(&self.world.root());
        self.follow();
        assert_eq!(
            self.shadow.differences(),
            Vec::<String>::new(),
            "afterwards"
        );
    }

    /// The same while `act` goes on beside.
    fn during(&mut self, act: impl FnOnce(&Path) + Send) {
        let (root, running) = (self.world.root(), AtomicBool::new(true));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                act(&root);
                running.store(false, Ordering::SeqCst);
            });
            while running.load(Ordering::SeqCst) {
                self.follow();
            }
        });
        self.check();
    }
}

/// A new file in every directory.
fn touch_all(directory: &Path) {
    fs::write(directory.join("touched"), "").unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            touch_all(&entry.path());
        }
    }
}

#[test]
fn deep_paths_that_are_made_with_their_files_at_once() {
    let mut followed = Followed::new(&[]);
    followed.during(|root| {
        for at in 0..60 {
            let deep = root.join(format!("{}/{at}/a/b/c/d/e", at % 5));
            fs::create_dir_all(&deep).unwrap();
            for above in deep.ancestors().take(6) {
                fs::write(above.join("f"), at.to_string()).unwrap();
            }
        }
    });
}

#[test]
fn a_directory_that_is_renamed_while_directories_and_files_are_made_below_it() {
    let mut followed = Followed::new(&["here-0/deep/er", "beside"]);
    let held = fs::File::open(followed.at("here-0/deep/er")).unwrap();
    followed.during(|root| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Through the open directory, wherever it is by now.
                for at in 0..400 {
                    let name = format!("new-{at}");
                    rustix::fs::mkdirat(&held, &*name, rustix::fs::Mode::RWXU).unwrap();
                    let open = rustix::fs::openat(
                        &held,
                        &*name,
                        rustix::fs::OFlags::DIRECTORY,
                        rustix::fs::Mode::empty(),
                    );
                    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
                    rustix::fs::openat(open.unwrap(), "f", flags, rustix::fs::Mode::RWXU).unwrap();
                }
                stop.store(true, Ordering::SeqCst);
            });
            for at in 0..100_000 {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let beside = ["", "beside/"];
                let from = root.join(format!("{}here-{at}", beside[at % 2]));
                let to = root.join(format!("{}here-{}", beside[(at + 1) % 2], at + 1));
                fs::rename(from, to).unwrap();
            }
        });
    });
}

#[test]
fn another_directory_that_takes_the_name_of_one_that_was_renamed() {
    let mut followed = Followed::new(&["a/x", "o"]);
    followed.during(|root| {
        for at in 0..100 {
            let (a, kept) = (root.join("a"), root.join(format!("o/kept-{at}")));
            fs::create_dir(a.join("late")).unwrap();
            fs::rename(&a, &kept).unwrap();
            fs::create_dir_all(a.join("late/deep")).unwrap();
            fs::write(kept.join("late/f"), "1").unwrap();
            fs::write(a.join("late/deep/g"), "2").unwrap();
            fs::remove_dir_all(a.join("late")).unwrap();
        }
    });
}

#[test]
fn directories_that_go_out_of_the_tree_and_come_back_changed() {
    let mut followed = Followed::new(&["a/b/c", "z"]);
    let outside = followed.outside("outside");
    followed.during(|root| {
        for at in 0..60 {
            fs::rename(root.join("a"), &outside).unwrap();
            fs::write(outside.join("b/f"), at.to_string()).unwrap();
            fs::create_dir(outside.join(format!("b/c/{at}"))).unwrap();
            fs::rename(&outside, root.join("z/a")).unwrap();
            fs::write(root.join("z/a/b/g"), at.to_string()).unwrap();
            fs::rename(root.join("z/a"), root.join("a")).unwrap();
        }
    });
    if super::name() != "inotify" && super::name() != "notify" {
        return; // there is no watch a directory
    }
    // What is out for good is not watched any more, or the kernel's limit would be used up by it.
    assert!(is_watched(&followed.at("a/b/c/7")));
    fs::rename(followed.at("a"), &outside).unwrap();
    let deadline = Instant::now() + super::DEADLINE;
    while is_watched(&outside) || is_watched(&outside.join("b/c/7")) {
        assert!(Instant::now() < deadline, "its watches stay");
        followed.follow(); // notify ends them after it has told
    }
}

/// Whether any watch of this process stands on the directory: proc(5), `inotify wd:1 ino:9e7e sdev:800013 …`.
fn is_watched(path: &Path) -> bool {
    let inode = format!(" ino:{:x} ", fs::metadata(path).unwrap().ino());
    let open = fs::read_dir("/proc/self/fdinfo").unwrap();
    open.flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .any(|info| info.contains(&inode))
}

#[test]
fn a_rename_that_brings_excluded_directories_into_scope_and_others_out_of_it() {
    let world = World::new().exclude(&["/a/cache/", "/b/d/"]);
    let mut followed = Followed::of(world, &["a/cache/deep", "a/d/e"]);
    fs::rename(followed.at("a"), followed.at("b")).unwrap();
    followed.follow();
    assert_eq!(followed.shadow.differences(), Vec::<String>::new());
    for path in ["b/cache/deep/f", "b/d/e/f"] {
        fs::write(followed.at(path), "").unwrap();
    }
    followed.follow();
    assert_eq!(followed.shadow.differences(), Vec::<String>::new());
}

#[test]
fn directories_that_are_removed_and_made_again_under_the_same_name() {
    let mut followed = Followed::new(&["a/b"]);
    followed.during(|root| {
        for at in 0..300 {
            fs::remove_dir_all(root.join("a")).unwrap(); // the next one often has the same inode number
            fs::create_dir_all(root.join("a/b")).unwrap();
            fs::write(root.join("a/b/f"), at.to_string()).unwrap();
        }
    });
}

#[test]
fn directories_that_replace_empty_ones_and_that_are_exchanged() {
    let mut followed = Followed::new(&["a/x", "b/y", "c"]);
    followed.during(|root| {
        for at in 0..100 {
            let path = |name: &str| root.join(name);
            fs::create_dir(path("empty")).unwrap();
            fs::rename(path("c"), path("empty")).unwrap();
            fs::create_dir_all(path("empty").join(format!("n-{at}"))).unwrap();
            fs::rename(path("empty"), path("c")).unwrap();
            let exchanged = renameat_with(CWD, path("a"), CWD, path("b"), RenameFlags::EXCHANGE);
            exchanged.unwrap();
            fs::write(path("a").join("f"), at.to_string()).unwrap();
            fs::create_dir(path("b").join(format!("n-{at}"))).unwrap();
        }
    });
}

#[test]
fn directories_symlinks_and_files_that_take_each_others_names() {
    let mut followed = Followed::new(&["real/sub", "d/sub"]);
    let away = followed.outside("away");
    followed.during(|root| {
        for at in 0..60 {
            let d = root.join("d");
            fs::rename(&d, &away).unwrap();
            symlink("real", &d).unwrap();
            fs::write(root.join("real/sub/f"), at.to_string()).unwrap();
            fs::remove_file(&d).unwrap();
            fs::write(&d, "a file").unwrap();
            fs::remove_file(&d).unwrap();
            fs::rename(&away, &d).unwrap();
            fs::write(d.join("sub/f"), at.to_string()).unwrap();
        }
    });
}

#[test]
fn names_of_any_bytes_and_the_greatest_length() {
    let mut followed = Followed::new(&[]);
    let strange: [&[u8]; 6] = [
        b"\xff\xfe",
        b"new\nline",
        b" blank ",
        b"-",
        &[b'n'; 255],
        &[0xc3; 255],
    ];
    followed.during(|root| {
        for outer in strange {
            let outer = root.join(OsStr::from_bytes(outer));
            fs::create_dir(&outer).unwrap();
            for inner in strange {
                let inner = outer.join(OsStr::from_bytes(inner));
                fs::create_dir(&inner).unwrap();
                fs::write(inner.join(OsStr::from_bytes(strange[0])), "1").unwrap();
            }
        }
    });
    // And renamed, with all that is below.
    let path = |name: &[u8]| followed.world.root().join(OsStr::from_bytes(name));
    fs::rename(path(strange[4]), path(&[b'm'; 255])).unwrap();
    followed.check();
}

#[test]
fn a_tree_deeper_than_a_path_may_be_long() {
    let mut followed = Followed::new(&[]);
    let name = "n".repeat(200);
    let flags = rustix::fs::OFlags::DIRECTORY;
    let (rwx, none) = (rustix::fs::Mode::RWXU, rustix::fs::Mode::empty());
    let mut here = rustix::fs::open(followed.world.root(), flags, none).unwrap();
    let mut path = RelPath::root();
    for _ in 0..25 {
        rustix::fs::mkdirat(&here, &*name, rwx).unwrap();
        here = rustix::fs::openat(&here, &*name, flags, none).unwrap();
        path = path.join(name.as_bytes());
    }
    followed.watch.barrier();
    let write = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::fs::openat(&here, "f", write, rwx).unwrap();
    let told = super::marks(&followed.watch.barrier());
    let covers = |mark: &Mark| {
        path.join(b"f") == mark.path || mark.dirt.has(Dirt::SUBTREE) && path.starts_with(&mark.path)
    };
    assert!(told.iter().any(covers), "{} marks", told.len());
}

/// In a name space of its own, where the kernel has room for some of the watches, and later for all.
#[test]
fn the_kernels_limit_of_watches_is_polled_over_and_filled_when_there_is_room() {
    const LIMIT: &str = "/proc/sys/user/max_inotify_watches";
    const INSIDE: &str = "HELIOSTAT_TEST_WATCHES_LIMITED";
    if super::name() != "inotify" && super::name() != "notify" {
        return; // there is no limit
    }
    if std::env::var_os(INSIDE).is_none() {
        let own = "the_kernels_limit_of_watches_is_polled_over_and_filled_when_there_is_room";
        let (_, module) = module_path!().split_once("::").unwrap();
        // Every directory above the root has one, and so have the barriers' directory and four of the seven.
        let limit = std::env::temp_dir().components().count() + 1 + 1 + 4;
        let script =
            format!("echo {limit} > {LIMIT} || exit 77; exec \"$0\" --exact {module}::{own}");
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, "")
            .status();
        match status.ok().and_then(|status| status.code()) {
            None | Some(1 | 77) => eprintln!("skipped: no name space of its own can be had here"),
            Some(code) => assert_eq!(code, 0, "see above"),
        }
        return;
    }
    let world = World::new();
    for path in ["a/b", "c/d", "e/f"] {
        fs::create_dir_all(world.at(path)).unwrap();
    }
    let mut watch = world.watch(1000);
    let told = watch.until(|notice| matches!(notice, Notice::Ready(_)));
    let said = |notice: &Notice| matches!(notice, Notice::Lost { reason } if reason.contains("limit of watches"));
    assert!(told.iter().any(said), "{told:?}");
    assert!(
        matches!(told.last(), Some(Notice::Ready(report)) if report.unwatched > 2 && report.directories > 0),
        "{told:?}"
    );
    let filter = Filter::compile(&world.plan.filter).unwrap();
    let shadow = Shadow::full(&world.root(), filter);
    let mut followed = Followed {
        world,
        watch,
        shadow,
    };
    followed.check(); // what is polled too
    fs::write(LIMIT, "1000").unwrap();
    let all = |notice: &Notice| matches!(notice, Notice::Report(report) if (report.directories, report.unwatched) == (7, 0));
    for notice in followed.watch.until(all) {
        if let Notice::Changed(marks) = notice {
            marks.iter().for_each(|mark| followed.shadow.apply(mark));
        }
    }
    fs::write(followed.at("e/f/late"), "").unwrap();
    followed.check();
}
