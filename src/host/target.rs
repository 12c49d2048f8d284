//! Which directory a local target is, so that another one in its place is seen.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, fstatvfs, open};

use crate::engine::TargetId;

/// Which directory this is; `None` where the file system does not say.
///
/// By the file system's own id and the inode, not by the device, whose number a restart of the machine may change.
pub fn target_id(directory: impl AsFd) -> Option<TargetId> {
    let inode = fstat(&directory).ok()?.st_ino;
    let file_system = fstatvfs(&directory).ok()?.f_fsid;
    Some(TargetId { file_system, inode })
}

/// Which directory is at this path; `None` where none can be opened.
pub fn target_id_at(path: &Path) -> Option<TargetId> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    target_id(open(path, flags, Mode::empty()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_directory_in_its_place_is_another_target() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("target");
        assert_eq!(target_id_at(&path), None);
        std::fs::create_dir(&path).unwrap();
        let first = target_id_at(&path).unwrap();
        assert_eq!(target_id_at(&path), Some(first));
        std::fs::rename(&path, scratch.path().join("aside")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_ne!(target_id_at(&path).unwrap(), first);
    }
}
