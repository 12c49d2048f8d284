//! How long a look at very much that waits holds the engine up. `HELIOSTAT_PENDING=1000000` for a figure worth quoting.

use std::time::Instant;

use super::*;

/// Routes over which what waits is spread: each keeps so many paths by name as it may.
const ROUTES: usize = 10;

#[test]
fn a_list_of_what_waits_is_drawn_for_its_length_and_not_for_what_waits() {
    let pending: usize = match std::env::var("HELIOSTAT_PENDING") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 50_000,
    };
    let mut script = String::new();
    for route in 0..ROUTES {
        writeln!(script, "route s{route}/t delete=propagate").unwrap();
    }
    for route in 0..ROUTES {
        writeln!(script, "@0 ready s{route}").unwrap();
        writeln!(script, "@1 done s{route}/t").unwrap();
        writeln!(script, "@2 pause s{route}/t 3600000").unwrap();
    }
    let (mut world, trace) = played(&script);
    assert_eq!(trace.matches("paused").count(), ROUTES, "{trace}");
    let now = world.now("@10");
    for route in 0..ROUTES {
        let watch = world.watches[&format!("s{route}")];
        let mark = |number: usize| Mark {
            path: path(&format!("some/directory/{}/file-{number}", number / 100)),
            dirt: if number.is_multiple_of(2) {
                Dirt::CONTENT
            } else {
                Dirt::GONE
            },
        };
        let marks = (0..pending / ROUTES).map(mark).collect();
        world
            .engine
            .step(now, Input::Watch(watch, Notice::Changed(marks)));
    }
    let begun = Instant::now();
    let all = world.engine.paths(now, &Selector::default());
    let took = begun.elapsed();
    let waits: u64 = all.routes.iter().map(|route| route.pending).sum();
    assert_eq!(waits as usize, pending);
    let named: usize = all
        .routes
        .iter()
        .map(|route| route.pending_paths.len())
        .sum();
    assert_eq!(named, 10_000, "in one answer, whatever waits");
    let gone: u64 = all
        .routes
        .iter()
        .filter_map(|route| route.paused_deletions)
        .sum();
    assert_eq!(gone as usize, pending / 2);
    for route in &all.routes {
        assert_eq!(
            route.without_pause,
            Some(heliostat::engine::status::State::Pending)
        );
    }
    let begun = Instant::now();
    world.engine.status(now);
    let status = begun.elapsed();
    eprintln!(
        "figure: with {pending} pending paths on {ROUTES} paused routes `--paths` holds the engine up for {took:?}, `status` for {status:?}"
    );
}
