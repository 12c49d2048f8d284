//! Directories of the source that are swapped for symlinks while rsync reads them: nothing from outside is sent.
//!
//! rsync opens the files itself, and 3.5 follows no symlink of a user who is neither root nor its own. It does follow root's, if
//! somebody gives such a link another name: that is rsync's to change, and nothing around it helps, as a mount with
//! `nosymfollow`, for rsync reads where a link leads to and goes there itself (measured).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use heliostat::engine::{Dirt, Job, Mark, Work};
use heliostat::plan::{Compare, DeletePolicy, RoutePlan};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::rig::{Rig, mark};
use crate::rig::left_out;

/// Somebody who is not root.
const USER: u32 = 65_500;

/// Files in the directory that is swapped: the swap comes between any two of them.
const FILES: usize = 40;

/// Times that each kind of work is done: more than it took to be caught where rsync was told to follow every link.
const ROUNDS: usize = 8;

/// What must not be read.
const SECRET: &str = "a secret";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `source/dir` is a directory of public files, and `source/other` a symlink of this user to one of secrets.
fn plant(rig: &Rig, owner: u32) {
    let secret = rig.at("secret");
    for (directory, text) in [(rig.source.join("dir"), "public"), (secret.clone(), SECRET)] {
        fs::create_dir_all(directory.join("sub")).unwrap();
        fs::write(directory.join("sub/file"), text).unwrap();
        for number in 0..FILES {
            fs::write(directory.join(number.to_string()), text).unwrap();
        }
    }
    fs::write(secret.join("key"), SECRET).unwrap();
    let link = rig.source.join("other");
    symlink(&secret, &link).unwrap();
    lchown(&link, Some(owner), Some(owner)).unwrap();
}

/// Regular files below this directory that have the secret, or its name.
fn leaked(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(leaked(&path)),
            Ok(kind) if kind.is_file() => {
                let secret = fs::read_to_string(&path).is_ok_and(|text| text == SECRET);
                if secret || path.file_name() == Some(OsStr::new("key")) {
                    found.push(path.display().to_string());
                }
            }
            _ => {}
        }
    }
    found
}

/// Every kind of work, again and again, while both names are exchanged without a pause.
async fn swapped(rig: &Rig) -> Vec<String> {
    let route = RoutePlan {
        warm: false,
        ..rig.route(DeletePolicy::Propagate)
    };
    let job = |work| rig.job(route.clone(), work);
    let files: Vec<Mark> = (0..FILES)
        .map(|number| mark(&format!("dir/{number}"), Dirt::CONTENT))
        .collect();
    let works: [fn(Vec<Mark>) -> Work; 4] = [
        Work::Batch,
        |_| Work::Batch(vec![mark("dir/sub", Dirt::SUBTREE | Dirt::CONTENT)]),
        |_| Work::Batch(vec![mark("dir", Dirt::SUBTREE | Dirt::CONTENT)]),
        |_| Work::Pass(Compare::Quick),
    ];
    let jobs: Vec<Job> = works.iter().map(|work| job(work(files.clone()))).collect();
    let (over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (dir, other) = (rig.source.join("dir"), rig.source.join("other"));
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                renameat_with(CWD, &dir, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                // Each phase of rsync meets the one and the other.
                let lasts = swaps.fetch_add(1, Relaxed) % 13 * 100;
                (0..lasts).for_each(|_| std::hint::spin_loop());
            }
        });
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                for _ in 0..ROUNDS {
                    for job in &jobs {
                        fs::remove_dir_all(rig.target.join("dir")).ok();
                        rig.run(job).await;
                        found.extend(leaked(&rig.target));
                    }
                }
            });
        });
        over.store(true, Relaxed);
    });
    assert!(swaps.load(Relaxed) > 100, "{swaps:?}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_symlinks_lead_rsync_nowhere() {
    if !is_root() {
        return left_out("only root gives links away");
    }
    let rig = Rig::new("").await;
    plant(&rig, USER);
    let found = swapped(&rig).await;
    assert_eq!(found, Vec::<String>::new());
}
