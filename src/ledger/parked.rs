//! Rows that are kept for parked routes: what a directory's row said when its route was parked.
//!
//! A checkpoint that replaces a row, or takes it out, first keeps it for each parked route that has none of that
//! directory yet; of a directory that had no row it keeps just that. Both are of one transaction. The route's record has
//! a sum over all that is kept for it: were one missing, the row that took its place would hide a change. Where the sum
//! does not hold nothing is known, and a full pass is owed.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::readers::{Readers, Rows};
use super::record::{Header, RouteRecord, RowPlace};
use super::seal;
use super::store::{self, Store};
use crate::engine::{Parking, RelPath, Release, RouteMemory};
use crate::plan::{Compare, RouteName};

/// The sum over what is kept for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Under which number it was parked.
    pub number: i64,
    /// How many rows.
    pub count: u64,
    /// The sum of the beginnings of their tags.
    pub sum: u64,
}

impl Kept {
    fn new(number: i64) -> Kept {
        Kept {
            number,
            count: 0,
            sum: 0,
        }
    }

    fn add(&mut self, sealed: &[u8]) {
        let tag = sealed.last_chunk::<{ seal::TAG }>();
        let first = tag.and_then(|tag| tag.first_chunk::<8>());
        self.count += 1;
        self.sum = self
            .sum
            .wrapping_add(first.map_or(0, |first| u64::from_le_bytes(*first)));
    }
}

/// What is kept for one parked route of a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// So far.
    pub kept: Kept,
    /// Whether this checkpoint's rows are those that it was parked with: what they replace is not kept.
    begins: bool,
}

/// The parked routes of a checkpoint.
pub type Keeping = BTreeMap<RouteName, Keep>;

/// A row, or that there was none, as it is kept for a route.
fn sealed(name: &RouteName, path: &[u8], row: Option<&[u8]>) -> Vec<u8> {
    let mut data = Vec::with_capacity(row.map_or(0, <[u8]>::len) + 1 + seal::TAG);
    data.push(u8::from(row.is_some()));
    data.extend_from_slice(row.unwrap_or_default());
    seal::seal(&context(name, path), data)
}

/// What was kept, if it is as it was: the row, or that there was none.
fn unsealed(name: &RouteName, path: &[u8], sealed: &[u8]) -> Option<Option<Vec<u8>>> {
    match seal::unseal(&context(name, path), sealed)?.split_first()? {
        (0, []) => Some(None),
        (1, row) => Some(Some(row.to_vec())),
        _ => None,
    }
}

fn context<'a>(name: &'a RouteName, path: &'a [u8]) -> [&'a [u8]; 4] {
    [
        b"parked",
        name.source.0.as_bytes(),
        name.target.0.as_bytes(),
        path,
    ]
}

