//! What each event of the engine says.

use std::time::Duration;

use super::repeats::NOTES;
use crate::engine::{Event, Hold, Hooked, Sent};
use crate::plan::{RouteName, When};

/// Says an event. What is said again and again is counted by the [repeats](super::repeats) behind it.
pub fn tell(event: &Event) {
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
            tracing::warn!(%source, "looking at it anew: {reason}");
        }
        Event::Surveyed(source, Some(differ)) => {
            tracing::info!(%source, differ, "compared with what is known of it");
        }
        Event::Surveyed(source, None) => {
            tracing::info!(%source, "too much differs from what is known of it: everything is compared with the targets");
        }
        Event::SurveyFailed(source, reason) => {
            tracing::warn!(%source, "cannot be surveyed, tried again: {reason}");
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
            let (code, next) = (trouble.code, span(*wait));
            tracing::warn!(%route, code, tries, next, "failed: {message}");
        }
        Event::Cancelled {
            route,
            trigger,
            took,
            stats,
            why,
        } => {
            let (took, deleted) = (span(*took), stats.deleted);
            tracing::info!(%route, trigger, deleted, took, "cancelled: {why}");
        }
        Event::PathsFailing {
            route,
            count,
            first: (path, reason),
        } => {
            tracing::warn!(%route, count, "paths fail, the first: {path}: {reason}");
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
        Event::Paused(route, pause) => {
            let (by, until) = (&pause.by, pause.until);
            let reason = pause.reason.as_deref().unwrap_or("no reason given");
            tracing::info!(%route, by, %until, "paused: {reason}");
        }
        Event::Resumed(route, Some(by)) => tracing::info!(%route, by, "no longer paused"),
        Event::Resumed(route, None) => {
            tracing::info!(%route, "no longer paused: its time is up");
        }
        Event::Released(route) => tracing::info!(%route, "no longer held"),
        Event::Hooked {
            route,
            when,
            trigger,
            hooked,
            wait,
        } => tell_hook(route, *when, trigger, hooked, *wait),
        Event::Recovered(route) => tracing::info!(%route, "works again"),
        Event::Note(route, note) => {
            tracing::info!(target: NOTES, %route, "{}: {}", note.path, note.text);
        }
    }
}

fn tell_hook(
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
    let next = wait.map(span);
    tracing::warn!(%route, hook, trigger, took, next, "hook failed: {reason}");
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
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    crate::engine::status::milliseconds(ms)
}
