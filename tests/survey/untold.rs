//! Rows are never ahead of what the engine was told.

use std::sync::atomic::AtomicBool;

use super::*;
use heliostat::engine::Dirt;
use jiff::Timestamp;

/// A refresh of one directory, committed.
fn refresh(world: &mut World, directory: &str) {
    let scope = SurveyScope::Places {
        directories: all(&[directory]),
        subtrees: BTreeSet::new(),
    };
    let survey = world.survey(scope, false);
    let (found, staged) = world.run(&survey, true, &AtomicBool::new(false));
    assert_eq!(told(&found), Vec::<String>::new());
    world.rows.commit(staged);
}

fn differences(world: &World) -> Vec<String> {
    told(&world.compare().0)
}

fn tell(world: &mut World, path: &str, dirt: Dirt) {
    let mark = Mark {
        path: p(path),
        dirt,
    };
    world.told.mark(&mark, Timestamp::now());
}

#[test]
fn a_file_that_is_held_open_is_not_taken_for_delivered() {
    let mut world = World::with(&["d/log", "d/other", "e/f"]);
    world.learn();
    world.told = Told::default();
    std::fs::write(world.at("d/log"), "longer than before").unwrap();
    std::fs::write(world.at("d/other"), "closed").unwrap();
    world.tick();
    tell(&mut world, "d/other", Dirt::CONTENT);
    refresh(&mut world, "d");
    assert_eq!(differences(&world), ["d/log: content"]);
    // Nor by a further look, until it is heard of.
    world.told = Told::default();
    refresh(&mut world, "d");
    assert_eq!(differences(&world), ["d/log: content"]);
    tell(&mut world, "d/log", Dirt::CONTENT);
    refresh(&mut world, "d");
    assert_eq!(differences(&world), Vec::<String>::new());
    // Heard of, closed, and written to once more.
    world.tick();
    std::fs::write(world.at("d/log"), "longer than ever before").unwrap();
    refresh(&mut world, "d");
    assert_eq!(differences(&world), ["d/log: content"]);
}

#[test]
fn a_directory_and_what_is_in_it_are_heard_of_apart() {
    let mut world = World::with(&["d/f", "d/g"]);
    world.learn();
    world.told = Told::default();
    std::fs::remove_file(world.at("d/g")).unwrap();
    std::fs::write(world.at("d/h"), "new").unwrap();
    refresh(&mut world, "d");
    assert_eq!(
        differences(&world),
        ["d: attributes+listing", "d/h: content"]
    );
    world.tick();
    tell(&mut world, "d", Dirt::ATTRIBUTES);
    refresh(&mut world, "d");
    assert_eq!(differences(&world), ["d/h: content"]);
    tell(&mut world, "d", Dirt::SUBTREE | Dirt::CONTENT);
    refresh(&mut world, "d");
    assert_eq!(differences(&world), Vec::<String>::new());
}

#[test]
fn the_first_rows_know_what_is_older_than_the_watch() {
    let mut world = World::with(&["d/old", "d/young"]);
    world.tick();
    world.told = Told {
        since: Some(Timestamp::now()),
        ..Told::default()
    };
    world.tick();
    std::fs::write(world.at("d/young"), "changed while the first pass was made").unwrap();
    world.rows = world.fresh();
    assert_eq!(differences(&world), ["d/young: content"]);
}
