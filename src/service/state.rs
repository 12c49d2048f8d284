//! The state directory: one service at a time. What is kept in it is the ledger's.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use super::Failure;
use crate::engine::WatchId;
use crate::plan::SourceName;

/// The state directory, held by this process alone.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Creates what is missing and takes the lock.
    pub fn open(path: &Path) -> Result<StateDir, Failure> {
        let fail = |act: &str, at: &Path, error: io::Error| {
            Failure::Setup(format!(
                "cannot {act} `{}`: {error}; choose another with `--state-dir`",
                at.display()
            ))
        };
        // A symlink is followed here and nowhere below: it was named by who may name the directory.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| fail("create the state directory", path, error))?;
        let path = path
            .canonicalize()
            .map_err(|error| fail("find the state directory", path, error))?;
        private_dir(&path).map_err(|error| fail("use the state directory", &path, error))?;
        let at = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(NO_FOLLOW)
            .open(&at)
            .map_err(|error| fail("open the lock", &at, error))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Failure::Setup(format!(
                    "another heliostat runs with the state directory `{}`: stop it, or choose another with `--state-dir`",
                    path.display()
                )));
            }
            Err(error) => return Err(fail("lock", &at, error.into())),
        }
        for name in ["run", "cookies"] {
            let at = path.join(name);
            private_dir(&at).map_err(|error| fail("create", &at, error))?;
        }
        // These are made when there is something to keep in them.
        for name in ["generations", "hooks"] {
            let at = path.join(name);
            if fs::symlink_metadata(&at).is_ok() {
                private_dir(&at).map_err(|error| fail("use", &at, error))?;
            }
        }
        // What watches of an earlier run left.
        for left in fs::read_dir(path.join("cookies"))
            .into_iter()
            .flatten()
            .flatten()
        {
            // It would only lie there.
            let _ = fs::remove_dir_all(left.path());
        }
        Ok(StateDir { path, _lock: lock })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For transfers: sockets of ssh masters, the empty home.
    pub fn run_dir(&self) -> PathBuf {
        self.path.join("run")
    }

    /// For one watch's barrier cookies: not those of the source, for a watch that is ended may be slow to end.
    pub fn cookies(&self, source: &SourceName, watch: WatchId) -> PathBuf {
        self.path
            .join("cookies")
            .join(format!("{source}-{}", watch.0))
    }

    /// Marks the processes that belong to this directory's service.
    pub fn owner_tag(&self) -> String {
        self.path.display().to_string()
    }
}

/// A symlink in the last place is not opened, nor does a pipe there wait for its other end.
const NO_FOLLOW: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;

/// Creates a directory for this user alone. One that is there must be a directory and no symlink, which would have us
/// write and clear somewhere else, and be changed by nobody but this user and root.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let found = fs::symlink_metadata(path)?;
    let shown = || crate::engine::escape(path.as_os_str().as_bytes()).into_owned();
    if !found.is_dir() {
        return Err(io::Error::other(format!(
            "`{}` is no directory but a symlink: remove it",
            shown()
        )));
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own && found.uid() != 0 {
        return Err(io::Error::other(format!(
            "`{}` belongs to the user {}: it must be root's or that of the service's own user, {own}",
            shown(),
            found.uid()
        )));
    }
    let mode = found.permissions().mode();
    if mode & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "`{}` can be written by others (mode {:o})",
            shown(),
            mode & 0o7777
        )));
    }
    Ok(())
}

/// As [`private_dir`], with nothing in it: as a home, it would be read by what is started with it.
pub fn empty_dir(path: &Path) -> io::Result<()> {
    private_dir(path)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// A new file under this name, for this user alone. What is there goes: it is not written through.
pub fn private_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// A file of the state directory for reading; a symlink or a pipe that was planted there is none. Its size may not be over
/// the bound.
pub fn read_private(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(NO_FOLLOW)
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.len() > bytes_max {
        return Err(io::Error::other("it is too large"));
    }
    let mut text = String::new();
    (&mut file).take(bytes_max).read_to_string(&mut text)?;
    Ok(text)
}

/// As [`private_dir`] where the directory is missing; one that is there is somebody's decision (`/run`, a test's).
pub fn private_dir_or_existing(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        Ok(())
    } else {
        private_dir(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = StateDir::open(&path).unwrap();
        let second = StateDir::open(&path).unwrap_err();
        assert!(
            second.to_string().contains("another heliostat runs"),
            "{second}"
        );
        drop(first);
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(
            StateDir::open(dir.path())
                .unwrap_err()
                .to_string()
                .contains("written by others")
        );
    }
}
