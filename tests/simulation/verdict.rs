//! The promises that need the engine's own word: "in sync", answered waits, and what must be reached at quiet.

use std::collections::BTreeSet;

use heliostat::engine::Engine;
use heliostat::engine::status::{RouteStatus, State};
use heliostat::plan::DeletePolicy;
use heliostat::service::driver::Shell;

use super::check::{Compared, difference, in_the_way};
use super::path::P;
use super::source::{Facts, Kind, Source};
use super::world::{Ev, World};

/// No transfer lasts so long: a target without progress is given up.
const ENDLESS: u64 = 60_000_000;

/// Steps in the last minute, though nothing happens.
const RESTLESS: u64 = 8;

/// What a source was, at the request of a wait and after each change since.
#[derive(Debug)]
pub struct WaitRecord {
    seen: Vec<Vec<Snapshot>>,
    incarnation: u64,
    loose: BTreeSet<usize>,
}

#[derive(Debug)]
struct Snapshot {
    version: u64,
    entries: Vec<(P, Facts)>,
}

/// Whether what it was cannot be told: it is written to without an event, or something else is in its place.
fn is_loose(source: &Source) -> bool {
    let blind = source.inodes.iter().any(|inode| inode.blind);
    source.is_open() || blind || source.missing || source.is_unmounted()
}

fn snapshot(source: &Source) -> Snapshot {
    let inode = |number: usize| source.inodes[number].facts;
    Snapshot {
        version: source.version,
        entries: source
            .truth()
            .iter()
            .filter(|(path, _)| !path.is_excluded())
            .map(|(path, number)| (*path, inode(*number)))
            .collect(),
    }
}

impl WaitRecord {
    pub fn new(sources: &[Source], incarnation: u64) -> WaitRecord {
        let open = |number: &usize| is_loose(&sources[*number]);
        WaitRecord {
            seen: sources
                .iter()
                .map(|source| vec![snapshot(source)])
                .collect(),
            incarnation,
            loose: (0..sources.len()).filter(open).collect(),
        }
    }

    /// A source may have changed.
    pub fn saw(&mut self, number: usize, source: &Source) {
        let seen = &mut self.seen[number];
        if seen
            .last()
            .is_none_or(|last| last.version != source.version)
        {
            seen.push(snapshot(source));
        }
        if is_loose(source) {
            self.loose.insert(number);
        }
    }

    /// What on a target is older than the wait, if anything is.
    pub fn broken(&self, world: &World) -> Option<String> {
        if self.incarnation != world.incarnation {
            return None;
        }
        for (route, setup) in world.script.setup.routes.iter().enumerate() {
            let target = &world.targets[route];
            let gone = world.dropped.contains_key(&route);
            if target.drifted || gone || self.loose.contains(&setup.source) {
                continue;
            }
            let source = &world.sources[setup.source];
            let seen = &self.seen[setup.source];
            let quick = world.quick[setup.source];
            let mut paths: BTreeSet<P> = target.tree.keys().copied().collect();
            paths.extend(
                seen.iter()
                    .flat_map(|at| at.entries.iter().map(|(path, _)| *path)),
            );
            for path in paths {
                let there = target.tree.get(&path);
                let kept =
                    |at: P| target.shelters(at) || in_the_way(source, target, at, setup.delete);
                if path.is_excluded() || kept(path) || path.above().any(kept) {
                    continue;
                }
                let mut values = seen.iter().map(|at| {
                    let found = at.entries.binary_search_by_key(&path, |(at, _)| *at);
                    found.ok().map(|index| at.entries[index].1)
                });
                let extra = setup.delete != DeletePolicy::Mirror;
                let fits = values.any(|value| match (value, there) {
                    (None, None) => true,
                    (None, Some(_)) => extra,
                    (Some(value), Some(there)) => same(value, *there, quick),
                    (Some(_), None) => false,
                });
                if !fits {
                    return Some(format!("`{path:?}` on t{route} is older: {there:?}"));
                }
            }
        }
        None
    }
}

/// Whether the entry on a target is this one, as far as that can be told while a transfer of a later change is under way:
/// names that come and go make a directory's time the present, until it ends.
fn same(value: Facts, there: Facts, quick: bool) -> bool {
    let content = value.content == there.content
        || value.kind == Kind::File && quick && value.size == there.size;
    // rsync reads the content after it has listed the times: a mix of two versions that is sent again.
    let content = content || value.kind == Kind::File && value.mtime == there.mtime;
    value.kind == there.kind
        && value.mode == there.mode
        && (value.kind == Kind::Directory || content)
}

