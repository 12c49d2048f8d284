//! What was asked for on the command line.

use clap::Parser;
use clap::builder::PossibleValuesParser;

use crate::MEASURES;
use crate::peers::Peer;

/// heliostat beside the classic script, lsyncd, watchman and a bare rsync.
#[derive(Debug, Parser)]
#[command(after_help = measures())]
pub struct Settings {
    /// What was to be reached and what is: the goals' sizes, and the tools that they are measured by
    #[arg(long)]
    pub goals: bool,
    /// Smaller sizes, fewer changes: shows that everything works, and the order of magnitude
    #[arg(long)]
    pub quick: bool,
    /// Files in the tree, for the latency of single changes [default: 1000,100000; with --goals 1000000 too]
    #[arg(long, value_delimiter = ',')]
    pub files: Vec<usize>,
    /// Single changes per tool and tree [default: 50; with --goals 100]
    #[arg(long)]
    pub changes: Option<usize>,
    /// Which changes and operations; the first one for --seeds
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Histories of mixed operations
    #[arg(long, default_value_t = 3)]
    pub seeds: u64,
    /// Operations in a history
    #[arg(long, default_value_t = 4_000)]
    pub operations: u32,
    /// Seconds that a history takes
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Seconds of sustained changes [default: 60; with --quick 10]
    #[arg(long)]
    pub sustain: Option<u32>,
    /// Only these measures
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(MEASURES.iter().map(|one| one.name)))]
    pub only: Vec<String>,
    /// Only tools whose name has one of these in it
    #[arg(long, value_name = "PART", value_delimiter = ';')]
    pub tool: Vec<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl Settings {
    /// The sizes of trees for single changes.
    pub fn files(&self) -> Vec<usize> {
        match (self.files.is_empty(), self.quick, self.goals) {
            (false, _, _) => self.files.clone(),
            (true, true, _) => vec![1_000, 10_000],
            (true, false, true) => vec![1_000, 100_000, 1_000_000],
            (true, false, false) => vec![1_000, 100_000],
        }
    }

    /// Single changes per tool and tree.
    pub fn changes(&self) -> usize {
        let default = if self.goals { 100 } else { 50 };
        self.changes
            .unwrap_or(if self.quick { 20 } else { default })
    }

    /// A size, or the smaller one where it must be quick.
    pub fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Those of `peers` that are asked for and can run here; says which cannot.
    pub fn peers(&self, peers: &[Peer]) -> Vec<Peer> {
        let wanted = |peer: &Peer| {
            let name = peer.name();
            self.tool.is_empty() || self.tool.iter().any(|part| name.contains(part))
        };
        let can = |peer: &Peer| match peer.missing() {
            Some(program) => {
                println!("skipped: {}: `{program}` is not installed", peer.name());
                false
            }
            None => true,
        };
        peers.iter().copied().filter(wanted).filter(can).collect()
    }
}

fn measures() -> String {
    let lines = MEASURES
        .iter()
        .map(|one| format!("  {:<10} {}", one.name, one.about));
    format!("Measures:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
