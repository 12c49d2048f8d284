//! What follows from a run: exit code and text together, path by path.
//!
//! Pure. The exit code alone lies in both directions: 0 with a directory that stayed, a fence that held (measured: 3.5.0
//! ends with 0 there, not 25) or deletions skipped; 23 where all but one named path is done. So:
//!
//! - only what rsync says about a path that this run reached names that path;
//! - a line that is not understood, or a path that cannot be placed, means that nothing is known to be in step;
//! - what is missing on the sender has changed meanwhile: looked at again, no failure.

use std::collections::HashSet;

use super::failures::Failures;
use super::invocation::Leave;
use super::kind::Kind;
use super::lines::{Failed, shown};
use super::report::Report;
use super::steps::Step;
use crate::engine::{PathFailure, PathNote, RelPath, Stats, Trouble, Verdict, escape};
use crate::plan::{DeletePolicy, RoutePlan, SourcePlan};
use crate::transfer::batch::{Act, Entry};

/// What a run was.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// From.
    pub source: &'a SourcePlan,
    /// To.
    pub route: &'a RoutePlan,
    /// Its kind.
    pub kind: &'a dyn Kind,
    /// What was asked for.
    pub step: &'a Step,
    /// How far it might go in deleting.
    pub leave: Leave,
}

/// What follows from a run.
#[derive(Debug)]
pub struct Judged {
    /// `Done`, `Retry` or `Permanent`.
    pub verdict: Verdict,
    /// By path.
    pub failed: Vec<PathFailure>,
    /// Changed meanwhile.
    pub again: Vec<RelPath>,
    /// Worth saying.
    pub notes: Vec<PathNote>,
    /// Something would have been deleted, and was not: it must be counted first.
    pub wants_deletions: bool,
    /// What was done.
    pub stats: Stats,
}

/// Notes that one run hands on; more say nothing new.
const NOTES_MAX: usize = 1000;

/// rsync names no longer path, and a far side that does means none of ours.
const PATH_MAX: usize = 4096;

/// A file's name that is longer is cut by rsync for its temporary name: dot, name, dot, six letters in 255 bytes.
const WHOLE_NAME_MAX: usize = 200;

/// Judges a run by its exit code (`None`: ended by a signal) and what it said.
pub fn judge(case: Case<'_>, code: Option<i32>, report: &Report) -> Judged {
    let place = Place::new(case);
    let mut judged = Judged {
        verdict: Verdict::Done,
        failed: Vec::new(),
        again: Vec::new(),
        notes: Vec::new(),
        wants_deletions: false,
        stats: Stats {
            files: report.files,
            created: report.created,
            attributes: report.attributes,
            bytes: report.bytes,
            deleted: report.deleted,
            target_entries: target_entries(case, report),
        },
    };
    if !matches!(code, Some(0 | 23 | 24 | 25)) {
        judged.verdict = refused(case, code, report);
        return judged;
    }
    let mut failures = Failures::default();
    let mut lost: Option<String> = unclear(code, report);
    let missed = |raw: &[u8], what: &str| format!("{what}: `{}`", shown(raw));
    for failed in &report.failed {
        let paths = place.failed(failed, report);
        if paths.is_empty() {
            lost = lost.or_else(|| Some(missed(&failed.path, &failed.reason)));
        }
        for path in paths {
            if path.is_root() && failed.sender && failed.missing {
                let message = format!(
                    "the source `{}` went away: {}",
                    escape(case.source.path.as_bytes()),
                    failed.reason
                );
                judged.verdict = retry("sourceMissing", message);
                return judged;
            }
            if failed.sender && failed.missing {
                judged.again.push(path);
            } else {
                place.fail(&mut failures, path, &failed.reason);
            }
        }
    }
    let deferred = matches!(case.leave, Leave::None | Leave::One);
    // 25 says that the fence held, should its line be missing.
    let silent_fence = code == Some(25) && !report.fence_spoke();
    judged.wants_deletions = silent_fence
        || report.fence()
        || deferred && !(report.kept.is_empty() && report.blocked.is_empty());
    for raw in &report.blocked {
        let reason = match case.leave {
            Leave::None | Leave::One => continue,
            Leave::Never if case.route.delete == DeletePolicy::Never => {
                "a directory stands in its place on the target, and `delete: never` keeps it"
            }
            Leave::Never => "a directory stands in its place on the target",
            Leave::Count | Leave::Counted(_) => {
                "a directory stands in its place on the target, with something in it that is protected"
            }
        };
        match place.far(raw) {
            Some(path) => place.fail(&mut failures, path, reason),
            None => lost = lost.or_else(|| Some(missed(raw, reason))),
        }
    }
    judged.failed = failures.into_all();
    for raw in report.vanished.iter().chain(&report.unsteady) {
        match place.near(raw).or_else(|| place.far(raw)) {
            Some(path) => judged.again.push(path),
            None => lost = lost.or_else(|| Some(missed(raw, "changed while it was sent"))),
        }
    }
    if report.deletion_skipped {
        skip_deletions(case, &mut judged);
    }
    notes(case, report, &place, &mut judged);
    let named = !(judged.failed.is_empty() && judged.again.is_empty()) || judged.wants_deletions;
    // 24: something vanished. Both say that something is not done; what it is they leave to lines that must be there.
    if matches!(code, Some(23 | 24)) && !named && lost.is_none() {
        lost = Some(
            report
                .closing
                .first()
                .cloned()
                .unwrap_or_else(|| "rsync names no path".to_string()),
        );
    }
    if let Some(text) = lost {
        judged.verdict = retry("unclear", format!("rsync: {text}"));
    }
    judged.failed.sort_by(|a, b| a.path.cmp(&b.path));
    judged.failed.dedup_by(|a, b| a.path == b.path);
    judged.again.sort();
    judged.again.dedup();
    judged
}

