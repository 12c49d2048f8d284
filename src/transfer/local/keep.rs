//! Which metadata a run keeps: the route's attributes as this process is able to carry them out.

use super::meta::{Kind, Meta};
use super::place::PRIVATE;
use crate::host::{Power, Powers};
use crate::plan::Attributes;

/// What is kept.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    /// Symlinks, modes, times, owner, group.
    pub(super) archive: bool,
    pub(super) acls: bool,
    pub(super) xattrs: bool,
    pub(super) hard_links: bool,
    pub(super) devices: bool,
    /// Whether this process is root.
    pub(super) root: bool,
    /// Whether it may give files away: root, and who has that power alone.
    pub(super) gives: bool,
    /// Who this process makes files as.
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Groups that a process without that power may give its own files to.
    pub(super) groups: Vec<u32>,
    /// The bits that new files do not get where modes are not kept.
    pub(super) umask: u32,
}

impl Keep {
    /// For this process. `numeric_ids` makes no difference on one host: names and numbers are the same on both sides.
    pub(super) fn new(attributes: &Attributes) -> Keep {
        let Attributes {
            archive,
            acls,
            xattrs,
            hard_links,
            devices,
            numeric_ids: _,
        } = *attributes;
        let mut groups: Vec<u32> = rustix::process::getgroups()
            .unwrap_or_default()
            .iter()
            .map(|gid| gid.as_raw())
            .collect();
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        groups.push(gid.as_raw());
        Keep {
            archive,
            acls,
            xattrs,
            hard_links,
            devices,
            root: uid.is_root(),
            gives: uid.is_root() || Powers::own().has(Power::Chown),
            uid: uid.as_raw(),
            gid: gid.as_raw(),
            groups,
            umask: if archive { 0 } else { umask() },
        }
    }

    /// Whether objects of this type are carried over at all.
    pub(super) fn carries(&self, kind: Kind) -> bool {
        match kind {
            Kind::File | Kind::Dir => true,
            Kind::Symlink => self.archive,
            Kind::Fifo | Kind::Socket | Kind::Char | Kind::Block => self.devices,
        }
    }

    /// Why an object of this type is left out, for people.
    pub(super) fn left_out(kind: Kind) -> String {
        let (what, key) = match kind {
            Kind::Symlink => ("a symlink", "archive"),
            Kind::Fifo => ("a fifo", "devices"),
            Kind::Socket => ("a socket", "devices"),
            _ => ("a device", "devices"),
        };
        format!("left out: {what}, and `attributes` has no `{key}`")
    }

    /// Whether extended attributes of any sort are looked at.
    pub(super) fn extras(&self) -> bool {
        self.acls || self.xattrs
    }

    /// The owner that the target should get, if it must change. Without that power only the group can, and only to an own one.
    pub(super) fn new_owner(&self, source: &Meta, target: &Meta) -> (Option<u32>, Option<u32>) {
        if !self.archive {
            return (None, None);
        }
        let uid = (self.gives && source.uid != target.uid).then_some(source.uid);
        let gid = (source.gid != target.gid && (self.gives || self.groups.contains(&source.gid)))
            .then_some(source.gid);
        (uid, gid)
    }

    /// The mode that a file is made with which shall have `mode` in the end. Where it has its owner from the beginning, that
    /// is the same, so that it need not be changed: who may read it then may read what there is of it now. Anywhere else
    /// only this user may open it until its owner, its group (a directory may hand its own down) and its ACLs are right.
    pub(super) fn first_mode(&self, source: &Meta, mode: u32) -> u32 {
        let own = (source.uid, source.gid) == (self.uid, self.gid) && self.archive && !self.acls;
        // Nothing for the group that others have not, nothing that gives powers away, and all that copying needs.
        let harmless = mode & 0o070 & !(mode << 3) == 0 && mode & 0o7000 == 0;
        if own && harmless && mode & PRIVATE == PRIVATE {
            mode
        } else {
            PRIVATE
        }
    }

    /// The mode that the target should have: `old` is what stands there now, if that is kept.
    pub(super) fn mode(&self, source: &Meta, old: Option<&Meta>) -> u32 {
        match old {
            _ if self.archive => source.mode,
            Some(old) => old.mode,
            None => source.mode & 0o777 & !self.umask,
        }
    }
}

/// The process's file creation mask; asking the kernel for it by `umask(2)` would change it for a moment.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok())
        .unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_to_nobody_who_may_not_read_it_in_the_end() {
        let keep = Keep::new(&Attributes::default());
        let own = Meta {
            uid: keep.uid,
            gid: keep.gid,
            ..Meta::of(&rustix::fs::stat("/").unwrap())
        };
        for mode in [0o644, 0o755, 0o600, 0o666, 0o604] {
            assert_eq!(keep.first_mode(&own, mode), mode, "{mode:o}");
        }
        for mode in [0o640, 0o660, 0o654, 0o4755, 0o2644, 0o444, 0o000] {
            assert_eq!(keep.first_mode(&own, mode), PRIVATE, "{mode:o}");
        }
        let other = |uid, gid| Meta { uid, gid, ..own };
        assert_eq!(
            keep.first_mode(&other(own.uid + 1, own.gid), 0o644),
            PRIVATE
        );
        assert_eq!(
            keep.first_mode(&other(own.uid, own.gid + 1), 0o644),
            PRIVATE
        );
        let acls = Keep { acls: true, ..keep };
        assert_eq!(acls.first_mode(&own, 0o644), PRIVATE);
    }
}
