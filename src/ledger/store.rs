//! What is written, and how: each act inside a transaction that the [writer](super::writer) begins and ends.
//!
//! Rows live in *row sets*. A survey's rows go into a set of its own as they come. When a survey of everything is
//! committed, its set becomes the source's by the source's header alone, whatever its size; the old set is litter, and is
//! cleared away in small steps. A survey of some places is poured into the source's set within the commit.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::parked::Keeping;
use super::record::{self, Generation, Header, RouteRecord, RowPlace, RowSet};
use super::run::{self, Run};
use super::seal;
use crate::engine::{Commit, Parking, RelPath, RouteMemory};
use crate::plan::{RouteName, SourceName};

/// Runs that are kept: months of an ordinary host, about 3 MB.
pub const RUNS_MAX: i64 = 10_000;
/// Older runs go.
const RUNS_KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// Old runs that go with each new one, so that none of them waits long for it.
const RUNS_PRUNED: i64 = 16;
/// Rows that are cleared away in one step, which takes some milliseconds.
const LITTER_STEP: i64 = 256;
/// Longer marks become a full pass, and are not read: 200,000 paths of three hundred bytes.
pub const MARKS_BYTES_MAX: usize = 64 << 20;
/// The generation of a survey's rows before they are committed, and of those of a whole set.
const FIRST: Generation = Generation(0);

/// Pages that stay in the file though nothing is in them, 4 MB: the next rows need not make it grow again.
const FREE_PAGES_KEPT: i64 = 512;
/// Nor is the file made smaller where less than one page in so many is free: a survey of everything needs as much again.
const FREE_PART_KEPT: i64 = 3;
/// Pages that are given back in one step, which takes some milliseconds.
const SHRINK_STEP: i64 = 256;

/// Why a transaction is to leave nothing behind.
#[derive(Debug)]
pub enum Undone {
    /// It does not fit what is in the file.
    Refused(&'static str),
    /// SQLite says so.
    Failed(rusqlite::Error),
    /// There is none to write to.
    NoFile,
}

impl From<rusqlite::Error> for Undone {
    fn from(error: rusqlite::Error) -> Undone {
        Undone::Failed(error)
    }
}

/// Rows as a survey tells them: of `None`, the directory is gone with all below it.
pub type Rows = Vec<(RelPath, Option<Vec<u8>>)>;

/// The writer's connection.
#[derive(Debug)]
pub struct Store<'a>(pub &'a Connection);

