//! One question to the engine, on its way there.

use tokio::sync::oneshot;

use crate::engine::{Answer, Ask};

/// One question to the engine, with where its answer goes. Dropping the receiver is saying that nobody waits any more.
#[derive(Debug)]
pub struct Question {
    /// What.
    pub ask: Ask,
    /// To whom.
    pub answer: oneshot::Sender<Answer>,
}
