//! `tap`: live, what happens from a file's event to the outcome of the transfer that carried it.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;

use super::client::{ClientArgs, Format, query};
use super::exit;
use crate::engine::status::milliseconds;
use crate::plan::grouped;
use crate::service::client;
use crate::service::tap::{Told, What};

/// The flags of `tap`.
#[derive(Debug, Args)]
#[command(
    after_help = "Events, with what is known of the path; what is filtered, with the rule and its place; windows, with what changes \
                  wait for; transfers, with the first of their paths; outcomes. With `--format json` a line an item. Who reads \
                  too slowly is told how many items were missed: the service waits for nobody. Of what lies in an excluded \
                  directory nothing is told, as nothing is watched there."
)]
pub struct TapArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// Of events and what is filtered, only paths that match; as in a manifest: `*.html`, `/htdocs/**`
    #[arg(long, value_name = "GLOB")]
    pub paths: Option<String>,
    /// End after so long
    #[arg(long = "for", value_name = "DURATION", value_parser = super::client::duration)]
    pub time: Option<Duration>,
    /// End after so many items
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Shows what happens, until it has shown enough.
pub fn run(args: &TapArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let path = query(
        "/v1/tap",
        &[("route", args.route.clone()), ("paths", args.paths.clone())],
    );
    let (mut shown, mut written) = (0, Ok(()));
    let ended = client::events(&args.client.socket, &path, args.time, |data| {
        written = show(args.client.format, data, out);
        shown += 1;
        match written.is_err() || args.limit.is_some_and(|limit| shown >= limit) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    written?;
    match ended {
        Ok(true) => Ok(exit::GOOD),
        Ok(false) => {
            writeln!(err, "error: the service has ended")?;
            Ok(exit::NOT_REACHABLE)
        }
        Err(failure) => args.client.failed(&failure, out, err),
    }
}

fn show(format: Format, data: &[u8], out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => out.write_all(data)?,
        Format::Human => match serde_json::from_slice::<Told>(data) {
            Ok(told) => write!(out, "{}", line(&told))?,
            Err(_) => write!(out, "an item that this version does not know")?,
        },
    }
    writeln!(out)?;
    // Whoever reads it reads it live.
    out.flush()
}

/// One line an item.
fn line(told: &Told) -> String {
    let at = told.at.to_zoned(jiff::tz::TimeZone::system());
    let at = at.strftime("%H:%M:%S%.3f");
    let (kind, of, text) = words(&told.what);
    format!("{at}  {kind:<8}  {of}  {text}")
        .trim_end()
        .to_owned()
}

/// What it is, of what, and the rest of it.
fn words(what: &What) -> (&'static str, &str, String) {
    match what {
        What::Event { source, path, dirt } => ("event", source, format!("{path}  {dirt}")),
        What::Filtered {
            source,
            route,
            path,
            event,
            by,
            rule,
            place,
        } => {
            let event = event.as_deref().map(|event| format!("{event}, "));
            let why = match (rule, place, by.as_str()) {
                (Some(rule), Some(place), by) => format!("{by} `{rule}` at {place}"),
                (Some(rule), None, by) => format!("{by} `{rule}`"),
                (None, _, "events") => "not among the source's `events`".to_owned(),
                (None, _, _) => "no `include` matches".to_owned(),
            };
            let of = route.as_deref().unwrap_or(source);
            (
                "filtered",
                of,
                format!("{path}  {}{why}", event.unwrap_or_default()),
            )
        }
        What::Window {
            route,
            paths,
            leaves_in_ms,
            why,
        } => {
            let when = match leaves_in_ms {
                Some(0) => ", due now".to_owned(),
                Some(ms) => format!(", due in {}", milliseconds(*ms)),
                None => String::new(),
            };
            ("window", route, format!("{}{when}: {why}", counted(*paths)))
        }
        What::Transfer {
            route,
            transfer,
            trigger,
            kind,
            paths,
            sample,
        } => {
            let text = match kind.as_str() {
                "pass" => format!("#{transfer} {trigger}: a full pass"),
                _ => {
                    let more = paths.saturating_sub(sample.len() as u64);
                    let more = match more {
                        0 => String::new(),
                        more => format!(" and {} more", grouped(more)),
                    };
                    let (paths, sample) = (counted(*paths), sample.join(", "));
                    format!("#{transfer} {trigger}: {paths}: {sample}{more}")
                }
            };
            ("transfer", route, text)
        }
        What::Outcome(transfer) => {
            let (took, lag) = (
                milliseconds(transfer.took_ms),
                milliseconds(transfer.lag_ms),
            );
            let mut text = format!("{} ({})", transfer.outcome, transfer.trigger);
            if matches!(transfer.outcome.as_str(), "done" | "partial") {
                let (files, bytes) = (grouped(transfer.files), grouped(transfer.bytes));
                let deleted = grouped(transfer.deleted);
                text += &format!(
                    ": {files} files, {bytes} bytes, {deleted} deleted, took {took}, lag {lag}"
                );
            } else {
                text += &format!(" after {took}");
            }
            if let Some(reason) = &transfer.reason {
                text += &format!(": {reason}");
            }
            ("outcome", &transfer.route, text)
        }
        What::State {
            source,
            route,
            state,
            text,
        } => {
            let of = route.as_deref().unwrap_or(source);
            let text = match text.is_empty() {
                true => state.clone(),
                false => format!("{state}: {text}"),
            };
            ("state", of, text)
        }
        What::Missed { count } => {
            let text = format!("{} items were missed: too slow", grouped(*count));
            ("missed", "–", text)
        }
    }
}

fn counted(paths: u64) -> String {
    match paths {
        1 => "1 path".to_owned(),
        paths => format!("{} paths", grouped(paths)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_line_that_says_why() {
        let shown = |what: What| {
            let (kind, of, text) = words(&what);
            format!("{kind} {of} {text}")
        };
        let filtered = |by: &str, rule: Option<&str>| {
            shown(What::Filtered {
                source: "web".into(),
                route: None,
                path: "a.tmp".into(),
                event: Some("closeWrite".into()),
                by: by.into(),
                rule: rule.map(str::to_owned),
                place: rule.map(|_| "web.yaml:7".to_owned()),
            })
        };
        assert_eq!(
            filtered("exclude", Some("*.tmp")),
            "filtered web a.tmp  closeWrite, exclude `*.tmp` at web.yaml:7"
        );
        assert_eq!(
            filtered("events", None),
            "filtered web a.tmp  closeWrite, not among the source's `events`"
        );
        assert_eq!(
            filtered("include", None),
            "filtered web a.tmp  closeWrite, no `include` matches"
        );
        let batch = What::Transfer {
            route: "web/dr".into(),
            transfer: 4,
            trigger: "change".into(),
            kind: "batch".into(),
            paths: 1002,
            sample: vec!["a".into(), "b".into()],
        };
        assert_eq!(
            shown(batch),
            "transfer web/dr #4 change: 1,002 paths: a, b and 1,000 more"
        );
        let window = What::Window {
            route: "web/dr".into(),
            paths: 1,
            leaves_in_ms: Some(5),
            why: "gathers changes".into(),
        };
        assert_eq!(
            shown(window),
            "window web/dr 1 path, due in 5ms: gathers changes"
        );
    }
}
