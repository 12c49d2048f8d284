//! What is read at the start: everything but the rows and the history.
//!
//! A record that is not as it was written is left out and counted; what it concerns has no standing then.

use std::collections::BTreeSet;

use rusqlite::{Connection, Error, OptionalExtension, Row, ffi, params};

use super::record::{Header, RouteRecord, RowSet, unseal_mounts};
use super::spent;
use super::store::MARKS_BYTES_MAX;
use crate::engine::{Memory, RelPath};
use crate::plan::{RouteName, SourceName, TargetName};

/// More of a kind are not read: far beyond what a manifest holds, and so many records without marks are some megabytes.
const RECORDS_MAX: i64 = 100_000;

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What is remembered.
    pub memory: Memory,
    /// Records that were left out.
    pub damaged: usize,
    /// Mount points are among them.
    pub mounts_lost: bool,
    /// Row sets that belong to no source.
    pub litter: Vec<RowSet>,
}

/// Reads it.
pub fn load(connection: &Connection) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let headers = headers(connection, &mut loaded)?;
    mounts(connection, &mut loaded)?;
    routes(connection, &headers, &mut loaded)?;
    loaded.memory.spent = spent::load(connection)?;
    let used: BTreeSet<RowSet> = headers.iter().map(|(_, header)| header.rows).collect();
    let mut next =
        connection.prepare("SELECT rowset FROM rows WHERE rowset > ?1 ORDER BY rowset LIMIT 1")?;
    let mut last = i64::MIN;
    while let Some(rows) = next.query_row([last], |row| row.get(0)).optional()? {
        if rows <= last {
            // An index out of order: looking on would go round in it for ever.
            return Err(Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_CORRUPT),
                Some("the index of its rows is not in order".into()),
            ));
        }
        last = rows;
        if !used.contains(&RowSet(rows)) {
            loaded.litter.push(RowSet(rows));
        }
    }
    Ok(loaded)
}

fn headers(
    connection: &Connection,
    loaded: &mut Loaded,
) -> rusqlite::Result<Vec<(SourceName, Header)>> {
    let mut headers = Vec::new();
    let mut statement = connection.prepare("SELECT name, sealed FROM sources LIMIT ?1")?;
    let mut rows = statement.query([RECORDS_MAX])?;
    while let Some(row) = rows.next()? {
        let header = text(row, 0).map(SourceName).and_then(|name| {
            let header = Header::unseal(&name, blob(row, 1)?)?;
            Some((name, header))
        });
        match header {
            Some((name, header)) => {
                let memory = loaded.memory.sources.entry(name.clone()).or_default();
                memory.rows = Some(header.key.clone());
                headers.push((name, header));
            }
            None => loaded.damaged += 1,
        }
    }
    Ok(headers)
}

fn mounts(connection: &Connection, loaded: &mut Loaded) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT source, sealed FROM mounts LIMIT ?1")?;
    let mut rows = statement.query([RECORDS_MAX])?;
    while let Some(row) = rows.next()? {
        let mounts = text(row, 0).map(SourceName).and_then(|name| {
            let mounts: Vec<RelPath> = unseal_mounts(&name, blob(row, 1)?)?;
            Some((name, mounts))
        });
        match mounts {
            Some((name, mounts)) => {
                loaded.memory.sources.entry(name).or_default().mounts = mounts;
            }
            None => {
                loaded.damaged += 1;
                loaded.mounts_lost = true;
            }
        }
    }
    Ok(())
}

fn routes(
    connection: &Connection,
    headers: &[(SourceName, Header)],
    loaded: &mut Loaded,
) -> rusqlite::Result<()> {
    let mut marks = connection.prepare(
        "SELECT marks FROM marks WHERE source = ?1 AND target = ?2 AND length(marks) <= ?3",
    )?;
    let mut statement = connection.prepare("SELECT source, target, sealed FROM routes LIMIT ?1")?;
    let mut rows = statement.query([RECORDS_MAX])?;
    while let Some(row) = rows.next()? {
        let record = text(row, 0).zip(text(row, 1)).and_then(|(source, target)| {
            let name = RouteName {
                source: SourceName(source),
                target: TargetName(target),
            };
            let record = RouteRecord::unseal(&name, blob(row, 2)?)?;
            // Written with the rows as they are in the file: neither an older record nor a younger one is true of them.
            let (_, header) = headers.iter().find(|(source, _)| *source == name.source)?;
            let goes_with = (header.rows, header.generation);
            ((record.rows, record.generation) == goes_with).then_some((name, record))
        });
        let Some((name, record)) = record else {
            loaded.damaged += 1;
            continue;
        };
        let blob: Option<Vec<u8>> = match record.marks {
            0 => None,
            _ => marks
                .query_row(
                    params![name.source.0, name.target.0, MARKS_BYTES_MAX as i64],
                    |row| row.get(0),
                )
                .optional()?,
        };
        match record.join(&name, &blob.unwrap_or_default()) {
            Some(memory) => {
                loaded.memory.routes.insert(name, memory);
            }
            None => loaded.damaged += 1,
        }
    }
    Ok(())
}

fn text(row: &Row<'_>, column: usize) -> Option<String> {
    let bytes = row.get_ref(column).ok()?.as_bytes().ok()?;
    String::from_utf8(bytes.to_vec()).ok()
}

fn blob<'a>(row: &'a Row<'_>, column: usize) -> Option<&'a [u8]> {
    row.get_ref(column).ok()?.as_blob().ok()
}
