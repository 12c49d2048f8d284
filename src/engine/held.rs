//! What waits for an operator or a guard, and when it is looked at again by itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::load::Load;
use super::{DeletePlan, Hold};

/// A held plan of deletions is counted again so soon after a change, doubling: it may cost a full pass.
const CHANGED_CHECK: Duration = Duration::from_secs(1);
const CHANGED_CHECK_MAX: Duration = Duration::from_secs(60);

/// What waits for an operator or a guard.
#[derive(Debug)]
pub struct Held {
    /// Why.
    pub hold: Hold,
    /// For `approve`.
    pub id: String,
    /// What is kept back. An approved plan is carried out for exactly this.
    pub load: Load,
    /// Since when.
    pub since: Timestamp,
    /// When it is looked at again by itself.
    pub next_check: Duration,
    /// How often it was looked at.
    pub checks: u32,
    /// The operator's word.
    pub approved: Option<Arc<DeletePlan>>,
}

impl Held {
    /// The source has changed: what would be deleted may be back, so the plan is counted again soon, the more often it
    /// was counted in vain the later; a guard, which costs little, is asked again within a second.
    pub fn changed(&mut self, now: Duration) {
        let wait = match self.hold {
            Hold::Deletes(_) => CHANGED_CHECK.saturating_mul(1 << self.checks.min(16)),
            // The marker, or the first file of an emptied source.
            Hold::Guard(_) => CHANGED_CHECK,
        };
        self.next_check = self.next_check.min(now + wait.min(CHANGED_CHECK_MAX));
    }

    /// Whether the root is another or not there: the watch sees when that ends, and nobody is asked for anything.
    pub fn is_of_root(&self) -> bool {
        matches!(&self.hold, Hold::Guard(refusal) if matches!(refusal.guard, "rootMissing" | "rootReplaced"))
    }
}
