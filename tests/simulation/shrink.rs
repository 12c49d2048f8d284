//! Cuts a failing history down: whatever can be left out while it still fails is left out.

use super::script::Script;
use super::{How, play};

/// Rounds over all items; each but the last leaves something out, and a history has some thirty of them.
const ROUNDS: usize = 40;

pub fn shrink(script: &Script, how: How) -> Script {
    let mut small = script.clone();
    for _ in 0..ROUNDS {
        let before = small.items.len();
        let mut at = small.items.len();
        while at > 0 {
            at -= 1;
            let mut tried = small.clone();
            tried.items.remove(at);
            if play(&tried, how).violation.is_some() {
                small = tried;
            }
        }
        if small.items.len() == before {
            break;
        }
    }
    small
}