fn retry(code: &'static str, message: String) -> Verdict {
    Verdict::Retry(Trouble {
        code,
        message,
        soon: false,
    })
}

/// Why nothing can be taken for done although rsync ended well or nearly so. The closing line of a run that is partly done
/// is known; where it ended well there should be none.
fn unclear(code: Option<i32>, report: &Report) -> Option<String> {
    if report.overflow {
        return Some("it said more than can be kept".to_string());
    }
    let partly = ["(code 23)", "(code 24)", "(code 25)"];
    let known = |line: &&String| {
        line.starts_with("rsync error: ")
            && code != Some(0)
            && partly.iter().any(|code| line.contains(code))
    };
    report
        .other
        .first()
        .or_else(|| report.closing.iter().find(|line| !known(line)))
        .cloned()
}

/// A read error somewhere stopped every deletion of the run: what might have been deleted stays dirty. Where nothing
/// failed but what went away meanwhile, that is no fault.
fn skip_deletions(case: Case<'_>, judged: &mut Judged) {
    let passing = judged.failed.is_empty() && !judged.again.is_empty();
    for entry in &case.step.entries {
        if entry.act.deletes() {
            let path = entry.path.clone();
            if passing {
                judged.again.push(path);
                continue;
            }
            let reason = "nothing was deleted, because something could not be read".to_string();
            judged.failed.push(PathFailure { path, reason });
        }
    }
}

fn notes(case: Case<'_>, report: &Report, place: &Place<'_>, judged: &mut Judged) {
    let left_out = "left out: a special file, or a link where links are not kept";
    let kept = "kept on the target: something in it is protected";
    let kept_lines = if matches!(case.leave, Leave::Counted(_)) && !report.fence() {
        &report.kept[..]
    } else {
        &[]
    };
    let all = report
        .left_out
        .iter()
        .map(|raw| (raw, left_out))
        .chain(kept_lines.iter().map(|raw| (raw, kept)));
    for (raw, text) in all.take(NOTES_MAX) {
        if let Some(path) = place.near(raw).or_else(|| place.far(raw)) {
            judged.notes.push(PathNote {
                path,
                text: text.to_string(),
            });
        }
    }
}

/// Entries on the target that belong to the route. After a pass: what the source has; in a count: before the deletions.
pub fn target_entries(case: Case<'_>, report: &Report) -> Option<u64> {
    let attributes = case.route.attributes;
    case.step.pass?;
    let mut count = report.listed?.saturating_sub(1);
    if !attributes.devices {
        count = count.saturating_sub(report.special);
    }
    if !attributes.archive {
        count = count.saturating_sub(report.links);
    }
    if case.leave == Leave::Count {
        count = (count + report.deleted).saturating_sub(report.created);
    }
    Some(count)
}

