//! One line of history: a transfer that ended.

use jiff::Timestamp;
use serde::Serialize;

use super::bytes::{Reader, Writer};
use crate::engine::{PathFailure, Sent, Stats};
use crate::plan::{RouteName, SourceName, TargetName};

/// So many failing paths of one transfer are kept by name: as many as are told.
pub const FAILED_MAX: usize = Sent::FAILURES_MAX;

/// Longer messages and reasons are cut: they are one line for people.
const TEXT_BYTES_MAX: usize = 1000;

/// Bytes of their paths and reasons: ten thousand such transfers are kept, and a far side may name what it likes.
const FAILED_BYTES_MAX: usize = 8 << 10;

/// A transfer that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// When it ended.
    pub at: Timestamp,
    /// Which route's.
    pub route: RouteName,
    /// Why it was made: `change`, `start`, `rescan`, `lost`, `retry`, `approve`.
    pub trigger: String,
    /// How long it took.
    pub took_ms: u64,
    /// The age of its oldest change when it ended: of one that failed or is held, of what it did not bring there; of one that was
    /// cancelled, 0.
    pub lag_ms: u64,
    /// `done`: everything is in step. `partial`: all but the paths that failed. `failed`: as a whole, and is tried again.
    /// `held`: it waits for an operator, or for its guard to be content. `cancelled`: it was told to end.
    pub result: String,
    /// Why it failed as a whole, is held, or was told to end.
    pub trouble: Option<String>,
    /// What was done: of a rescan, what was repaired; of one that failed, is held or was told to end, what it had done by then, as far
    /// as it has said.
    pub stats: Stats,
    /// The first paths that failed, at most [`FAILED_MAX`].
    pub failed: Vec<PathFailure>,
    /// How many failed.
    pub failed_count: u64,
}

#[cfg(test)]
impl Run {
    /// Some run.
    pub fn example(route: RouteName) -> Run {
        Run {
            at: Timestamp::UNIX_EPOCH,
            route,
            trigger: "change".into(),
            took_ms: 1,
            lag_ms: 2,
            result: "done".into(),
            trouble: None,
            stats: Stats::default(),
            failed: Vec::new(),
            failed_count: 0,
        }
    }
}

/// As it is kept: lists and texts are bounded here, whoever made them.
pub fn encode(run: &Run) -> Vec<u8> {
    let mut out = Writer::default();
    out.instant(Some(run.at));
    let (source, target) = (&run.route.source.0, &run.route.target.0);
    for text in [source, target, &run.trigger, &run.result] {
        out.bytes(cut(text).as_bytes());
    }
    out.byte(u8::from(run.trouble.is_some()))
        .bytes(cut(run.trouble.as_deref().unwrap_or("")).as_bytes());
    let stats = &run.stats;
    for number in [
        run.took_ms,
        run.lag_ms,
        stats.files,
        stats.created,
        stats.attributes,
        stats.bytes,
        stats.deleted,
    ] {
        out.number(number);
    }
    out.maybe(stats.target_entries).number(run.failed_count);
    let mut room = FAILED_BYTES_MAX;
    let fits = |failure: &&PathFailure| {
        let length = failure.path.as_bytes().len() + cut(&failure.reason).len();
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let failed = run.failed.iter().take(FAILED_MAX).take_while(fits);
    let failed: Vec<&PathFailure> = failed.collect();
    out.number(failed.len() as u64);
    for failure in failed {
        out.bytes(failure.path.as_bytes())
            .bytes(cut(&failure.reason).as_bytes());
    }
    out.done()
}

/// The run that was kept.
pub fn decode(data: &[u8]) -> Option<Run> {
    let mut read = Reader(data);
    let at = read.instant()??;
    let source = SourceName(read.text()?);
    let target = TargetName(read.text()?);
    let (trigger, result) = (read.text()?, read.text()?);
    let troubled = read.flag()?;
    let trouble = read.text()?;
    let (took_ms, lag_ms) = (read.number()?, read.number()?);
    let stats = Stats {
        files: read.number()?,
        created: read.number()?,
        attributes: read.number()?,
        bytes: read.number()?,
        deleted: read.number()?,
        target_entries: read.maybe()?,
    };
    let failed_count = read.number()?;
    let count = read.number()?;
    if count > FAILED_MAX as u64 {
        return None;
    }
    let failed = (0..count)
        .map(|_| {
            let path = read.path()?;
            let reason = read.text()?;
            Some(PathFailure { path, reason })
        })
        .collect::<Option<Vec<_>>>()?;
    read.end()?;
    Some(Run {
        at,
        route: RouteName { source, target },
        trigger,
        took_ms,
        lag_ms,
        result,
        trouble: troubled.then_some(trouble),
        stats,
        failed,
        failed_count,
    })
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RelPath;

    #[test]
    fn what_is_kept_of_a_transfer_is_bounded_whatever_failed() {
        let failure = |at: usize| PathFailure {
            path: RelPath::new(format!("{at}{}", "p".repeat(4000)).as_bytes()).unwrap(),
            reason: "r".repeat(50_000),
        };
        let run = Run {
            failed: (0..50).map(failure).collect(),
            failed_count: 50,
            trouble: Some("t".repeat(50_000)),
            ..Run::example(RouteName {
                source: SourceName("site".into()),
                target: TargetName("copy".into()),
            })
        };
        let kept = encode(&run);
        assert!(
            kept.len() < FAILED_BYTES_MAX + 2 * TEXT_BYTES_MAX,
            "{}",
            kept.len()
        );
        let read = decode(&kept).unwrap();
        assert_eq!((read.failed.len(), read.failed_count), (1, 50));
        assert_eq!(read.failed[0].path, run.failed[0].path);
    }
}
