//! `status`: the table.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;

use super::client::{ClientArgs, Format};
use super::exit;
use crate::engine::status::{RouteStatus, SourceStatus, State, span};
use crate::service::in_force::Origin;
use crate::service::protocol::{StatusAnswer, selector};

/// The flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// Exit by health: 0 all in sync or on the way, 1 something fails, 6 something is held
    #[arg(long)]
    pub check: bool,
    /// List the failing paths, with their reasons and next tries
    #[arg(long)]
    pub paths: bool,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Prints the picture.
pub fn run(
    args: &StatusArgs,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let chosen = match selector(args.route.as_deref()) {
        Ok(chosen) => chosen,
        Err(error) => {
            writeln!(err, "error: {error}")?;
            return Ok(exit::USAGE);
        }
    };
    let mut answer: StatusAnswer = match args.client.get("/v1/status") {
        Ok(answer) => answer,
        Err(failure) => return args.client.failed(&failure, out, err),
    };
    if args.route.is_some() {
        answer.status.routes.retain(|route| {
            let (source, target) = route.route.split_once('/').unwrap_or((&route.route, ""));
            chosen.source.as_ref().is_none_or(|name| name.0 == source)
                && chosen.target.as_ref().is_none_or(|name| name.0 == target)
        });
        if answer.status.routes.is_empty() {
            writeln!(
                err,
                "error: there is no such route: `heliostat status` lists them"
            )?;
            return Ok(exit::NEGATIVE);
        }
    }
    match args.client.format {
        Format::Json => args.client.json(&answer, out)?,
        Format::Human => {
            table(&answer, colour, out)?;
            watches(&answer.status.sources, out)?;
            if args.paths {
                paths(&answer.status.routes, out)?;
            }
        }
    }
    Ok(if args.check {
        health(&answer.status.routes)
    } else {
        exit::GOOD
    })
}

/// The exit code that says how the routes are.
pub fn health(routes: &[RouteStatus]) -> u8 {
    let bad = |state| matches!(state, State::Failing | State::Retrying | State::Waiting);
    if routes.iter().any(|route| bad(route.state)) {
        exit::NEGATIVE
    } else if routes.iter().any(|route| route.state == State::Held) {
        exit::HELD
    } else {
        exit::GOOD
    }
}

/// What nobody who looks at the routes may overlook.
fn banners(answer: &StatusAnswer) -> Vec<String> {
    let mut lines = Vec::new();
    let generation = answer.status.generation;
    match &answer.in_force.origin {
        Origin::Files => {}
        Origin::Rollback { before } => lines.push(format!(
            "rolled back from generation {before} to {generation}: the next reload takes the files again"
        )),
        Origin::LastGood { reason } => lines.push(format!(
            "the manifests were broken at the start, so the last good generation {generation} runs: {reason}"
        )),
    }
    if let Some(drift) = &answer.drift {
        lines.push(drift.message.clone());
    }
    if let Some(rejected) = &answer.in_force.rejected {
        let at = rejected.at.split('.').next().unwrap_or_default();
        lines.push(format!(
            "the last reload was rejected ({} at {at}Z): {}",
            rejected.by, rejected.reason
        ));
    }
    lines
}

