//! How everything is, in a few numbers and names: for who has one line.

use super::Now;
use super::core::Engine;
use super::source::Source;
use super::status::State;

/// Routes that are named; the others are counted.
const NAMED_MAX: usize = 3;

/// How everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sources.
    pub sources: usize,
    /// Of them, those that are watched or polled, or of which it is known why they are not.
    pub told: usize,
    /// Routes.
    pub routes: usize,
    /// Of them, those on whose target every change is.
    pub in_sync: usize,
    /// Of them, those that want somebody's look: worst first.
    pub ailing: Vec<(State, String)>,
}

impl Summary {
    /// Whether no change of any source can be missed from now on, or it is known why.
    pub fn stands(&self) -> bool {
        self.told == self.sources
    }

    /// `3 of 4 routes in sync; home/nas held`.
    pub fn line(&self) -> String {
        let mut line = format!("{} of {} routes in sync", self.in_sync, self.routes);
        if !self.stands() {
            line += &format!("; {} of {} sources stand", self.told, self.sources);
        }
        let named = self.ailing.iter().take(NAMED_MAX);
        let named: Vec<String> = named
            .map(|(state, route)| format!("{route} {}", state.word()))
            .collect();
        if !named.is_empty() {
            line += &format!("; {}", named.join(", "));
        }
        match self.ailing.len().saturating_sub(NAMED_MAX) {
            0 => {}
            more => line += &format!(" and {more} more"),
        }
        line
    }
}

impl Engine {
    /// How everything is now.
    pub fn summary(&self, now: Now) -> Summary {
        let told = |source: &&Source| source.is_ready() || source.waiting.is_some();
        let mut summary = Summary {
            sources: self.sources.len(),
            told: self.sources.values().filter(told).count(),
            routes: self.routes.len(),
            ..Summary::default()
        };
        for route in self.routes.values() {
            match self.state(route, now) {
                State::InSync => summary.in_sync += 1,
                state if state < State::Starting => {
                    summary.ailing.push((state, route.plan.name.to_string()));
                }
                _ => {}
            }
        }
        summary.ailing.sort();
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_worst_and_counts_the_others() {
        let mut summary = Summary {
            sources: 2,
            told: 2,
            routes: 4,
            in_sync: 3,
            ailing: vec![(State::Held, "home/nas".into())],
        };
        assert_eq!(summary.line(), "3 of 4 routes in sync; home/nas held");
        summary.told = 1;
        assert!(!summary.stands());
        let ailing = |name: &str| (State::Retrying, name.to_owned());
        summary.ailing.extend(["a/b", "c/d", "e/f"].map(ailing));
        assert_eq!(
            summary.line(),
            "3 of 4 routes in sync; 1 of 2 sources stand; home/nas held, a/b retrying, c/d retrying and 1 more"
        );
        assert_eq!(Summary::default().line(), "0 of 0 routes in sync");
        assert!(Summary::default().stands());
    }
}
