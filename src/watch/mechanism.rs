//! Which mechanism watches a source.
//!
//! The kernel's own inotify on every local file system. notify, which is portable and asks less of the host, where the file
//! system is not local to this kernel (its directories may be others behind the same number) or `/proc` is not there. On
//! such file systems neither hears of changes that other hosts make; that is said once a stand, and left to the rescan.

use std::path::Path;

use rustix::fs::statfs;

use super::backend::Backend;
use super::inbox::Feed;
use super::inotify::Inotify;
use super::notify_backend::NotifyBackend;
use crate::host::shown;

/// Which mechanism watches a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// The one that fits the file system.
    #[default]
    Fitting,
    /// The kernel's inotify.
    Inotify,
    /// The crate notify.
    Notify,
}

/// File systems whose directories change without this kernel's doing, by the number that statfs(2) gives.
const FOREIGN: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x794c_7630, "overlay"), // its lower layers may be changed below it, without any event
];

impl Mechanism {
    /// Opens a backend for the root at this path; the error is for people. With `modify`, writes are told before a file is
    /// closed.
    pub(super) fn open(
        self,
        root: &Path,
        feed: Feed,
        modify: bool,
    ) -> Result<Box<dyn Backend>, String> {
        match self.fitting(root) {
            Mechanism::Notify => NotifyBackend::open(feed, modify),
            _ => Inotify::open(feed, modify),
        }
    }

    fn fitting(self, root: &Path) -> Mechanism {
        if self != Mechanism::Fitting {
            return self;
        }
        if let Some(name) = foreign(root) {
            tracing::warn!(
                root = %shown(root),
                "changes that are made elsewhere are not seen on {name}: they are left to the rescan"
            );
            return Mechanism::Notify;
        }
        match Path::new("/proc/self/fd").is_dir() {
            true => Mechanism::Inotify,
            false => Mechanism::Notify,
        }
    }
}

/// The file system of this directory, if it changes without this kernel's doing. The type of the number differs between
/// architectures, and its low 32 bits are what is documented.
#[allow(clippy::unnecessary_cast)]
fn foreign(root: &Path) -> Option<&'static str> {
    let found = statfs(root).ok()?.f_type as u32;
    FOREIGN
        .iter()
        .find_map(|(number, name)| (*number == found).then_some(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_taken_and_a_local_file_system_has_the_kernels_own() {
        let scratch = tempfile::tempdir().unwrap();
        for asked in [Mechanism::Inotify, Mechanism::Notify] {
            assert_eq!(asked.fitting(scratch.path()), asked);
        }
        let fitting = Mechanism::Fitting.fitting(scratch.path());
        match foreign(scratch.path()) {
            None => assert_eq!(fitting, Mechanism::Inotify),
            Some(_) => assert_eq!(fitting, Mechanism::Notify),
        }
        assert_eq!(foreign(Path::new("/proc")), None);
        assert_eq!(foreign(&scratch.path().join("none")), None);
    }
}
