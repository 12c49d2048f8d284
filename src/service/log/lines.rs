//! Lines on their way out: a bounded queue and the one thread that writes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::FILES;
use super::journal::Journal;
use crate::engine::escape;

/// Bytes that wait to be written. Of lines of single files half as many, so that there is room for what matters more.
const BYTES_MAX: usize = 8 << 20;
/// What a line costs beside its bytes.
const LINE_BYTES: usize = 64;

/// Where lines go.
pub enum Out {
    /// As they are.
    Text(Box<dyn Write + Send>),
    /// To journald, a datagram each.
    Journal(Journal),
}

/// What did not get out since that was said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lines of single files that found no room.
    pub files: u64,
    /// Others.
    pub lines: u64,
    /// Lines that could not be written.
    pub unwritten: u64,
}

/// Called by the thread when it has written all: says what was lost; how long it may sleep at most.
pub type Tend = Box<dyn FnMut(Lost) -> Option<Duration> + Send>;

/// The queue. Clones are the same.
#[derive(Clone)]
pub struct Lines(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// There is something to do.
    work: Condvar,
    /// Everything is written.
    rest: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    lost: Lost,
    /// Somebody has something to tend.
    nudged: bool,
    /// The thread writes.
    busy: bool,
}

impl Lines {
    /// Starts the thread. Without one, everything is left out.
    pub fn start(out: Out, tend: Tend) -> Lines {
        let lines = Lines(Arc::new(Inner {
            state: Mutex::default(),
            work: Condvar::new(),
            rest: Condvar::new(),
        }));
        let own = lines.clone();
        // It lives as long as the process. Where there is none to be had, the process has other troubles.
        let _ = thread::Builder::new()
            .name("log".into())
            .spawn(move || own.write(out, tend));
        lines
    }

    /// A writer for formatted lines; with `escapes`, control characters in them are made visible.
    pub fn escaping(self, escapes: bool) -> Writers {
        Writers {
            lines: self,
            escapes,
        }
    }

    /// Adds a line, or counts it where there is no room.
    pub fn push(&self, line: Vec<u8>, of_file: bool) {
        let mut state = self.state();
        let room = if of_file { BYTES_MAX / 2 } else { BYTES_MAX };
        let cost = line.len() + LINE_BYTES;
        if state.bytes + cost > room {
            match of_file {
                true => state.lost.files += 1,
                false => state.lost.lines += 1,
            }
            return;
        }
        state.bytes += cost;
        state.lines.push_back(line);
        self.0.work.notify_one();
    }

    /// There is something to tend.
    pub fn nudge(&self) {
        self.state().nudged = true;
        self.0.work.notify_one();
    }

    /// Waits until everything is written, not longer than that.
    pub fn finish(&self, patience: Duration) {
        let busy = |state: &mut State| state.busy || !state.lines.is_empty();
        let wait = self.0.rest.wait_timeout_while(self.state(), patience, busy);
        drop(wait);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(self, mut out: Out, mut tend: Tend) {
        let mut next: Option<Duration> = None;
        loop {
            let taken = self.take(next);
            let mut unwritten = 0;
            for line in &taken {
                unwritten += u64::from(!out.write(line));
            }
            if let Out::Text(text) = &mut out {
                // What could not be written is counted already.
                let _ = text.flush();
            }
            let lost = {
                let mut state = self.state();
                state.lost.unwritten += unwritten;
                // While nothing can be written, saying so cannot either.
                match unwritten > 0 && unwritten == taken.len() as u64 {
                    true => Lost::default(),
                    false => std::mem::take(&mut state.lost),
                }
            };
            next = tend(lost);
            let mut state = self.state();
            state.busy = false;
            if state.lines.is_empty() {
                self.0.rest.notify_all();
            }
        }
    }

    /// All that waits, once there is something, or after `next`.
    fn take(&self, next: Option<Duration>) -> VecDeque<Vec<u8>> {
        let until = next.map(|next| Instant::now() + next);
        let mut state = self.state();
        while state.lines.is_empty() && !state.nudged {
            let Some(until) = until else {
                state = self
                    .0
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let (woken, _) = self
                .0
                .work
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
        }
        state.nudged = false;
        state.busy = true;
        state.bytes = 0;
        std::mem::take(&mut state.lines)
    }
}

impl Out {
    /// Whether the line was written.
    fn write(&mut self, line: &[u8]) -> bool {
        match self {
            Out::Text(text) => text.write_all(line).is_ok(),
            Out::Journal(journal) => journal.send(line),
        }
    }
}

/// Makes writers for `tracing-subscriber`.
#[derive(Clone)]
pub struct Writers {
    lines: Lines,
    escapes: bool,
}

/// Takes one formatted line.
pub struct OneLine<'a> {
    lines: &'a Lines,
    escapes: bool,
    of_file: bool,
}

impl<'a> MakeWriter<'a> for Writers {
    type Writer = OneLine<'a>;

