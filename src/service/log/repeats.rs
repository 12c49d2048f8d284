//! What is said again and again: said once, then counted, and the count is said a minute later.
//!
//! Warnings, errors and notes that are alike in their words and in what they are about; not the lines of transfers, of which
//! each is one of its own. Another error, and the same about another route, is another line.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::lines::Lines;

/// What is said of repeats is not counted itself.
pub const TARGET: &str = "heliostat::repeats";
/// Notes about paths: said at every pass that comes by.
pub const NOTES: &str = "heliostat::notes";

/// A line that says the same as one before is kept back for so long, and counted.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Texts remembered for that; beyond it, everything is said.
const TEXTS_MAX: usize = 4096;

/// Fields that differ where nothing else does.
const VARYING: &[&str] = &["tries", "next", "took", "trigger", "count", "left_out"];

/// What was said of late. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Arc<Mutex<HashMap<String, Said>>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    level: Level,
    /// How often it was kept back since.
    kept: u64,
}

impl Repeats {
    /// The layer that keeps them back. `lines`: who says the counts in time.
    pub fn layer(&self, lines: Lines) -> Limit {
        Limit {
            repeats: self.clone(),
            lines,
        }
    }

    /// Whether this is to be said; else it is counted, and whether that is the first time.
    fn take(&self, text: String, level: Level, now: Instant) -> Result<(), bool> {
        let mut said = self.said();
        if let Some(before) = said.get_mut(&text) {
            before.kept += 1;
            return Err(before.kept == 1);
        }
        if said.len() < TEXTS_MAX {
            let kept = 0;
            said.insert(
                text,
                Said {
                    at: now,
                    level,
                    kept,
                },
            );
        }
        Ok(())
    }

    /// The counts whose time has come, or `all` of them; and how long it is until the next.
    pub fn due(&self, now: Instant, all: bool) -> (Vec<(Level, String, u64)>, Option<Duration>) {
        let mut said = self.said();
        let mut due = Vec::new();
        said.retain(|text, said| {
            if !all && now.saturating_duration_since(said.at) < REPEAT_AFTER {
                return true;
            }
            let kept = std::mem::take(&mut said.kept);
            said.at = now;
            if kept > 0 {
                due.push((said.level, text.clone(), kept));
            }
            // What is not said any more need not be remembered.
            kept > 0
        });
        let waiting = said.values().filter(|said| said.kept > 0);
        let next = waiting
            .map(|said| (said.at + REPEAT_AFTER).saturating_duration_since(now))
            .min();
        due.sort_by(|one, other| one.1.cmp(&other.1));
        (due, next)
    }

    /// Counts are whole whoever broke off.
    fn said(&self) -> MutexGuard<'_, HashMap<String, Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps repeats back.
pub struct Limit {
    repeats: Repeats,
    lines: Lines,
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let meta = event.metadata();
        let counted = *meta.level() <= Level::WARN || meta.target() == NOTES;
        if !counted || meta.target() == TARGET {
            return true;
        }
        let mut words = Words::default();
        event.record(&mut words);
        if words.of_transfer {
            return true;
        }
        let text = format!("{}{}", words.message, words.fields);
        match self.repeats.take(text, *meta.level(), Instant::now()) {
            Ok(()) => true,
            Err(first) => {
                if first {
                    self.lines.nudge();
                }
                false
            }
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
    /// It is the line of a transfer.
    of_transfer: bool,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // A text cannot be too short for what is written to it.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "lag" => {
                self.of_transfer = true;
                Ok(())
            }
            name if VARYING.contains(&name) => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Out;
    use super::*;
    use std::io::{self, Write};
    use tracing_subscriber::layer::SubscriberExt;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(act: impl FnOnce()) -> (Vec<String>, Repeats) {
        let (written, repeats) = (Written::default(), Repeats::default());
        let lines = Lines::start(Out::Text(Box::new(written.clone())), Box::new(|_| None));
        let layer = tracing_subscriber::fmt::layer().with_ansi(false);
        let all = tracing_subscriber::registry()
            .with(repeats.layer(lines.clone()))
            .with(layer.with_writer(lines.clone().escaping(true)));
        tracing::subscriber::with_default(all, act);
        lines.finish(Duration::from_secs(60));
        let text = written.0.lock().unwrap().clone();
        let text = String::from_utf8(text).unwrap();
        (text.lines().map(str::to_owned).collect(), repeats)
    }

    #[test]
    fn ten_thousand_equal_errors_are_a_line_and_a_count_and_another_is_one_of_its_own() {
        let (lines, repeats) = said(|| {
            for tries in 0..10_000 {
                tracing::warn!(route = "site/a", tries, "failed: no route to host");
                if tries == 5000 {
                    tracing::warn!(route = "site/a", tries, "failed: permission denied");
                    tracing::warn!(route = "site/b", tries, "failed: no route to host");
                    tracing::error!(route = "site/a", "the disk is full");
                }
            }
        });
        assert_eq!(lines.len(), 4, "{lines:#?}");
        for part in [
            "site/b",
            "permission denied",
            "the disk is full",
            "no route to host",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{lines:#?}");
        }
        let (early, next) = repeats.due(Instant::now(), false);
        assert!(early.is_empty() && next.is_some_and(|next| next <= REPEAT_AFTER));
        let later = Instant::now() + REPEAT_AFTER;
        let (due, next) = repeats.due(later, false);
        let text = "failed: no route to host route=\"site/a\"".to_owned();
        assert_eq!(due, [(Level::WARN, text, 9_999)]);
        assert_eq!(next, None);
        assert_eq!(repeats.due(later + REPEAT_AFTER, false), (Vec::new(), None));
        assert!(repeats.said().is_empty());
    }

    #[test]
    fn lines_of_transfers_and_what_is_no_trouble_are_all_said() {
        let (lines, _) = said(|| {
            for _ in 0..100 {
                tracing::warn!(route = "site/a", lag = "3s", "sent in part");
                tracing::info!("sent");
                tracing::info!(target: NOTES, "pipe: left out");
            }
        });
        assert_eq!(lines.len(), 201);
    }

    #[test]
    fn more_texts_than_can_be_remembered_are_all_said() {
        let (lines, repeats) = said(|| {
            for at in 0..TEXTS_MAX + 100 {
                for _ in 0..2 {
                    tracing::warn!("path {at} fails");
                }
            }
        });
        assert_eq!(lines.len(), TEXTS_MAX + 200);
        assert_eq!(repeats.due(Instant::now(), true).0.len(), TEXTS_MAX);
    }
}
