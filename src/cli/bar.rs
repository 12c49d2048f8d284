//! Progress of long passes: bars on a terminal, log lines elsewhere.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::service::world::World;

/// Elsewhere than on a terminal, one line a pass so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The bars of the passes that run.
#[derive(Debug)]
pub struct Bars {
    terminal: bool,
    all: MultiProgress,
    bars: HashMap<String, ProgressBar>,
    last_line: Instant,
}

impl Bars {
    /// Bars on the standard error stream, if that is a terminal.
    pub fn new(terminal: bool) -> Bars {
        let target = if terminal {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        Bars {
            terminal,
            all: MultiProgress::with_draw_target(target),
            bars: HashMap::new(),
            last_line: Instant::now(),
        }
    }

    /// Draws what runs now.
    pub fn show(&mut self, world: &World) {
        if !self.terminal {
            self.line(world);
            return;
        }
        let mut gone: Vec<String> = self.bars.keys().cloned().collect();
        for transfer in world.transfers() {
            let name = transfer.route.to_string();
            gone.retain(|other| *other != name);
            let look = transfer.progress.look();
            let bar = self.bars.entry(name.clone()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(0).with_style(style(false)));
                bar.set_prefix(name);
                bar
            });
            bar.set_style(style(look.total > 0));
            bar.set_length(look.total.max(look.files));
            bar.set_position(look.files);
            bar.set_message(indicatif::HumanBytes(look.bytes).to_string());
        }
        for name in gone {
            if let Some(bar) = self.bars.remove(&name) {
                bar.finish_and_clear();
            }
        }
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        for (_, bar) in self.bars.drain() {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self, world: &World) {
        if self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        for transfer in world.transfers().filter(|transfer| transfer.pass) {
            let look = transfer.progress.look();
            let (files, bytes, total) = (look.files, look.bytes, look.total);
            tracing::info!(route = %transfer.route, files, bytes, total, "passing");
        }
    }
}

fn style(known: bool) -> ProgressStyle {
    ProgressStyle::with_template(template(known)).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn template(known: bool) -> &'static str {
    if known {
        "{prefix} [{bar:30}] {human_pos}/{human_len} files, {msg}, {per_sec}, {eta} left"
    } else {
        "{prefix} {spinner} {human_pos} files, {msg}, {per_sec}"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_bar_are_the_ones_meant() {
        for known in [true, false] {
            // What cannot be read would be drawn as some other bar, and nobody would know.
            assert!(ProgressStyle::with_template(template(known)).is_ok());
        }
    }

    #[test]
    fn nothing_runs_and_nothing_is_drawn() {
        for terminal in [true, false] {
            let mut bars = Bars::new(terminal);
            bars.finish();
            assert!(bars.bars.is_empty());
        }
    }
}
