//! Which directory a local target is, so that another one in its place is seen.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, fstat, fstatvfs, open};

use crate::engine::TargetId;

/// Which directory this is; `None` where the file system does not say.
///
/// By the file system's own id and the inode, not by the device, whose number a restart of the machine may change. Unless
/// what was written there `lasts`, the machine's start is part of it: what was written before the last one may be lost,
/// and nothing that was known of the directory holds for what is there now.
pub fn target_id(directory: impl AsFd, lasts: bool) -> Option<TargetId> {
    let inode = fstat(&directory).ok()?.st_ino;
    let file_system = fstatvfs(&directory).ok()?.f_fsid;
    let file_system = if lasts {
        file_system
    } else {
        file_system ^ start()
    };
    Some(TargetId { file_system, inode })
}

/// Which directory is at this path; `None` where none can be opened.
pub fn target_id_at(path: &Path, lasts: bool) -> Option<TargetId> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    target_id(open(path, flags, Mode::empty()).ok()?, lasts)
}

/// The machine's start, as a number; 0 where the kernel does not tell one from another. Read once: it does not change.
fn start() -> u64 {
    static START: OnceLock<u64> = OnceLock::new();
    *START.get_or_init(|| std::fs::read_to_string(BOOT).map_or(0, |text| number_of(&text)))
}

/// A random UUID, another one at each start.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Of a UUID; all of its halves count, since some of its digits are the same in all.
fn number_of(uuid: &str) -> u64 {
    let digits = uuid
        .bytes()
        .filter_map(|byte| char::from(byte).to_digit(16));
    let number = digits.fold(0u128, |number, digit| number << 4 | u128::from(digit));
    (number >> 64) as u64 ^ number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_directory_in_its_place_is_another_target() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("target");
        assert_eq!(target_id_at(&path, true), None);
        std::fs::create_dir(&path).unwrap();
        let first = target_id_at(&path, true).unwrap();
        assert_eq!(target_id_at(&path, true), Some(first));
        std::fs::rename(&path, scratch.path().join("aside")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_ne!(target_id_at(&path, true).unwrap(), first);
    }

    #[test]
    fn a_start_of_the_machine_makes_another_target_of_what_does_not_last() {
        let scratch = tempfile::tempdir().unwrap();
        let target = |lasts| target_id_at(scratch.path(), lasts).unwrap();
        assert_eq!(
            target(false),
            target(false),
            "within one start it is the same"
        );
        assert_ne!(target(false), target(true));
        assert_eq!(
            target(false).file_system ^ start(),
            target(true).file_system
        );
        let one = number_of("b5c2a1de-6c1f-4b6b-9d0a-0123456789ab\n");
        assert_ne!(one, number_of("b5c2a1de-6c1f-4b6b-9d0a-0123456789ac\n"));
        assert_ne!(one, number_of("c5c2a1de-6c1f-4b6b-9d0a-0123456789ab\n"));
    }
}
