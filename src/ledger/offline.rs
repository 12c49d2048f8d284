//! The history of a ledger that nobody has open, or another process has.

use std::path::Path;

use super::file::{self, Place};
use super::run::{self, Run};
use super::schema::{APPLICATION, VERSION};
use super::seal;
use super::store::RUNS_MAX;

/// The runs in the ledger of this state directory, newest first. Nothing is changed there. The error is for people.
pub fn runs_in(directory: &Path) -> Result<Vec<Run>, String> {
    let at = Place::new(directory).file();
    let wrong = |why: &dyn std::fmt::Display| format!("cannot read `{}`: {why}", at.display());
    let connection = file::reader(&at).map_err(|error| wrong(&error))?;
    let number = |name| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    let application: i32 = number("application_id").map_err(|error| wrong(&error))?;
    let version: i32 = number("user_version").map_err(|error| wrong(&error))?;
    if (application, version) != (APPLICATION, VERSION) {
        return Err(wrong(&"it is no ledger of this version"));
    }
    let read = || {
        connection
            .prepare("SELECT sealed FROM runs ORDER BY id DESC LIMIT ?1")?
            .query_map([RUNS_MAX], |row| row.get::<_, Vec<u8>>(0))?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let sealed = read().map_err(|error: rusqlite::Error| wrong(&error))?;
    let run = |sealed: &Vec<u8>| seal::unseal(&[b"run"], sealed).and_then(run::decode);
    Ok(sealed.iter().filter_map(run).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::plan::{RouteName, SourceName, TargetName};

    #[test]
    fn the_history_is_read_beside_a_writer_after_it_and_not_where_there_is_none() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(runs_in(scratch.path()).is_err());
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        let ledger = Ledger::open(scratch.path()).ledger;
        for trigger in ["one", "two"] {
            let route = RouteName {
                source: SourceName("s".into()),
                target: TargetName("t".into()),
            };
            ledger.book(Run {
                trigger: trigger.into(),
                ..Run::example(route)
            });
        }
        assert!(ledger.flush());
        let triggers = || {
            let runs = runs_in(scratch.path()).unwrap().into_iter();
            runs.map(|run| run.trigger).collect::<Vec<_>>()
        };
        assert_eq!(triggers(), ["two", "one"]);
        assert!(ledger.close());
        assert_eq!(triggers(), ["two", "one"]);
        let again = Ledger::open(scratch.path());
        assert_eq!(again.damage, None);
        assert_eq!(again.ledger.runs(10).len(), 2);
    }
}
