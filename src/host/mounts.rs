//! The mount table of this process's name space.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::engine::RelPath;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number: another mount on the same place has another one.
    pub number: u64,
    /// Where: a real path, no symlink in it.
    pub place: PathBuf,
}

/// Every mount; none where they cannot be told.
pub fn mounts() -> Vec<Mount> {
    let mut table = Vec::with_capacity(TABLE);
    let read = File::open("/proc/self/mountinfo").and_then(|mut file| file.read_to_end(&mut table));
    match read {
        Ok(_) => parse(&table),
        Err(_) => Vec::new(),
    }
}

/// Room for the table of most hosts. The kernel does not say how long it is, and without room it is read in many small
/// pieces, before every transfer.
const TABLE: usize = 16 << 10;

/// The mounts below `root`, each with its place below it. The table names real paths, so a root that is reached through
/// symlinks is resolved first.
pub fn below(mounts: &[Mount], root: &Path) -> Vec<(RelPath, u64)> {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let mut found: Vec<(RelPath, u64)> = mounts
        .iter()
        .filter_map(|mount| Some((RelPath::below(&real, &mount.place)?, mount.number)))
        .filter(|(path, _)| !path.is_root())
        .collect();
    found.sort();
    found
}

/// Whether a path is a mount point or lies on another mount than `/`.
pub fn on_own_mount(path: &Path, mounts: &[Mount]) -> bool {
    let Ok(real) = path.canonicalize() else {
        return false;
    };
    mounts
        .iter()
        .any(|mount| mount.place != Path::new("/") && real.starts_with(&mount.place))
}

/// proc_pid_mountinfo(5): `36 35 98:0 /mnt1 /mnt2 rw,noatime …`, blanks and backslashes in names as `\040`, `\134`.
fn parse(table: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let number = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let place = OsString::from_vec(unescape(fields.nth(3)?)).into();
        Some(Mount { number, place })
    };
    table
        .split(|byte| *byte == b'\n')
        .filter_map(mount)
        .collect()
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
    fn mounts_below_a_root_are_told_apart() {
        let table = b"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /data/a\\040b rw - tmpfs t rw\n3 1 0:6 / /data rw - tmpfs t rw\nrubbish\n";
        let mounts = parse(table);
        assert_eq!(mounts.len(), 3);
        let inside = |root: &str| -> Vec<String> {
            below(&mounts, Path::new(root))
                .iter()
                .map(|(path, number)| format!("{path} {number}"))
                .collect()
        };
        assert_eq!(inside("/data"), ["a b 2"]);
        assert_eq!(inside("/"), ["data 3", "data/a b 2"]);
    }
}
