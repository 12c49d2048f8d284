//! A route's budget of deletions: what its last transfers used up, and what bounds the next one.

use std::sync::Arc;
use std::time::Duration;

use super::route::Route;
use super::{DeleteLeave, DeletePlan, Now, Spending, Stats};

/// Deletions count against the budget for so long, so that a removal cut into many batches is still one removal.
pub const SPENT_FOR: Duration = Duration::from_secs(60);

impl Route {
    /// What bounds the deletions of a transfer that starts now.
    pub fn delete_leave(&mut self, now: Now, approved: Option<Arc<DeletePlan>>) -> DeleteLeave {
        while self
            .spent
            .front()
            .is_some_and(|(at, _)| *at + SPENT_FOR < now.mono)
        {
            self.spent.pop_front();
        }
        // What was created pays for what was deleted before it, and is never saved up: the first pass creates
        // everything, which is no leave to delete everything in small steps afterwards.
        let spent = self
            .spent
            .iter()
            .fold(0, |spent: i64, (_, net)| (spent + net).max(0)) as u64;
        DeleteLeave {
            spent,
            target_entries: self.target_entries,
            approved,
        }
    }

    /// What was used up before this start: a restart is no new budget. A clock that was put back makes nothing older.
    pub fn recall_spent(&mut self, spent: &[Spending], now: Now) {
        let recalled = spent.iter().filter_map(|one| {
            let age = Duration::try_from(now.wall.duration_since(one.at)).unwrap_or_default();
            // The time since the start may be shorter than what is to be remembered: then it counts from there.
            (age <= SPENT_FOR).then(|| (now.mono.saturating_sub(age), one.net))
        });
        let mut all: Vec<(Duration, i64)> = recalled.collect();
        all.extend(self.spent.drain(..));
        self.spent = all.into();
    }

    /// Books what a transfer did.
    pub fn book(&mut self, now: Now, stats: &Stats, approved: bool) {
        self.transfers += 1;
        self.totals.files += stats.files;
        self.totals.bytes += stats.bytes;
        self.totals.created += stats.created;
        self.totals.attributes += stats.attributes;
        self.totals.deleted += stats.deleted;
        match stats.target_entries {
            Some(entries) => self.target_entries = Some(entries),
            None => {
                self.target_entries = self
                    .target_entries
                    .map(|entries| (entries + stats.created).saturating_sub(stats.deleted));
            }
        }
        self.spend(now, stats, approved);
    }

    /// Books what it deleted against the budget, however the transfer ended.
    pub fn spend(&mut self, now: Now, stats: &Stats, approved: bool) {
        let net = stats.deleted as i64 - stats.created as i64;
        if approved {
            self.spent.clear();
        } else if net != 0 {
            self.spent.push_back((now.mono, net));
        }
    }
}
