//! What the files mean, kept for as long as they look the same: reading and compiling all of them for each look at a page would be
//! work that whoever reaches the page can order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::reading::{Effective, Glance, Reader, Rejection};

/// More are not kept between two looks: some 10 MB.
const LINES_MAX: usize = 100_000;

/// What was made of files: shared by those who look.
pub type Made = Arc<Result<Effective, Rejection>>;

/// Keeps it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Effectives {
    reader: Arc<dyn Reader>,
    last: Arc<Mutex<Option<(Glance, Made)>>>,
    /// One reads, others wait for what it finds, and take no thread meanwhile.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Effectives {
    /// Of what this reader reads.
    pub fn new(reader: Arc<dyn Reader>) -> Effectives {
        Effectives {
            reader,
            last: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// What the files mean now; `None`: reading them ended in a fault of this program.
    pub async fn get(&self) -> Option<Made> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let kept = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let made = kept.get_at(SystemTime::now());
            drop(turn);
            made
        });
        read.await.ok()
    }

    fn get_at(&self, now: SystemTime) -> Made {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let glance = self.reader.glance();
        if let Some((_, made)) = last.as_ref().filter(|(before, _)| *before == glance) {
            return Arc::clone(made);
        }
        let made = Arc::new(self.reader.effective());
        let lines = made.as_ref().as_ref().map_or(0, |made| made.lines.len());
        // What may still change within a tick of the clock is looked at again.
        let keep = glance.is_settled(now) && lines <= LINES_MAX;
        *last = keep.then(|| (glance, Arc::clone(&made)));
        made
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::reading::Reading;
    use super::*;

    /// Files whose look is a number, and how often they were read.
    #[derive(Debug, Default)]
    struct Files {
        look: AtomicU64,
        reads: AtomicU64,
    }

    impl Reader for Files {
        fn read(&self) -> Result<Reading, Rejection> {
            panic!("nobody wants a plan")
        }

        fn effective(&self) -> Result<Effective, Rejection> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            Ok(Effective {
                digest: self.look.load(Ordering::Relaxed).to_string(),
                lines: Vec::new(),
            })
        }

        fn glance(&self) -> Glance {
            Glance {
                hash: [self.look.load(Ordering::Relaxed) as u8; 32],
                youngest: Some(UNIX_EPOCH),
            }
        }
    }

    #[test]
    fn files_that_look_the_same_are_read_once() {
        let files = Arc::new(Files::default());
        let kept = Effectives::new(Arc::clone(&files) as Arc<dyn Reader>);
        let at = |seconds| match &*kept.get_at(UNIX_EPOCH + Duration::from_secs(seconds)) {
            Ok(effective) => effective.digest.clone(),
            Err(rejection) => panic!("{}", rejection.reason),
        };
        let reads = |count| assert_eq!(files.reads.load(Ordering::Relaxed), count);
        // Changed just now: a look that is equal says nothing yet.
        assert_eq!((at(0), at(0)), ("0".into(), "0".into()));
        reads(2);
        assert_eq!((at(60), at(61)), ("0".into(), "0".into()));
        reads(3);
        files.look.store(1, Ordering::Relaxed);
        assert_eq!((at(62), at(63)), ("1".into(), "1".into()));
        reads(4);
    }
}
