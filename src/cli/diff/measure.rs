//! Counts on this host's disk what a difference concerns: directories that are watched, and what becomes dirty.
//!
//! One walk a source where its path is the same in both plans, whatever the number of routes. What cannot be read is
//! counted as such.

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::filter::{Filter, FilterSpec, Verdict};
use crate::plan::{
    Look, Measured, Plan, PlanDiff, RouteName, SourceDiff, SourcePlan, Tally, Watched,
};

/// Counts what the sources that change concern.
pub fn measure(old: &Plan, new: &Plan, diff: &PlanDiff) -> Measured {
    let mut measured = Measured::default();
    for (name, source) in &diff.sources {
        let (before, after) = (old.sources.get(name), new.sources.get(name));
        let changes = source.class != crate::plan::Class::Keep
            || source
                .routes
                .values()
                .any(|route| route.look != Look::Nothing);
        if !changes {
            continue;
        }
        let mut watched = Watched::default();
        let here = after.and_then(|after| wanted(after, source));
        // Of another filter, but of the same tree.
        let both = before.zip(after).filter(|(before, after)| {
            before.path == after.path && before.one_file_system == after.one_file_system
        });
        let mut walks = here.unwrap_or_default();
        if let Some((before, _)) = both {
            walks.extend(Wanted::directories(before));
        }
        if let Some(after) = after
            && let Some(counted) = walk(&after.path, after.one_file_system, walks)
        {
            let mut directories = counted.iter().filter(|wanted| wanted.route.is_none());
            watched.after = directories.next().map(|wanted| wanted.directories);
            watched.before = directories.next().map(|wanted| wanted.directories);
            watched.unread = counted.first().map_or(0, |wanted| wanted.unread);
            for wanted in counted {
                if let Some(route) = wanted.route {
                    measured.routes.insert(route, wanted.tally);
                }
            }
        }
        if both.is_none()
            && let Some(before) = before
        {
            let walks = Wanted::directories(before).into_iter().collect();
            let counted = walk(&before.path, before.one_file_system, walks);
            watched.before = counted.and_then(|all| Some(all.first()?.directories));
        }
        measured.sources.insert(name.clone(), watched);
    }
    measured
}

/// What is counted under one filter.
struct Wanted {
    filter: Filter,
    /// `None`: the source's directories.
    route: Option<RouteName>,
    look: Look,
    directories: u64,
    tally: Tally,
    unread: u64,
}

impl Wanted {
    fn new(filter: &FilterSpec, route: Option<RouteName>, look: Look) -> Option<Wanted> {
        // A plan's filter was compiled once already.
        let filter = Filter::compile(filter).ok()?;
        Some(Wanted {
            filter,
            route,
            look,
            directories: 0,
            tally: Tally::default(),
            unread: 0,
        })
    }

    fn directories(source: &SourcePlan) -> Option<Wanted> {
        Wanted::new(&source.filter, None, Look::Nothing)
    }

    fn counts(&self, path: &[u8]) -> bool {
        match &self.look {
            Look::Nothing => false,
            Look::Everything => true,
            Look::Below(places) => {
                let within = |place: &str| {
                    path.strip_prefix(place.as_bytes())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
                };
                places.iter().any(|place| within(place))
            }
        }
    }
}

/// The source's directories, and what becomes dirty for each of its routes.
fn wanted(source: &SourcePlan, diff: &SourceDiff) -> Option<Vec<Wanted>> {
    let mut all = vec![Wanted::directories(source)?];
    for (target, route) in &source.routes {
        let look = diff.routes.get(target).map(|route| route.look.clone());
        let look = look.filter(|look| *look != Look::Nothing);
        all.extend(
            look.and_then(|look| Wanted::new(&route.filter, Some(route.name.clone()), look)),
        );
    }
    Some(all)
}

