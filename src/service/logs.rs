//! The log: one line a transfer, a retry, a hold; escaped, without secrets, repeats counted.

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tracing::{Event as Line, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::engine::{Event, Hold, Hooked, Sent};
use crate::plan::{RouteName, When};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// For systemd: no time, the priority in front as `<N>`.
    Journald,
}

/// Starts logging to the standard error stream. `level` is `error`, `warn`, `info`, `debug` or `trace`, or a list of
/// `target=level`. Called once.
pub fn start(format: LogFormat, level: &str, colour: bool) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start, as tests make it, is not worth a failure: the first one's settings stay.
    let _ = match format {
        LogFormat::Text => base
            .with_ansi(colour && std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => base.json().flatten_event(true).try_init(),
        LogFormat::Journald => base.with_ansi(false).event_format(Journald).try_init(),
    };
}

/// sd-daemon(3)'s lines: `<6>message field=value`.
struct Journald;

impl<S, N> FormatEvent<S, N> for Journald
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        line: &Line<'_>,
    ) -> fmt::Result {
        let priority = match *line.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        ctx.field_format().format_fields(writer.by_ref(), line)?;
        writeln!(writer)
    }
}

/// A line that says the same as one before is kept back for so long, and counted.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Texts remembered for that; beyond it, repeats are printed.
const REPEATS_MAX: usize = 4096;

/// Turns events into lines.
#[derive(Debug, Default)]
pub struct Log {
    said: HashMap<String, (Instant, u64)>,
}

impl Log {
    /// Says it, or counts it.
    pub fn tell(&mut self, event: &Event) {
        match event {
            Event::Ready(source, report) => {
                let (directories, unwatched) = (report.directories, report.unwatched);
                let (by, why) = (report.by.mechanism, &report.by.why);
                tracing::info!(%source, directories, unwatched, by, why, "watching");
            }
            Event::Waiting(source, reason) => {
                tracing::warn!(%source, "waiting for the source: {reason}")
            }
            Event::Lost(source, reason) => {
                if let Some(again) = self.repeats(format!("{source} {reason}")) {
                    tracing::warn!(%source, again, "looking at it anew: {reason}");
                }
            }
            Event::Surveyed(source, Some(differ)) => {
                tracing::info!(%source, differ, "compared with what is known of it");
            }
            Event::Surveyed(source, None) => {
                tracing::info!(%source, "too much differs from what is known of it: everything is compared with the targets");
            }
            Event::SurveyFailed(source, reason) => {
                if let Some(again) = self.repeats(format!("{source} {reason}")) {
                    tracing::warn!(%source, again, "cannot be surveyed, tried again: {reason}");
                }
            }
            Event::Replaced(route) => {
                tracing::warn!(%route, "another directory is in the target's place: everything is compared with it");
            }
            Event::Parked(route) => {
                tracing::info!(%route, "cannot send, and much changes: the ledger keeps what it was, and what differs is looked up later");
            }
            Event::Unparked(route, Some(differ)) => {
                tracing::info!(%route, differ, "compared with what the ledger kept");
            }
            Event::Unparked(route, None) => {
                tracing::info!(%route, "what changed meanwhile cannot be told: everything is compared with the target");
            }
            Event::Sent(sent) => tell_sent(sent),
            Event::Failed {
                route,
                trouble,
                tries,
                wait,
                ..
            } => {
                let message = &trouble.message;
                if let Some(again) = self.repeats(format!("{route} {message}")) {
                    let (code, next) = (trouble.code, span(*wait));
                    tracing::warn!(%route, code, tries, next, again, "failed: {message}");
                }
            }
            Event::PathsFailing {
                route,
                count,
                first: (path, reason),
            } => {
                if let Some(again) = self.repeats(format!("{route} {path} {reason}")) {
                    tracing::warn!(%route, count, again, "paths fail, the first: {path}: {reason}");
                }
            }
            Event::Held {
                route, hold, id, ..
            } => match hold {
                Hold::Deletes(plan) => {
                    let (count, of) = (plan.count, plan.of);
                    tracing::warn!(%route, %id, count, of, "held: would delete {count} of {of}: heliostat approve {route} --id {id}");
                }
                Hold::Guard(refusal) => {
                    tracing::warn!(%route, %id, guard = refusal.guard, "held: {}", refusal.message);
                }
            },
            Event::Released(route) => tracing::info!(%route, "no longer held"),
            Event::Hooked {
                route,
                when,
                trigger,
                hooked,
                wait,
            } => self.tell_hook(route, *when, trigger, hooked, *wait),
            Event::Recovered(route) => tracing::info!(%route, "works again"),
            Event::Note(route, note) => {
                if let Some(again) = self.repeats(format!("{route} {} {}", note.path, note.text)) {
                    tracing::info!(%route, again, "{}: {}", note.path, note.text);
                }
            }
        }
    }

    fn tell_hook(
        &mut self,
        route: &RouteName,
        when: When,
        trigger: &str,
        hooked: &Hooked,
        wait: Option<Duration>,
    ) {
        let (hook, took) = (when.word(), span(hooked.took));
        let Some(reason) = &hooked.failure else {
            tracing::info!(%route, hook, trigger, took, "hook done");
            return;
        };
        if let Some(again) = self.repeats(format!("{route} {hook} {reason}")) {
            let next = wait.map(span);
            tracing::warn!(%route, hook, trigger, took, next, again, "hook failed: {reason}");
        }
    }

    /// `None`: said a moment ago, so only counted. Else how often it was kept back since.
    fn repeats(&mut self, text: String) -> Option<u64> {
        let now = Instant::now();
        if self.said.len() >= REPEATS_MAX {
            self.said
                .retain(|_, (at, _)| now.duration_since(*at) < REPEAT_AFTER);
        }
        match self.said.get_mut(&text) {
            Some((at, kept)) if now.duration_since(*at) < REPEAT_AFTER => {
                *kept += 1;
                None
            }
            Some((at, kept)) => {
                *at = now;
                Some(std::mem::take(kept))
            }
            None => {
                if self.said.len() < REPEATS_MAX {
                    self.said.insert(text, (now, 0));
                }
                Some(0)
            }
        }
    }
}

fn tell_sent(sent: &Sent) {
    let Sent {
        route,
        trigger,
        stats,
        took,
        lag,
        failed,
        failures: _,
    } = sent;
    let (files, bytes, deleted) = (stats.files, stats.bytes, stats.deleted);
    let (took, lag) = (span(*took), span(*lag));
    if *failed > 0 {
        tracing::warn!(%route, trigger, files, bytes, deleted, failed, took, lag, "sent in part");
    } else {
        tracing::info!(%route, trigger, files, bytes, deleted, took, lag, "sent");
    }
}

/// `12ms`, `3.4s`, `5m`.
fn span(duration: Duration) -> String {
    match duration.as_millis() {
        ms @ 0..=999 => format!("{ms}ms"),
        ms @ 1000..=119_999 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        ms => crate::engine::status::span((ms / 1000) as u64),
    }
}
