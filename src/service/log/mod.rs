//! The log: one line a transfer, a reload, a hold, a retry; escaped, without secrets, repeats counted.
//!
//! ```text
//! tracing → filter by level → repeats (counted) → text | JSON | journald's fields → lines (a bounded queue) → stderr | journald
//! ```
//!
//! Nothing waits for the log, and nothing ends with it: a thread of its own writes, and what comes faster than that, or cannot be
//! written (a full disk, a closed pipe), is left out and counted.

mod events;
mod journal;
mod lines;
mod repeats;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use events::tell;
pub use journal::{Journal, JournalLayer};
pub use lines::{Lines, Lost, Out};
pub use repeats::Repeats;

/// Lines of single files: they make way for all others where there is no room.
pub const FILES: &str = "heliostat::files";

/// Where journald listens.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// How long the end waits for what is still to be written.
const FINISH: Duration = Duration::from_secs(2);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// For systemd's journal, with fields; where it does not listen, text without a time, its priority in front as `<N>`.
    Journald,
}

/// The one log of this process.
static LOG: OnceLock<(Lines, Repeats)> = OnceLock::new();

/// Starts logging. `level` is `error`, `warn`, `info`, `debug` or `trace`, or a list of `target=level`. Called once.
pub fn start(format: LogFormat, level: &str, colour: bool) {
    let journal = match format {
        LogFormat::Journald => Journal::connect(Path::new(JOURNAL)),
        LogFormat::Text | LogFormat::Json => None,
    };
    let repeats = Repeats::default();
    let native = journal.is_some();
    let out = match journal {
        Some(journal) => Out::Journal(journal),
        None => Out::Text(Box::new(std::io::stderr())),
    };
    let (lines, _) = LOG.get_or_init(|| {
        let counted = repeats.clone();
        let tend = move |lost| tend(&counted, lost, false);
        (Lines::start(out, Box::new(tend)), repeats)
    });
    let ansi = colour && format == LogFormat::Text && std::io::stderr().is_terminal();
    let shape = shape(format, native, ansi, lines.clone());
    let Some((lines, repeats)) = LOG.get() else {
        return;
    };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layers = Registry::default()
        .with(filter)
        .with(repeats.layer(lines.clone()))
        .with(shape);
    // A second start, as tests make it, is not worth a failure: the first one's settings stay.
    let _ = layers.try_init();
}

/// How a line looks, and where it goes.
fn shape<S>(
    format: LogFormat,
    native: bool,
    ansi: bool,
    lines: Lines,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let base = tracing_subscriber::fmt::layer()
        // Its own complaint would go where nothing can be written, and end the process.
        .log_internal_errors(false)
        .with_target(false);
    match format {
        LogFormat::Journald if native => Box::new(JournalLayer::new(lines)),
        LogFormat::Text => Box::new(base.with_ansi(ansi).with_writer(lines.escaping(!ansi))),
        LogFormat::Json => Box::new(
            base.json()
                .flatten_event(true)
                .with_ansi(false)
                .with_writer(lines.escaping(true)),
        ),
        LogFormat::Journald => Box::new(
            base.with_ansi(false)
                .event_format(journal::Prefixed)
                .with_writer(lines.escaping(true)),
        ),
    }
}

/// Says what was kept back and what was left out; when there may be more of it.
fn tend(repeats: &Repeats, lost: Lost, all: bool) -> Option<Duration> {
    let Lost {
        files,
        lines,
        unwritten,
    } = lost;
    if files > 0 {
        tracing::warn!(
            left_out = files,
            "files were sent or deleted faster than could be logged: their lines were left out"
        );
    }
    if lines > 0 {
        tracing::warn!(
            left_out = lines,
            "more was said than could be logged: it was left out"
        );
    }
    if unwritten > 0 {
        tracing::warn!(
            left_out = unwritten,
            "lines could not be written: they are lost"
        );
    }
    let (due, next) = repeats.due(Instant::now(), all);
    for (level, text, again) in due {
        let more = match again {
            1 => "once more".to_owned(),
            again => format!("{again} times more"),
        };
        match level {
            Level::ERROR => {
                tracing::error!(target: repeats::TARGET, again, "said {more}: {text}")
            }
            Level::WARN => {
                tracing::warn!(target: repeats::TARGET, again, "said {more}: {text}")
            }
            _ => tracing::info!(target: repeats::TARGET, again, "said {more}: {text}"),
        }
    }
    next
}

/// Writes what is still to be written. For the end of the process; waits for no disk for long.
pub fn finish() {
    if let Some((lines, repeats)) = LOG.get() {
        tend(repeats, Lost::default(), true);
        lines.finish(FINISH);
    }
}
