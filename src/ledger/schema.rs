//! The tables, and whether a file has just these.

use rusqlite::Connection;

/// `Heli`, in the file's header: tools say whose it is, and another program's file is never taken for a ledger.
pub const APPLICATION: i32 = 0x4865_6c69;

/// Counts up when the tables or the records change; a file of another version is set aside, as it is only a cache.
pub const VERSION: i32 = 2;

/// Rows of a hundred names have about three thousand bytes: two or more fit into a page.
pub const PAGE_BYTES: u32 = 8192;

/// What the file is made with, in this order.
pub const SCHEMA: [&str; 8] = [
    // Of sources that have rows for all of them: the header, with the set of its rows once more, to join by.
    "CREATE TABLE sources (name TEXT PRIMARY KEY, rowset INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE mounts (source TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE routes (source TEXT, target TEXT, sealed BLOB NOT NULL, PRIMARY KEY (source, target)) STRICT, WITHOUT ROWID",
    // Beside the routes, as they may be millions of bytes.
    "CREATE TABLE marks (source TEXT NOT NULL, target TEXT NOT NULL, marks BLOB NOT NULL, UNIQUE (source, target)) STRICT",
    // What directories of its source had as rows when a route was parked.
    "CREATE TABLE parked (source TEXT NOT NULL, target TEXT NOT NULL, path BLOB NOT NULL, sealed BLOB NOT NULL, UNIQUE (source, target, path)) STRICT",
    // Of sources, and of surveys under way. A whole survey's rows become the source's by the header alone.
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, rowset INTEGER NOT NULL, generation INTEGER NOT NULL, path BLOB NOT NULL, sealed BLOB NOT NULL, UNIQUE (rowset, path)) STRICT",
    // Directories that a survey under way has found gone.
    "CREATE TABLE gone (rowset INTEGER, path BLOB, PRIMARY KEY (rowset, path)) STRICT, WITHOUT ROWID",
    // History, in its order.
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, second INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
];

/// Whether the file has these tables and nothing else.
pub fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let mut tables = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid LIMIT 100")?;
    let mut rows = tables.query([])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let sql = row.get_ref(0)?.as_bytes().unwrap_or_default();
        if SCHEMA
            .get(found)
            .is_none_or(|table| table.as_bytes() != sql)
        {
            return Ok(false);
        }
        found += 1;
    }
    Ok(found == SCHEMA.len())
}
