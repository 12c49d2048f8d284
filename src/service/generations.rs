//! Plans that were in force, the last [`KEPT`] of them, in the state directory.
//!
//! One file a generation: a checksum of the rest in its first line, then the plan with its number, digest, revision and
//! time as JSON. It is the plan that is kept and not the manifests, for going back means that exactly this happens again,
//! whatever the host's name, labels and files are by then. Secrets are in neither. `current` names the
//! one that is in force: the last good one, where the files are broken at the next start.
//!
//! As everything in the state directory it is a cache: a damaged file is passed by, and its loss costs the way back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sealed::{seal, unseal};
use crate::plan::Plan;

/// Generations that are kept.
pub const KEPT: usize = 10;

/// A larger file is not one of ours.
const BYTES_MAX: u64 = 256 << 20;
/// `current` is a number.
const NUMBER_BYTES_MAX: u64 = 64;

/// A plan that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Counts up over all starts.
    pub number: u64,
    /// When it came in force first.
    pub at: Timestamp,
    /// Of the plan.
    pub digest: String,
    /// The commit that its files were checked out from.
    pub revision: Option<String>,
    /// What it was.
    pub plan: Plan,
}

/// The generations of a state directory.
#[derive(Clone, Debug)]
pub struct Generations(PathBuf);

impl Generations {
    /// Those in this state directory; nothing is created before one is kept.
    pub fn of(state: &Path) -> Generations {
        Generations(state.join("generations"))
    }

    /// Those that can be read, the oldest first. Blocks.
    pub fn all(&self) -> Vec<Generation> {
        let numbers = self.numbers();
        let found = numbers.into_iter().map(|number| self.get(number));
        found.filter_map(Result::ok).collect()
    }

    /// One of them; the error is for people. Blocks.
    pub fn get(&self, number: u64) -> Result<Generation, String> {
        let path = self.file(number);
        let wrong = |why: &str| {
            format!(
                "generation {number} cannot be read: `{}`: {why}",
                path.display()
            )
        };
        let text = match super::state::read_private(&path, BYTES_MAX) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!(
                    "there is no generation {number}: `heliostat rollback --list` shows those that are kept"
                ));
            }
            Err(error) => return Err(wrong(&error.to_string())),
        };
        let text = unseal(&text).map_err(wrong)?;
        let generation: Generation = serde_json::from_str(text)
            .map_err(|error| wrong(&format!("{error}: was it written by another version?")))?;
        match generation.number == number {
            true => Ok(generation),
            false => Err(wrong("it is another one")),
        }
    }

    /// The one that is in force, or was when the last service ended; where that is not known, the youngest. Blocks.
    pub fn last_good(&self) -> Option<Generation> {
        let current = super::state::read_private(&self.0.join("current"), NUMBER_BYTES_MAX).ok();
        let current = current.and_then(|text| text.trim().parse().ok());
        let named = current.and_then(|number| self.get(number).ok());
        named.or_else(|| {
            let numbers = self.numbers().into_iter().rev();
            numbers.filter_map(|number| self.get(number).ok()).next()
        })
    }

    /// The number of the next one: larger than any that was there.
    pub fn next(&self) -> u64 {
        let current = super::state::read_private(&self.0.join("current"), NUMBER_BYTES_MAX).ok();
        let current = current.and_then(|text| text.trim().parse().ok());
        let last = self.numbers().last().copied();
        last.max(current).unwrap_or(0) + 1
    }

    /// Keeps one, and forgets those that are too many. Blocks.
    pub fn keep(&self, generation: &Generation) -> io::Result<()> {
        super::state::private_dir(&self.0)?;
        let text = serde_json::to_string(generation)?;
        let text = seal(&text);
        self.write(&self.file(generation.number), &text)?;
        let numbers = self.numbers();
        for old in &numbers[..numbers.len().saturating_sub(KEPT)] {
            if *old != generation.number {
                fs::remove_file(self.file(*old))?;
            }
        }
        Ok(())
    }

    /// This one is in force. Blocks.
    pub fn set_current(&self, number: u64) -> io::Result<()> {
        super::state::private_dir(&self.0)?;
        self.write(&self.0.join("current"), &format!("{number}\n"))
    }

    /// Wholly the new content or wholly the old, also after a power cut.
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let new = self.0.join("new");
        let mut file = super::state::private_file(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(&self.0)?.sync_all()
    }

    fn file(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number}.json"))
    }

    /// Of all files, the smallest first.
    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_suffix(".json")?.parse().ok()
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    fn generation(number: u64) -> Generation {
        Generation {
            number,
            at: Timestamp::UNIX_EPOCH,
            digest: plan::digest(&Plan::default()),
            revision: Some("abc".into()),
            plan: Plan::default(),
        }
    }

    #[test]
    fn ten_are_kept_and_the_one_in_force_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let kept = Generations::of(scratch.path());
        assert_eq!(
            (kept.next(), kept.last_good(), kept.all()),
            (1, None, Vec::new())
        );
        for number in 1..=12 {
            kept.keep(&generation(number)).unwrap();
        }
        let numbers: Vec<u64> = kept.all().iter().map(|kept| kept.number).collect();
        assert_eq!(numbers, (3..=12).collect::<Vec<_>>());
        assert_eq!(kept.next(), 13);
        assert_eq!(kept.last_good(), Some(generation(12)));
        kept.set_current(5).unwrap();
        assert_eq!(kept.last_good(), Some(generation(5)));
        assert!(
            kept.get(2)
                .unwrap_err()
                .contains("there is no generation 2")
        );
    }

    #[test]
    fn a_damaged_one_is_passed_by() {
        let scratch = tempfile::tempdir().unwrap();
        let kept = Generations::of(scratch.path());
        for number in 1..=3 {
            kept.keep(&generation(number)).unwrap();
        }
        kept.set_current(3).unwrap();
        let path = kept.file(3);
        let text = fs::read_to_string(&path).unwrap();
        for damaged in ["", &text[..text.len() / 2], &text.replace("abc", "abd")] {
            fs::write(&path, damaged).unwrap();
            assert!(kept.get(3).is_err());
            assert_eq!(kept.last_good(), Some(generation(2)));
        }
        fs::write(kept.0.join("current"), "nonsense").unwrap();
        assert_eq!(kept.last_good(), Some(generation(2)));
        assert_eq!(kept.next(), 4);
    }
}
