//! The driver loop: inputs into the engine, effects out to the world.

use std::time::Duration;

use crate::engine::{Effect, Engine, Input, Now};

/// What the engine acts upon and hears from: the real world in production, a model of it in a simulation.
pub trait Shell {
    /// Both clocks.
    fn now(&self) -> Now;

    /// Does one thing, or begins it; what comes of it is an input later.
    fn carry_out(&mut self, effect: Effect);

    /// The next thing that happens; [`Input::Tick`] when `deadline` (monotonic) has come first; `None` when it is over.
    fn next(&mut self, deadline: Option<Duration>) -> impl Future<Output = Option<Input>>;
}

/// Drives the engine until the shell says that it is over. `look` sees the engine after every step.
pub async fn drive<S: Shell>(
    engine: &mut Engine,
    shell: &mut S,
    mut look: impl FnMut(&Engine, &mut S),
) {
    loop {
        let Some(input) = shell.next(engine.deadline()).await else {
            return;
        };
        tracing::trace!(?input, "in");
        for effect in engine.step(shell.now(), input) {
            tracing::trace!(?effect, "out");
            shell.carry_out(effect);
        }
        look(engine, shell);
    }
}
