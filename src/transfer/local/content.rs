//! File content: copying it with its holes, and comparing it.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::fault::{Fault, Stop, at_source, at_target};
use super::meta::Meta;
use super::throttle::Throttle;
use crate::transfer::progress::{Cancel, Progress};

/// Up to here a file is read and written in one go: asking for a clone or a range copy first costs more than it saves.
const SMALL: u64 = 128 * 1024;

/// Compared, and copied where the kernel cannot copy by itself, in pieces of this size.
const PIECE: usize = 256 * 1024;

/// Copies and compares content, for all threads of a run; keeps its buffers from file to file.
pub(super) struct Copier<'a> {
    throttle: Throttle,
    cancel: &'a Cancel,
    progress: &'a Progress,
    bytes: AtomicU64,
    /// Whether the two file systems can clone, as far as was seen.
    clone: AtomicBool,
    /// Whether the kernel can copy between them, as far as was seen.
    range: AtomicBool,
    /// Those that no thread uses now: two a thread at most.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl<'a> Copier<'a> {
    /// With nothing copied yet.
    pub(super) fn new(
        throttle: Throttle,
        cancel: &'a Cancel,
        progress: &'a Progress,
    ) -> Copier<'a> {
        Copier {
            throttle,
            cancel,
            progress,
            bytes: AtomicU64::new(0),
            clone: AtomicBool::new(true),
            range: AtomicBool::new(true),
            buffers: Mutex::default(),
        }
    }

    /// Bytes copied so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A buffer of at least this size. What is in it is of no use.
    fn buffer(&self, size: usize) -> Vec<u8> {
        let free = || self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = free().pop().unwrap_or_default();
        if buffer.len() < size {
            vec![0; size]
        } else {
            buffer
        }
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut free = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(buffer);
    }

    /// Copies the content of a file that is as `meta` says into an empty one.
    ///
    /// A source that shrinks meanwhile leaves fewer bytes: the caller sees that it changed.
    pub(super) fn copy(
        &self,
        source: impl AsFd,
        meta: &Meta,
        target: impl AsFd,
    ) -> Result<(), Fault> {
        let (source, target) = (source.as_fd(), target.as_fd());
        let size = meta.size;
        let sparse = meta.blocks.saturating_mul(512) < size;
        if size == 0 {
            return Ok(());
        }
        if sparse {
            rustix::fs::ftruncate(target, size).map_err(|error| at_target("writing", error))?;
        }
        if size > SMALL && self.clone.load(Ordering::Relaxed) && !self.throttle.is_limited() {
            match rustix::fs::ioctl_ficlone(target, source) {
                Ok(()) => {
                    self.moved(size);
                    return Ok(());
                }
                Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                    return Err(at_target("writing", error));
                }
                Err(_) => self.clone.store(false, Ordering::Relaxed),
            }
        }
        if !sparse {
            return self.copy_range(source, target, 0, size);
        }
        let mut at = 0;
        while at < size {
            let data = match rustix::fs::seek(source, SeekFrom::Data(at)) {
                Ok(data) => data,
                // Nothing but a hole up to the end.
                Err(Errno::NXIO) => break,
                // A file system that does not know its holes.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                    return self.copy_range(source, target, at, size);
                }
                Err(error) => return Err(at_source("reading", error)),
            };
            let hole = rustix::fs::seek(source, SeekFrom::Hole(data))
                .map_err(|error| at_source("reading", error))?;
            self.copy_range(source, target, data, hole.min(size))?;
            at = hole;
        }
        Ok(())
    }

    /// Copies the bytes from `at` up to `end`.
    fn copy_range(
        &self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        at: u64,
        end: u64,
    ) -> Result<(), Fault> {
        let piece = (end - at).min(self.throttle.chunk()).min(PIECE as u64) as usize;
        let mut buffer = self.buffer(piece);
        let copied = self.copy_by(source, target, at..end, &mut buffer[..piece]);
        self.give_back(buffer);
        copied
    }

    fn copy_by(
        &self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        Range { start: mut at, end }: Range<u64>,
        buffer: &mut [u8],
    ) -> Result<(), Fault> {
        let in_one_go = end - at <= SMALL;
        while at < end {
            let chunk = (end - at).min(self.throttle.chunk());
            self.throttle.take(chunk, self.cancel)?;
            if self.range.load(Ordering::Relaxed) && !in_one_go {
                let (mut from, mut to) = (at, at);
                match rustix::fs::copy_file_range(
                    source,
                    Some(&mut from),
                    target,
                    Some(&mut to),
                    chunk as usize,
                ) {
                    // Some file systems say "nothing" where they mean "not this way": reading decides.
                    Ok(0) => {}
                    Ok(count) => {
                        self.moved(count as u64);
                        at += count as u64;
                        continue;
                    }
                    Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                        return Err(at_target("writing", error));
                    }
                    // Reading and writing will say which side it is, if it is an error at all.
                    Err(_) => self.range.store(false, Ordering::Relaxed),
                }
            }
            let count = (chunk as usize).min(buffer.len());
            let read = pread(source, &mut buffer[..count], at)
                .map_err(|error| at_source("reading", error))?;
            if read == 0 {
                return Ok(());
            }
            let mut written = 0;
            while written < read {
                match rustix::io::pwrite(target, &buffer[written..read], at + written as u64) {
                    Ok(0) => return Err(at_target("writing", Errno::IO)),
                    Ok(more) => written += more,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(at_target("writing", error)),
                }
            }
            self.moved(read as u64);
            at += read as u64;
        }
        Ok(())
    }

    /// Whether two files, of which the first is as `meta` says, have the same content.
    pub(super) fn same(
        &self,
        source: impl AsFd,
        meta: &Meta,
        target: impl AsFd,
    ) -> Result<bool, Fault> {
        // One byte more than the file has, so that its end is seen with the first piece.
        let piece =
            usize::try_from(meta.size).map_or(PIECE, |size| PIECE.min(size.saturating_add(1)));
        let (mut ours, mut theirs) = (self.buffer(piece), self.buffer(piece));
        let verdict = self.same_by(
            source.as_fd(),
            target.as_fd(),
            &mut ours[..piece],
            &mut theirs[..piece],
        );
        self.give_back(ours);
        self.give_back(theirs);
        verdict
    }

    fn same_by(
        &self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        ours: &mut [u8],
        theirs: &mut [u8],
    ) -> Result<bool, Fault> {
        let mut at = 0;
        loop {
            if self.cancel.is_cancelled() {
                return Err(Stop::cancelled().into());
            }
            let read = pread(source, ours, at).map_err(|error| at_source("reading", error))?;
            let other = pread(target, theirs, at).map_err(|error| at_target("reading", error))?;
            if ours[..read] != theirs[..other] {
                return Ok(false);
            }
            if read < ours.len() {
                return Ok(true);
            }
            at += read as u64;
        }
    }

    fn moved(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.add_bytes(bytes);
    }
}