/// Walks a tree once for all that is wanted; `None` where its root is not a directory here.
fn walk(root: &str, one_file_system: bool, mut wanted: Vec<Wanted>) -> Option<Vec<Wanted>> {
    let top = fs::metadata(root).ok().filter(fs::Metadata::is_dir)?;
    let mut open = vec![(Vec::new(), vec![Verdict::Included; wanted.len()])];
    for one in &mut wanted {
        one.directories += 1;
        if one.counts(b"") {
            one.tally.entries += 1;
        }
    }
    while let Some((path, verdicts)) = open.pop() {
        let at = Path::new(root).join(std::ffi::OsStr::from_bytes(&path));
        let Ok(entries) = fs::read_dir(&at) else {
            wanted.iter_mut().for_each(|one| one.unread += 1);
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().into_vec();
            let child = if path.is_empty() {
                name
            } else {
                [&path[..], b"/", &name].concat()
            };
            let Ok(meta) = entry.metadata() else { continue };
            let is_dir = meta.is_dir();
            if one_file_system && is_dir && meta.dev() != top.dev() {
                continue;
            }
            let mut below = Vec::with_capacity(wanted.len());
            for (one, parent) in wanted.iter_mut().zip(&verdicts) {
                let verdict = one.filter.decide_child(*parent, &child, is_dir).verdict;
                below.push(verdict);
                if verdict == Verdict::Excluded {
                    continue;
                }
                one.directories += u64::from(is_dir);
                if one.counts(&child) {
                    one.tally.entries += 1;
                    one.tally.bytes += if meta.is_file() { meta.len() } else { 0 };
                }
            }
            if is_dir && below.iter().any(|verdict| *verdict != Verdict::Excluded) {
                open.push((child, below));
            }
        }
    }
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sources;
    use crate::manifest::{self, SourceFile};
    use crate::plan::{HostFacts, SourceName, compile, diff};

    fn plan(root: &Path, options: &str) -> Plan {
        let file = SourceFile {
            name: "a.yaml".into(),
            text: format!(
                "apiVersion: heliostat/v1\nkind: Manifest\nsources:\n  a:\n    path: {}\n    {options}\n    targets:\n      t: {{url: \"file:///elsewhere\"}}\n      u: {{url: \"file:///there\", exclude: [\"*.tmp\"]}}\n",
                root.display()
            ),
        };
        let mut texts = Sources::new();
        texts.insert(&file.name, &file.text);
        let (manifests, problems) = manifest::load(&[file]);
        assert!(problems.is_empty(), "{problems:?}");
        compile(&manifests, &texts, &HostFacts::default())
            .plan
            .unwrap()
    }

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for directory in ["cache/a/b", "cache/.hidden", "www/img"] {
            fs::create_dir_all(folder.path().join(directory)).unwrap();
        }
        for (file, size) in [("cache/a/x", 10), ("cache/a/y.tmp", 20), ("www/z", 300)] {
            fs::write(folder.path().join(file), vec![b'x'; size]).unwrap();
        }
        std::os::unix::fs::symlink("/", folder.path().join("www/root")).unwrap();
        folder
    }

    /// Watched before and after, and the tallies of both routes.
    #[track_caller]
    fn check(
        old: &Plan,
        new: &Plan,
        watched: (Option<u64>, Option<u64>),
        dirty: [Option<(u64, u64)>; 2],
    ) {
        let measured = measure(old, new, &diff(old, new));
        let source = &measured.sources[&SourceName("a".into())];
        assert_eq!(
            (source.before, source.after, source.unread),
            (watched.0, watched.1, 0)
        );
        let tally = |target: &str| {
            let mut routes = measured.routes.iter();
            let found = routes.find(|(name, _)| name.target.0 == target)?;
            Some((found.1.entries, found.1.bytes))
        };
        assert_eq!([tally("t"), tally("u")], dirty);
    }

    #[test]
    fn what_comes_in_and_goes_out() {
        let folder = tree();
        let all = plan(folder.path(), "oneFileSystem: true");
        let some = plan(folder.path(), "exclude: [/cache/]");
        check(&all, &some, (Some(7), Some(3)), [None, None]);
        // `cache`, `a`, `b`, `.hidden`, `x`, and for one of them `y.tmp`.
        check(
            &some,
            &all,
            (Some(3), Some(7)),
            [Some((6, 30)), Some((5, 10))],
        );
        check(
            &Plan::default(),
            &some,
            (None, Some(3)),
            [Some((5, 300)), Some((5, 300))],
        );
        check(&some, &Plan::default(), (Some(3), None), [None, None]);
        let gone = plan(Path::new("/nonexistent"), "oneFileSystem: true");
        check(&some, &gone, (Some(3), None), [None, None]);
        check(
            &gone,
            &some,
            (None, Some(3)),
            [Some((5, 300)), Some((5, 300))],
        );
    }

    #[test]
    fn what_does_not_change_is_not_walked() {
        let folder = tree();
        let all = plan(folder.path(), "oneFileSystem: true");
        assert_eq!(measure(&all, &all, &diff(&all, &all)), Measured::default());
    }
}
