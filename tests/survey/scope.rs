//! What of a source is surveyed: what is watched and sent, and nothing else.

use super::World;
use crate::rig::mount::Mount;

#[test]
fn only_names_in_scope_are_listed() {
    let mut world = World::with(&[
        "keep/a",
        "keep/b.log",
        "out/deep/c",
        "state/ledger",
        "d.log",
    ]);
    world.exclude = &["out/", "*.log"];
    world.learn();
    assert_eq!(world.rows.directories(), [".", "keep"]);
    for path in ["out/deep/new", "state/new", "keep/new.log"] {
        std::fs::write(world.at(path), "").unwrap();
    }
    std::fs::write(world.at("d.log"), "changed").unwrap();
    std::fs::write(world.at("keep/.heliostat-0123456789abcdef.tmp"), "").unwrap();
    // The directory's time is sent, so that it changed counts.
    assert_eq!(world.marks(), ["keep: attributes+listing"]);
    std::fs::write(world.at("keep/.heliostat-0123456789abcdef.tmp"), "more").unwrap();
    assert!(world.marks().is_empty());
}

#[test]
fn the_way_to_what_is_included_is_entered() {
    let mut world = World::with(&["way/to/it/f", "way/other", "aside/g"]);
    world.include = &["way/to/**"];
    world.learn();
    assert_eq!(
        world.rows.directories(),
        [".", "way", "way/to", "way/to/it"]
    );
    std::fs::write(world.at("way/other"), "changed").unwrap();
    std::fs::write(world.at("way/to/it/f"), "changed").unwrap();
    assert_eq!(world.marks(), ["way/to/it/f: content"]);
}

#[test]
fn the_private_directory_is_known_by_whatever_name() {
    let mut world = World::with(&["state/ledger", "a"]);
    world.learn();
    assert_eq!(world.rows.directories(), ["."]);
    std::fs::rename(world.source(), world.scratch.path().join("moved")).unwrap();
    std::os::unix::fs::symlink("moved", world.source()).unwrap();
    // Renaming it may have touched the root itself.
    assert!(world.marks().iter().all(|mark| mark.starts_with(".: ")));
    assert_eq!(world.rows.directories(), ["."]);
}

#[test]
fn a_mount_is_listed_and_entered_only_where_that_is_wanted() {
    if !rustix::process::geteuid().is_root() {
        return crate::rig::left_out("nothing may be mounted");
    }
    for one_file_system in [true, false] {
        let mut world = World::with(&["m/hidden", "f"]);
        world.one_file_system = one_file_system;
        world.learn();
        assert_eq!(world.rows.directories(), [".", "m"]);
        let mount = Mount::tmpfs(&world.at("m"), "1m");
        std::fs::write(world.at("m/inside"), "").unwrap();
        // What the mount hides was not seen to go.
        assert_eq!(world.marks(), ["m: content+subtree"]);
        assert_eq!(
            world.rows.directories().len(),
            2 - usize::from(one_file_system)
        );
        world.tick();
        std::fs::write(world.at("m/inside"), "changed").unwrap();
        std::fs::write(world.at("m/new"), "").unwrap();
        let wanted = if one_file_system {
            vec!["m: attributes"]
        } else {
            vec![
                "m: attributes+listing",
                "m/inside: content",
                "m/new: content",
            ]
        };
        assert_eq!(world.marks(), wanted);
        drop(mount);
        assert_eq!(world.marks(), ["m: content+subtree"]);
        assert!(world.marks().is_empty());
    }
}
