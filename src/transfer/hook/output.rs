//! What a hook says, of which a few lines are kept.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::escape;

/// Lines that are kept from its beginning…
const FIRST: usize = 10;
/// …and from its end: mostly the reason is there.
const LAST: usize = 10;
/// Bytes that are kept of a line.
const LINE_MAX: usize = 400;

/// What both of its streams have said so far.
#[derive(Debug, Default)]
pub(super) struct Output(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    first: Vec<String>,
    last: VecDeque<String>,
    /// Between the two.
    left_out: u64,
}

/// One stream, cut into lines.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    output: &'a Output,
    partial: Vec<u8>,
}

impl Output {
    /// One of its streams.
    pub(super) fn stream(&self) -> Stream<'_> {
        Stream {
            output: self,
            partial: Vec::new(),
        }
    }

    /// As it is logged: escaped, and what was left out counted.
    pub(super) fn lines(&self) -> Vec<String> {
        let kept = self.kept();
        let between = (kept.left_out > 0).then(|| format!("… {} more lines …", kept.left_out));
        let first = kept.first.iter().cloned();
        first
            .chain(between)
            .chain(kept.last.iter().cloned())
            .collect()
    }

    /// The last line that says something.
    pub(super) fn last(&self) -> Option<String> {
        let kept = self.kept();
        kept.last.back().or(kept.first.last()).cloned()
    }

    fn take(&self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let mut kept = self.kept();
        let line = escape(line).into_owned();
        if kept.first.len() < FIRST {
            kept.first.push(line);
            return;
        }
        if kept.last.len() >= LAST {
            kept.last.pop_front();
            kept.left_out += 1;
        }
        kept.last.push_back(line);
    }

    /// Lines are whole whoever broke off.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream<'_> {
    /// Takes a piece in.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        let mut lines = piece.split(|byte| *byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            self.hold(line);
            self.output.take(&self.partial);
            self.partial.clear();
        }
        self.hold(last);
    }

    fn hold(&mut self, piece: &[u8]) {
        let room = LINE_MAX.saturating_sub(self.partial.len());
        self.partial
            .extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

impl Drop for Stream<'_> {
    /// What had no newline is a line, too.
    fn drop(&mut self) {
        self.output.take(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept_and_the_rest_is_counted() {
        let output = Output::default();
        {
            let mut stream = output.stream();
            for line in 0..1000 {
                stream.feed(format!("line {line}\n\n").as_bytes());
            }
            stream.feed(b"the e");
            stream.feed(b"nd\x1b[31m");
        }
        let lines = output.lines();
        assert_eq!(lines.len(), FIRST + 1 + LAST);
        assert_eq!((&*lines[0], &*lines[10]), ("line 0", "… 981 more lines …"));
        assert_eq!(output.last().as_deref(), Some("the end\\x1b[31m"));
    }

    #[test]
    fn a_line_without_an_end_does_not_grow() {
        let output = Output::default();
        let mut stream = output.stream();
        for _ in 0..1000 {
            stream.feed(&[b'x'; 5000]);
        }
        assert!(stream.partial.len() <= LINE_MAX && stream.partial.capacity() < 4 * LINE_MAX);
        drop(stream);
        assert_eq!(output.lines().len(), 1);
    }
}
