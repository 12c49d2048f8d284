//! Mount points below the root: what is mounted over a watched directory hides it without any event.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::engine::RelPath;

/// The mounts below a root, each by its place and the kernel's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounts(BTreeSet<(RelPath, u64)>);

impl Mounts {
    /// The mounts below `root` now; none where they cannot be told.
    pub(crate) fn below(root: &Path) -> Mounts {
        let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
        match fs::canonicalize(root) {
            Ok(root) => Mounts::parse(&table, &root),
            Err(_) => Mounts::default(),
        }
    }

    /// The places where something was mounted or unmounted since `earlier`, outer ones first.
    pub(crate) fn changed_since(&self, earlier: &Mounts) -> BTreeSet<RelPath> {
        self.0
            .symmetric_difference(&earlier.0)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// proc_pid_mountinfo(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime …`, blanks and backslashes in names as `\040`, `\134`.
    fn parse(table: &[u8], root: &Path) -> Mounts {
        let mount = |line: &[u8]| {
            let mut fields = line.split(|byte| *byte == b' ');
            let number = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
            let place = unescape(fields.nth(3)?);
            let path = RelPath::below(root, Path::new(OsStr::from_bytes(&place)))?;
            (!path.is_root()).then_some((path, number))
        };
        Mounts(
            table
                .split(|byte| *byte == b'\n')
                .filter_map(mount)
                .collect(),
        )
    }
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, tail) {
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_the_root_are_told_apart() {
        let table = b"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /data/a\\040b rw - tmpfs t rw\n3 1 0:6 / /data rw - tmpfs t rw\nrubbish\n";
        let first = Mounts::parse(table, Path::new("/data"));
        let places: Vec<String> = first
            .0
            .iter()
            .map(|(path, number)| format!("{path} {number}"))
            .collect();
        assert_eq!(places, ["a b 2"]);
        let again = Mounts::parse(b"9 1 0:7 / /data/a\\040b rw", Path::new("/data"));
        assert_eq!(again.changed_since(&first).len(), 1);
        assert!(first.changed_since(&first).is_empty());
    }
}
