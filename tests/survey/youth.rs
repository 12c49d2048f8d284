//! What changed just now could change once more and bear the same times.

use std::time::{Duration, SystemTime};

use super::{World, set_modified, told, young};

#[test]
fn what_is_young_matches_nothing_until_it_is_looked_at_again() {
    let mut world = World::with(&["a/f", "b/"]);
    world.now = SystemTime::now;
    world.learn();
    let (found, _) = world.compare();
    assert_eq!(young(&found), [".", "a", "b"]);
    let distrusted = [
        ".: attributes+listing",
        "a: attributes+listing",
        "a/f: content",
        "b: attributes+listing",
    ];
    assert_eq!(told(&found), distrusted);
    // The same rows, later: still nothing is proven by them.
    world.now = super::in_an_hour;
    assert_eq!(world.marks(), distrusted);
    let (found, staged) = world.compare();
    assert!(young(&found).is_empty() && told(&found).is_empty() && staged.is_empty());
}

#[test]
fn a_time_that_a_user_set_makes_nothing_young() {
    let mut world = World::with(&["a/f"]);
    set_modified(&world.at("a/f"), 4_000_000_000, 0);
    world.learn();
    let (found, _) = world.compare();
    assert!(young(&found).is_empty() && told(&found).is_empty());
}

#[test]
fn a_clock_that_was_set_back_costs_work_and_no_endless_looking() {
    let mut world = World::with(&["a/f"]);
    world.now = || SystemTime::now() - Duration::from_secs(24 * 3600);
    world.learn();
    let (found, _) = world.compare();
    assert_eq!(young(&found), [""; 0]);
    assert_eq!(told(&found).len(), 3, "{found:?}");
}
