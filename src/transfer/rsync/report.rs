//! Everything that one run of rsync said, gathered while it runs, in bounded memory.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::progress::Progress;
use super::super::tally::{self, Tally};
use super::lines::{self, Did, Failed, Item, Line, Number};
use crate::engine::{Changed, Deletions, RelPath};

/// Lines that are kept of one run. Beyond it nothing can be named any more, and nothing is taken for done.
const KEPT_MAX: usize = 20_000;

/// Bytes of those lines: each may be long, and a far side may say what it likes.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Deletions that are counted, in eight bytes each. Beyond it the count goes on and the plan is refused: nobody approves it
/// unseen.
const DELETIONS_MAX: usize = 5_000_000;

/// Paths that are kept of a preview, for which a process of its own is there.
const LISTED_MAX: usize = 5_000_000;

/// Bytes of those paths.
const LISTED_BYTES_MAX: usize = 512 << 20;

/// A longer line is no line of rsync's: names are shorter, escaped fourfold.
const LINE_MAX: usize = 64 * 1024;

/// What a run said.
#[derive(Debug, Default)]
pub struct Report {
    /// Entries sent or changed.
    pub files: u64,
    /// Of which new on the target.
    pub created: u64,
    /// Of which nothing but attributes changed.
    pub attributes: u64,
    /// Bytes on the wire, as far as they belong to entries.
    pub bytes: u64,
    /// Entries deleted, or that would be.
    pub deleted: u64,
    /// Which, where that is asked for: the run is a count.
    deletions: Option<Deletions>,
    /// All paths, where they are asked for.
    named: Option<Named>,
    /// The first paths, where they are asked for.
    planned: Option<Changed>,
    /// Directories that stay, as rsync wrote them.
    pub kept: Vec<Vec<u8>>,
    /// Paths where a directory stands in the way.
    pub blocked: Vec<Vec<u8>>,
    /// Special files left out.
    pub left_out: Vec<Vec<u8>>,
    /// Paths that vanished, as the sender wrote them.
    pub vanished: Vec<Vec<u8>>,
    /// Paths that changed while they were read.
    pub unsteady: Vec<Vec<u8>>,
    /// Paths that failed.
    pub failed: Vec<Failed>,
    /// How many deletions the fence stopped.
    skipped: u64,
    /// Whether a read error stopped all deletions.
    pub deletion_skipped: bool,
    /// What the exit code says in words; the peer's own refusals.
    pub closing: Vec<String>,
    /// What is not understood.
    pub other: Vec<String>,
    /// Whether something had to be dropped.
    pub overflow: bool,
    /// Of the statistics.
    pub listed: Option<u64>,
    /// Of which devices and special files.
    pub special: u64,
    /// Of which links.
    pub links: u64,
    /// Of what was sent or changed, the names that begin with a dot: see [`Report::is_hidden`].
    hidden: HashSet<Vec<u8>>,
    /// Whether there were more.
    hidden_more: bool,
    kept_lines: usize,
    kept_bytes: usize,
    /// Whether rsync itself counts the entries.
    counted: bool,
    /// Who wants to know of each path.
    tally: Option<Arc<Tally>>,
    /// What a line about an entry begins with; see [`Report::begins`].
    mark: String,
}

/// What a dry run tells, path by path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Sent or changed.
    pub sends: Vec<RelPath>,
    /// Deleted.
    pub deletes: Vec<RelPath>,
    bytes: usize,
}

impl Named {
    /// Whether there was room for it.
    fn add(&mut self, deleted: bool, path: &RelPath) -> bool {
        self.bytes += path.as_bytes().len();
        if self.sends.len() + self.deletes.len() >= LISTED_MAX || self.bytes > LISTED_BYTES_MAX {
            return false;
        }
        match deleted {
            true => self.deletes.push(path.clone()),
            false => self.sends.push(path.clone()),
        }
        true
    }
}

impl Report {
    /// Nothing said yet. A count knows which deletions there would be.
    pub fn new(count: bool) -> Report {
        Report {
            deletions: count.then(Deletions::default),
            ..Report::default()
        }
    }

    /// The same, of a run that is no count: each path is told.
    pub fn told(tally: &Option<Arc<Tally>>) -> Report {
        Report {
            tally: tally.clone(),
            ..Report::default()
        }
    }

    /// Nothing said yet; keeps the paths of everything that would be done.
    pub fn preview() -> Report {
        Report {
            named: Some(Named::default()),
            ..Report::new(true)
        }
    }

    /// Nothing said yet; keeps the first paths of what would be done.
    pub fn foretaste() -> Report {
        Report {
            planned: Some(Changed::default()),
            ..Report::new(true)
        }
    }

    /// From now on only what begins with this mark is taken for a line about an entry. What a far side says comes by the same
    /// pipe, and may look like anything; the mark it does not know.
    pub fn begins(&mut self, mark: &str) {
        mark.clone_into(&mut self.mark);
    }

