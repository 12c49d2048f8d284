//! `watchManifests`: a changed set of files is taken over by itself.
//!
//! The files are looked at every second, and not watched by the kernel's events: a ConfigMap's `..data` is swapped by a
//! rename one directory above, git-sync flips a symlink to another work tree, an editor renames a file over another
//! one, and the directory itself may be a network file system's. All of these are another glance; what events tell of
//! them differs each time, and a watch that is placed on what was swapped away is silent for ever.
//!
//! What has changed is read when two glances in a row are equal and nothing is younger than a second, so not in the midst
//! of a checkout. Whether anything is taken over is for the digest to say. What is rejected is not tried again before the
//! files change; then it is, whatever was before.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use super::reading::{Glance, Reader};
use super::reloader::{Order, Wish};

/// Between two glances: some system calls a file.
const EVERY: Duration = Duration::from_secs(1);

/// What was seen, and what of it was taken up.
#[derive(Debug, Default)]
struct Seen {
    last: Option<Glance>,
    taken: Option<Glance>,
}

impl Seen {
    /// Whether the files are to be read now.
    fn look(&mut self, glance: Glance, now: SystemTime) -> bool {
        let again = self.last.replace(glance) == Some(glance);
        if !again || self.taken == Some(glance) || !glance.is_settled(now) {
            return false;
        }
        self.taken = Some(glance);
        true
    }
}

/// Looks at the files until nobody takes orders any more.
pub async fn watch(reader: Arc<dyn Reader>, orders: mpsc::Sender<Order>) {
    let mut seen = Seen::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let at = Arc::clone(&reader);
        let Ok(glance) = tokio::task::spawn_blocking(move || at.glance()).await else {
            continue;
        };
        if seen.look(glance, SystemTime::now()) {
            let order = Order {
                wish: Wish::Files,
                by: "watchManifests",
                answer: None,
            };
            if orders.send(order).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_settled_is_taken_once_and_every_change_anew() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let glance = |byte: u8, age_ms: u64| Glance {
            hash: [byte; 32],
            youngest: Some(now - Duration::from_millis(age_ms)),
        };
        let mut seen = Seen::default();
        assert!(!seen.look(glance(1, 5000), now), "it may be on the move");
        assert!(seen.look(glance(1, 5000), now));
        assert!(!seen.look(glance(1, 5000), now));
        assert!(!seen.look(glance(2, 5000), now));
        assert!(!seen.look(glance(3, 5000), now), "it is on the move");
        assert!(seen.look(glance(3, 5000), now));
        assert!(!seen.look(glance(4, 10), now));
        assert!(
            !seen.look(glance(4, 10), now),
            "it may change within its tick"
        );
        assert!(seen.look(glance(4, 10), now + Duration::from_secs(1)));
        let ahead = Glance {
            youngest: Some(now + Duration::from_secs(9999)),
            ..glance(5, 0)
        };
        assert!(
            !seen.look(ahead, now) && seen.look(ahead, now),
            "a clock is wrong"
        );
        assert!(
            !seen.look(glance(3, 5000), now) && seen.look(glance(3, 5000), now),
            "back again"
        );
    }
}
