//! Puts another text in the place of a file: wholly or not at all, with the file's mode, owner and extended attributes.
//!
//! The new text is written beside the file under a hidden name, synced, and renamed over it, so that whoever reads sees
//! the old or the new one. A symlink stays one: what it leads to is rewritten.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use xattr::FileExt;

/// Rewrites a file that still says `old`. `Err` says what is in the way; then nothing was changed.
pub(super) fn rewrite(path: &Path, old: &str, new: &str) -> io::Result<()> {
    let real = path.canonicalize()?;
    let before = fs::metadata(&real)?;
    if !before.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if before.nlink() > 1 {
        return Err(io::Error::other(
            "it has several names (hard links), which a rewrite would part",
        ));
    }
    let folder = real.parent().unwrap_or(Path::new("/"));
    let mut beside = tempfile::Builder::new()
        .prefix(".heliostat-fix-")
        .tempfile_in(folder)?;
    beside.write_all(new.as_bytes())?;
    keep(&File::open(&real)?, &before, beside.as_file())?;
    beside.as_file().sync_all()?;
    // As late as it can be: what an editor saved meanwhile is not overwritten.
    if fs::read(&real)? != old.as_bytes() {
        return Err(io::Error::other("it was changed meanwhile"));
    }
    beside.persist(&real).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Gives the new file what the old one has beside its text.
fn keep(old: &File, before: &Metadata, new: &File) -> io::Result<()> {
    let made = new.metadata()?;
    if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
        fchown(new, Some(before.uid()), Some(before.gid()))?;
    }
    // After the owner, because a change of it takes bits of the mode away.
    new.set_permissions(before.permissions())?;
    if let Ok(names) = old.list_xattr() {
        for name in names {
            if let Some(value) = old.get_xattr(&name)?
                && new.get_xattr(&name)?.as_ref() != Some(&value)
            {
                new.set_xattr(&name, &value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn mode_owner_and_symlink_stay() {
        let (folder, path) = file("old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root can give files away; anybody else keeps them anyway.
        let _ = std::os::unix::fs::chown(&path, Some(12_345), Some(12_345));
        let before = fs::metadata(&path).unwrap();
        let link = folder.path().join("link.yaml");
        symlink("a.yaml", &link).unwrap();
        rewrite(&link, "old", "new").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            (after.mode(), after.uid(), after.gid()),
            (before.mode(), before.uid(), before.gid())
        );
        assert_ne!(after.ino(), before.ino(), "renamed over, not written into");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_was_changed_meanwhile_or_has_two_names_stays() {
        let (folder, path) = file("newer");
        let said = rewrite(&path, "old", "new").unwrap_err().to_string();
        assert!(said.contains("changed meanwhile"), "{said}");
        fs::hard_link(&path, folder.path().join("b.yaml")).unwrap();
        let said = rewrite(&path, "newer", "new").unwrap_err().to_string();
        assert!(said.contains("hard links"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
