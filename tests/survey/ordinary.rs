//! What may not be read. Root runs these tests once more as `nobody`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::World;
use crate::rig;

fn ordinarily(name: &str, body: impl FnOnce()) {
    rig::ordinary::ordinarily(&format!("survey::ordinary::{name}"), body);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn an_unreadable_directory_is_a_subtree_and_the_rest_goes_on() {
    ordinarily(
        "an_unreadable_directory_is_a_subtree_and_the_rest_goes_on",
        || {
            // Not to be listed; listed, but nothing in it to be reached.
            for bits in [0o311, 0o644] {
                let mut world = World::with(&["shut/deep/f", "open/f", "g"]);
                world.learn();
                mode(&world.at("shut"), bits);
                std::fs::write(world.at("open/f"), "changed").unwrap();
                assert_eq!(world.marks(), ["open/f: content", "shut: subtree"]);
                assert_eq!(world.rows.directories(), [".", "open"]);
                assert_eq!(world.marks(), ["shut: subtree"], "as long as it is so");
                mode(&world.at("shut"), 0o755);
                assert_eq!(world.marks(), ["shut: content+subtree"]);
                assert!(world.marks().is_empty());
            }
        },
    );
}
