//! Watching real trees with the real kernel: the same suite for every mechanism.
#![allow(clippy::duplicate_mod)] // the suite is compiled once for each, so that no test can pass one over

mod shadow;

/// The kernel's own.
#[path = "."]
mod inotify {
    const MECHANISM: heliostat::watch::Mechanism = heliostat::watch::Mechanism::Inotify;

    #[path = "events.rs"]
    mod events;
    #[path = "model.rs"]
    mod model;
    #[path = "races.rs"]
    mod races;
    #[path = "roots.rs"]
    mod roots;
    #[path = "world.rs"]
    mod world;
    use super::shadow;
    use world::*;
}

/// The crate notify.
#[path = "."]
mod notify {
    const MECHANISM: heliostat::watch::Mechanism = heliostat::watch::Mechanism::Notify;

    #[path = "events.rs"]
    mod events;
    #[path = "model.rs"]
    mod model;
    #[path = "races.rs"]
    mod races;
    #[path = "roots.rs"]
    mod roots;
    #[path = "world.rs"]
    mod world;
    use super::shadow;
    use world::*;
}
