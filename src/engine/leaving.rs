//! What is left of an earlier plan: transfers that have not ended, and words of the ledger that are being taken back.
//!
//! A transfer of an earlier plan says nothing of the routes as they are now, but that its deletions count against the
//! budget. Until it has ended, nothing else writes to the same place.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::budget::SPENT_FOR;
use super::core::Engine;
use super::input::{Answer, Effect, Event, RequestId};
use super::load::Running;
use super::route::Route;
use super::{Now, Outcome, TransferId, Verdict};
use crate::plan::{RouteName, SourceName, Target};

/// What a removed route's transfer may go on for, before it is told to end.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Why a transfer of an earlier plan was told to end.
const RELOADED: &str = "a reload has changed or removed the route";

/// What was deleted, less what was created, when.
type Spent = VecDeque<(Duration, i64)>;

/// A transfer of an earlier plan.
#[derive(Debug)]
pub struct Leaving {
    /// Where it writes.
    target: Target,
    /// When it is told to end; `None`: it was.
    until: Option<Duration>,
    /// Whether an operator released its deletions.
    approved: bool,
    /// When it began.
    started: Duration,
    /// Why it was made.
    trigger: &'static str,
}

/// What an engine keeps of reloads.
#[derive(Debug, Default)]
pub struct Reloads {
    leaving: BTreeMap<TransferId, Leaving>,
    /// How often what the ledger says of a source is being taken back.
    disowning: BTreeMap<SourceName, u32>,
    /// Who hears when nothing of an earlier plan runs any more.
    waiting: Vec<RequestId>,
    /// What removed routes have used up of their budgets, and where: under another name it is the same place.
    spent: Vec<(Target, Spent)>,
}

impl Reloads {
    /// A removed route's transfer: it may end by itself for a while.
    pub fn drain(&mut self, running: &Running, target: Target, now: Now) {
        self.leaves(running, target, Some(now.mono + DRAIN));
    }

    /// A changed route's transfer, which was told to end.
    pub fn end_now(&mut self, running: &Running, target: Target) {
        self.leaves(running, target, None);
    }

    fn leaves(&mut self, running: &Running, target: Target, until: Option<Duration>) {
        let approved = running.approved.is_some();
        let leaving = Leaving {
            target,
            until,
            approved,
            started: running.started,
            trigger: running.trigger,
        };
        self.leaving.insert(running.id, leaving);
    }

    /// A route is removed that has used up so much of its budget.
    pub fn remember(&mut self, target: Target, mut spent: Spent, now: Now) {
        for (_, spent) in &mut self.spent {
            spent.retain(|(at, _)| *at + SPENT_FOR >= now.mono);
        }
        self.spent.retain(|(_, spent)| !spent.is_empty());
        spent.retain(|(at, _)| *at + SPENT_FOR >= now.mono);
        if !spent.is_empty() {
            self.spent.push((target, spent));
        }
    }

    /// What was used up at this place by routes that are not there any more.
    pub fn spent(&mut self, target: &Target) -> Spent {
        let here = self.spent.extract_if(.., |(at, _)| touch(at, target));
        let mut all: Vec<(Duration, i64)> = here.flat_map(|(_, spent)| spent).collect();
        all.sort_unstable();
        all.into()
    }

    /// Who hears when nothing of an earlier plan runs any more.
    pub fn wait(&mut self, request: RequestId) {
        self.waiting.push(request);
    }

    /// Something is being taken back; [`Reloads::disowned`] says when it was.
    pub fn disown(&mut self, source: &SourceName) {
        *self.disowning.entry(source.clone()).or_default() += 1;
    }

    /// Something was taken back; whether nothing of this source is on the way any more.
    pub fn disowned(&mut self, source: &SourceName) -> bool {
        let Some(count) = self.disowning.get_mut(source) else {
            return true;
        };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.disowning.remove(source);
        true
    }

    /// Whether everything that was to be taken back is.
    pub fn are_over(&self) -> bool {
        self.disowning.is_empty()
    }

    /// Whether a transfer of an earlier plan writes to the same place.
    pub fn occupy(&self, target: &Target) -> bool {
        self.leaving
            .values()
            .any(|leaving| touch(&leaving.target, target))
    }

    /// Where a transfer of an earlier plan writes.
    pub fn target(&self, id: TransferId) -> Option<&Target> {
        self.leaving.get(&id).map(|leaving| &leaving.target)
    }

    /// Nobody waits any more.
    pub fn forget(&mut self, request: RequestId) {
        self.waiting.retain(|waiting| *waiting != request);
    }

    /// Ends those whose time is up.
    pub fn end(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (id, leaving) in &mut self.leaving {
            if leaving.until.is_some_and(|until| until <= now.mono) {
                leaving.until = None;
                effects.push(Effect::Cancel(*id));
            }
        }
    }

