//! What kind of file system a directory is on.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstatfs, open};

/// File systems whose directories change without this kernel's doing, by the number that statfs(2) gives.
const FOREIGN: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x6573_5546, "FUSE"), // virtiofs too
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "vboxsf"),
    (0xf15f, "ecryptfs"), // the directory below it may be changed, without any event
    (0x794c_7630, "overlay"), // so may its lower layers
];

/// The name of the file system that this directory is on, if it changes without this kernel's doing. The type of the number
/// differs between architectures, and its low 32 bits are what is documented.
#[allow(clippy::unnecessary_cast)]
pub fn foreign(directory: impl AsFd) -> Option<&'static str> {
    let found = fstatfs(directory).ok()?.f_type as u32;
    FOREIGN
        .iter()
        .find_map(|(number, name)| (*number == found).then_some(*name))
}

/// The same by its path; `None` also where it cannot be opened.
pub fn foreign_at(path: &Path) -> Option<&'static str> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    foreign(open(path, flags, Mode::empty()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_kernel_alone_changes_is_not_foreign() {
        assert_eq!(foreign_at(Path::new("/proc")), None);
        assert_eq!(foreign_at(Path::new("/proc/none")), None);
        for (number, name) in FOREIGN {
            let same = |other: &&(u32, &str)| other.0 == *number || other.1 == *name;
            assert_eq!(FOREIGN.iter().filter(same).count(), 1, "{name}");
        }
    }
}
