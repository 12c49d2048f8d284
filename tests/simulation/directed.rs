//! Short histories that lead right to where a planted bug shows, where several rare things must meet for it.
//!
//! Each says what meets. Their number moves the one time that is left to chance. All of them must converge without the bug.

use heliostat::plan::{DeleteBudget, DeletePolicy};

use super::bugs::Bug;
use super::operation::Op;
use super::path::{Also, P};
use super::script::{Item, Memory, RouteSetup, Script, Setup, What};

const SECOND: u64 = 1_000_000;
const MS: u64 = 1_000;

/// How a history is set up; the rest is the same in all of them.
struct Case {
    delete: DeletePolicy,
    budget: DeleteBudget,
    quiet_ms: u64,
    gathered: bool,
    pace: u64,
    grain: u64,
}

/// One route that mirrors through rsync, with fine times.
const PLAIN: Case = Case {
    delete: DeletePolicy::Mirror,
    budget: DeleteBudget::Default,
    quiet_ms: 5,
    gathered: false,
    pace: 500,
    grain: 1,
};

fn script(number: u64, case: Case, items: Vec<(u64, What)>) -> Script {
    let route = RouteSetup {
        source: 0,
        delete: case.delete,
        budget: case.budget,
        local: false,
        hard_links: false,
        quiet_ms: case.quiet_ms,
        gathered: case.gathered,
        pace: case.pace,
    };
    let setup = Setup {
        seed: number,
        sources: 1,
        routes: vec![route],
        allow_empty: false,
        grain: case.grain,
        queue_max: 1000,
        delay: 300,
        also: Also::Nothing,
    };
    let items = items.into_iter().map(|(at, what)| Item { at, what });
    Script {
        setup,
        items: items.collect(),
    }
}

fn op(op: Op) -> What {
    What::Op(0, op)
}

/// With what was on disk a moment ago.
fn crash(down: u64) -> What {
    What::Crash {
        down,
        orphans: 0,
        memory: Memory::Kept,
    }
}

/// Another root for a moment, and a crash before the first checkpoint of it.
pub fn root_back_after_a_crash() -> Script {
    let items = vec![
        (4_637_396, What::Unmount(0, 100 * MS)),
        (5_681_729, crash(8 * SECOND)),
    ];
    script(
        1,
        Case {
            grain: 2 * SECOND,
            ..PLAIN
        },
        items,
    )
}

/// The history of this number that leads to a bug; `None`: it shows under chance alone.
pub fn directed(bug: Bug, number: u64) -> Option<Script> {
    let [a, b, c, in_a] = ["a", "b", "c", "a/a"].map(P::parse);
    let script = |case, items| Some(script(number, case, items));
    match bug {
        // One deletion is counted and allowed, and another one comes in between. The marks wait, so that the pass makes both.
        Bug::NoFence => script(
            Case {
                budget: DeleteBudget::Count(1),
                gathered: true,
                pace: SECOND,
                ..PLAIN
            },
            vec![
                (0, op(Op::Burst(a))),
                (0, op(Op::Burst(b))),
                (0, op(Op::Write(c, 1))),
                (18 * SECOND, op(Op::Remove(c))),
                (18 * SECOND + 1, What::Rescan(0)),
                (
                    20 * SECOND + number % 40 * 150 * MS,
                    op(Op::Remove(P::parse("a/b"))),
                ),
            ],
        ),
        // A deletion stays in the queue while its directory is surveyed, and the service ends before it is told.
        Bug::SurveyBarrierEarly => script(
            PLAIN,
            vec![
                (0, op(Op::Burst(a))),
                (0, op(Op::Write(c, 1))),
                (10 * SECOND, op(Op::Write(b, 1))),
                (10_200 * MS, op(Op::Remove(c))),
                (10_200 * MS, What::Overflow(0, 6 * SECOND)),
                (13 * SECOND + number % 10 * 50 * MS, crash(SECOND)),
            ],
        ),
        // Changes go on, so that the survey meets one that is young; another one bears the same time, and is never told.
        Bug::YoungTrusted => {
            let mut items = vec![(0, op(Op::Burst(a))), (0, op(Op::Write(c, 1)))];
            items.extend((0..10).map(|at| (10_600 * MS + at * SECOND, op(Op::Write(b, 1)))));
            items.extend([
                (20 * SECOND + 20 * MS, op(Op::Write(c, 1))),
                (20_900 * MS + number % 10 * 10 * MS, op(Op::Write(c, 1))),
                (21_100 * MS, crash(SECOND)),
            ]);
            script(
                Case {
                    quiet_ms: 500,
                    grain: 2 * SECOND,
                    ..PLAIN
                },
                items,
            )
        }
        // A directory is closed when it is surveyed, after a change. Then a set-back clock gives a file the facts that the last
        // row has of it. Without `mirror` the directory's own change does not bring its files along.
        Bug::UnreadableRowKept => script(
            Case {
                delete: DeletePolicy::Propagate,
                grain: 2 * SECOND,
                ..PLAIN
            },
            vec![
                (0, op(Op::Burst(a))),
                (20 * SECOND, op(Op::Write(in_a, 2))),
                (21 * SECOND, What::Unreadable(0, a, 6 * SECOND)),
                (24_500 * MS + number % 10 * 20 * MS, crash(3 * SECOND)),
                (25 * SECOND, What::ClockStep(-25)),
                (25_200 * MS, op(Op::Write(in_a, 1))),
            ],
        ),
        // The target is away from the start; the checkpoint is made all the same, and the service ends.
        Bug::OwedPassForgotten => script(
            PLAIN,
            vec![
                (0, op(Op::Burst(a))),
                (0, What::Offline(0, 30 * SECOND)),
                (8 * SECOND + number % 10 * SECOND, crash(SECOND)),
            ],
        ),
        // A deletion is lost with the queue after its directory was surveyed, and the survey's rows are kept.
        Bug::ForgottenRowsKept => script(
            PLAIN,
            vec![
                (0, op(Op::Burst(a))),
                (0, op(Op::Write(c, 1))),
                (10 * SECOND, op(Op::Write(b, 1))),
                (10_200 * MS, What::Overflow(0, 3 * SECOND)),
                (10_201 * MS + number % 10, op(Op::Remove(c))),
                (20 * SECOND, What::Trigger),
            ],
        ),
        // A pass over another root is made before the ledger has taken back what it said of the first, which comes back.
        Bug::DisownedLate => script(
            Case {
                grain: 2 * SECOND,
                ..PLAIN
            },
            vec![
                (4_637_396, What::Unmount(0, 3 * SECOND)),
                (4_640_000 + number * 20 * MS, crash(8 * SECOND)),
            ],
        ),
        _ => None,
    }
}
