//! A row: one directory as it was at a look, in bytes.
//!
//! ```text
//! version 1 · flags 1 · inode 8 · own signature 8 · entries, sorted by name, none twice:
//!   bytes shared with the name before (varint) · further bytes (varint) · these bytes · tag 1 · signature 8
//! checksum 8, of all before
//! ```
//!
//! Numbers are little-endian. The signature of a directory among the entries is its inode: what else there is to know of
//! it stands in its own row, or every change inside would change the rows above.
//!
//! Invariants: two rows of equal bytes that are settled (no signature in them is void) are of directories in which
//! nothing changed in between. Bytes that this file did not write are no row: they are refused as a whole before any
//! entry of them is used, so damage in the ledger costs work, and nothing panics. The checksum keeps a name that a flipped
//! bit made from being taken for one that vanished: a target may have a file of that name.

/// Rows of another version are none.
const VERSION: u8 = 1;
const HEADER: usize = 18;
const CHECKSUM: usize = 8;
/// A name of the kernel's has at most so many bytes (`FUSE_NAME_MAX` is the path's limit since Linux 6.15).
const NAME_MAX: usize = 4096;

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It is there, but looking at it failed.
    Unknown = 0,
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A named pipe.
    Fifo = 4,
    /// A socket.
    Socket = 5,
    /// A character device.
    Character = 6,
    /// A block device.
    Block = 7,
    /// A directory of another file system that is not entered: it has no row of its own.
    MountPoint = 8,
}

const KINDS: [Kind; 9] = [
    Kind::Unknown,
    Kind::File,
    Kind::Directory,
    Kind::Symlink,
    Kind::Fifo,
    Kind::Socket,
    Kind::Character,
    Kind::Block,
    Kind::MountPoint,
];

/// Bits of a tag, and of the flags: the kind, and above it
const KIND: u8 = 15;
const FOREIGN: u8 = 16;
const VOID: u8 = 32;
/// of the flags alone: some signature in the row is void.
const UNSETTLED: u8 = 64;

/// What is known of one entry, or of the directory itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    /// What it is.
    pub(super) kind: Kind,
    /// It lies on another file system than the root.
    pub(super) foreign: bool,
    /// `None`: void, equal to nothing, not even to itself.
    pub(super) signature: Option<u64>,
}

impl Facts {
    /// Whether nothing changed between the two looks.
    pub(super) fn proves(self, later: Facts) -> bool {
        self.signature.is_some() && self == later
    }

    fn tag(self) -> u8 {
        let void = if self.signature.is_none() { VOID } else { 0 };
        let foreign = if self.foreign { FOREIGN } else { 0 };
        self.kind as u8 | foreign | void
    }

    fn read(tag: u8, signature: &[u8]) -> Option<Facts> {
        if tag & !(KIND | FOREIGN | VOID) != 0 {
            return None;
        }
        let value = u64::from_le_bytes(signature.try_into().ok()?);
        let void = tag & VOID != 0;
        if void && value != 0 {
            return None;
        }
        Some(Facts {
            kind: *KINDS.get(usize::from(tag & KIND))?,
            foreign: tag & FOREIGN != 0,
            signature: (!void).then_some(value),
        })
    }
}

/// The directory itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Own {
    /// Its inode.
    pub(super) inode: u64,
    /// The rest.
    pub(super) facts: Facts,
}

/// Writes a row. Entries come in the order of their names.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    last: &'a [u8],
}

impl<'a> Writer<'a> {
    /// Begins a row in `out`, which is emptied.
    pub(super) fn new(out: &'a mut Vec<u8>, own: Own) -> Writer<'a> {
        out.clear();
        let void = own.facts.signature.is_none();
        let flags = own.facts.tag() | if void { UNSETTLED } else { 0 };
        out.extend([VERSION, flags]);
        out.extend(own.inode.to_le_bytes());
        out.extend(own.facts.signature.unwrap_or(0).to_le_bytes());
        Writer { out, last: b"" }
    }

    /// The next entry.
    pub(super) fn add(&mut self, name: &'a [u8], facts: Facts) {
        let pairs = self.last.iter().zip(name);
        let shared = pairs.take_while(|(one, other)| one == other).count();
        varint(self.out, shared);
        varint(self.out, name.len() - shared);
        self.out.extend_from_slice(&name[shared..]);
        self.out.push(facts.tag());
        self.out.extend(facts.signature.unwrap_or(0).to_le_bytes());
        if facts.signature.is_none() {
            self.out[1] |= UNSETTLED;
        }
        self.last = name;
    }

    /// Ends it.
    pub(super) fn end(self) {
        let sum = checksum(self.out);
        self.out.extend(sum);
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::hash(bytes);
    std::array::from_fn(|at| hash.as_bytes()[at])
}

/// Whether every signature of a row that [`Writer`] wrote can be trusted: where the bytes are the same later, nothing
/// changed.
pub(super) fn is_settled(row: &[u8]) -> bool {
    row.get(1).is_some_and(|flags| flags & UNSETTLED == 0)
}

/// A row that was read and found whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// The directory itself.
    pub(super) own: Own,
    entries: &'a [u8],
}

impl<'a> Row<'a> {
    /// `None`: these bytes are no row.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Row<'a>> {
        let (bytes, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        let (header, entries) = bytes.split_at_checked(HEADER)?;
        if header[0] != VERSION || checksum(bytes) != *sum {
            return None;
        }
        let own = Own {
            inode: u64::from_le_bytes(header[2..10].try_into().ok()?),
            facts: Facts::read(header[1] & !UNSETTLED, &header[10..])?,
        };
        let row = Row { own, entries };
        let (mut all, mut last) = (row.entries(), Vec::new());
        let mut unsettled = own.facts.signature.is_none();
        while !all.rest.is_empty() {
            let facts = all.read()?;
            let hostile = all.name.iter().any(|byte| matches!(byte, 0 | b'/'));
            if hostile || all.name <= last || matches!(&*all.name, b"." | b"..") {
                return None;
            }
            unsettled |= facts.signature.is_none();
            last.clone_from(&all.name);
        }
        (unsettled == (header[1] & UNSETTLED != 0)).then_some(row)
    }

