//! The metrics in a file, for hosts where nobody scrapes the service but something reads files, as node_exporter's textfile
//! collector does.
//!
//! The file is replaced whole, so that a reader has the old one or the new one, and it is taken away when the service
//! ends: numbers that nobody writes any more would say for ever that all is well. What a crash leaves behind is told by
//! `heliostat_written_timestamp_seconds`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::expose;
use crate::service::http::Server;

/// A service does not end later for its file.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Where, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Textfile {
    /// The file.
    pub path: PathBuf,
    /// Between two writings.
    pub every: Duration,
}

/// The file as long as it is written.
#[derive(Debug)]
pub struct Writing {
    path: PathBuf,
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Writing {
    /// Takes the file away. A file system that does not answer is not waited for.
    pub async fn end(self) {
        self.task.abort();
        // What is being written just now is taken away by who writes it.
        self.over.store(true, Ordering::SeqCst);
        let gone = tokio::task::spawn_blocking(move || {
            // It may never have been there.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(beside(&self.path));
        });
        let _ = tokio::time::timeout(END_WITHIN, gone).await;
    }
}

impl Textfile {
    /// Writes from now on. What cannot be written is said once, until it can be again.
    pub fn write(self, server: Server) -> Writing {
        let (path, over) = (self.path.clone(), Arc::new(AtomicBool::new(false)));
        let ends = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let mut turns = tokio::time::interval(self.every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut broken = false;
            loop {
                turns.tick().await;
                // A service that ends, or is crowded with questions, is asked again at the next turn.
                let Ok(page) = server.page().await else {
                    continue;
                };
                let (path, ends) = (self.path.clone(), Arc::clone(&ends));
                let written = tokio::task::spawn_blocking(move || {
                    let written = replace(&path, &expose::for_file(page));
                    if ends.load(Ordering::SeqCst) {
                        let _ = fs::remove_file(&path); // it may never have been there
                    }
                    written
                });
                let written = written
                    .await
                    .unwrap_or_else(|error| Err(io::Error::other(error)));
                match written {
                    Ok(()) if broken => {
                        tracing::info!("metrics are written to `{}` again", self.path.display());
                        broken = false;
                    }
                    Ok(()) => {}
                    Err(error) if !broken => {
                        tracing::warn!(
                            "cannot write metrics to `{}`: {error}",
                            self.path.display()
                        );
                        broken = true;
                    }
                    Err(_) => {}
                }
            }
        });
        Writing { path, over, task }
    }
}

/// Where it is put together: the same name always, so that crashes leave one behind at most; no collector reads it.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Puts the text in the file's place, whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path);
    // Not opened but made: what others planted there is not written through.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    // Whatever the mask: others read it.
    file.set_permissions(Permissions::from_mode(0o644))?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_written_through_what_was_planted() {
        let scratch = tempfile::tempdir().unwrap();
        let (path, other) = (scratch.path().join("a.prom"), scratch.path().join("other"));
        fs::write(&other, "not ours").unwrap();
        symlink(&other, beside(&path)).unwrap();
        symlink(&other, &path).unwrap();
        replace(&path, "one\n").unwrap();
        replace(&path, "two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::read_to_string(&other).unwrap(), "not ours");
        let meta = fs::symlink_metadata(&path).unwrap();
        assert!(meta.is_file());
        assert_eq!(meta.permissions().mode() & 0o7777, 0o644);
        assert!(!beside(&path).exists());
        assert!(replace(&scratch.path().join("none/a.prom"), "").is_err());
    }
}
