//! What the history says of the last minute's deletions, for a start: a restart is no new budget.
//!
//! A transfer that ended is in the history within a fraction of a second, one that failed or was told to end with what it had
//! deleted by then; of one that was cut off nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::run::{self, Run};
use super::seal;
use crate::engine::{SPENT_FOR, Spending};
use crate::plan::RouteName;

/// More runs in a minute are not read: with a second for each of five hundred routes this is ten minutes.
const RUNS_MAX: i64 = 20_000;

/// As the engine counts: what a transfer has made gives room only where it came to its end.
fn counts(run: &Run) -> bool {
    matches!(run.result.as_str(), "done" | "partial") || run.stats.deleted > 0
}

/// By route, the oldest first. A run that is not as it was written is passed over.
pub fn load(connection: &Connection) -> rusqlite::Result<BTreeMap<RouteName, Vec<Spending>>> {
    let mut statement = connection.prepare(
        "SELECT sealed FROM runs WHERE second >= (SELECT max(second) FROM runs) - ?1
         ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = statement.query([SPENT_FOR.as_secs().cast_signed(), RUNS_MAX])?;
    let mut spent: BTreeMap<RouteName, Vec<Spending>> = BTreeMap::new();
    // What was approved is free, and what came before it is forgotten.
    let mut over: BTreeSet<RouteName> = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let sealed = row.get_ref(0)?.as_blob().unwrap_or_default();
        let Some(run) = seal::unseal(&[b"run"], sealed).and_then(run::decode) else {
            continue;
        };
        let net = run.stats.deleted.cast_signed() - run.stats.created.cast_signed();
        if run.trigger == "approve" && matches!(run.result.as_str(), "done" | "partial") {
            over.insert(run.route);
        } else if net != 0 && !over.contains(&run.route) && counts(&run) {
            let spending = Spending { at: run.at, net };
            spent.entry(run.route).or_default().push(spending);
        }
    }
    spent.values_mut().for_each(|of_route| of_route.reverse());
    Ok(spent)
}
