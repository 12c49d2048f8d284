//! What is kept of a source and of a route, as bytes.
//!
//! A route's marks stand beside its record, which holds their tag: while a target is away they are many and hardly
//! change, and need not be written again with every checkpoint.

use super::bytes::{Reader, Writer};
use super::parked::Kept;
use super::seal::{self, TAG};
use crate::engine::{Dirt, MARKS_MAX, Mark, Parking, RelPath, RouteMemory, TargetId};
use crate::plan::{Compare, RouteName, SourceName};

/// Names a set of rows: made by one whole survey and the single ones that followed it. Random, so that a row that was
/// left over from another set is never taken for one of this.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RowSet(pub i64);

/// Which checkpoint of its row set: counts up with every commit. Invariant: a row is only read where it is not younger
/// than the routes' record. An older row costs work; a younger one, which a damaged journal can bring about, would hide a
/// change whose mark is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Generation(pub i64);

/// A source that has rows for all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Which rows.
    pub rows: RowSet,
    /// The last commit.
    pub generation: Generation,
    /// The key of the plan under which they were made.
    pub key: String,
}

impl Header {
    /// As it is kept.
    pub fn seal(&self, source: &SourceName) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(self.rows.0 as u64)
            .number(self.generation.0 as u64)
            .bytes(self.key.as_bytes());
        seal::seal(&[b"source", source.0.as_bytes()], out.done())
    }

    /// What was kept, if it is as it was.
    pub fn unseal(source: &SourceName, sealed: &[u8]) -> Option<Header> {
        let data = seal::unseal(&[b"source", source.0.as_bytes()], sealed)?;
        let mut read = Reader(data);
        let header = Header {
            rows: RowSet(read.number()? as i64),
            generation: Generation(read.number()? as i64),
            key: read.text()?,
        };
        read.end()?;
        Some(header)
    }
}

/// A row's place: where it stands, and since which commit.
#[derive(Clone, Copy, Debug)]
pub struct RowPlace<'a> {
    /// In which set.
    pub rows: RowSet,
    /// Since when.
    pub generation: Generation,
    /// Of which directory.
    pub path: &'a [u8],
}

impl RowPlace<'_> {
    /// As it is kept here.
    pub fn seal(self, row: Vec<u8>) -> Vec<u8> {
        let (rows, generation) = (self.rows.0.to_le_bytes(), self.generation.0.to_le_bytes());
        seal::seal(&[b"row", &rows, &generation, self.path], row)
    }

    /// The row that was kept here, if it is as it was.
    pub fn unseal(self, sealed: &[u8]) -> Option<&[u8]> {
        let (rows, generation) = (self.rows.0.to_le_bytes(), self.generation.0.to_le_bytes());
        seal::unseal(&[b"row", &rows, &generation, self.path], sealed)
    }
}

/// A route's record without its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRecord {
    /// The rows that it goes with.
    pub rows: RowSet,
    /// The commit that wrote it; the header's, or it is not true.
    pub generation: Generation,
    /// How many marks.
    pub marks: u64,
    /// Their tag.
    pub marks_tag: [u8; TAG],
    /// What is kept for it, where it is parked.
    pub kept: Option<Kept>,
    /// The rest; its marks are empty.
    pub memory: RouteMemory,
}

impl RouteRecord {
    /// Parts a memory into its record and its marks.
    ///
    /// More marks than the engine would ever hold together become what they amount to: a full pass, by size and time as
    /// after every other loss.
    pub fn part(
        header: &Header,
        name: &RouteName,
        mut memory: RouteMemory,
    ) -> (RouteRecord, Vec<u8>) {
        let mut marks = std::mem::take(&mut memory.marks);
        if marks.len() > MARKS_MAX {
            marks.clear();
            memory.pass = memory.pass.or(Some(Compare::Quick));
        }
        let blob = encode_marks(&marks);
        let record = RouteRecord {
            rows: header.rows,
            generation: header.generation,
            marks: marks.len() as u64,
            marks_tag: marks_tag(name, &blob),
            kept: None,
            memory,
        };
        (record, blob)
    }

    /// Its marks are too long to be kept: what they amount to is owed.
    pub fn owe_pass(&mut self, name: &RouteName) {
        self.marks = 0;
        self.marks_tag = marks_tag(name, &[]);
        self.memory.pass = self.memory.pass.or(Some(Compare::Quick));
    }

