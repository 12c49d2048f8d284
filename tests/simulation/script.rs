//! A history: the set-up, and what is done to the world when. All of it from one seed, and nothing hidden, so that it
//! can be printed and cut down.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use heliostat::filter::{Filter, FilterSpec, Rule};
use heliostat::plan::{
    Attributes, Compare, Compress, Debounce, DeleteBudget, DeletePolicy, Durability, EventSet,
    OnStart, Plan, Rescan, Retry, RouteName, RoutePlan, SourceGuard, SourceName, SourcePlan, Sync,
    Target, TargetName,
};
use heliostat::schedule::Schedule;

use super::operation::Op;
use super::path::{Also, P};
use super::random::Random;
use super::target::Drift;

#[derive(Clone, Debug)]
pub struct RouteSetup {
    pub source: usize,
    pub delete: DeletePolicy,
    pub budget: DeleteBudget,
    pub local: bool,
    pub hard_links: bool,
    pub quiet_ms: u64,
    pub gathered: bool,
    /// Microseconds a step.
    pub pace: u64,
}

#[derive(Clone, Debug)]
pub struct Setup {
    pub seed: u64,
    pub sources: usize,
    pub routes: Vec<RouteSetup>,
    pub allow_empty: bool,
    /// Microseconds of the file systems' clocks.
    pub grain: u64,
    pub queue_max: usize,
    /// Microseconds until a watch has its turn.
    pub delay: u64,
    /// What the filters exclude at the start.
    pub also: Also,
}

/// What a crash leaves of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    Kept,
    /// An earlier checkpoint, as from a backup.
    Old,
    Lost,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum What {
    Op(usize, Op),
    /// Whoever watches is stopped for so long.
    Overflow(usize, u64),
    Unreadable(usize, P, u64),
    RootMissing(usize, u64),
    Unmount(usize, u64),
    ReplaceRoot(usize, P),
    WatchLimit(usize, usize, u64),
    Offline(usize, u64),
    Frozen(usize, u64),
    Restart(usize),
    ReadOnly(usize, u64),
    Refuses(usize, u64),
    Full(usize, u64),
    Drift(usize, Drift),
    /// Down for so long; what runs goes on for so long at most.
    Crash {
        down: u64,
        orphans: u64,
        memory: Memory,
    },
    Wait,
    Rescan(usize),
    Trigger,
    Approve,
    ClockStep(i64),
    /// The host sleeps for so many seconds: the wall clock goes on, the other one does not, and connections are lost.
    Suspend(i64),
    /// A route is paused for so many milliseconds; whether what runs is cancelled.
    Pause(usize, u64, bool),
    /// Every pause is ended.
    Resume,
    /// A reload: other numbers for a source's routes.
    Retune(usize),
    /// A reload: another filter for every source.
    Refilter(Also),
    /// A reload: a route's target shall be otherwise, or as before.
    Resync(usize),
    /// A reload: a source's path is another one, or the one before.
    Rebuild(usize),
    /// A reload: a route is not there any more, or is again.
    Drop(usize),
}

