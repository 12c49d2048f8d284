//! Whether a program may be run as whoever runs this one: nobody else can have put it there.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a program is not to be run, one line that says what to do. As with cron and sudo: it and the directories above it
/// belong to root or to this user, and others may not write them. A symlink is followed, and what it leads to is
/// looked at in the same way.
pub fn trusted_program(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let real = path
        .canonicalize()
        .map_err(|error| format!("`{shown}`: {error}"))?;
    let found = look(&real)?;
    if !found.is_file() {
        return Err(format!("`{}` is no program", real.display()));
    }
    if found.mode() & 0o111 == 0 {
        return Err(format!(
            "`{shown}` is not executable: chmod +x {}",
            real.display()
        ));
    }
    if found.mode() & 0o002 != 0 {
        let real = real.display();
        return Err(format!("others may write `{real}`: chmod o-w {real}"));
    }
    owned(&real, &found)?;
    // A link is changed by who may write its directory; in a sticky one, by its owner alone.
    let link = path
        .symlink_metadata()
        .map_err(|error| format!("`{shown}`: {error}"))?;
    owned(path, &link)?;
    for above in path.ancestors().skip(1).chain(real.ancestors().skip(1)) {
        let found = look(above)?;
        let (sticky, open) = (found.mode() & 0o1000 != 0, found.mode() & 0o002 != 0);
        if open && !sticky {
            let above = above.display();
            return Err(format!(
                "others may write the directory `{above}` that `{shown}` is in: chmod o-w {above}"
            ));
        }
        owned(above, &found)?;
    }
    Ok(())
}

fn look(path: &Path) -> Result<Metadata, String> {
    let found = path.metadata();
    found.map_err(|error| format!("`{}`: {error}", path.display()))
}

fn owned(path: &Path, found: &Metadata) -> Result<(), String> {
    let (owner, own) = (found.uid(), rustix::process::geteuid().as_raw());
    match owner == 0 || owner == own {
        true => Ok(()),
        false => Err(format!(
            "`{}` belongs to the user {owner}: it must be root's or the service's own",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_others_can_change_is_not_run() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let mode = |name: &str, mode| {
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        };
        let refused = |name: &str| trusted_program(&at(name)).unwrap_err();
        assert!(refused("none").contains("No such file"));
        fs::write(at("a"), "#!/bin/sh\n").unwrap();
        mode("a", 0o644);
        assert!(refused("a").contains("is not executable"));
        mode("a", 0o755);
        trusted_program(&at("a")).unwrap();
        symlink(at("a"), at("link")).unwrap();
        trusted_program(&at("link")).unwrap();
        mode("a", 0o757);
        assert!(refused("link").contains("others may write"));
        fs::create_dir(at("open")).unwrap();
        fs::write(at("open/b"), "#!/bin/sh\n").unwrap();
        mode("open/b", 0o755);
        mode("open", 0o777);
        assert!(refused("open/b").contains("the directory"));
        mode("open", 0o755);
        trusted_program(&at("open/b")).unwrap();
        assert!(refused("open").contains("no program"));
        mode("a", 0o755);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(at("a"), Some(12345), None).unwrap();
            assert!(refused("link").contains("belongs to the user 12345"));
        }
    }
}
