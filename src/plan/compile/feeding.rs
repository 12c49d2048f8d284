//! Routes that feed sources: a target inside its own source, a source inside its own target, and rings of them.
//!
//! One source's target may well be another one's source (a relay). What must not be is a ring: a change would be sent
//! round without an end, and a deletion would come back.

use std::collections::{BTreeMap, BTreeSet};

use super::collector::Collector;
use super::location::{self, Claim, Site};
use super::source::Lowered;
use crate::diagnostic::{Code, Diagnostic};

/// By source: which of its targets leads into which other source.
type Feeds = BTreeMap<usize, BTreeSet<(usize, usize)>>;

pub(super) fn check(lowered: &[Lowered<'_>], claims: &[Claim<'_>], out: &mut Collector<'_>) {
    let local = claims
        .iter()
        .filter(|claim| claim.location.site == Site::Local)
        .collect();
    // From a source through one of its targets to another source.
    let mut feeds: Feeds = BTreeMap::new();
    location::nested(local, |outer, inner| {
        for outer in outer.iter().filter(|outer| outer.meets(inner)) {
            let (source, target, index) = match (outer.target, inner.target) {
                (None, Some(index)) => (*outer, inner, index),
                (Some(index), None) => (inner, *outer, index),
                _ => continue,
            };
            if source.source == target.source {
                let inside = source.location.contains(&target.location);
                out.push(own(&lowered[source.source], index, inside));
            } else {
                feeds
                    .entry(target.source)
                    .or_default()
                    .insert((index, source.source));
            }
        }
    });
    let feeds = feeds
        .into_iter()
        .map(|(source, to)| (source, to.into_iter().collect()))
        .collect();
    rings(lowered, &feeds, out);
}

/// A target and its own source in one another.
fn own(item: &Lowered<'_>, target: usize, inside: bool) -> Diagnostic {
    let written = &item.source.targets[target];
    let route = format!("{}/{}", item.source.name.value, written.name.value);
    let (code, message) = if inside {
        (
            Code::TargetInsideSource,
            format!("the target of `{route}` lies inside its source"),
        )
    } else {
        (
            Code::SourceInsideTarget,
            format!("the source of `{route}` lies inside its target"),
        )
    };
    Diagnostic::new(code, message)
        .primary(
            &written.url.at,
            if inside {
                "what is sent would be seen as a change and sent again"
            } else {
                "what is sent here may overwrite it"
            },
        )
        .secondary(&item.source.path.at, "the source")
        .help("move one out of the other; an exclude is not enough")
}

/// Finds rings among the sources; each source is named in one at most.
fn rings(
    lowered: &[Lowered<'_>],
    feeds: &BTreeMap<usize, Vec<(usize, usize)>>,
    out: &mut Collector<'_>,
) {
    let mut state = vec![State::New; lowered.len()];
    for start in feeds.keys() {
        // The way from `start`: source, and which of its feeds is next. An own stack: chains may be long.
        let mut way: Vec<(usize, usize)> = vec![(*start, 0)];
        while let Some((source, next)) = way.pop() {
            if next == 0 {
                if state[source] != State::New {
                    continue;
                }
                state[source] = State::OnWay;
            }
            match feeds.get(&source).and_then(|targets| targets.get(next)) {
                None => state[source] = State::Done,
                Some((_, to)) => {
                    way.push((source, next + 1));
                    match state[*to] {
                        State::New => way.push((*to, 0)),
                        State::OnWay => out.push(ring(lowered, feeds, &way, *to)),
                        State::Done => {}
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnWay,
    Done,
}

fn ring(
    lowered: &[Lowered<'_>],
    feeds: &BTreeMap<usize, Vec<(usize, usize)>>,
    way: &[(usize, usize)],
    back_to: usize,
) -> Diagnostic {
    let from = way
        .iter()
        .position(|(source, _)| *source == back_to)
        .unwrap_or(0);
    let steps = || {
        way[from..]
            .iter()
            .map(|(source, next)| (*source, feeds[source][*next - 1].0))
    };
    let names: Vec<String> = steps()
        .map(|(source, target)| {
            let source = lowered[source].source;
            format!(
                "`{}/{}`",
                source.name.value, source.targets[target].name.value
            )
        })
        .collect();
    let message = format!(
        "{} feed one another: a change would go round without an end",
        names.join(" and ")
    );
    let mut diagnostic = Diagnostic::new(Code::TargetInsideSource, message);
    for (nth, (source, target)) in steps().enumerate() {
        let place = &lowered[source].source.targets[target].url.at;
        diagnostic = match nth {
            0 => diagnostic.primary(place, "leads into the next one's source"),
            _ => diagnostic.secondary(place, "and so does this"),
        };
    }
    diagnostic.help("let one of them lead elsewhere")
}
