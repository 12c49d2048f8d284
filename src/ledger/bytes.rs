//! The records' own form: numbers in eight bytes, lengths before what they count, nothing left over at the end.
//!
//! Reading never panics and takes no more memory than there is to read, whatever the bytes are.

use jiff::Timestamp;

use crate::engine::RelPath;

/// Builds a record.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Writer {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// A number that may not be known.
    pub fn maybe(&mut self, number: Option<u64>) -> &mut Writer {
        self.byte(u8::from(number.is_some()))
            .number(number.unwrap_or(0))
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) -> &mut Writer {
        self.0.push(byte);
        self
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// An instant that may not be known.
    pub fn instant(&mut self, at: Option<Timestamp>) -> &mut Writer {
        self.maybe(at.map(|at| at.as_second() as u64));
        self.number(at.map_or(0, |at| at.subsec_nanosecond()) as u64)
    }

    /// The record.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a record; every part is `None` where it is not there.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// A number.
    pub fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    /// A number that may not be known.
    pub fn maybe(&mut self) -> Option<Option<u64>> {
        let known = self.flag()?;
        let number = self.number()?;
        Some(known.then_some(number))
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Text with its length.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// A path in its normal form.
    pub fn path(&mut self) -> Option<RelPath> {
        path(self.bytes()?)
    }

    /// An instant that may not be known.
    pub fn instant(&mut self) -> Option<Option<Timestamp>> {
        let second = self.maybe()?;
        let nanosecond = self.number()? as u32;
        match second {
            None => Some(None),
            Some(second) => Timestamp::new(second as i64, nanosecond as i32)
                .ok()
                .map(Some),
        }
    }

    /// Whether nothing is left over.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A path as it was written: only in its normal form.
pub fn path(bytes: &[u8]) -> Option<RelPath> {
    RelPath::new(bytes).filter(|path| path.as_bytes() == bytes)
}