fn table(answer: &StatusAnswer, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let watched: u64 = answer
        .status
        .sources
        .iter()
        .map(|source| source.directories)
        .sum();
    let limit = answer
        .watch_limit
        .map(|limit| format!(" of {}", thousands(limit)))
        .unwrap_or_default();
    let revision = answer.in_force.revision.as_deref();
    let revision = revision.map_or_else(String::new, |revision| {
        format!(", revision {}", revision.get(..12).unwrap_or(revision))
    });
    writeln!(
        out,
        "{}  up {}  generation {} (digest {}{revision})  watches {}{limit}",
        answer.host,
        span(answer.uptime_seconds),
        answer.status.generation,
        answer
            .in_force
            .digest
            .get(..4)
            .map(|short| format!("{short}…"))
            .unwrap_or_default(),
        thousands(watched)
    )?;
    for line in banners(answer) {
        writeln!(out, "! {line}")?;
    }
    let header = [
        "ROUTE",
        "STATE",
        "LAG",
        "PENDING",
        "LAST GOOD",
        "NEXT RESCAN",
        "WHY",
    ]
    .map(str::to_owned);
    let mut rows = vec![header];
    rows.extend(answer.status.routes.iter().map(row));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let right = matches!(column, 2 | 3) && index > 0;
            let cell = match (colour && index > 0 && column == 1).then(|| paint(cell)) {
                Some(painted) => painted,
                None => cell.clone(),
            };
            line.push_str(&if right {
                format!("{pad}{cell}")
            } else {
                format!("{cell}{pad}")
            });
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What watches each source that stands.
fn watches(sources: &[SourceStatus], out: &mut dyn Write) -> io::Result<()> {
    let stands = sources.iter().filter_map(|source| {
        let by = (source.mechanism.as_ref()?, source.mechanism_why.as_ref()?);
        Some((source, by))
    });
    for (index, (source, (mechanism, why))) in stands.enumerate() {
        if index == 0 {
            writeln!(out)?;
        }
        let (watched, polled) = (source.directories, source.unwatched + source.doubted);
        let mut counts = format!("{} directories", thousands(watched + source.unwatched));
        if polled > 0 {
            counts += &format!(", {} polled", thousands(polled));
        }
        writeln!(out, "{}: {mechanism}, {counts}: {why}", source.name)?;
    }
    Ok(())
}

fn row(route: &RouteStatus) -> [String; 7] {
    let dash = || "–".to_owned();
    [
        route.route.clone(),
        route.state.word().to_owned(),
        route
            .lag_seconds
            .map_or_else(|| span(0), |lag| span(lag as u64)),
        thousands(route.pending),
        route
            .last_good
            .as_deref()
            .and_then(|at| at.parse().ok())
            .map_or_else(dash, ago),
        route
            .next_rescan
            .as_deref()
            .and_then(|at| at.parse().ok())
            .map_or_else(dash, clock),
        route.why.clone().unwrap_or_default(),
    ]
}

fn paint(state: &str) -> String {
    let code = match state {
        "in sync" => 32,
        "held" | "failing" => 31,
        "retrying" | "waiting" => 33,
        _ => 36,
    };
    format!("\x1b[{code}m{state}\x1b[0m")
}

fn ago(at: Timestamp) -> String {
    let seconds = Timestamp::now().duration_since(at).as_secs().max(0);
    format!("{} ago", span(seconds as u64))
}

/// The time of day here; with the date where it is further away than a day.
fn clock(at: Timestamp) -> String {
    let local = at.to_zoned(jiff::tz::TimeZone::system());
    let far = at.duration_since(Timestamp::now()).as_secs() > 86_400;
    local
        .strftime(if far {
            "%Y-%m-%d %H:%M %:z"
        } else {
            "%H:%M %:z"
        })
        .to_string()
}

/// `41,230`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn paths(routes: &[RouteStatus], out: &mut dyn Write) -> io::Result<()> {
    for route in routes.iter().filter(|route| route.failing_count > 0) {
        writeln!(
            out,
            "\n{}: {} failing",
            route.route,
            thousands(route.failing_count)
        )?;
        for path in &route.failing {
            let tries = if path.tries == 1 { "try" } else { "tries" };
            let next = match path.next_try_seconds {
                _ if path.trying => "being tried now".to_owned(),
                seconds if seconds < 1.0 => "next now".to_owned(),
                seconds => format!("next in {}", span(seconds as u64)),
            };
            writeln!(
                out,
                "  {}: {} (since {}, {} {tries}, {next})",
                path.path, path.reason, path.since, path.tries
            )?;
        }
        let hidden = route
            .failing_count
            .saturating_sub(route.failing.len() as u64);
        if hidden > 0 {
            writeln!(out, "  and {} more that are not shown", thousands(hidden))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::PathStatus;

    #[test]
    fn failing_paths_say_why_since_when_and_what_next() {
        let path = |path: &str, tries, next_try_seconds| PathStatus {
            path: path.to_owned(),
            reason: "mkstemp: permission denied".to_owned(),
            since: "2026-06-01T00:00:00Z".to_owned(),
            tries,
            next_try_seconds,
            trying: tries > 20,
        };
        let route = |name: &str, failing: Vec<PathStatus>, failing_count| RouteStatus {
            route: name.to_owned(),
            target: "/mirror".to_owned(),
            state: State::Failing,
            lag_seconds: None,
            pending: 0,
            last_good: None,
            next_rescan: None,
            next_sync: None,
            code: None,
            why: None,
            hold: None,
            failing,
            failing_count,
            transfers: 0,
            files: 0,
            bytes: 0,
            deleted: 0,
        };
        let few = vec![path("d/one", 1, 0.4), path("d/two\\n", 12, 90.0)];
        let mut tried = few.clone();
        tried.push(path("e", 21, 0.0));
        let shown = |routes: &[RouteStatus]| {
            let mut out = Vec::new();
            paths(routes, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            shown(&[
                route("web/a", tried, 3),
                route("web/b", Vec::new(), 0),
                route("web/c", few, 2345),
            ]),
            "
web/a: 3 failing
  d/one: mkstemp: permission denied (since 2026-06-01T00:00:00Z, 1 try, next now)
  d/two\\n: mkstemp: permission denied (since 2026-06-01T00:00:00Z, 12 tries, next in 90s)
  e: mkstemp: permission denied (since 2026-06-01T00:00:00Z, 21 tries, being tried now)

web/c: 2,345 failing
  d/one: mkstemp: permission denied (since 2026-06-01T00:00:00Z, 1 try, next now)
  d/two\\n: mkstemp: permission denied (since 2026-06-01T00:00:00Z, 12 tries, next in 90s)
  and 2,343 more that are not shown
"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "51,002", "1,234,567"].map(str::to_owned),
            [0, 999, 1000, 51002, 1_234_567].map(thousands)
        );
    }
}