    /// Its entries, in the order of their names.
    pub(super) fn entries(&self) -> Entries<'a> {
        Entries {
            rest: self.entries,
            name: Vec::new(),
        }
    }
}

/// Reads one entry after the other.
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    /// Of the entry that was read last.
    pub(super) name: Vec<u8>,
}

impl Entries<'_> {
    /// The next entry, whose name is in `name` then; `None`: there is none.
    pub(super) fn read(&mut self) -> Option<Facts> {
        let shared = self.varint()?;
        let further = self.varint()?;
        if shared > self.name.len() || further > NAME_MAX || shared + further > NAME_MAX {
            return None;
        }
        let (name, rest) = self.rest.split_at_checked(further)?;
        let (facts, rest) = rest.split_at_checked(9)?;
        self.rest = rest;
        self.name.truncate(shared);
        self.name.extend_from_slice(name);
        Facts::read(facts[0], &facts[1..])
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14] {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= usize::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Some(value);
            }
        }
        None
    }
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> impl Strategy<Value = Facts> {
        let kind = (0..KINDS.len()).prop_map(|at| KINDS[at]);
        (kind, any::<bool>(), any::<Option<u64>>()).prop_map(|(kind, foreign, signature)| Facts {
            kind,
            foreign,
            signature,
        })
    }

    fn written(own: Own, entries: &std::collections::BTreeMap<Vec<u8>, Facts>) -> Vec<u8> {
        let mut bytes = b"what was before".to_vec();
        let mut writer = Writer::new(&mut bytes, own);
        for (name, facts) in entries {
            writer.add(name, *facts);
        }
        writer.end();
        bytes
    }

    fn all(row: &Row) -> Vec<(Vec<u8>, Facts)> {
        let mut entries = row.entries();
        std::iter::from_fn(|| entries.read().map(|facts| (entries.name.clone(), facts))).collect()
    }

    fn row() -> impl Strategy<Value = (Own, std::collections::BTreeMap<Vec<u8>, Facts>)> {
        let name = prop_oneof![
            "[ab]{1,4}".prop_map(String::into_bytes),
            proptest::collection::vec(prop_oneof![1..=45u8, 48..=255u8], 1..300),
        ];
        let own = (any::<u64>(), facts()).prop_map(|(inode, facts)| Own { inode, facts });
        (own, proptest::collection::btree_map(name, facts(), 0..20))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read((own, entries) in row()) {
            let bytes = written(own, &entries);
            let row = Row::read(&bytes).unwrap();
            prop_assert_eq!(row.own, own);
            prop_assert_eq!(all(&row), entries.clone().into_iter().collect::<Vec<_>>());
            let settled = own.facts.signature.is_some() && entries.values().all(|facts| facts.signature.is_some());
            prop_assert_eq!(is_settled(&bytes), settled);
        }

        #[test]
        fn damaged_bytes_are_no_row((own, entries) in row(), at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
            let mut damaged = written(own, &entries);
            let at = at.index(damaged.len());
            if cut { damaged.truncate(at) } else { damaged[at] ^= 1 << bit }
            prop_assert!(Row::read(&damaged).is_none());
        }

        #[test]
        fn bytes_that_only_their_checksum_speaks_for_are_borne((own, entries) in row(), at in any::<prop::sample::Index>(), byte in any::<u8>(), rest in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = written(own, &entries);
            let at = at.index(bytes.len() - CHECKSUM);
            bytes.truncate(bytes.len() - CHECKSUM);
            bytes[at] = byte;
            if byte & 1 == 0 {
                bytes.truncate(at + 1);
                bytes.extend(rest);
            }
            bytes.extend(checksum(&bytes));
            if let Some(row) = Row::read(&bytes) {
                let read = all(&row);
                prop_assert!(read.is_sorted_by(|one, other| one.0 < other.0));
                let hostile = |name: &[u8]| name.is_empty() || name == b".." || name.contains(&b'/');
                prop_assert!(!read.iter().any(|(name, _)| hostile(name)));
            }
        }
    }

    #[test]
    fn a_void_signature_proves_nothing() {
        let facts = |signature| Facts {
            kind: Kind::File,
            foreign: false,
            signature,
        };
        assert!(facts(Some(1)).proves(facts(Some(1))));
        assert!(!facts(None).proves(facts(None)) && !facts(Some(1)).proves(facts(None)));
    }
}
