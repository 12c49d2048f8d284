//! Paths of the model: at most four one-letter names, so that they are small, copied, and collide.

use std::cell::Cell;

use heliostat::engine::RelPath;

/// No tree of the model is deeper.
pub const DEPTH: usize = 4;

/// The name that every route's filter excludes.
pub const EXCLUDED: u8 = b'x';

/// What a route's filter excludes beside it, until a reload says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Also {
    #[default]
    Nothing,
    /// `c`, wherever it is.
    Anywhere,
    /// `/c`.
    Top,
}

thread_local! {
    /// A history is played by one thread, so that paths need not be told by which filter they are asked about.
    static ALSO: Cell<Also> = const { Cell::new(Also::Nothing) };
}

impl Also {
    /// As it is now.
    pub fn now() -> Also {
        ALSO.get()
    }

    /// From now on.
    pub fn set(self) {
        ALSO.set(self);
    }

    fn excludes(self, path: P) -> bool {
        match self {
            Also::Nothing => false,
            Also::Anywhere => path.0.contains(&b'c'),
            Also::Top => path.0[0] == b'c',
        }
    }
}

/// A path: its letters, zero where there is none. The root has none. Sorts every directory right before what is below it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct P([u8; DEPTH]);

impl P {
    pub const ROOT: P = P([0; DEPTH]);

    pub fn parse(text: &str) -> P {
        P::of(&RelPath::new(text.as_bytes()).unwrap()).unwrap()
    }

    pub fn of(path: &RelPath) -> Option<P> {
        let mut found = P::ROOT;
        for part in path.as_bytes().split(|b| *b == b'/') {
            match part {
                [] => {}
                [name] => found = found.join(*name)?,
                _ => return None,
            }
        }
        Some(found)
    }

    pub fn rel(self) -> RelPath {
        let mut bytes = Vec::with_capacity(2 * DEPTH);
        for name in self.0.iter().take_while(|name| **name != 0) {
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            bytes.push(*name);
        }
        RelPath::new(&bytes).unwrap()
    }

    pub fn depth(self) -> usize {
        self.0.iter().take_while(|name| **name != 0).count()
    }

    pub fn join(self, name: u8) -> Option<P> {
        let depth = self.depth();
        let mut joined = self;
        *joined.0.get_mut(depth)? = name;
        Some(joined)
    }

    pub fn parent(self) -> Option<P> {
        let mut parent = self;
        *parent.0.get_mut(self.depth().checked_sub(1)?)? = 0;
        Some(parent)
    }

    pub fn name(self) -> u8 {
        self.0[self.depth().max(1) - 1]
    }

    /// Whether it is `other` or lies below it.
    pub fn within(self, other: P) -> bool {
        let depth = other.depth();
        self.0[..depth] == other.0[..depth]
    }

    /// The same path below `to` instead of `from`; `None` if it is too deep there.
    pub fn moved(self, from: P, to: P) -> Option<P> {
        let names = self.0[from.depth()..].iter().take_while(|name| **name != 0);
        names
            .into_iter()
            .try_fold(to, |path, name| path.join(*name))
    }

    /// Whether the filter leaves it out, and protects it on targets.
    pub fn is_excluded(self) -> bool {
        self.is_excluded_by(Also::now())
    }

    /// Whether such a filter does.
    pub fn is_excluded_by(self, also: Also) -> bool {
        self.0.contains(&EXCLUDED) || also.excludes(self)
    }

    /// The directories above it, the root first.
    pub fn above(self) -> impl Iterator<Item = P> {
        (0..self.depth()).map(move |depth| {
            let mut path = P::ROOT;
            path.0[..depth].copy_from_slice(&self.0[..depth]);
            path
        })
    }

    /// The first path behind everything below it, in order.
    pub fn after(self) -> P {
        let mut after = self;
        let depth = self.depth();
        if depth == 0 {
            return P([u8::MAX; DEPTH]);
        }
        after.0[depth - 1] += 1;
        after
    }
}

impl std::fmt::Debug for P {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.rel())
    }
}