    /// Takes a line in.
    pub fn take(&mut self, line: &[u8], progress: &Progress) {
        if line.len() > LINE_MAX {
            self.overflow = true;
            progress.add_stray(line.len() as u64);
            return;
        }
        let length = line.len();
        let lines = match line.strip_prefix(self.mark.as_bytes()) {
            Some(own) => lines::read(own),
            None => lines::read_said(line),
        };
        for line in lines {
            if matches!(line, Line::Closing(_) | Line::Other(_)) {
                progress.add_stray(length as u64);
            }
            match line {
                Line::Item(item) => self.item(item, progress),
                Line::Number(Number::Listed, count) => self.listed = Some(count),
                Line::Number(Number::Special, count) => self.special = count,
                Line::Number(Number::Links, count) => self.links = count,
                Line::Number(Number::Created, _)
                | Line::Number(Number::Deleted, _)
                | Line::Known => {}
                Line::Progress { done, total } if self.deletions.is_none() => {
                    self.counted = true;
                    progress.expect(total);
                    progress.reach(done, 0);
                }
                Line::Progress { .. } => {}
                Line::Fence(skipped) => self.skipped = self.skipped.max(skipped),
                Line::DeletionSkipped => self.deletion_skipped = true,
                _ if self.kept_lines >= KEPT_MAX || self.kept_bytes >= KEPT_BYTES_MAX => {
                    self.overflow = true;
                }
                line => {
                    self.kept_lines += 1;
                    self.kept_bytes += length;
                    self.keep(line);
                }
            }
        }
    }

    /// Whether the fence said so of itself.
    pub fn fence_spoke(&self) -> bool {
        self.skipped > 0
    }

    /// Whether the fence stopped more than attempts that could not have succeeded. rsync tries to delete a directory that
    /// it keeps for something protected in it, where it lies in another that it keeps, and above the fence it counts that
    /// as stopped.
    pub fn fence(&self) -> bool {
        self.skipped > 0 && self.skipped > self.vain().len() as u64
    }

    /// The deletions that a count found, without those that rsync counts in a dry run and cannot make: see [`Report::fence`].
    pub fn counted(&mut self) -> Deletions {
        let all = self.deletions.take().unwrap_or_default();
        all.without(&self.vain_paths())
    }

    /// Every path of a [preview](Report::preview), without the same.
    pub fn named(&mut self) -> Named {
        let mut named = self.named.take().unwrap_or_default();
        let vain = self.vain_paths();
        named.deletes.retain(|path| !vain.contains(path));
        named
    }

    /// The first paths of a [foretaste](Report::foretaste), without the same.
    pub fn planned(&mut self) -> Changed {
        let mut planned = self.planned.take().unwrap_or_default();
        self.vain_paths()
            .iter()
            .for_each(|path| planned.take_out(path));
        planned
    }

    fn vain_paths(&self) -> HashSet<RelPath> {
        self.vain().into_iter().filter_map(RelPath::new).collect()
    }

    /// Whether a name that begins with a dot was sent or changed; `None`: that is not known any more. rsync's temporary
    /// file for `name` and for `.name` is called the same, `.name.Ab3dEf`, and only this tells which of them it speaks of.
    pub fn is_hidden(&self, path: &[u8]) -> Option<bool> {
        (self.hidden.contains(path) || !self.hidden_more).then(|| self.hidden.contains(path))
    }

    /// Directories that stay and lie in others that stay.
    fn vain(&self) -> HashSet<&[u8]> {
        let kept: HashSet<&[u8]> = self.kept.iter().map(Vec::as_slice).collect();
        let inner = |path: &&[u8]| {
            let cut = path.iter().rposition(|byte| *byte == b'/');
            cut.is_some_and(|cut| kept.contains(&path[..cut]))
        };
        kept.iter().copied().filter(inner).collect()
    }

    fn item(&mut self, item: Item, progress: &Progress) {
        if let Some(tally) = &self.tally
            && !item.only_time
            && let Some(path) = RelPath::new(&item.name)
        {
            let deleted = item.did == Did::Deleted;
            let did = if deleted {
                tally::Did::Deleted
            } else {
                tally::Did::Sent
            };
            tally.add(did, &path);
        }
        if item.did == Did::Deleted {
            self.deleted += 1;
            if let Some(deletions) = &mut self.deletions {
                let room = deletions.len() < DELETIONS_MAX;
                match RelPath::new(&item.name).filter(|_| room) {
                    Some(path) => {
                        deletions.add(&path);
                        self.list(true, &path);
                    }
                    None => self.overflow = true,
                }
            }
            return;
        }
        self.files += 1;
        let slash = item.name.iter().rposition(|byte| *byte == b'/');
        if item.name.get(slash.map_or(0, |at| at + 1)) == Some(&b'.') {
            if self.hidden.len() < KEPT_MAX && self.kept_bytes < KEPT_BYTES_MAX {
                self.kept_bytes += item.name.len();
                self.hidden.insert(item.name.clone());
            } else {
                self.hidden_more = true;
            }
        }
        if self.deletions.is_some() {
            match RelPath::new(&item.name) {
                Some(path) => self.list(false, &path),
                None => self.overflow = true,
            }
        }
        self.created += u64::from(item.did == Did::Created);
        self.attributes += u64::from(item.did == Did::Attributes);
        self.bytes += item.bytes;
        if self.deletions.is_none() {
            progress.add_files(u64::from(!self.counted));
            progress.add_bytes(item.bytes);
        }
    }

