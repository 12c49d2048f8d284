//! Random histories of a source and a target, with a transfer at the end of each round. All of it is data, so that it can be cut
//! down and printed.

use heliostat::engine::{Dirt, Mark};
use heliostat::plan::Compare;

use super::disk::{ALPHABETS, Names};
use crate::simulation::operation::Op;
use crate::simulation::path::P;
use crate::simulation::random::Random;
use crate::simulation::script::{self, Setup};
use crate::simulation::target::Drift;

/// Transfers of one history.
pub const ROUNDS: usize = 5;

/// Something that happens between two transfers.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Op(Op),
    /// Somebody edits the target.
    Drift(Drift),
    /// The target has a protected file here.
    Shelter(P),
}

/// What a transfer is asked to bring in step.
#[derive(Clone, Debug)]
pub enum Asked {
    Pass(Compare),
    /// What a watch would have told: everything that differs.
    Differences,
    /// Some paths, whether they differ or not.
    Marks(Vec<(P, Dirt)>),
}

#[derive(Clone, Debug)]
pub struct Round {
    pub steps: Vec<Step>,
    pub asked: Asked,
    /// What the passes of the last minute have deleted.
    pub spent: u64,
    /// Whether it is known how many entries the target has.
    pub counted: bool,
}

#[derive(Clone, Debug)]
pub struct History {
    pub setup: Setup,
    pub names: Names,
    pub rounds: Vec<Round>,
}

/// The history of a seed.
pub fn generate(seed: u64, local: bool) -> History {
    let mut setup = script::generate(seed).setup;
    setup.sources = 1;
    setup.routes.truncate(1);
    setup.routes[0].local = local;
    let mut random = Random::new(seed ^ 0x7ea1);
    let ops: Vec<u64> = (0..=17).filter(|_| random.chance(60)).collect();
    let ops = if ops.is_empty() { vec![0, 8, 13] } else { ops };
    let rounds = (0..ROUNDS).map(|number| round(&mut random, number, &ops));
    let rounds = rounds.collect();
    History {
        setup,
        names: Names(random.below(ALPHABETS.len() as u64) as usize),
        rounds,
    }
}

fn round(random: &mut Random, number: usize, ops: &[u64]) -> Round {
    let mut steps = Vec::new();
    if number == 0 {
        for _ in 0..random.within(0, 6) {
            steps.push(Step::Op(script::op(random, &[0, 8, 8, 7, 16])));
        }
    }
    for _ in 0..random.within(0, 8) {
        steps.push(Step::Op(script::op(random, ops)));
    }
    for _ in 0..random.below(4) {
        let path = script::path(random);
        steps.push(match random.below(4) {
            0 => Step::Drift(Drift::Removed(path)),
            1 => Step::Drift(Drift::Changed(path)),
            2 => Step::Drift(Drift::Added(path)),
            _ => Step::Shelter(random.pick(&["x", "a/x", "x/a", "a/a/x", "b/a/x"].map(P::parse))),
        });
    }
    let asked = match random.below(10) {
        0 | 1 => Asked::Pass(Compare::Quick),
        2 => Asked::Pass(Compare::Checksum),
        3..=5 => Asked::Differences,
        _ => Asked::Marks(marks(random)),
    };
    Round {
        steps,
        asked,
        spent: if random.chance(20) {
            random.below(4)
        } else {
            0
        },
        counted: random.chance(50),
    }
}

/// As watch, survey and rescans make them, on any path.
fn marks(random: &mut Random) -> Vec<(P, Dirt)> {
    let whole = Dirt::SUBTREE | Dirt::CONTENT;
    let kinds = [
        Dirt::CONTENT,
        Dirt::CONTENT,
        Dirt::ATTRIBUTES,
        Dirt::CONTENT | Dirt::GONE,
        Dirt::CONTENT | Dirt::GONE,
        Dirt::SUBTREE,
        whole,
        whole | Dirt::GONE,
        Dirt::LISTING | Dirt::ATTRIBUTES,
        Dirt::LISTING | Dirt::CONTENT,
    ];
    let mut marks = Vec::new();
    let often = random.pick(&[8, 25, 60]);
    for path in std::iter::once(P::ROOT).chain(script::paths().iter().copied()) {
        if random.chance(often) && (path != P::ROOT || random.chance(30)) {
            marks.push((path, random.pick(&kinds)));
        }
    }
    marks
}

/// Marks for the engine.
pub fn as_marks(marks: &[(P, Dirt)], name: impl Fn(P) -> heliostat::engine::RelPath) -> Vec<Mark> {
    let mark = |(path, dirt): &(P, Dirt)| Mark {
        path: name(*path),
        dirt: *dirt,
    };
    marks.iter().map(mark).collect()
}
