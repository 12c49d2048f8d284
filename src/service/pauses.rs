//! The pauses of routes, in a file of their own in the state directory.
//!
//! Not in the ledger, which is a cache: a pause is an operator's word, and a damaged checkpoint shall not end it. The file has
//! a checksum of the rest in its first line; it is wholly the old one or wholly the new one, also after a power cut.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::protocol::selector;
use super::sealed::{seal, unseal};
use crate::engine::{Pause, Selector};
use crate::plan::RouteName;

/// A larger file is not one of ours: a hundred thousand paused routes.
const BYTES_MAX: u64 = 64 << 20;

/// The file. Cloning shares it.
#[derive(Clone, Debug)]
pub struct PauseFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// The last version that is written, and the last that was asked for.
    versions: Mutex<(u64, u64)>,
    /// One at a time.
    writing: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    route: String,
    #[serde(flatten)]
    pause: Pause,
}

impl PauseFile {
    /// The one in this state directory; nothing is created before a route is paused.
    pub fn of(state: &Path) -> PauseFile {
        PauseFile(Arc::new(Inner {
            path: state.join("pauses.json"),
            versions: Mutex::default(),
            writing: Mutex::default(),
        }))
    }

    /// What is in it; the error is for people, and then nothing is known of it. Blocks.
    pub fn read(&self) -> Result<BTreeMap<RouteName, Pause>, String> {
        let path = &self.0.path;
        let wrong = |why: &str| {
            format!(
                "`{}` cannot be read ({why}), so no route is paused any more: pause those that are meant to be",
                path.display()
            )
        };
        let text = match super::state::read_private(path, BYTES_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(wrong(&error.to_string())),
        };
        let text = unseal(&text).map_err(wrong)?;
        let all: Vec<Kept> =
            serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        let named = all.into_iter().filter_map(|kept| {
            let Selector { source, target } = selector(Some(&kept.route)).ok()?;
            let (source, target) = (source?, target?);
            Some((RouteName { source, target }, kept.pause))
        });
        Ok(named.collect())
    }

    /// What writes these, whenever it is called: on a thread that may wait. Where a later version is on the disk by then,
    /// there is nothing to be done.
    pub fn keep(
        &self,
        pauses: BTreeMap<RouteName, Pause>,
    ) -> impl FnOnce() -> Result<(), String> + Send + 'static {
        let inner = Arc::clone(&self.0);
        let version = {
            let mut versions = inner
                .versions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            versions.1 += 1;
            versions.1
        };
        move || {
            let _alone = inner.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let written = || {
                inner
                    .versions
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
            };
            if written().0 > version {
                return Ok(());
            }
            let done = write(&inner.path, &pauses);
            if done.is_ok() {
                written().0 = version;
            }
            done.map_err(|error| format!("cannot write `{}`: {error}", inner.path.display()))
        }
    }
}

fn write(path: &Path, pauses: &BTreeMap<RouteName, Pause>) -> io::Result<()> {
    let all: Vec<Kept> = pauses
        .iter()
        .map(|(route, pause)| Kept {
            route: route.to_string(),
            pause: pause.clone(),
        })
        .collect();
    let text = serde_json::to_string_pretty(&all)?;
    let new = path.with_extension("new");
    let mut file = super::state::private_file(&new)?;
    file.write_all(seal(&text).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::plan::{SourceName, TargetName};

    fn pauses(reason: &str) -> BTreeMap<RouteName, Pause> {
        let name = RouteName {
            source: SourceName("site".into()),
            target: TargetName("copy".into()),
        };
        let pause = Pause {
            reason: Some(reason.into()),
            by: "root".into(),
            since: Timestamp::UNIX_EPOCH,
            said: Timestamp::UNIX_EPOCH,
            until: Timestamp::from_second(7200).unwrap(),
        };
        [(name, pause)].into()
    }

    #[test]
    fn what_is_kept_is_read_and_an_older_word_does_not_undo_a_newer_one() {
        let scratch = tempfile::tempdir().unwrap();
        let file = PauseFile::of(scratch.path());
        assert_eq!(file.read(), Ok(BTreeMap::new()));
        let (first, second) = (file.keep(pauses("first")), file.keep(pauses("second")));
        second().unwrap();
        first().unwrap();
        assert_eq!(file.read(), Ok(pauses("second")));
        assert_eq!(PauseFile::of(scratch.path()).read(), Ok(pauses("second")));
        file.keep(BTreeMap::new())().unwrap();
        assert_eq!(file.read(), Ok(BTreeMap::new()));
    }

    #[test]
    fn a_damaged_file_is_said_and_one_that_cannot_be_written_too() {
        let scratch = tempfile::tempdir().unwrap();
        let file = PauseFile::of(scratch.path());
        file.keep(pauses("a reason"))().unwrap();
        let text = fs::read_to_string(&file.0.path).unwrap();
        for damaged in [
            "",
            &text[..text.len() / 2],
            &text.replace("a reason", "another"),
        ] {
            fs::write(&file.0.path, damaged).unwrap();
            assert!(file.read().unwrap_err().contains("no route is paused"));
        }
        let nowhere = PauseFile::of(&scratch.path().join("nowhere"));
        let error = nowhere.keep(pauses("a reason"))().unwrap_err();
        assert!(error.contains("pauses.json"), "{error}");
    }
}