    fn list(&mut self, deleted: bool, path: &RelPath) {
        if let Some(named) = &mut self.named {
            self.overflow |= !named.add(deleted, path);
        }
        if let Some(planned) = self.planned.as_mut().filter(|_| !path.is_root()) {
            planned.add(path);
        }
    }

    fn keep(&mut self, line: Line) {
        match line {
            Line::Kept(name) => self.kept.push(name),
            Line::Blocked(name) => self.blocked.push(name),
            Line::LeftOut(name) => self.left_out.push(name),
            Line::Vanished(name) => self.vanished.push(name),
            Line::Unsteady(name) => self.unsteady.push(name),
            Line::Failed(failed) => self.failed.push(failed),
            Line::Closing(text) => self.closing.push(text),
            Line::Other(text) => self.other.push(text),
            Line::Item(_)
            | Line::Number(..)
            | Line::Progress { .. }
            | Line::Fence(_)
            | Line::DeletionSkipped
            | Line::Known => {}
        }
    }
}

/// Cuts a stream into lines, holding at most one.
#[derive(Debug, Default)]
pub struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Takes a piece of the stream; hands on every line that it ends.
    pub fn feed(&mut self, mut piece: &[u8], mut line: impl FnMut(&[u8])) {
        // Progress ends its lines with a carriage return; in names it is escaped.
        while let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            if self.partial.is_empty() {
                line(&piece[..end]);
            } else {
                self.hold(&piece[..end]);
                line(&self.partial);
                self.partial.clear();
            }
            piece = &piece[end + 1..];
        }
        self.hold(piece);
    }

    /// The stream has ended; hands on what had no newline.
    pub fn end(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial.clear();
        }
    }

    /// Holds one byte more than a line may have, so that it is seen to be too long.
    fn hold(&mut self, piece: &[u8]) {
        let room = (LINE_MAX + 1).saturating_sub(self.partial.len());
        self.partial
            .extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_across_pieces_and_never_grow_without_bound() {
        let mut lines = Vec::new();
        let mut splitter = Splitter::default();
        splitter.feed(b"one\ntw", |line| lines.push(line.to_vec()));
        splitter.feed(b"o\n\nend", |line| lines.push(line.to_vec()));
        splitter.end(|line| lines.push(line.to_vec()));
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"end"]);
        for _ in 0..100 {
            splitter.feed(&[b'x'; 10_000], |_| panic!("no newline"));
        }
        assert_eq!(splitter.partial.len(), LINE_MAX + 1);
        let mut report = Report::new(false);
        splitter.end(|line| report.take(line, &Progress::new()));
        assert!(report.overflow);
    }

    #[test]
    fn progress_is_taken_from_between_the_lines() {
        let (mut report, progress) = (Report::new(false), Progress::new());
        let mut splitter = Splitter::default();
        let said = b"\r              2  20%    0.00kB/s    0:00:00  \r              2  20%    0.00kB/s    0:00:00 (xfr#1, to-chk=299/301)  \n>f+++++++++|45|f1\n";
        splitter.feed(said, |line| report.take(line, &progress));
        let look = progress.look();
        assert_eq!((look.files, look.total, look.bytes), (2, 301, 45));
        assert_eq!((report.files, report.other.len()), (1, 0));
    }

    #[test]
    fn what_a_far_side_says_is_never_a_line_about_an_entry() {
        let (mut report, progress) = (Report::preview(), Progress::new());
        report.begins("0123|");
        for line in [
            "0123|>f+++++++++|5|sent",
            ">f+++++++++|5|forged",
            "0124|>f+++++++++|5|forged",
            "*deleting  |0|forged",
            "0123|*deleting  |0|left",
        ] {
            report.take(line.as_bytes(), &progress);
        }
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        let named = report.named();
        assert_eq!(
            (named.sends, named.deletes),
            (vec![path("sent")], vec![path("left")])
        );
        assert_eq!(report.counted(), Deletions::of([&path("left")]));
        assert_eq!((report.files, report.bytes, report.deleted), (1, 5, 1));
        assert_eq!(report.other.len(), 3, "it is not taken for done");
    }

    #[test]
    fn a_flood_is_bounded_and_then_nothing_can_be_named() {
        let (mut report, progress) = (Report::new(false), Progress::new());
        for _ in 0..KEPT_MAX + 1 {
            report.take(b"who knows", &progress);
        }
        assert_eq!(report.other.len(), KEPT_MAX);
        assert!(report.overflow);
        let (mut report, long) = (Report::new(false), vec![b'x'; LINE_MAX]);
        for _ in 0..4 * KEPT_BYTES_MAX / LINE_MAX {
            report.take(&long, &progress);
        }
        let kept: usize = report.other.iter().map(String::len).sum();
        assert!(
            report.overflow && kept <= KEPT_BYTES_MAX + LINE_MAX,
            "{kept}"
        );
    }
}