/// Fills the buffer as far as the file goes.
fn pread(fd: BorrowedFd<'_>, buffer: &mut [u8], at: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(fd, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, SeekFrom as Pos, Write};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Copies by every way there is; the content and the holes must be the same.
    fn check(prepare: impl Fn(&mut File)) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("source");
        prepare(&mut File::create(&path).unwrap());
        let source = File::open(&path).unwrap();
        let meta = Meta::of(&rustix::fs::fstat(&source).unwrap());
        let (cancel, progress) = (Cancel::new(), Progress::new());
        for (way, range) in [("range", true), ("read", false)] {
            let copy = scratch.path().join(way);
            let target = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&copy)
                .unwrap();
            let copier = Copier::new(Throttle::new(None), &cancel, &progress);
            copier.range.store(range, Ordering::Relaxed);
            copier.clone.store(range, Ordering::Relaxed);
            copier.copy(&source, &meta, &target).unwrap();
            assert!(copier.same(&source, &meta, &target).unwrap(), "{way}");
            assert_eq!(target.metadata().unwrap().len(), meta.size);
            if meta.blocks * 512 < meta.size {
                assert!(
                    target.metadata().unwrap().blocks() <= meta.blocks + 16,
                    "{way}: holes stay holes"
                );
            }
            if meta.size > 0 {
                rustix::io::pwrite(&target, b"\xfe", meta.size - 1).unwrap();
                assert!(
                    !copier.same(&source, &meta, &target).unwrap(),
                    "a changed byte is seen"
                );
                rustix::fs::ftruncate(&target, meta.size - 1).unwrap();
                assert!(
                    !copier.same(&source, &meta, &target).unwrap(),
                    "a missing byte is seen"
                );
            }
        }
    }

    #[test]
    fn small_and_large_files() {
        check(|_| {});
        check(|file| file.write_all(b"x").unwrap());
        check(|file| file.write_all(&vec![7; PIECE]).unwrap());
        check(|file| file.write_all(&vec![9; 5 << 20]).unwrap());
    }

    #[test]
    fn holes_stay_holes() {
        check(|file| file.set_len(1 << 30).unwrap());
        check(|file| file.set_len(10_000).unwrap());
        check(|file| {
            file.write_all(b"head").unwrap();
            file.seek(Pos::Start(3 << 20)).unwrap();
            file.write_all(&vec![1; 300_000]).unwrap();
            file.set_len(8 << 20).unwrap();
        });
    }
}
