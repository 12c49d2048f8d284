//! Trees, compared by what must be equal: type, mode, time in nanoseconds, content.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What stands at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub mode: u32,
    pub mtime: (i64, i64),
    pub content: Vec<u8>,
}

impl Node {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// By path.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// A directory as it is now, the root included. Links' times count too.
pub fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    visit(root, root, &mut tree);
    tree
}

fn visit(root: &Path, path: &Path, tree: &mut Tree) {
    let info = path.symlink_metadata().unwrap();
    let content = if info.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        names.iter().for_each(|child| visit(root, child, tree));
        Vec::new()
    } else if info.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()
    } else if info.is_file() {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let name = path
        .strip_prefix(root)
        .unwrap()
        .as_os_str()
        .as_bytes()
        .to_vec();
    tree.insert(
        name,
        Node {
            mode: info.mode(),
            mtime: (info.mtime(), info.mtime_nsec()),
            content,
        },
    );
}

/// What differs, one line a path.
pub fn differences(source: &Tree, target: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, node) in source {
        let shown = String::from_utf8_lossy(path);
        match target.get(path) {
            None => lines.push(format!("missing `{shown}`")),
            Some(there) if there != node => {
                lines.push(format!("differs `{shown}`: {node:?} {there:?}"))
            }
            Some(_) => {}
        }
    }
    lines.extend(
        target
            .keys()
            .filter(|path| !source.contains_key(*path))
            .map(|path| format!("extra `{}`", String::from_utf8_lossy(path))),
    );
    lines
}
