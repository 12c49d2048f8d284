//! What is told where nothing tells what happened: every change is covered by a mark.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use heliostat::filter::Filter;

use super::World;
use super::shadow::Shadow;

#[test]
fn each_operation_is_covered() {
    let world = World::new().exclude(&["*.tmp"]);
    fs::create_dir_all(world.at("d/sub")).unwrap();
    let mut watch = world.ready();
    let mut shadow = Shadow::full(&world.root(), Filter::compile(&world.plan.filter).unwrap());
    let mut check = |what: &str, act: &dyn Fn()| {
        act();
        let told = super::marks(&watch.barrier());
        told.iter().for_each(|mark| shadow.apply(mark));
        assert_eq!(
            shadow.differences(),
            Vec::<String>::new(),
            "{what}: {told:?}"
        );
    };
    let at = |path: &str| world.at(path);
    check("a file", &|| fs::write(at("d/f"), "1").unwrap());
    check("the same size", &|| fs::write(at("d/f"), "2").unwrap());
    let mode =
        |path: &str| fs::set_permissions(at(path), fs::Permissions::from_mode(0o711)).unwrap();
    check("a mode", &|| mode("d/f"));
    check("a directory's mode", &|| mode("d"));
    check("the root's mode", &|| mode(""));
    check("a symlink", &|| symlink("/", at("l")).unwrap());
    check("a second name", &|| {
        fs::hard_link(at("d/f"), at("h")).unwrap()
    });
    check("a new name", &|| {
        fs::rename(at("d/f"), at("d/sub/g")).unwrap()
    });
    check("a file that goes", &|| {
        fs::remove_file(at("d/sub/g")).unwrap()
    });
    check("directories", &|| {
        fs::create_dir_all(at("d/new/deep")).unwrap()
    });
    check("a file deep in them", &|| {
        fs::write(at("d/new/deep/f"), "1").unwrap()
    });
    check("a directory's new name", &|| {
        fs::rename(at("d"), at("e")).unwrap()
    });
    check("and a file in it", &|| {
        fs::write(at("e/new/deep/f"), "2").unwrap()
    });
    check("what is excluded", &|| {
        fs::write(at("e/x.tmp"), "2").unwrap()
    });
    check("a directory that goes", &|| {
        fs::remove_dir_all(at("e/new")).unwrap()
    });
    check("a file in its place", &|| {
        fs::write(at("e/new"), "").unwrap()
    });
    watch.stop();
}

#[test]
fn what_is_polled_is_looked_at_without_being_asked() {
    let world = World::new();
    fs::create_dir_all(world.at("d")).unwrap();
    let mut watch = world.ready();
    fs::write(world.at("d/f"), "1").unwrap();
    let path = heliostat::engine::RelPath::new(b"d/f").unwrap();
    watch.until(|notice| {
        super::marks(std::slice::from_ref(notice))
            .iter()
            .any(|mark| mark.path == path)
    });
}