impl Store<'_> {
    /// The routes for which this checkpoint keeps rows. One of which nothing is known any more owes a full pass.
    pub fn keeping(
        &self,
        routes: &mut BTreeMap<RouteName, RouteMemory>,
        whole: bool,
    ) -> rusqlite::Result<Keeping> {
        let mut keeping = Keeping::new();
        for (name, memory) in routes {
            match memory.parked {
                Parking::No => continue,
                Parking::Begins(number) => {
                    self.let_go(name)?;
                    let kept = Kept::new(number);
                    keeping.insert(name.clone(), Keep { kept, begins: true });
                }
                Parking::Goes(number) => {
                    match kept(self.0, name)?.filter(|kept| !whole && kept.number == number) {
                        Some(kept) => {
                            let begins = false;
                            keeping.insert(name.clone(), Keep { kept, begins });
                        }
                        None => {
                            memory.parked = Parking::No;
                            memory.pass = memory.pass.or(Some(Compare::Quick));
                        }
                    }
                }
            }
        }
        Ok(keeping)
    }

    /// Nothing is kept for this route any more.
    pub fn let_go(&self, name: &RouteName) -> rusqlite::Result<()> {
        self.0
            .prepare_cached("DELETE FROM parked WHERE source = ?1 AND target = ?2")?
            .execute([&name.source.0, &name.target.0])?;
        Ok(())
    }

    /// Nothing is kept for routes that have no record.
    pub fn let_go_of_others(&self, source: &str) -> rusqlite::Result<()> {
        self.0
            .prepare_cached(
                "DELETE FROM parked WHERE source = ?1
                 AND target NOT IN (SELECT target FROM routes WHERE source = ?1)",
            )?
            .execute([source])?;
        Ok(())
    }

    /// Before this row is put: what stands there is kept, if it is another.
    pub fn keep_row(
        &self,
        header: &Header,
        (path, new): (&[u8], &[u8]),
        keeping: &mut Keeping,
    ) -> rusqlite::Result<()> {
        if keeping.values().all(|keep| keep.begins) {
            return Ok(());
        }
        let have = self
            .0
            .prepare_cached("SELECT generation, sealed FROM rows WHERE rowset = ?1 AND path = ?2")?
            .query_row(params![header.rows.0, path], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        let old = have.as_ref().and_then(|(generation, sealed)| {
            let place = RowPlace {
                rows: header.rows,
                generation: super::record::Generation(*generation),
                path,
            };
            place.unseal(sealed)
        });
        if old == Some(new) {
            return Ok(());
        }
        self.keep_for_each(path, old, keeping)
    }

    /// Before the rows at and below a path are taken out: they are kept.
    pub fn keep_below(
        &self,
        header: &Header,
        path: &RelPath,
        keeping: &mut Keeping,
    ) -> rusqlite::Result<()> {
        if keeping.values().all(|keep| keep.begins) {
            return Ok(());
        }
        let (from, to) = match path.is_root() {
            true => (Vec::new(), None),
            false => {
                let (from, to) = store::below(path);
                (from, Some(to))
            }
        };
        let mut rows = self.0.prepare_cached(
            "SELECT path, generation, sealed FROM rows
             WHERE rowset = ?1 AND (path = ?2 OR path > ?3 AND (?4 IS NULL OR path < ?4))",
        )?;
        let mut found = rows.query(params![header.rows.0, path.as_bytes(), from, to])?;
        while let Some(row) = found.next()? {
            let path = row.get_ref(0)?.as_blob().unwrap_or_default();
            let place = RowPlace {
                rows: header.rows,
                generation: super::record::Generation(row.get(1)?),
                path,
            };
            let old = place.unseal(row.get_ref(2)?.as_blob().unwrap_or_default());
            self.keep_for_each(path, old, keeping)?;
        }
        Ok(())
    }

    fn keep_for_each(
        &self,
        path: &[u8],
        row: Option<&[u8]>,
        keeping: &mut Keeping,
    ) -> rusqlite::Result<()> {
        for (name, keep) in keeping.iter_mut().filter(|(_, keep)| !keep.begins) {
            let sealed = sealed(name, path, row);
            let put = self
                .0
                .prepare_cached("INSERT OR IGNORE INTO parked VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![name.source.0, name.target.0, path, sealed])?;
            if put == 1 {
                keep.kept.add(&sealed);
            }
        }
        Ok(())
    }
}

/// What the route's record says is kept for it; `None`: it is not parked, or has no record.
fn kept(connection: &Connection, name: &RouteName) -> rusqlite::Result<Option<Kept>> {
    let sealed: Option<Vec<u8>> = connection
        .prepare_cached("SELECT sealed FROM routes WHERE source = ?1 AND target = ?2")?
        .query_row([&name.source.0, &name.target.0], |row| row.get(0))
        .optional()?;
    let record = sealed.and_then(|sealed| RouteRecord::unseal(name, &sealed));
    Ok(record.and_then(|record| record.kept))
}

/// The rows of one source as they were when a route was parked.
#[derive(Clone, Debug)]
pub struct ParkedRows {
    rows: Rows,
    readers: Arc<Readers>,
    name: RouteName,
}

impl ParkedRows {
    /// What is kept for this parking, where all of it is there.
    pub fn of(readers: Arc<Readers>, release: &Release) -> Option<ParkedRows> {
        let name = &release.route;
        let rows = Rows::of(Arc::clone(&readers), &name.source)?;
        let whole = readers.read(|connection| {
            // One snapshot: a checkpoint may be written meanwhile.
            let snapshot = connection.unchecked_transaction()?;
            let want = kept(&snapshot, name)?.filter(|kept| kept.number == release.number);
            let Some(want) = want else {
                return Ok(false);
            };
            let mut have = Kept::new(want.number);
            let mut found = snapshot.prepare_cached(
                "SELECT path, sealed FROM parked WHERE source = ?1 AND target = ?2",
            )?;
            let mut found = found.query([&name.source.0, &name.target.0])?;
            while let Some(row) = found.next()? {
                let path = row.get_ref(0)?.as_blob().unwrap_or_default();
                let sealed = row.get_ref(1)?.as_blob().unwrap_or_default();
                if unsealed(name, path, sealed).is_none() {
                    return Ok(false);
                }
                have.add(sealed);
            }
            Ok(have == want)
        });
        whole.filter(|whole| *whole)?;
        Some(ParkedRows {
            rows,
            readers,
            name: name.clone(),
        })
    }

    /// The row that this directory had; `None` where it had none, or none that can be read: then nothing is known of it.
    pub fn row(&self, path: &RelPath) -> Option<Vec<u8>> {
        // Before what is kept: a row that is replaced meanwhile is kept then.
        let now = self.rows.row(path);
        let (source, target) = (&self.name.source.0, &self.name.target.0);
        let kept = self.readers.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT sealed FROM parked WHERE source = ?1 AND target = ?2 AND path = ?3",
                )?
                .query_row(params![source, target, path.as_bytes()], |row| {
                    row.get::<_, Vec<u8>>(0)
                })
                .optional()
        })?;
        match kept {
            Some(sealed) => unsealed(&self.name, path.as_bytes(), &sealed).flatten(),
            None => now,
        }
    }
}
