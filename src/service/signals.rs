//! The signals that the service hears.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::Failure;
use super::reloader::{Order, Wish};

/// The signals that end the service, and the one that has it read its files.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    orders: Option<mpsc::Sender<Order>>,
}

impl Signals {
    /// From now on they are heard instead of ending the process. `orders`: who takes changed files over.
    pub fn listen(orders: Option<mpsc::Sender<Order>>) -> Result<Signals, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::Setup(format!("cannot listen for signals: {error}")))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            orders,
        })
    }

    fn reload(&self) {
        let order = Order {
            wish: Wish::Files,
            by: "SIGHUP",
            answer: None,
        };
        match &self.orders {
            // Where so many wait, one of them will read what there is by then.
            Some(orders) => drop(orders.try_send(order)),
            None => tracing::warn!("SIGHUP: a single run takes no changed manifests over"),
        }
    }

    /// The name of the next one that ends the service.
    pub async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => self.reload(),
            }
        }
    }
}