    /// When the next one's time is up.
    pub fn deadline(&self) -> Option<Duration> {
        self.leaving
            .values()
            .filter_map(|leaving| leaving.until)
            .min()
    }

    /// Answers those who wait, once nothing of an earlier plan runs.
    pub fn answer(&mut self, effects: &mut Vec<Effect>) {
        if self.leaving.is_empty() {
            let waiting = self.waiting.drain(..);
            effects.extend(waiting.map(|request| Effect::Answer(request, Answer::Reloaded)));
        }
    }
}

impl Engine {
    /// Where what was taken over leads to a place to which a transfer of an earlier plan still writes, that one ends now.
    pub(super) fn make_way(&mut self, now: Now) {
        let fresh = self.routes.values().filter(|route| route.fresh);
        for route in fresh {
            for leaving in self.reloads.leaving.values_mut() {
                if touch(&leaving.target, &route.plan.target) {
                    leaving.until = leaving.until.map(|until| until.min(now.mono));
                }
            }
        }
    }

    /// A transfer ended; whether it was of an earlier plan.
    pub(super) fn left(
        &mut self,
        now: Now,
        id: TransferId,
        name: &RouteName,
        outcome: &Outcome,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(leaving) = self.reloads.leaving.remove(&id) else {
            return false;
        };
        if outcome.verdict == Verdict::Cancelled {
            effects.push(Effect::Tell(Event::Cancelled {
                route: name.clone(),
                trigger: leaving.trigger,
                took: now.mono.saturating_sub(leaving.started),
                stats: outcome.stats,
                why: RELOADED.into(),
            }));
        }
        let there = |route: &Route| touch(&route.plan.target, &leaving.target);
        // Mostly it is the route itself, under another plan.
        let own = self.routes.get(name).filter(|route| there(route));
        let heir = match own {
            Some(_) => Some(name.clone()),
            None => {
                let mut all = self.routes.iter();
                all.find_map(|(name, route)| there(route).then(|| name.clone()))
            }
        };
        if let Some(route) = heir.and_then(|name| self.routes.get_mut(&name)) {
            route.spend(now, &outcome.stats, leaving.approved);
        } else if !leaving.approved {
            let net = outcome.stats.deleted as i64 - outcome.stats.created as i64;
            let spent = [(now.mono, net)].into();
            self.reloads.remember(leaving.target, spent, now);
        }
        true
    }

    /// What was to be taken back of a source is.
    pub(super) fn disowned(&mut self, name: &SourceName) {
        if !self.reloads.disowned(name) {
            return;
        }
        if let Some(source) = self.sources.get_mut(name) {
            source.disowning = false;
        }
        if self.reloads.are_over() {
            self.are_settled();
        }
    }

    /// Nothing is to be taken back any more: what was taken over may be sent.
    pub(super) fn are_settled(&mut self) {
        self.routes
            .values_mut()
            .for_each(|route| route.fresh = false);
    }
}

/// Whether two targets are one place, however it is entered.
pub fn same_place(one: &Target, other: &Target) -> bool {
    place(one) == place(other)
}

/// Whether what is written to one target may lie in the other.
fn touch(one: &Target, other: &Target) -> bool {
    let ((site, path), (other_site, other_path)) = (place(one), place(other));
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    site == other_site && (within(&path, &other_path) || within(&other_path, &path))
}

/// A machine with its name space of paths, and the path in it.
fn place(target: &Target) -> (String, String) {
    match target {
        Target::Daemon {
            host,
            port,
            module,
            path,
            ..
        } => {
            let host = host.to_lowercase();
            (format!("rsync {host} {port} {module}"), format!("/{path}"))
        }
        Target::Ssh {
            host, port, path, ..
        } => {
            let (host, port) = (host.to_lowercase(), port.unwrap_or(22));
            (format!("ssh {host} {port}"), path.clone())
        }
        Target::Local { path } => ("local".to_owned(), path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_touch_where_one_lies_in_the_other() {
        let daemon = |host: &str, path: &str| Target::Daemon {
            user: None,
            host: host.into(),
            port: 873,
            module: "m".into(),
            path: path.into(),
            password: None,
        };
        let local = |path: &str| Target::Local { path: path.into() };
        assert!(touch(&daemon("A", ""), &daemon("a", "x/y")));
        assert!(touch(&daemon("a", "x/y"), &daemon("a", "x")));
        assert!(!touch(&daemon("a", "x/y"), &daemon("a", "x/yz")));
        assert!(!touch(&daemon("a", ""), &daemon("b", "")));
        assert!(touch(&local("/a"), &local("/a/b")) && !touch(&local("/a"), &local("/ab")));
        assert!(!touch(&local("/a"), &daemon("a", "")));
        assert!(same_place(&daemon("A", "x"), &daemon("a", "x")));
    }
}
