//! The picture as text: a line about the service, banners, the table, what watches, and paths.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::cli::table;
use crate::engine::status::{
    EVERYTHING, PathStatus, PendingStatus, RouteStatus, SourceStatus, span,
};
use crate::plan::grouped;
use crate::service::in_force::Origin;
use crate::service::protocol::StatusAnswer;

/// All of it; `paths`: those that fail and those that are pending as well.
pub fn print(
    answer: &StatusAnswer,
    colour: bool,
    paths: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    table(answer, colour, out)?;
    watches(&answer.status.sources, out)?;
    match paths {
        true => all_paths(&answer.status.routes, out),
        false => Ok(()),
    }
}

/// What nobody who looks at the routes may overlook.
pub(super) fn banners(answer: &StatusAnswer) -> Vec<String> {
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
    let watched = answer.status.watched();
    let limit = answer
        .watch_limit
        .map(|limit| format!(" of {}", grouped(limit)))
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
        grouped(watched)
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
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(answer.status.routes.iter().map(row));
    let painted = |row: usize, column: usize, cell: &str| {
        (colour && row > 0 && column == 1).then(|| paint(cell))
    };
    table::print(&rows, &[2, 3], painted, out)
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
        let all = watched + source.unwatched;
        let noun = if all == 1 { "directory" } else { "directories" };
        let mut counts = format!("{} {noun}", grouped(all));
        if polled > 0 {
            counts += &format!(", {} polled", grouped(polled));
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
        grouped(route.pending),
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
        "retrying" | "waiting" | "paused" => 33,
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

fn all_paths(routes: &[RouteStatus], out: &mut dyn Write) -> io::Result<()> {
    for route in routes {
        doomed(route, out)?;
        failing(route, out)?;
        pending(route, out)?;
    }
    Ok(())
}

/// What a held route would delete, as whoever approves it wants to know first.
fn doomed(route: &RouteStatus, out: &mut dyn Write) -> io::Result<()> {
    let Some(hold) = &route.hold else {
        return Ok(());
    };
    if hold.sample.is_empty() {
        return Ok(());
    }
    let shown = hold.sample.len() as u64;
    let count = hold.count.unwrap_or(shown);
    writeln!(
        out,
        "\n{}: {} would be deleted",
        route.route,
        grouped(count)
    )?;
    for path in &hold.sample {
        writeln!(out, "  {path}")?;
    }
    rest(count.saturating_sub(shown), out)
}

fn failing(route: &RouteStatus, out: &mut dyn Write) -> io::Result<()> {
    if route.failing_count == 0 {
        return Ok(());
    }
    let count = grouped(route.failing_count);
    writeln!(out, "\n{}: {count} failing", route.route)?;
    for path in &route.failing {
        writeln!(out, "  {}", failing_line(path))?;
    }
    let shown = route.failing.len() as u64;
    rest(route.failing_count.saturating_sub(shown), out)
}

fn failing_line(path: &PathStatus) -> String {
    let tries = if path.tries == 1 { "try" } else { "tries" };
    let next = match path.next_try_seconds {
        _ if path.trying => "being tried now".to_owned(),
        seconds if seconds < 1.0 => "next now".to_owned(),
        seconds => format!("next in {}", span(seconds as u64)),
    };
    format!(
        "{}: {} (since {}, {} {tries}, {next})",
        path.path, path.reason, path.since, path.tries
    )
}

/// What is on its way or kept back, where it was asked for. One reason is said once.
fn pending(route: &RouteStatus, out: &mut dyn Write) -> io::Result<()> {
    let shown = &route.pending_paths;
    if shown.is_empty() {
        return Ok(());
    }
    let waiting = route.pending.saturating_sub(route.failing_count);
    let named = shown.iter().filter(|path| path.dirt != EVERYTHING).count();
    let waiting = waiting.max(named as u64);
    let what = match (named < shown.len(), waiting) {
        (true, 0) => "a full pass pending".to_owned(),
        (true, waiting) => format!("a full pass and {} paths pending", grouped(waiting)),
        (false, waiting) => format!("{} pending", grouped(waiting)),
    };
    writeln!(out, "\n{}: {what}", route.route)?;
    for path in shown {
        writeln!(out, "  {}", pending_line(path))?;
    }
    rest(waiting.saturating_sub(named as u64), out)
}

fn pending_line(path: &PendingStatus) -> String {
    let age = span(path.age_seconds as u64);
    match path.dirt.as_str() {
        EVERYTHING => format!("everything: {} (for {age})", path.reason),
        dirt => format!("{}: {} ({dirt}, for {age})", path.path, path.reason),
    }
}

fn rest(hidden: u64, out: &mut dyn Write) -> io::Result<()> {
    match hidden {
        0 => Ok(()),
        hidden => writeln!(out, "  and {} more that are not shown", grouped(hidden)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::{HoldStatus, State};

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
            failing,
            failing_count,
            ..RouteStatus::bare(State::Failing)
        };
        let few = vec![path("d/one", 1, 0.4), path("d/two\\n", 12, 90.0)];
        let mut tried = few.clone();
        tried.push(path("e", 21, 0.0));
        let shown = |routes: &[RouteStatus]| {
            let mut out = Vec::new();
            all_paths(routes, &mut out).unwrap();
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
    fn a_held_route_names_what_it_would_delete() {
        let hold = |count, sample: &[&str]| HoldStatus {
            id: "8faff479".to_owned(),
            reason: "deletes".to_owned(),
            count,
            of: count,
            sample: sample.iter().map(|path| (*path).to_owned()).collect(),
            since: "2026-06-01T00:00:00Z".to_owned(),
        };
        let shown = |hold: HoldStatus| {
            let route = RouteStatus {
                route: "web/a".to_owned(),
                hold: Some(hold),
                ..RouteStatus::bare(State::Held)
            };
            let mut out = Vec::new();
            all_paths(&[route], &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            shown(hold(Some(1202), &["archive", "archive/a\\n"])),
            "
web/a: 1,202 would be deleted
  archive
  archive/a\\n
  and 1,200 more that are not shown
"
        );
        // A guard deletes nothing.
        assert_eq!(shown(hold(None, &[])), "");
    }

    #[test]
    fn pending_paths_say_why_and_for_how_long() {
        let path = |path: &str, reason: &str| PendingStatus {
            path: path.to_owned(),
            dirt: "content".to_owned(),
            age_seconds: 840.0,
            reason: reason.to_owned(),
        };
        let route = RouteStatus {
            pending: 2311,
            pending_paths: vec![
                path("d/one", "is being sent"),
                PendingStatus {
                    dirt: EVERYTHING.to_owned(),
                    ..path(".", "gathered")
                },
            ],
            failing_count: 1,
            ..serde_json::from_str(
                r#"{"route": "web/a", "target": "t", "state": "pending", "pending": 0,
                "failing": [], "failingCount": 0, "transfers": 0, "files": 0, "bytes": 0, "deleted": 0}"#,
            )
            .unwrap()
        };
        let mut out = Vec::new();
        pending(&route, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "
web/a: a full pass and 2,310 paths pending
  d/one: is being sent (content, for 14m)
  everything: gathered (for 14m)
  and 2,309 more that are not shown
"
        );
    }
}