    /// Puts the marks back; `None` where they are not those that the record was written with.
    pub fn join(mut self, name: &RouteName, blob: &[u8]) -> Option<RouteMemory> {
        if marks_tag(name, blob) != self.marks_tag {
            return None;
        }
        match decode_marks(blob).filter(|marks| marks.len() as u64 == self.marks) {
            Some(marks) => self.memory.marks = marks,
            // Written as they are, yet not to be read: by a version that knew other marks.
            None => self.memory.pass = self.memory.pass.or(Some(Compare::Quick)),
        }
        Some(self.memory)
    }

    /// As it is kept.
    pub fn seal(&self, name: &RouteName) -> Vec<u8> {
        let memory = &self.memory;
        let mut out = Writer::default();
        out.number(self.rows.0 as u64)
            .number(self.generation.0 as u64)
            .number(self.marks)
            .bytes(&self.marks_tag)
            .bytes(memory.key.as_bytes())
            .byte(match memory.pass {
                None => 0,
                Some(Compare::Quick) => 1,
                Some(Compare::Checksum) => 2,
            })
            .maybe(memory.target_entries);
        for at in [memory.last_good, memory.next_rescan, memory.next_sync] {
            out.instant(at);
        }
        out.maybe(memory.target.map(|target| target.file_system))
            .number(memory.target.map_or(0, |target| target.inode));
        out.maybe(self.kept.map(|kept| kept.count))
            .number(self.kept.map_or(0, |kept| kept.sum))
            .number(self.kept.map_or(0, |kept| kept.number as u64));
        out.instant(memory.last_compared);
        seal::seal(&context(b"route", name), out.done())
    }

    /// What was kept, if it is as it was.
    pub fn unseal(name: &RouteName, sealed: &[u8]) -> Option<RouteRecord> {
        let mut read = Reader(seal::unseal(&context(b"route", name), sealed)?);
        let mut record = RouteRecord {
            rows: RowSet(read.number()? as i64),
            generation: Generation(read.number()? as i64),
            marks: read.number()?,
            marks_tag: read.bytes()?.try_into().ok()?,
            kept: None,
            memory: RouteMemory {
                key: read.text()?,
                marks: Vec::new(),
                pass: match read.byte()? {
                    0 => None,
                    1 => Some(Compare::Quick),
                    2 => Some(Compare::Checksum),
                    _ => return None,
                },
                target_entries: read.maybe()?,
                last_good: read.instant()?,
                last_compared: None,
                next_rescan: read.instant()?,
                next_sync: read.instant()?,
                target: None,
                parked: Parking::No,
            },
        };
        let (file_system, inode) = (read.maybe()?, read.number()?);
        record.memory.target = file_system.map(|file_system| TargetId { file_system, inode });
        let (count, sum) = (read.maybe()?, read.number()?);
        let number = read.number()? as i64;
        if let Some(count) = count {
            record.kept = Some(Kept { number, count, sum });
            record.memory.parked = Parking::Goes(number);
        }
        // An earlier version ended here.
        if !read.0.is_empty() {
            record.memory.last_compared = read.instant()?;
        }
        read.end()?;
        Some(record)
    }
}

fn context<'a>(kind: &'a [u8], name: &'a RouteName) -> [&'a [u8]; 3] {
    [kind, name.source.0.as_bytes(), name.target.0.as_bytes()]
}

fn marks_tag(name: &RouteName, blob: &[u8]) -> [u8; TAG] {
    seal::tag(&context(b"marks", name), blob)
}

fn encode_marks(marks: &[Mark]) -> Vec<u8> {
    let mut out = Writer::default();
    for mark in marks {
        out.byte(mark.dirt.bits()).bytes(mark.path.as_bytes());
    }
    out.done()
}

fn decode_marks(blob: &[u8]) -> Option<Vec<Mark>> {
    let (mut read, mut marks) = (Reader(blob), Vec::new());
    while !read.0.is_empty() {
        let dirt = Dirt::from_bits(read.byte()?)?;
        let path = read.path()?;
        marks.push(Mark { path, dirt });
        if marks.len() > MARKS_MAX {
            return None;
        }
    }
    Some(marks)
}

/// Mount points, as they are kept.
pub fn seal_mounts(source: &SourceName, mounts: &[RelPath]) -> Vec<u8> {
    let mut out = Writer::default();
    for mount in mounts {
        out.bytes(mount.as_bytes());
    }
    seal::seal(&[b"mounts", source.0.as_bytes()], out.done())
}

/// The mount points that were kept, if they are as they were.
pub fn unseal_mounts(source: &SourceName, sealed: &[u8]) -> Option<Vec<RelPath>> {
    let data = seal::unseal(&[b"mounts", source.0.as_bytes()], sealed)?;
    let (mut read, mut mounts) = (Reader(data), Vec::new());
    while !read.0.is_empty() {
        mounts.push(read.path()?);
    }
    Some(mounts)
}
