//! All short histories on four names: some operations, one fault, and a crash after each step of the engine.
//!
//! In every run of the tests: all of two operations, and of those of three every [`OF_THREE`]th. An operation that changes
//! nothing where it stands is left out, for the history without it is here as well: `HELIOSTAT_EXHAUSTIVE=3` plays the rest.

use heliostat::plan::{DeleteBudget, DeletePolicy};

use super::operation::Op;
use super::path::{Also, P};
use super::script::{Item, Memory, RouteSetup, Script, Setup, What};
use super::source::Source;
use super::{How, number, play, report};

/// Between two operations: shorter than a transfer, so that they meet it.
const GAP: u64 = 7_000;

/// Of the histories of three operations one in so many is played in every run of the tests.
const OF_THREE: usize = 16;

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
        also: Also::Nothing,
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

/// Whether each of the operations changes something.
fn all_matter(ops: &[Op]) -> bool {
    let mut source = Source::new(1);
    let begin = Op::Burst(P::parse("a"));
    std::iter::once(&begin)
        .chain(ops)
        .enumerate()
        .all(|(at, op)| {
            let before = source.ctimes;
            source.act(*op, 1 + at as u64);
            source.ctimes != before
        })
}

/// All of so many operations.
fn sequences(length: usize) -> Vec<Vec<Op>> {
    let mut all: Vec<Vec<Op>> = vec![Vec::new()];
    for _ in 0..length {
        let longer = |ops: &Vec<Op>| {
            let ops = ops.clone();
            let each = operations().into_iter();
            each.map(move |op| [ops.clone(), vec![op]].concat())
        };
        all = all.iter().flat_map(longer).collect();
        all.retain(|ops| all_matter(ops));
    }
    all
}

/// Plays one history, and it with a crash after each step that it has; how many that were.
fn with_every_crash(script: &Script) -> u64 {
    let (mut count, mut crash_at) = (0, None);
    loop {
        let how = How {
            crash_at,
            ..How::default()
        };
        let told = play(script, how);
        count += 1;
        if let Some(why) = &told.violation {
            panic!("{how:?} {}", report(script, how, why));
        }
        // A crash adds steps behind it: the history is through when it ends before the crash comes.
        if crash_at.is_some() && told.figures.crashes == 0 {
            return count;
        }
        crash_at = Some(crash_at.map_or(1, |step| step + 1));
    }
}

#[test]
fn every_short_history_converges() {
    let most = number("HELIOSTAT_EXHAUSTIVE").unwrap_or(2) as usize;
    let mut count = 0;
    let whole = (0..=most).flat_map(sequences);
    let some = sequences(3).into_iter().step_by(OF_THREE);
    let some = some.filter(|_| most < 3);
    for (number, ops) in whole.chain(some).enumerate() {
        for fault in faults() {
            let delete = [DeletePolicy::Mirror, DeletePolicy::Propagate][number % 2];
            count += with_every_crash(&script(&ops, fault, delete));
        }
    }
    let more = match most {
        0..3 => format!(", and one in {OF_THREE} of three"),
        _ => String::new(),
    };
    println!(
        "figure: short histories {count}: all of at most {most} operations{more}, with each fault, and a crash at each step"
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
