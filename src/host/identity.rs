//! The root's identity: which directory a source's path means right now.
//!
//! A root that is renamed, removed and made again, mounted over, or reached through a symlink that is swapped gives no
//! event that says so: the old tree would be watched for ever. So every component of the path is looked at, again and
//! again, and a different answer means another root.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::engine::{RootId, escape};

/// What `path` means now: each of its components by `lstat` (`/` itself is left out), then the root by `stat`. The
/// error is for people.
pub fn identify(path: &Path) -> Result<RootId, String> {
    let mut identity = Vec::new();
    let mut components: Vec<&Path> = path
        .ancestors()
        .filter(|ancestor| ancestor.parent().is_some())
        .collect();
    components.reverse();
    for component in components {
        let found = fs::symlink_metadata(component).map_err(|error| why(component, &error))?;
        identity.push((found.dev(), found.ino()));
    }
    let root = fs::metadata(path).map_err(|error| why(path, &error))?;
    if !root.is_dir() {
        return Err(format!("`{}` is not a directory", shown(path)));
    }
    identity.push((root.dev(), root.ino()));
    Ok(RootId(identity))
}

/// A path as text for messages.
pub fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    escape(path.as_os_str().as_bytes()).into_owned()
}

/// What is in the way of looking at a path, with the way out.
pub fn why(path: &Path, error: &io::Error) -> String {
    let path = shown(path);
    match error.kind() {
        io::ErrorKind::NotFound => format!("`{path}` is not there: create or mount it"),
        io::ErrorKind::NotADirectory => {
            format!("`{path}` has something above it that is not a directory")
        }
        io::ErrorKind::PermissionDenied => format!("`{path}` may not be read"),
        _ => format!("`{path}` cannot be looked at: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_symlink_or_a_root_made_again_is_another_root() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("one")).unwrap();
        fs::create_dir(at("two")).unwrap();
        std::os::unix::fs::symlink("one", at("current")).unwrap();
        let first = identify(&at("current")).unwrap();
        assert_eq!(identify(&at("current")).unwrap(), first);
        std::os::unix::fs::symlink("two", at("next")).unwrap();
        fs::rename(at("next"), at("current")).unwrap();
        assert_ne!(identify(&at("current")).unwrap(), first);
        let one = identify(&at("one")).unwrap();
        fs::rename(at("one"), at("away")).unwrap();
        assert!(
            identify(&at("one"))
                .unwrap_err()
                .contains("create or mount")
        );
        fs::create_dir(at("one")).unwrap();
        assert_ne!(identify(&at("one")).unwrap(), one);
        fs::write(at("file"), "").unwrap();
        assert!(
            identify(&at("file"))
                .unwrap_err()
                .contains("not a directory")
        );
    }
}