    fn make_writer(&'a self) -> OneLine<'a> {
        OneLine {
            lines: &self.lines,
            escapes: self.escapes,
            of_file: false,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> OneLine<'a> {
        OneLine {
            of_file: meta.target() == FILES,
            ..self.make_writer()
        }
    }
}

impl Write for OneLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = match self.escapes {
            true => visible(line),
            false => line.to_vec(),
        };
        self.lines.push(written, self.of_file);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line of text, whatever was in it: what names and peers say is escaped where it is taken in, and here once more.
fn visible(line: &[u8]) -> Vec<u8> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let hostile = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if !text.iter().any(hostile) {
        return line.to_vec();
    }
    let mut out = Vec::with_capacity(line.len() + 16);
    for byte in text {
        match hostile(byte) {
            true => out.extend_from_slice(escape(&[*byte]).as_bytes()),
            false => out.push(*byte),
        }
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes to a channel, or fails.
    struct Sink {
        written: mpsc::Sender<Vec<u8>>,
        gate: Arc<Mutex<()>>,
        broken: Arc<Mutex<bool>>,
    }

    impl Write for Sink {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            if *self.broken.lock().unwrap() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.send(line.to_vec()).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn what_finds_no_room_is_counted_and_files_make_way() {
        let (written, lines_out) = mpsc::channel();
        let (gate, broken) = (Arc::new(Mutex::new(())), Arc::default());
        let shut = gate.lock().unwrap();
        let sink = Sink {
            written,
            gate: Arc::clone(&gate),
            broken: Arc::clone(&broken),
        };
        let (told, losses) = mpsc::channel();
        let tend = move |lost| {
            told.send(lost).unwrap();
            None
        };
        let lines = Lines::start(Out::Text(Box::new(sink)), Box::new(tend));
        // The thread hangs in its first line, and nobody else does.
        lines.push(b"first".to_vec(), false);
        while !lines.state().busy {
            thread::yield_now();
        }
        let line = vec![b'x'; 1000];
        for _ in 0..20_000 {
            lines.push(line.clone(), true);
        }
        for _ in 0..20 {
            lines.push(line.clone(), false);
        }
        drop(shut);
        let first = losses.recv_timeout(PATIENCE).unwrap();
        let rest = losses.recv_timeout(PATIENCE).unwrap();
        lines.finish(PATIENCE);
        let out: Vec<Vec<u8>> = lines_out.try_iter().collect();
        let lost = first.files + rest.files;
        assert_eq!(out.len() as u64 + lost, 1 + 20_000 + 20);
        assert!(lost > 10_000, "{lost}");
        assert_eq!(first.lines + rest.lines, 0, "there is room for the others");
        // A full disk ends nothing, and is said when there is room again.
        *broken.lock().unwrap() = true;
        lines.push(b"lost".to_vec(), false);
        assert_eq!(losses.recv_timeout(PATIENCE).unwrap(), Lost::default());
        *broken.lock().unwrap() = false;
        lines.push(b"last".to_vec(), false);
        assert_eq!(losses.recv_timeout(PATIENCE).unwrap().unwritten, 1);
        lines.finish(PATIENCE);
        assert_eq!(lines_out.try_iter().last().unwrap(), b"last");
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(
            visible(b"a\x1b[31m\nb\tc\x7f\n"),
            b"a\\x1b[31m\\nb\tc\\x7f\n"
        );
        assert_eq!(visible("grün\n".as_bytes()), "grün\n".as_bytes());
    }
}
