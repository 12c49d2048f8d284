//! A source's root: whether it is there, who may exchange it, and what its guards ask for.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Finding, Subject};
use crate::host;
use crate::plan::SourcePlan;

/// Looks at the root.
pub fn check(source: &SourcePlan) -> Vec<Finding> {
    let root = Path::new(&source.path);
    let subject = Subject::new("source", &source.name);
    if let Err(message) = host::identify(root) {
        return vec![subject.telling(&message)];
    }
    let shown = host::shown(root);
    let mut found = vec![subject.good(format!("`{shown}` is there"))];
    found.extend(exchangeable(source, root));
    found.extend(guards(source, root));
    let below = host::below(&host::mounts(), root);
    if !below.is_empty() {
        let names: Vec<String> = below.iter().map(|(path, _)| format!("`{path}`")).collect();
        let what = match source.one_file_system {
            true => "left out (`oneFileSystem`)",
            false => "part of it",
        };
        found.push(Subject::new("mounts", &source.name).note(format!(
            "mounted below it, and {what}: {}",
            names.join(", ")
        )));
    }
    found
}

/// Whoever may rename in a directory above the root can put another in its place: one that everybody may write, and that
/// is not sticky.
fn exchangeable(source: &SourcePlan, root: &Path) -> Option<Finding> {
    let open = root.ancestors().skip(1).find(|above| {
        above
            .metadata()
            .is_ok_and(|info| info.mode() & 0o002 != 0 && info.mode() & 0o1000 == 0)
    })?;
    let shown = host::shown(open);
    Some(Subject::new("permissions", &source.name).warning(
        format!(
            "everybody may write `{shown}`, and so put another directory in the source's place"
        ),
        format!("chmod o-w {}", quoted(&shown)),
    ))
}

fn guards(source: &SourcePlan, root: &Path) -> Vec<Finding> {
    let subject = Subject::new("guard", &source.name);
    let mut found = Vec::new();
    if let Some(marker) = &source.guard.marker {
        let there = root.join(marker).symlink_metadata().is_ok();
        found.push(match there {
            true => subject.good(format!("its marker `{marker}` is there")),
            false => subject.error(
                format!("its marker `{marker}` is not there: every route is held"),
                format!(
                    "mount the source's disk, or create the marker once: touch {}",
                    quoted(&host::shown(&root.join(marker)))
                ),
            ),
        });
    }
    if source.guard.require_mount {
        found.push(match host::on_own_mount(root, &host::mounts()) {
            true => subject.good("it is on a mount of its own"),
            false => subject.error(
                "nothing is mounted at it, and `requireMount` holds every route",
                format!("mount {}", quoted(&host::shown(root))),
            ),
        });
    }
    found
}

/// A path as a shell takes it.
pub fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_can_be_pasted() {
        assert_eq!(quoted("/data/web-1"), "/data/web-1");
        assert_eq!(quoted("/data/it's here"), "'/data/it'\\''s here'");
    }
}