impl What {
    pub fn is_op(self) -> bool {
        matches!(self, What::Op(..))
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Item {
    /// Microseconds from the start.
    pub at: u64,
    pub what: What,
}

/// One history.
#[derive(Clone, Debug)]
pub struct Script {
    pub setup: Setup,
    pub items: Vec<Item>,
}

const SECOND: u64 = 1_000_000;

/// Paths on which everything happens: few, so that they collide.
pub fn paths() -> &'static [P] {
    static PATHS: OnceLock<Vec<P>> = OnceLock::new();
    PATHS.get_or_init(|| {
        "a b c d a/a a/b b/a b/b a/a/a a/b/c b/a/a c/a c/b x a/x x/a b/a/x d/a/b"
            .split(' ')
            .map(P::parse)
            .collect()
    })
}

pub(super) fn path(random: &mut Random) -> P {
    random.pick(paths())
}

pub(super) fn op(random: &mut Random, kinds: &[u64]) -> Op {
    let a = path(random);
    let b = path(random);
    match random.pick(kinds) {
        0..=2 => Op::Write(a, random.within(1, 2) as u32),
        3 => Op::Rewrite(a),
        4 => Op::Scribble(a, random.within(1, 200) * random.pick(&[1000, 100_000])),
        5 => Op::Chmod(a),
        6 => Op::Touch(a),
        7 => Op::Mkdir(a),
        8 | 9 => Op::Burst(a),
        10 | 11 => Op::Rename(a, b),
        12 => Op::Exchange(a, b),
        13 | 14 => Op::Remove(a),
        15 => Op::Link(a, b),
        16 => Op::Symlink(a),
        _ => Op::Retype(a),
    }
}

fn fault(random: &mut Random, kind: u64, setup: &Setup) -> What {
    let source = random.below(setup.sources as u64) as usize;
    let route = random.below(setup.routes.len() as u64) as usize;
    let time = random.pick(&[5_000, 100_000, SECOND, 4 * SECOND, 20 * SECOND]);
    match kind {
        0 => What::Overflow(source, time / 10),
        1 => What::Unreadable(source, path(random), time),
        2 => What::RootMissing(source, time),
        3 => What::Unmount(source, time),
        4 => What::ReplaceRoot(source, path(random)),
        5 => What::WatchLimit(source, random.within(1, 4) as usize, time),
        6 => What::Offline(route, time),
        7 => What::Frozen(route, time),
        8 => What::Restart(route),
        9 => What::ReadOnly(route, time),
        10 => What::Refuses(route, time),
        11 => What::Full(route, time),
        12 => What::Drift(
            route,
            match random.below(3) {
                0 => Drift::Removed(path(random)),
                1 => Drift::Changed(path(random)),
                _ => Drift::Added(path(random)),
            },
        ),
        13 | 14 => What::Crash {
            down: random.pick(&[1000, 50_000, 3 * SECOND, 8 * SECOND]),
            orphans: random.pick(&[0, 10_000, SECOND]),
            memory: random.pick(&[
                Memory::Kept,
                Memory::Kept,
                Memory::Kept,
                Memory::Old,
                Memory::Lost,
            ]),
        },
        15 => What::ClockStep(random.pick(&[-86_400, -3600, 3600, 86_400])),
        16 => What::Rescan(route),
        17 => What::Trigger,
        18 => What::Approve,
        19 => What::Wait,
        20 => What::Suspend(random.pick(&[60, 3600, 8 * 3600, 86_400])),
        21 => What::Retune(source),
        22 => What::Refilter(random.pick(&ALSO)),
        23 => What::Resync(route),
        24 => What::Rebuild(source),
        _ => What::Drop(route),
    }
}

/// Kinds of [`fault`].
const FAULTS: u64 = 26;

/// Filters.
const ALSO: [Also; 4] = [Also::Nothing, Also::Nothing, Also::Anywhere, Also::Top];

/// What a history is made of, where not everything is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Bias {
    pub faults: &'static [u64],
    pub ops: &'static [u64],
    pub gap: u64,
    pub delay: u64,
}

/// The history of a seed that is biased towards some operations and faults.
pub fn biased(seed: u64, bias: Bias) -> Script {
    compose(seed, Some(bias))
}

/// The history of a seed: some kinds of operations and some kinds of faults, at times that are close or far.
pub fn generate(seed: u64) -> Script {
    compose(seed, None)
}

fn compose(seed: u64, bias: Option<Bias>) -> Script {
    let mut random = Random::new(seed);
    let sources = if random.chance(25) { 2 } else { 1 };
    let many = random.within(sources as u64, 3) as usize;
    let routes = (0..many)
        .map(|number| RouteSetup {
            source: number % sources,
            delete: random.pick(&[
                DeletePolicy::Mirror,
                DeletePolicy::Mirror,
                DeletePolicy::Propagate,
                DeletePolicy::Never,
            ]),
            budget: match random.below(4) {
                0 => DeleteBudget::Count(random.within(0, 6)),
                1 => DeleteBudget::Share(4000),
                _ => DeleteBudget::Default,
            },
            local: random.chance(50),
            hard_links: random.chance(25),
            quiet_ms: random.pick(&[5, 5, 50, 500]),
            gathered: random.chance(8),
            pace: random.pick(&[50, 500, 5_000, 40_000]),
        })
        .collect();
    let mut setup = Setup {
        seed,
        sources,
        routes,
        allow_empty: random.chance(30),
        grain: random.pick(&[1, 4_000, 2 * SECOND]),
        queue_max: random.pick(&[3, 8, 1000, 1000, 1000]),
        delay: random.pick(&[20, 300, 3_000, 100_000]),
        // Not where a bias is towards something else, nor in the way of what else is drawn.
        also: match bias.is_none_or(|bias| bias.faults.contains(&22)) {
            true => Random::new(seed ^ 0xa150).pick(&ALSO),
            false => Also::Nothing,
        },
    };
    let ops: Vec<u64> = (0..=17).filter(|_| random.chance(60)).collect();
    let ops = if ops.is_empty() { vec![0, 8, 13] } else { ops };
    let faults: Vec<u64> = if random.chance(15) {
        Vec::new()
    } else {
        (0..FAULTS).filter(|_| random.chance(20)).collect()
    };
    let gap = random.pick(&[100, 2_000, 30_000, 400_000, 3 * SECOND]);
    let (ops, faults, gap) = match bias {
        None => (ops, faults, gap),
        Some(bias) => {
            setup.delay = bias.delay;
            (bias.ops.to_vec(), bias.faults.to_vec(), bias.gap)
        }
    };
    let mut items = Vec::new();
    let mut at = 0;
    for _ in 0..random.within(0, 8) {
        let source = random.below(sources as u64) as usize;
        items.push(Item {
            at,
            what: What::Op(source, op(&mut random, &[0, 8, 8, 7, 16])),
        });
    }
    for _ in 0..random.within(1, 30) {
        at += match random.below(10) {
            0 => 0,
            1 => 10 * gap,
            2 => random.below(2 * SECOND),
            _ => random.below(2 * gap),
        };
        let what = if !faults.is_empty() && random.chance(20) {
            let kind = random.pick(&faults);
            fault(&mut random, kind, &setup)
        } else {
            let source = random.below(sources as u64) as usize;
            What::Op(source, op(&mut random, &ops))
        };
        items.push(Item { at, what });
    }
    pauses(seed, &setup, &mut items);
    Script { setup, items }
}

