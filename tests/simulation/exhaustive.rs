//! All short histories on four names: some operations, one fault, and a crash after each step of the engine.

use heliostat::plan::{DeleteBudget, DeletePolicy};

use super::operation::Op;
use super::path::P;
use super::script::{Item, Memory, RouteSetup, Script, Setup, What};
use super::{How, number, play, report};

/// Between two operations: shorter than a transfer, so that they meet it.
const GAP: u64 = 7_000;

/// Crashes after later steps find a service at rest.
const STEPS: u64 = 12;

fn operations() -> Vec<Op> {
    let [a, b, c, d] = ["a", "b", "a/a", "a/b"].map(P::parse);
    vec![
        Op::Write(c, 1),
        Op::Write(b, 2),
        Op::Rewrite(c),
        Op::Burst(a),
        Op::Mkdir(d),
        Op::Rename(a, b),
        Op::Rename(c, d),
        Op::Exchange(a, b),
        Op::Remove(a),
        Op::Retype(c),
    ]
}

fn faults() -> Vec<Option<What>> {
    let second = 1_000_000;
    vec![
        None,
        Some(What::Overflow(0, second / 100)),
        Some(What::Restart(0)),
        Some(What::Full(0, second)),
        Some(What::Unreadable(0, P::parse("a"), second)),
        Some(What::Unmount(0, second)),
    ]
}

fn script(ops: &[Op], fault: Option<What>, delete: DeletePolicy) -> Script {
    let route = RouteSetup {
        source: 0,
        delete,
        budget: DeleteBudget::Default,
        local: false,
        hard_links: false,
        quiet_ms: 5,
        gathered: false,
        pace: 2_000,
    };
    let setup = Setup {
        seed: 1,
        sources: 1,
        routes: vec![route],
        allow_empty: false,
        grain: 1,
        queue_max: 1000,
        delay: 300,
    };
    let begin = Item {
        at: 0,
        what: What::Op(0, Op::Burst(P::parse("a"))),
    };
    let item = |(number, what)| Item {
        at: 50_000 + GAP * number as u64,
        what,
    };
    let fault = fault.into_iter();
    let all = ops.iter().map(|op| What::Op(0, *op));
    let all = all.clone().take(1).chain(fault).chain(all.skip(1));
    let items = [begin].into_iter().chain(all.enumerate().map(item));
    Script {
        setup,
        items: items.collect(),
    }
}

#[test]
fn every_short_history_converges() {
    let most = number("HELIOSTAT_EXHAUSTIVE").unwrap_or(2) as usize;
    let mut chosen: Vec<Vec<Op>> = vec![Vec::new()];
    let mut level = chosen.clone();
    for _ in 0..most {
        let longer = |ops: &Vec<Op>| {
            let ops = ops.clone();
            operations()
                .into_iter()
                .map(move |op| [ops.clone(), vec![op]].concat())
        };
        level = level.iter().flat_map(longer).collect();
        chosen.extend(level.iter().cloned());
    }
    let mut count = 0u64;
    for (number, ops) in chosen.iter().enumerate() {
        for fault in faults() {
            let delete = [DeletePolicy::Mirror, DeletePolicy::Propagate][number % 2];
            let script = script(ops, fault, delete);
            let mut crash_at = None;
            loop {
                let how = How {
                    crash_at,
                    ..How::default()
                };
                let told = play(&script, how);
                count += 1;
                if let Some(why) = &told.violation {
                    panic!("{how:?} {}", report(&script, how, why));
                }
                let next = crash_at.map_or(1, |step| step + 1);
                if next > told.figures.steps.min(STEPS) {
                    break;
                }
                crash_at = Some(next);
            }
        }
    }
    println!(
        "figure: short histories {count}: all of at most {most} operations, with a fault, and a crash at each step"
    );
}

#[test]
fn memory_is_a_cache() {
    // The same crash with each state of the ledger ends in the same tree: what is checked is that each converges.
    for memory in [Memory::Kept, Memory::Old, Memory::Lost] {
        for first in operations() {
            for second in operations() {
                let mut script = script(&[first], None, DeletePolicy::Mirror);
                let crash = What::Crash {
                    down: 4_000_000,
                    orphans: 1000,
                    memory,
                };
                for (at, what) in [(6_000_000, crash), (7_000_000, What::Op(0, second))] {
                    script.items.push(Item { at, what });
                }
                if let Some(why) = play(&script, How::default()).violation {
                    panic!("{}", report(&script, How::default(), &why));
                }
            }
        }
    }
}