/// What an exit code other than "done" or "partly" means.
fn refused(case: Case<'_>, code: Option<i32>, report: &Report) -> Verdict {
    let text: Vec<String> = report
        .other
        .iter()
        .chain(&report.closing)
        .cloned()
        .collect();
    if let Some(trouble) = case.kind.explain(&case.route.target, code, &text) {
        return match trouble.code {
            "auth" | "unknownModule" | "readOnly" | "passwordFile" | "hostKey" | "noRsync" => {
                Verdict::Permanent(trouble)
            }
            _ => Verdict::Retry(trouble),
        };
    }
    // The first line says what happened, the last one (`rsync error: … (code 12)`) only where.
    let said = report
        .failed
        .first()
        .map(|failed| format!("{} (`{}`)", failed.reason, shown(&failed.path)));
    let said = said.or_else(|| {
        text.iter()
            .find(|line| !line.starts_with("rsync error: "))
            .cloned()
    });
    let said = said
        .or_else(|| text.first().cloned())
        .unwrap_or_else(|| "it said nothing".to_string());
    let said = said.strip_prefix("rsync: ").unwrap_or(&said);
    let said = said.strip_prefix("rsync error: ").unwrap_or(said);
    let refusing = said.contains("is configured to refuse");
    let trouble = |word, help: &str| {
        let code = code.map_or("ended by a signal".to_string(), |code| code.to_string());
        let help = if help.is_empty() {
            String::new()
        } else {
            format!(": {help}")
        };
        Trouble {
            code: word,
            message: format!("rsync {code}: {said}{help}"),
            soon: false,
        }
    };
    let no_space = report.failed.iter().any(|failed| {
        failed.reason.contains("no space left") || failed.reason.contains("quota exceeded")
    });
    let no_place = report
        .failed
        .iter()
        .any(|failed| failed.missing && failed.reason.starts_with("mkdir"));
    match code {
        Some(1) => Verdict::Permanent(trouble("usage", "")),
        Some(4) if refusing => Verdict::Permanent(trouble(
            "protocol",
            "change `refuse options` in the daemon's module, or what the route asks for",
        )),
        Some(2 | 4) => Verdict::Permanent(trouble("protocol", "the far rsync may be too old")),
        Some(3) => Verdict::Retry(trouble("sourceMissing", "")),
        Some(5) => Verdict::Retry(trouble("daemon", "")),
        Some(10) => Verdict::Retry(trouble("unreachable", "")),
        Some(11) if no_space => Verdict::Retry(trouble("noSpace", "make room on the target")),
        Some(11) if no_place => Verdict::Retry(trouble(
            "noDestination",
            "create the directory on the target",
        )),
        Some(11) => Verdict::Retry(trouble("io", "")),
        Some(12) => Verdict::Retry(trouble("connectionLost", "")),
        Some(30 | 35) => Verdict::Retry(trouble("timeout", "")),
        Some(126 | 127) => Verdict::Permanent(trouble("noRsync", "install rsync on the far side")),
        Some(255) => Verdict::Retry(trouble("ssh", "")),
        None => Verdict::Retry(trouble("killed", "")),
        Some(_) => Verdict::Retry(trouble("unknown", "")),
    }
}

/// What a temporary name of rsync's stands for, without the dot that both `name` and `.name` get only one of: `.name.Ab3dEf`.
fn stem_of_temporary(name: &[u8]) -> Option<&[u8]> {
    let (stem, random) = name
        .strip_prefix(b".")?
        .split_at_checked(name.len().checked_sub(8)?)?;
    let [b'.', random @ ..] = random else {
        return None;
    };
    (!stem.is_empty() && random.iter().all(u8::is_ascii_alphanumeric)).then_some(stem)
}

/// Finds the path below the root that a message means.
struct Place<'a> {
    case: Case<'a>,
    far_root: Vec<u8>,
    listed: HashSet<&'a [u8]>,
    /// Of these, the directories below which any name may come up: those that are entered, and those whose listing is
    /// reconciled, since directories that leave it are deleted with everything in them.
    entered: HashSet<&'a [u8]>,
    parents: HashSet<&'a [u8]>,
}