impl World {
    fn compared(&self, route: usize) -> Compared {
        let setup = &self.script.setup.routes[route];
        Compared {
            delete: setup.delete,
            quick: self.quick[setup.source],
            seen: !self.lossy[setup.source],
        }
    }

    fn differs(&self, route: usize) -> Option<String> {
        let source = self.script.setup.routes[route].source;
        difference(
            &self.sources[source],
            &self.targets[route],
            self.compared(route),
        )
    }

    /// "In sync" where the watch has told everything is the truth.
    pub fn in_sync(&mut self, engine: &Engine) {
        // The picture costs more than the rest of a step: it is only taken where it can be held against something.
        let checked: Vec<bool> = (0..self.targets.len())
            .map(|route| self.is_told(route))
            .collect();
        if !checked.contains(&true) {
            return;
        }
        let status = engine.status(self.now());
        for status in &status.routes {
            let route: usize = status.route[status.route.len() - 1..].parse().unwrap();
            if status.state != State::InSync || !checked[route] {
                continue;
            }
            self.figures.in_sync += 1;
            if let Some(why) = self.differs(route) {
                self.violate(format!("G4: t{route} is said to be in sync, and {why}"));
                return;
            }
        }
    }

    /// Whether the engine has heard of everything that happened to a route's source, and nobody wrote to its target.
    fn is_told(&self, route: usize) -> bool {
        let number = self.script.setup.routes[route].source;
        let source = &self.sources[number];
        let watcher = self.watchers[number].as_ref();
        let told = watcher.is_some_and(super::watcher::Watcher::is_idle);
        told && self.in_flight[number] == 0
            && watcher.is_some_and(|watcher| watcher.stands_on(source.root()))
            && !(source.is_open() || source.missing || source.is_unmounted())
            && !self.targets[route].drifted
    }

    /// Everything that can be reached must have been reached.
    pub fn judged(&mut self, engine: &Engine, event: &Ev) {
        let healthy = matches!(event, Ev::JudgeHealthy);
        let endless = self
            .transfers
            .values()
            .find(|transfer| transfer.started + ENDLESS < self.now && !transfer.orphan);
        if let Some(transfer) = endless {
            let why = format!("G5: a transfer to {} is never ended", transfer.name());
            self.violate(why);
            return;
        }
        let status = engine.status(self.now());
        for route in 0..self.targets.len() {
            if healthy && self.stuck == Some(route) {
                continue;
            }
            let name = self.name(route).to_string();
            let Some(status) = status.routes.iter().find(|status| status.route == name) else {
                self.violate(format!("t{route} is not known"));
                return;
            };
            let promise = if healthy { "G5" } else { "G1" };
            if let Some(why) = self.wrong(route, status) {
                self.violate(format!("{promise}: at quiet {why}"));
                return;
            }
        }
        if !healthy {
            if let Some(id) = self.waits.keys().next() {
                let excused = status
                    .routes
                    .iter()
                    .any(|route| route.state != State::InSync);
                if !excused {
                    self.violate(format!("G4: {id:?} was never answered"));
                }
            }
            let steps = self.figures.steps - self.rested;
            let gathers = self.script.setup.routes.iter().any(|route| route.gathered);
            let in_sync = status
                .routes
                .iter()
                .all(|route| route.state == State::InSync);
            if in_sync && !gathers && steps > RESTLESS {
                self.violate(format!("at quiet there are {steps} steps for nothing"));
            }
            self.over = true;
        }
    }

    fn wrong(&self, route: usize, status: &RouteStatus) -> Option<String> {
        let setup = &self.script.setup.routes[route];
        let (source, target) = (&self.sources[setup.source], &self.targets[route]);
        let empty = source
            .names
            .keys()
            .all(|path| path.depth() == 0 || path.is_excluded());
        if empty && status.state == State::Held && status.code.as_deref() == Some("empty") {
            return None;
        }
        let obstructed =
            |path: &P| !path.is_excluded() && in_the_way(source, target, *path, setup.delete);
        let obstructed = source.names.keys().any(obstructed);
        if let Some(why) = self.differs(route) {
            return Some(format!("{why} (t{route}, which is {:?})", status.state));
        }
        let fine = match status.state {
            State::InSync => !obstructed || status.failing.is_empty(),
            // Sending: it is being tried again.
            State::Failing | State::Sending => obstructed,
            _ => false,
        };
        (!fine).then(|| {
            format!(
                "t{route} is {:?} and not in sync: {:?}, {:?}",
                status.state, status.why, status.failing
            )
        })
    }
}
