//! Watching real trees with the real kernel: the same suite for every mechanism, and for none.
#![allow(clippy::duplicate_mod)] // the suite is compiled once for each, so that no test can pass one over

mod shadow;

/// The kernel's inotify.
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

/// The kernel's fanotify, where it can be had.
#[path = "."]
mod fanotify {
    const MECHANISM: heliostat::watch::Mechanism = heliostat::watch::Mechanism::Fanotify;

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

/// Nothing but looking. Which event it was is not known then: `polled` says what is told instead.
#[path = "."]
mod polling {
    const MECHANISM: heliostat::watch::Mechanism = heliostat::watch::Mechanism::Polling;

    #[path = "model.rs"]
    mod model;
    #[path = "polled.rs"]
    mod polled;
    #[path = "races.rs"]
    mod races;
    #[path = "roots.rs"]
    mod roots;
    #[allow(dead_code)] // exact marks are asked for where events are told
    #[path = "world.rs"]
    mod world;
    use super::shadow;
    use world::*;
}

/// What others change, where no event tells it.
#[path = "."]
mod foreign {
    const MECHANISM: heliostat::watch::Mechanism = heliostat::watch::Mechanism::Auto;

    #[path = "layers.rs"]
    mod layers;
    #[allow(dead_code)] // what is told by events is asked for by the others
    #[path = "world.rs"]
    mod world;
    use world::*;
}