impl Store<'_> {
    /// Takes a survey's rows into its set. A later row of a directory replaces an earlier one.
    pub fn stage(&self, rows: RowSet, staged: Rows) -> rusqlite::Result<()> {
        for (path, row) in staged {
            match row {
                Some(row) => self.put(rows, FIRST, path.as_bytes(), row)?,
                None => {
                    self.cut(rows, &path)?;
                    self.0
                        .prepare_cached("INSERT OR IGNORE INTO gone VALUES (?1, ?2)")?
                        .execute(params![rows.0, path.as_bytes()])?;
                }
            }
        }
        Ok(())
    }

    fn put(
        &self,
        rows: RowSet,
        generation: Generation,
        path: &[u8],
        row: Vec<u8>,
    ) -> rusqlite::Result<()> {
        let place = RowPlace {
            rows,
            generation,
            path,
        };
        self.0
            .prepare_cached(
                "INSERT INTO rows (rowset, generation, path, sealed) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (rowset, path) DO UPDATE
                 SET generation = excluded.generation, sealed = excluded.sealed",
            )?
            .execute(params![rows.0, generation.0, path, place.seal(row)])?;
        Ok(())
    }

    /// Takes out the rows at and below a path.
    fn cut(&self, rows: RowSet, path: &RelPath) -> rusqlite::Result<()> {
        if path.is_root() {
            self.0
                .prepare_cached("DELETE FROM rows WHERE rowset = ?1")?
                .execute([rows.0])?;
            return Ok(());
        }
        let (from, to) = below(path);
        self.0
            .prepare_cached(
                "DELETE FROM rows WHERE rowset = ?1 AND (path = ?2 OR path > ?3 AND path < ?4)",
            )?
            .execute(params![rows.0, path.as_bytes(), from, to])?;
        Ok(())
    }

    /// Makes a checkpoint; the rows of the set that it gives are litter. `staged`: the set with the survey's rows, where it
    /// has told any. `settled`: no row of the source is younger than its header, as commits of this process have seen to it.
    pub fn commit(
        &self,
        commit: Commit,
        staged: Option<RowSet>,
        settled: bool,
    ) -> Result<Option<RowSet>, Undone> {
        let mut commit = commit;
        let source = commit.source;
        if commit.routes.keys().any(|route| route.source != source) {
            return Err(Undone::Refused("it names a route of another source"));
        }
        let have = self.header(&source)?;
        let mut keeping = self.keeping(&mut commit.routes, commit.whole)?;
        let (header, litter) = if commit.whole {
            let Some(rows) = staged else {
                return Err(Undone::Refused("its survey has told no rows"));
            };
            self.0
                .prepare_cached("DELETE FROM gone WHERE rowset = ?1")?
                .execute([rows.0])?;
            let header = Header {
                rows,
                generation: Generation(FIRST.0 + 1),
                key: commit.key,
            };
            (header, have.map(|have| have.rows))
        } else {
            let Some(mut header) = have.filter(|have| have.key == commit.key) else {
                return Err(Undone::Refused("there are no rows that it could join"));
            };
            if !settled {
                self.drop_younger(&header)?;
            }
            header.generation.0 += 1;
            if let Some(staged) = staged
                && !self.pour(staged, &header, &mut keeping)?
            {
                return Err(Undone::Refused("its survey's rows were damaged"));
            }
            (header, staged)
        };
        self.put_header(&source, &header)?;
        self.put_routes((&source, &header), commit.routes, keeping)?;
        self.let_go_of_others(&source.0)?;
        Ok(litter)
    }

    fn header(&self, source: &SourceName) -> rusqlite::Result<Option<Header>> {
        let sealed: Option<Vec<u8>> = self
            .0
            .prepare_cached("SELECT sealed FROM sources WHERE name = ?1")?
            .query_row([&source.0], |row| row.get(0))
            .optional()?;
        Ok(sealed.and_then(|sealed| Header::unseal(source, &sealed)))
    }

    fn put_header(&self, source: &SourceName, header: &Header) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("INSERT OR REPLACE INTO sources VALUES (?1, ?2, ?3)")?
            .execute(params![source.0, header.rows.0, header.seal(source)])?;
        Ok(())
    }

    /// A journal that lost its end may leave younger rows than the header knows of. They are not read; but the header is
    /// about to come of their age.
    fn drop_younger(&self, header: &Header) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("DELETE FROM rows WHERE rowset = ?1 AND generation > ?2")?
            .execute([header.rows.0, header.generation.0])?;
        Ok(())
    }

    /// Moves a survey's rows into the source's set; `false` where one is not as it was told.
    fn pour(&self, from: RowSet, header: &Header, keeping: &mut Keeping) -> rusqlite::Result<bool> {
        let mut gone = self
            .0
            .prepare_cached("SELECT path FROM gone WHERE rowset = ?1")?;
        let mut found = gone.query([from.0])?;
        while let Some(row) = found.next()? {
            let path = row.get_ref(0)?.as_blob().unwrap_or_default();
            match super::bytes::path(path) {
                Some(path) => {
                    self.keep_below(header, &path, keeping)?;
                    self.cut(header.rows, &path)?;
                }
                None => return Ok(false),
            }
        }
        drop(found);
        let mut rows = self.0.prepare_cached(
            "SELECT path, sealed FROM rows WHERE rowset = ?1 AND generation = ?2",
        )?;
        let mut found = rows.query([from.0, FIRST.0])?;
        while let Some(row) = found.next()? {
            let path = row.get_ref(0)?.as_blob().unwrap_or_default();
            let place = RowPlace {
                rows: from,
                generation: FIRST,
                path,
            };
            let sealed = row.get_ref(1)?.as_blob().unwrap_or_default();
            let Some(data) = place.unseal(sealed) else {
                return Ok(false);
            };
            self.keep_row(header, (path, data), keeping)?;
            self.put(header.rows, header.generation, path, data.to_vec())?;
        }
        Ok(true)
    }

    /// Writes all of a source's routes; those that are not among them go.
    fn put_routes(
        &self,
        (source, header): (&SourceName, &Header),
        routes: BTreeMap<RouteName, RouteMemory>,
        keeping: Keeping,
    ) -> rusqlite::Result<()> {
        let mut marked = self.marked(source)?;
        self.0
            .prepare_cached("DELETE FROM routes WHERE source = ?1")?
            .execute([&source.0])?;
        for (name, memory) in routes {
            let parked = memory.parked;
            let (mut record, mut marks) = RouteRecord::part(header, &name, memory);
            match parked {
                Parking::No => self.let_go(&name)?,
                Parking::Begins(_) | Parking::Goes(_) => {
                    record.kept = keeping.get(&name).map(|keep| keep.kept);
                }
            }
            if marks.len() > MARKS_BYTES_MAX {
                record.owe_pass(&name);
                marks.clear();
            }
            let target = &name.target.0;
            self.0
                .prepare_cached("INSERT INTO routes VALUES (?1, ?2, ?3)")?
                .execute(params![source.0, target, record.seal(&name)])?;
            match marked.remove(&name) {
                Some(tag) if tag == Some(record.marks_tag) => {}
                None if marks.is_empty() => {}
                _ => {
                    self.0
                        .prepare_cached(
                            "INSERT INTO marks VALUES (?1, ?2, ?3)
                             ON CONFLICT (source, target) DO UPDATE SET marks = excluded.marks",
                        )?
                        .execute(params![source.0, target, marks])?;
                }
            }
        }
        for name in marked.keys() {
            self.0
                .prepare_cached("DELETE FROM marks WHERE source = ?1 AND target = ?2")?
                .execute([&source.0, &name.target.0])?;
        }
        Ok(())
    }

    /// The routes of a source that have marks beside them, with the marks' tag where it is known.
    fn marked(
        &self,
        source: &SourceName,
    ) -> rusqlite::Result<BTreeMap<RouteName, Option<[u8; seal::TAG]>>> {
        let mut statement = self.0.prepare_cached(
            "SELECT m.target, r.sealed FROM marks m
             LEFT JOIN routes r ON r.source = m.source AND r.target = m.target WHERE m.source = ?1",
        )?;
        let mut rows = statement.query([&source.0])?;
        let mut marked = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let name = RouteName {
                source: source.clone(),
                target: crate::plan::TargetName(row.get(0)?),
            };
            let sealed: Option<Vec<u8>> = row.get(1)?;
            let record = sealed.and_then(|sealed| RouteRecord::unseal(&name, &sealed));
            marked.insert(name, record.map(|record| record.marks_tag));
        }
        Ok(marked)
    }

    /// Keeps a source's mount points.
    pub fn put_mounts(&self, source: &SourceName, mounts: &[RelPath]) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("INSERT OR REPLACE INTO mounts VALUES (?1, ?2)")?
            .execute(params![source.0, record::seal_mounts(source, mounts)])?;
        Ok(())
    }

    /// Adds a run to the history; as much of the oldest goes.
    pub fn book(&self, run: &Run) -> rusqlite::Result<()> {
        let second = run.at.as_second();
        self.0
            .prepare_cached("INSERT INTO runs (second, sealed) VALUES (?1, ?2)")?
            .execute(params![second, seal::seal(&[b"run"], run::encode(run))])?;
        let last = self.0.last_insert_rowid();
        self.0
            .prepare_cached("DELETE FROM runs WHERE id <= ?1")?
            .execute([last - RUNS_MAX])?;
        self.0
            .prepare_cached(
                "DELETE FROM runs WHERE second < ?1
                 AND id IN (SELECT id FROM runs ORDER BY id LIMIT ?2)",
            )?
            .execute([second - RUNS_KEPT_SECONDS, RUNS_PRUNED])?;
        Ok(())
    }

    /// Clears away some rows of a set that nobody reads any more; `true`: that was all.
    pub fn clear(&self, rows: RowSet) -> rusqlite::Result<bool> {
        let gone = self
            .0
            .prepare_cached(
                "DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE rowset = ?1 LIMIT ?2)",
            )?
            .execute([rows.0, LITTER_STEP])?;
        if (gone as i64) < LITTER_STEP {
            self.0
                .prepare_cached("DELETE FROM gone WHERE rowset = ?1")?
                .execute([rows.0])?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives some pages in which nothing is back to the disk; `true`: so many may stay.
    pub fn shrink(&self) -> rusqlite::Result<bool> {
        let number = |name: &str| -> rusqlite::Result<i64> {
            let pragma = format!("PRAGMA {name}");
            self.0.query_row(&pragma, [], |row| row.get(0))
        };
        let free = number("freelist_count")?;
        if free <= FREE_PAGES_KEPT.max(number("page_count")? / FREE_PART_KEPT) {
            return Ok(true);
        }
        // Each row of the answer is a page; it has no columns.
        let mut step = self
            .0
            .prepare(&format!("PRAGMA incremental_vacuum({SHRINK_STEP})"))?;
        let mut pages = step.query([])?;
        while pages.next()?.is_some() {}
        // A file that does not get smaller is not asked again.
        Ok(number("freelist_count")? >= free)
    }

    /// Takes back what is said of a source's rows and routes; its row set is litter.
    pub fn disown(&self, source: &SourceName) -> rusqlite::Result<Option<RowSet>> {
        let rows = self.header(source)?.map(|header| header.rows);
        self.0
            .prepare_cached("DELETE FROM sources WHERE name = ?1")?
            .execute([&source.0])?;
        for table in ["routes", "marks", "parked"] {
            self.0
                .prepare_cached(&format!("DELETE FROM {table} WHERE source = ?1"))?
                .execute([&source.0])?;
        }
        Ok(rows)
    }

    /// Forgets what is said of one route.
    pub fn disown_route(&self, route: &RouteName) -> rusqlite::Result<()> {
        for table in ["routes", "marks", "parked"] {
            self.0
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE source = ?1 AND target = ?2"
                ))?
                .execute([&route.source.0, &route.target.0])?;
        }
        Ok(())
    }

    /// Forgets every source that is not among these; their row sets are litter.
    pub fn keep(&self, sources: &[SourceName]) -> rusqlite::Result<Vec<RowSet>> {
        const NAMED: [(&str, &str); 5] = [
            ("sources", "name"),
            ("mounts", "source"),
            ("routes", "source"),
            ("marks", "source"),
            ("parked", "source"),
        ];
        let mut litter = Vec::new();
        // Of each table, for any of them may be without the others' records.
        for (table, column) in NAMED {
            let mut names = self
                .0
                .prepare_cached(&format!("SELECT DISTINCT {column} FROM {table}"))?;
            let names: Vec<String> = names
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for name in names.into_iter().map(SourceName) {
                if sources.contains(&name) {
                    continue;
                }
                litter.extend(self.header(&name)?.map(|header| header.rows));
                for (table, column) in NAMED {
                    self.0
                        .prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?
                        .execute([&name.0])?;
                }
            }
        }
        Ok(litter)
    }
}

/// Between what, both exclusive, the paths below this one lie. Not for the root.
pub fn below(path: &RelPath) -> (Vec<u8>, Vec<u8>) {
    let mut from = path.as_bytes().to_vec();
    let mut to = from.clone();
    from.push(b'/');
    to.push(b'/' + 1);
    (from, to)
}
