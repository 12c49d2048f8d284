//! File systems that come and go: a tmpfs of a given size, or a directory bound to another place.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::wait_for;

/// How long a file system may be written to without a pause.
const BUSY_MAX: Duration = Duration::from_secs(20);

/// A mount; gone when it goes out of scope, however busy it is.
pub struct Mount(PathBuf);

#[allow(dead_code)] // not every act is asked for by a test at all times
impl Mount {
    /// A new, empty file system of this size (`64k`, `8m`).
    pub fn tmpfs(at: &Path, size: &str) -> Mount {
        mount(
            &[
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0755"),
                "tmpfs",
            ],
            at,
        );
        Mount(at.to_owned())
    }

    /// An empty overlay over what is there, with its layers in this directory.
    pub fn overlay(at: &Path, layers: &Path) -> Mount {
        let layer = |name: &str| {
            let layer = layers.join(name);
            std::fs::create_dir_all(&layer).unwrap();
            layer.display().to_string()
        };
        let (lower, upper, work) = (layer("lower"), layer("upper"), layer("work"));
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        mount(&["-t", "overlay", "-o", &options, "overlay"], at);
        Mount(at.to_owned())
    }

    /// What is in `from` is seen at `at` as well.
    pub fn bind(from: &Path, at: &Path) -> Mount {
        mount(&["--bind", &from.display().to_string()], at);
        Mount(at.to_owned())
    }

    /// Mounts it anew with other options (`size=8m`, `ro`). Read-only it becomes when nobody writes to it at the moment.
    pub fn remount(&self, options: &str) {
        let done = wait_for(BUSY_MAX, || {
            tried(&["-o", &format!("remount,{options}")], &self.0).then_some(())
        });
        assert!(done.is_some(), "remount {options} {}", self.0.display());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: the tree is gone from its place at once, even where somebody still looks into it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], at: &Path) {
    let done = tried(arguments, at);
    assert!(done, "mount {arguments:?} {}", at.display());
}

fn tried(arguments: &[&str], at: &Path) -> bool {
    let mut command = Command::new("mount");
    let output = command.args(arguments).arg(at).output().unwrap();
    output.status.success()
}
