//! Extended attributes, ACLs among them: which ones a run carries, and bringing them in step.
//!
//! The choice of names is rsync's (`rsync_xal_get` in its `xattrs.c`): root carries everything but `system.*`, others
//! only `user.*`, and nobody the bookkeeping of `--fake-super`. POSIX ACLs are two attributes of `system.*`; their
//! bytes are the same on both sides of one host.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::fault::{Fault, at_source, at_target};
use super::keep::Keep;

/// Attributes by name.
pub(super) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// The kernel's own limit for a list of names and for a value.
const KERNEL_MAX: usize = 64 * 1024;

const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// Whether a run carries the attribute `name`.
fn carried(keep: &Keep, name: &[u8]) -> bool {
    if name == ACCESS_ACL || name == DEFAULT_ACL {
        return keep.acls;
    }
    keep.xattrs && !name.starts_with(b"system.") && (keep.root || name.starts_with(b"user."))
}

/// Whether an attribute is rsync's own bookkeeping, which stays behind.
fn bookkeeping(name: &[u8]) -> bool {
    name.starts_with(b"user.rsync.%")
}

/// What a descriptor of any sort can be reached by: the calls by descriptor refuse those that cannot read.
pub(super) fn by_descriptor(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Reads what a run carries of an object's attributes. A file system without them has none.
fn read(keep: &Keep, fd: BorrowedFd<'_>) -> Result<Xattrs, Errno> {
    let path = by_descriptor(fd);
    let mut found = Xattrs::new();
    let mut list = vec![0u8; 1024];
    let used = loop {
        match rustix::fs::listxattr(&path, &mut list[..]) {
            Ok(used) => break used,
            Err(Errno::RANGE) if list.len() < KERNEL_MAX => list.resize(KERNEL_MAX, 0),
            Err(Errno::OPNOTSUPP) => return Ok(found),
            Err(error) => return Err(error),
        }
    };
    let mut value = Vec::new();
    for name in list[..used].split(|byte| *byte == 0) {
        if name.is_empty() || !carried(keep, name) {
            continue;
        }
        value.resize(KERNEL_MAX, 0);
        match rustix::fs::getxattr(&path, name, &mut value[..]) {
            Ok(length) => {
                found.insert(name.to_vec(), value[..length].to_vec());
            }
            // Removed between the two calls.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The source's side of the comparison.
pub(super) fn of_source(keep: &Keep, fd: impl AsFd) -> Result<Xattrs, Fault> {
    let mut found = read(keep, fd.as_fd())
        .map_err(|error| at_source("reading the extended attributes of", error))?;
    found.retain(|name, _| !bookkeeping(name));
    Ok(found)
}

/// The target's side of the comparison.
pub(super) fn of_target(keep: &Keep, fd: impl AsFd) -> Result<Xattrs, Fault> {
    read(keep, fd.as_fd()).map_err(|error| at_target("reading the extended attributes of", error))
}

/// Which of the two steps around `chmod` is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything that must be done while the file is still writable; and ACLs that go, since the mode that they leave
    /// behind is their mask.
    BeforeMode,
    /// ACLs that come: they carry the mode's bits in them.
    AfterMode,
}

/// Makes the target's attributes the source's, as far as `step` goes; says whether anything was done.
pub(super) fn apply(
    source: &Xattrs,
    target: &Xattrs,
    fd: BorrowedFd<'_>,
    step: Step,
) -> Result<bool, Fault> {
    let path = by_descriptor(fd);
    let mut changed = false;
    if step == Step::BeforeMode {
        for name in target.keys().filter(|name| !source.contains_key(*name)) {
            match rustix::fs::removexattr(&path, &**name) {
                Ok(()) | Err(Errno::NODATA) => changed = true,
                Err(error) => return Err(at_target("removing an extended attribute of", error)),
            }
        }
    }
    for (name, value) in source {
        let acl = name == ACCESS_ACL || name == DEFAULT_ACL;
        if acl != (step == Step::AfterMode) || target.get(name) == Some(value) {
            continue;
        }
        match rustix::fs::setxattr(&path, &**name, value, XattrFlags::empty()) {
            Ok(()) => changed = true,
            Err(Errno::OPNOTSUPP) => {
                let what = if acl {
                    "ACLs"
                } else {
                    "such extended attributes"
                };
                return Err(Fault::Failed(format!(
                    "the target's file system has no {what}: mount it with them, or leave them out of `attributes`"
                )));
            }
            Err(error) => return Err(at_target("setting an extended attribute of", error)),
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Attributes;

    #[test]
    fn names_are_chosen_as_rsync_does() {
        let keep = |xattrs, acls, root| Keep {
            root,
            ..Keep::new(&Attributes {
                xattrs,
                acls,
                ..Attributes::default()
            })
        };
        let both = keep(true, true, true);
        assert!(
            carried(&both, b"user.a")
                && carried(&both, b"security.capability")
                && carried(&both, b"trusted.x")
        );
        assert!(carried(&both, ACCESS_ACL) && !carried(&both, b"system.other"));
        let plain = keep(true, false, false);
        assert!(
            carried(&plain, b"user.a")
                && !carried(&plain, b"security.capability")
                && !carried(&plain, ACCESS_ACL)
        );
        let acls = keep(false, true, true);
        assert!(!carried(&acls, b"user.a") && carried(&acls, DEFAULT_ACL));
        assert!(bookkeeping(b"user.rsync.%stat") && !bookkeeping(b"user.rsync.x"));
    }
}
