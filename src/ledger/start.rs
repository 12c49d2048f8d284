//! How it begins: with what is there, with an empty file, or with none.

use rusqlite::Connection;

use super::file::{Fault, Place};
use super::load::{self, Loaded};
use super::trouble::Kind;

/// What is found at the start.
#[derive(Debug, Default)]
pub struct Start {
    /// The file, where there is one to go on with.
    pub connection: Option<Connection>,
    /// What was in it.
    pub loaded: Loaded,
    /// What is wrong, for people.
    pub damage: Option<String>,
    /// What was known of mount points is lost, or some of it.
    pub mounts_lost: bool,
}

/// Opens what is there, or something in its place.
pub fn start(place: &Place) -> Start {
    let at = place.file();
    let found = place.open().and_then(|found| match found {
        None => Ok(None),
        Some(mut connection) => {
            let loaded = load::load(&connection)?;
            Place::opened(&mut connection)?;
            let writable = writable(&connection)?;
            Ok(Some((connection, loaded, writable)))
        }
    });
    let why = match found {
        Ok(Some((connection, loaded, writable))) => {
            let altered = (loaded.damaged > 0).then(|| {
                format!(
                    "{} records in `{}` are not as they were written; what they concern is compared anew",
                    loaded.damaged,
                    at.display()
                )
            });
            let hindered = writable
                .err()
                .map(|error| format!("cannot write `{}`: {error}", at.display()));
            let damage = match (altered, hindered) {
                (Some(altered), Some(hindered)) => Some(format!("{altered}; {hindered}")),
                (altered, hindered) => altered.or(hindered),
            };
            return Start {
                connection: Some(connection),
                mounts_lost: loaded.mounts_lost,
                loaded,
                damage,
            };
        }
        Ok(None) => None,
        Err(Fault::Damaged(why)) => Some(why),
        Err(Fault::Hindered(why)) => {
            let damage = format!("cannot use `{}`: {why}; going on without it", at.display());
            return Start {
                damage: Some(damage),
                mounts_lost: true,
                ..Start::default()
            };
        }
    };
    let mounts_lost = why.is_some();
    let (connection, hindrance) = match renew(place) {
        Ok(connection) => (Some(connection), None),
        Err(error) => (None, Some(error)),
    };
    let said = |why| format!("cannot use `{}`: {why}", at.display());
    let damage = match (why.map(said), hindrance) {
        (None, None) => None,
        (Some(why), None) => Some(format!("{why}; beginning an empty one")),
        (None, Some(error)) => Some(format!("{error}; going on without it")),
        (Some(why), Some(error)) => Some(format!("{why}; {error}; going on without it")),
    };
    Start {
        connection,
        loaded: Loaded::default(),
        damage,
        mounts_lost,
    }
}

/// Whether there is room to write, which shows here and not at the first checkpoint. Without it, what was read is as
/// good as ever.
fn writable(connection: &Connection) -> Result<Result<(), rusqlite::Error>, Fault> {
    let version = super::schema::VERSION;
    match connection.execute_batch(&format!("PRAGMA user_version = {version}")) {
        Err(error) if Kind::of(&error) == Kind::Damaged => Err(error.into()),
        done => Ok(done),
    }
}

/// Puts an empty ledger in the place, and opens it.
pub fn renew(place: &Place) -> Result<Connection, String> {
    place.renew()?;
    match place.open() {
        Ok(Some(mut connection)) => Place::opened(&mut connection)
            .map(|()| connection)
            .map_err(|error| error.to_string()),
        Ok(None) => Err("the new file is gone".into()),
        Err(Fault::Damaged(why) | Fault::Hindered(why)) => Err(format!(
            "cannot use the new `{}`: {why}",
            place.file().display()
        )),
    }
}
