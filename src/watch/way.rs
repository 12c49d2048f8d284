//! The way that a path leads: every directory in which the kernel looks a name up for it, through symlinks and mounts.
//!
//! Whatever makes a path mean something else happens to one of these names in one of these directories, or is a mount. So
//! who hears of both has heard of everything. Holds nothing open when it is done, or a file system could not be unmounted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, open, openat, readlinkat, statat};

/// path_resolution(7): the kernel gives up after so many.
const LINKS_MAX: usize = 40;

const REACH: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Goes the way of `path` as far as it leads. `each` is told every directory on it, and which name is looked up there,
/// *before* it is looked up: who begins to listen there then misses nothing. The last one has no name: it is what the path means.
pub(super) fn go(path: &Path, mut each: impl FnMut(BorrowedFd<'_>, Option<&[u8]>)) {
    let top = || open("/", REACH, Mode::empty());
    let Ok(mut here) = top() else { return };
    let mut rest = names(path.as_os_str().as_bytes());
    let mut links = 0;
    while let Some(name) = rest.pop() {
        if name != b".." {
            each(here.as_fd(), Some(&name));
        }
        let Some(next) = enter(&here, &name) else {
            return;
        };
        match next {
            Next::Directory(open) => here = open,
            Next::Link(leads) => {
                links += 1;
                if links > LINKS_MAX {
                    return;
                }
                if leads.starts_with(b"/") {
                    let Ok(top) = top() else { return };
                    here = top;
                }
                rest.extend(names(&leads));
            }
        }
    }
    each(here.as_fd(), None);
}

enum Next {
    Directory(OwnedFd),
    Link(Vec<u8>),
}

fn enter(here: &OwnedFd, name: &[u8]) -> Option<Next> {
    let found = statat(here, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => {
            let open = openat(here, name, REACH, Mode::empty()).ok()?;
            Some(Next::Directory(open))
        }
        FileType::Symlink => {
            let leads = readlinkat(here, name, Vec::new()).ok()?;
            Some(Next::Link(leads.into_bytes()))
        }
        _ => None,
    }
}

/// The path's names, the last one first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."))
        .rev()
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn looked_up(path: &Path) -> (Vec<String>, bool) {
        let (mut all, mut arrives) = (Vec::new(), false);
        go(path, |_, name| match name {
            Some(name) => all.push(String::from_utf8_lossy(name).into_owned()),
            None => arrives = true,
        });
        (all, arrives)
    }

    #[test]
    fn symlinks_are_gone_through_name_by_name_and_an_end_is_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let above = looked_up(&top).0;
        fs::create_dir_all(top.join("releases/two/web")).unwrap();
        symlink("releases/../releases/two", top.join("current")).unwrap();
        symlink(top.join("current/web"), top.join("site")).unwrap();
        let (all, arrives) = looked_up(&top.join("site"));
        let mut expected = above.clone();
        expected.push("site".into());
        expected.extend(above.clone());
        let way = ["current", "releases", "releases", "two", "web"];
        expected.extend(way.map(str::to_owned));
        assert_eq!((all, arrives), (expected, true));
        let (all, arrives) = looked_up(&top.join("releases/three/web"));
        assert_eq!(
            (&all[above.len()..], arrives),
            (&["releases".to_owned(), "three".to_owned()][..], false)
        );
        symlink("loop", top.join("loop")).unwrap();
        assert!(!looked_up(&top.join("loop")).1);
    }
}