impl<'a> Place<'a> {
    fn new(case: Case<'a>) -> Place<'a> {
        let entries = &case.step.entries;
        let mut parents: HashSet<&[u8]> = entries
            .iter()
            .flat_map(|entry| entry.path.ancestors())
            .collect();
        parents.insert(b"");
        let paths = |entry: &'a Entry| entry.path.as_bytes();
        let enters = |entry: &&Entry| case.step.recurse || entry.act == Act::Listing;
        Place {
            case,
            far_root: case.kind.far_root(&case.route.target),
            listed: entries.iter().map(paths).collect(),
            entered: entries.iter().filter(enters).map(paths).collect(),
            parents,
        }
    }

    /// A path that the sender wrote: absolute, below the source; of an ACL relative to it.
    fn near(&self, raw: &[u8]) -> Option<RelPath> {
        if !raw.starts_with(b"/") {
            return self.reached(RelPath::new(raw)?);
        }
        let rest = raw.strip_prefix(self.case.source.path.trim_end_matches('/').as_bytes())?;
        let path = match rest {
            [] => RelPath::root(),
            [b'/', rest @ ..] => RelPath::new(rest)?,
            _ => return None,
        };
        self.reached(path)
    }

    /// A path that the receiver wrote: relative to the target, or absolute within the module or the far host.
    fn far(&self, raw: &[u8]) -> Option<RelPath> {
        let path = match raw {
            [b'/', ..] => match raw.strip_prefix(&self.far_root[..])? {
                [] => RelPath::root(),
                [b'/', rest @ ..] => RelPath::new(rest)?,
                _ => return None,
            },
            _ => RelPath::new(raw)?,
        };
        self.reached(path)
    }

    /// The paths that a message may mean; none: it cannot be placed.
    fn failed(&self, failed: &Failed, report: &Report) -> Vec<RelPath> {
        if failed.sender {
            return self.near(&failed.path).into_iter().collect();
        }
        let slash = failed.path.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = failed.path.split_at(slash.map_or(0, |at| at + 1));
        let Some(stem) = stem_of_temporary(name) else {
            let path = if failed.temporary {
                None
            } else {
                self.far(&failed.path)
            };
            return path.into_iter().collect();
        };
        if stem.len() > WHOLE_NAME_MAX {
            return self.cut(directory, stem).into_iter().collect();
        }
        let plain = self.far(&[directory, stem].concat());
        let hidden = self.far(&[directory, b".", stem].concat());
        let literal = self.far(&failed.path).filter(|_| !failed.temporary);
        let mut found = Vec::new();
        for path in [&plain, &hidden, &literal].into_iter().flatten() {
            let sent = path
                .name()
                .starts_with(b".")
                .then(|| report.is_hidden(path.as_bytes()));
            if sent == Some(None) {
                return Vec::new();
            }
            if self.listed.contains(path.as_bytes()) || sent == Some(Some(true)) {
                found.push(path.clone());
            }
        }
        if found.is_empty() {
            found.extend(plain);
        }
        found
    }

    /// A temporary name that may be cut. The only listed entry that begins so is meant; otherwise the directory stands
    /// for it.
    fn cut(&self, directory: &[u8], stem: &[u8]) -> Option<RelPath> {
        let directory = directory
            .strip_prefix(&self.far_root[..])
            .unwrap_or(directory);
        let directory = directory.strip_prefix(b"/").unwrap_or(directory);
        let begin = RelPath::new(&[directory, stem].concat())?;
        let hidden = [directory, b".", stem].concat();
        let mut same = self.case.step.entries.iter().filter(|entry| {
            entry.path.parent() == begin.parent()
                && [begin.as_bytes(), &hidden]
                    .iter()
                    .any(|begin| entry.path.as_bytes().starts_with(begin))
        });
        match (same.next(), same.next()) {
            (Some(entry), None) => Some(entry.path.clone()),
            _ => self.reached(begin.parent()?),
        }
    }

    /// Only what this run reached can have been meant.
    fn reached(&self, path: RelPath) -> Option<RelPath> {
        let step = self.case.step;
        let bytes = path.as_bytes();
        if bytes.len() >= PATH_MAX {
            return None;
        }
        let whole = step.pass.is_some() || self.entered.contains(&b""[..]);
        let inside = || path.ancestors().any(|above| self.entered.contains(above));
        (whole || self.listed.contains(bytes) || self.parents.contains(bytes) || inside())
            .then_some(path)
    }

    /// Fails a path; and where a directory could not be made, read or entered, every entry below it.
    fn fail(&self, failures: &mut Failures, path: RelPath, reason: &str) {
        let whole = [
            "mkdir",
            "opendir",
            "readdir",
            "change_dir",
            "a directory stands",
        ]
        .iter()
        .any(|word| reason.starts_with(word));
        if whole && self.parents.contains(path.as_bytes()) {
            failures.add_below(&path, &self.case.step.entries, reason);
        }
        failures.add(path, reason);
    }
}
