//! The names of watched directories, one behind the other in few large pieces.
//!
//! A box a name would cost its allocator's rounding and two words more than the name. What is forgotten leaves a hole;
//! who keeps the tree copies what is left when the holes outweigh it ([`Names::is_mostly_holes`]). Knows nothing of the tree.

/// Bytes in a piece. Long enough for any name, and small enough that the last one's empty rest does not count.
const PIECE: usize = 1 << PIECE_BITS;
const PIECE_BITS: u32 = 16;

/// Holes below this are not worth a copy.
const HOLES_MIN: usize = PIECE;

/// Names by their place.
#[derive(Debug, Default)]
pub(super) struct Names {
    pieces: Vec<Vec<u8>>,
    live: usize,
    holes: usize,
}

/// Where a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) at: u32,
    pub(super) length: u16,
}

impl Names {
    /// Keeps a name; `None` if it is longer than any, or four gigabytes are full.
    pub(super) fn keep(&mut self, name: &[u8]) -> Option<Name> {
        let length = u16::try_from(name.len()).ok().filter(|l| *l < u16::MAX)?;
        let fits = |piece: &Vec<u8>| piece.len() + name.len() <= PIECE;
        if !self.pieces.last().is_some_and(fits) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let number = u32::try_from(self.pieces.len() - 1).ok()?;
        if number >> (u32::BITS - PIECE_BITS) != 0 {
            return None;
        }
        let piece = self.pieces.last_mut()?;
        // Below `PIECE`, or the name is empty and stands at its end: then nothing is read there.
        let within = u32::try_from(piece.len().min(PIECE - 1)).ok()?;
        piece.extend_from_slice(name);
        self.live += name.len();
        Some(Name {
            at: number << PIECE_BITS | within,
            length,
        })
    }

    /// The name.
    pub(super) fn get(&self, name: Name) -> &[u8] {
        let from = name.at as usize % PIECE;
        self.pieces
            .get(name.at as usize / PIECE)
            .and_then(|piece| piece.get(from..from + usize::from(name.length)))
            .unwrap_or_default()
    }

    /// The name is not needed any more.
    pub(super) fn forget(&mut self, name: Name) {
        self.live -= usize::from(name.length);
        self.holes += usize::from(name.length);
    }

    /// Whether what is left should be copied into fresh pieces.
    pub(super) fn is_mostly_holes(&self) -> bool {
        self.holes > HOLES_MIN && self.holes > self.live
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(super) fn heap(&self) -> usize {
        self.pieces.capacity() * size_of::<Vec<u8>>()
            + self.pieces.iter().map(Vec::capacity).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_read_back_and_holes_are_counted() {
        let mut names = Names::default();
        let name = |at: usize| vec![b'a' + (at % 26) as u8; at % 256];
        let kept: Vec<Name> = (0..5000).map(|at| names.keep(&name(at)).unwrap()).collect();
        for (at, place) in kept.iter().enumerate() {
            assert_eq!(names.get(*place), name(at));
        }
        assert!(names.pieces.len() > 5);
        kept[..2400].iter().for_each(|name| names.forget(*name));
        assert!(!names.is_mostly_holes());
        kept[2400..3000].iter().for_each(|name| names.forget(*name));
        assert!(names.is_mostly_holes());
        assert_eq!(names.keep(&[b'x'; 70_000]), None);
    }
}
