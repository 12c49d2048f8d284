//! Which commit a directory was checked out from.
//!
//! Read from git's own files: to start `git` would run what the repository's configuration names, and it refuses
//! repositories of other users. Only the commit is told, not whether something in the work tree was edited since.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Larger than any `HEAD`, reference or `.git` file; of `packed-refs` that many lines are looked through.
const SMALL: u64 = 64 << 10;
const PACKED_MAX: u64 = 64 << 20;
/// A reference that names a reference that names a reference.
const HOPS_MAX: usize = 5;

/// The commit of the git work tree that `path` lies in; `None`: there is none, or it cannot be told. May block.
pub fn revision(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let git = path.ancestors().find_map(repository)?;
    // A linked work tree has its references in the main one's directory.
    let common = match text(&git.join("commondir"), SMALL) {
        Some(common) => git.join(common.trim()),
        None => git.clone(),
    };
    let mut word = text(&git.join("HEAD"), SMALL)?;
    for _ in 0..HOPS_MAX {
        let Some(name) = word.trim().strip_prefix("ref:") else {
            return commit(word.trim());
        };
        let name = name.trim().to_owned();
        // It is a path, so that it must not lead elsewhere.
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        let loose = text(&git.join(&name), SMALL).or_else(|| text(&common.join(&name), SMALL));
        word = match loose {
            Some(found) => found,
            None => packed(&common, &name)?,
        };
    }
    None
}

/// The repository of a work tree whose top is this directory.
fn repository(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let named = text(&git, SMALL)?;
    Some(top.join(named.trim().strip_prefix("gitdir:")?.trim()))
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let all = text(&common.join("packed-refs"), PACKED_MAX)?;
    let mut lines = all.lines().filter_map(|line| line.split_once(' '));
    lines.find_map(|(commit, of)| (of == name).then(|| commit.to_owned()))
}

/// SHA-1 or SHA-256, in hex.
fn commit(word: &str) -> Option<String> {
    let hex = matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| word.to_owned())
}

fn text(path: &Path, most: u64) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    file.take(most).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef01234567";
    const TWO: &str = "89abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_work_tree_a_linked_one_and_none() {
        let scratch = tempfile::tempdir().unwrap();
        let write = |at: &str, text: &str| {
            let path = scratch.path().join(at);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let at = |at: &str| revision(&scratch.path().join(at));
        write("main/conf.d/a.yaml", "");
        assert_eq!(at("main/conf.d"), None);
        write("main/.git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(at("main/conf.d"), None, "no commit yet");
        write(
            "main/.git/packed-refs",
            &format!("# pack-refs\n{ONE} refs/heads/main\n"),
        );
        assert_eq!(at("main/conf.d").as_deref(), Some(ONE));
        write("main/.git/refs/heads/main", &format!("{TWO}\n"));
        assert_eq!(at("main/conf.d/a.yaml").as_deref(), Some(TWO));
        let linked = scratch.path().join("main/.git/worktrees/w");
        write("w/.git", &format!("gitdir: {}\n", linked.display()));
        write("main/.git/worktrees/w/HEAD", "ref: refs/heads/main");
        write("main/.git/worktrees/w/commondir", "../..\n");
        write("w/conf.d/a.yaml", "");
        assert_eq!(at("w/conf.d").as_deref(), Some(TWO));
        write("main/.git/worktrees/w/HEAD", ONE);
        assert_eq!(at("w/conf.d").as_deref(), Some(ONE));
        write("main/.git/HEAD", "ref: ../../secret");
        assert_eq!(at("main/conf.d"), None);
        assert_eq!(at("nothing"), None);
    }
}