/// Pauses in some histories, drawn apart: what else a seed stands for is as it was without them.
fn pauses(seed: u64, setup: &Setup, items: &mut Vec<Item>) {
    let mut random = Random::new(seed ^ 0x9a05e);
    let last = items.last().map_or(0, |item| item.at);
    if !random.chance(10) || last == 0 {
        return;
    }
    for _ in 0..random.within(1, 3) {
        let route = random.below(setup.routes.len() as u64) as usize;
        let time = random.pick(&[1_000, 3_000, 20_000]);
        let what = match random.below(4) {
            0 => What::Resume,
            _ => What::Pause(route, time, random.chance(30)),
        };
        let at = 1 + random.below(last);
        let place = items.partition_point(|item| item.at <= at);
        items.insert(place, Item { at, what });
    }
}

/// The filter of every source and route.
pub fn spec() -> FilterSpec {
    let rule = |pattern: &str| {
        vec![Rule {
            pattern: pattern.to_owned(),
            origin: None,
        }]
    };
    FilterSpec {
        include: rule("**"),
        exclude: match Also::now() {
            Also::Nothing => rule("x"),
            Also::Anywhere => [rule("x"), rule("c")].concat(),
            Also::Top => [rule("x"), rule("/c")].concat(),
        },
    }
}

/// The filter of every route, each compiled once.
pub fn filter() -> &'static Filter {
    static FILTERS: [OnceLock<Filter>; 3] = [const { OnceLock::new() }; 3];
    FILTERS[Also::now() as usize].get_or_init(|| Filter::compile(&spec()).unwrap())
}

pub fn source_name(number: usize) -> SourceName {
    SourceName(format!("s{number}"))
}

pub fn route_name(setup: &Setup, number: usize) -> RouteName {
    RouteName {
        source: source_name(setup.routes[number].source),
        target: TargetName(format!("t{number}")),
    }
}

/// The plan of a set-up.
pub fn plan(setup: &Setup) -> Plan {
    let mut plan = Plan::default();
    for number in 0..setup.sources {
        let name = source_name(number);
        let source = SourcePlan {
            name: name.clone(),
            path: format!("/source/{number}"),
            filter: spec(),
            events: EventSet::default(),
            one_file_system: true,
            guard: SourceGuard {
                allow_empty: setup.allow_empty,
                ..SourceGuard::default()
            },
            labels: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        plan.sources.insert(name, source);
    }
    for (number, route) in setup.routes.iter().enumerate() {
        let name = route_name(setup, number);
        let source = plan.sources.get_mut(&name.source).unwrap();
        let route = RoutePlan {
            name: name.clone(),
            target: Target::Local {
                path: format!("/target/{number}"),
            },
            filter: spec(),
            delete: route.delete,
            max_delete: route.budget,
            sync: match route.gathered {
                false => Sync::Live,
                true => Sync::Scheduled(Schedule::Every {
                    period_ms: 15_000,
                    jitter_ms: 0,
                }),
            },
            windows: Vec::new(),
            debounce: Debounce {
                quiet_ms: route.quiet_ms,
                max_wait_ms: 1000,
            },
            rescan: Rescan {
                schedule: None,
                compare: Compare::Quick,
                on_start: OnStart::Auto,
            },
            bandwidth: None,
            compress: Compress::None,
            durability: Durability::None,
            warm: false,
            attributes: Attributes {
                hard_links: route.hard_links,
                ..Attributes::default()
            },
            timeout_ms: 8000,
            retry: Retry {
                initial_ms: 500,
                max_ms: 4000,
            },
            rsync_args: Vec::new(),
            require_mount: false,
            hooks: Default::default(),
        };
        source.routes.insert(name.target, route);
    }
    plan
}
