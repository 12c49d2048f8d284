//! A layered file system: what is changed in its lower layer is not told, and is found all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heliostat::engine::{Dirt, Mark, Notice, RelPath};

use super::World;

/// An overlay over `lower` at the root; gone with the test.
struct Overlay(PathBuf);

impl Overlay {
    fn new(world: &World, lower: &Path) -> Option<Overlay> {
        let (upper, work) = (
            world.scratch.path().join("upper"),
            world.scratch.path().join("work"),
        );
        fs::create_dir_all(&upper).unwrap();
        fs::create_dir_all(&work).unwrap();
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            upper.display(),
            work.display()
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "heliostat-test", "-o", &layers]);
        let done = mount.arg(world.root()).status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Overlay(world.root()));
        }
        // Not every kernel has it, and in a container of layers it may be refused; root alone does not help there.
        eprintln!("left out: no overlay can be mounted");
        None
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn told(notice: &Notice, path: &str, dirt: Dirt) -> bool {
    let path = RelPath::new(path.as_bytes()).unwrap();
    let means = |mark: &Mark| {
        mark.path == path && mark.dirt.has(dirt)
            || mark.dirt.has(Dirt::SUBTREE) && path.starts_with(&mark.path)
    };
    super::marks(std::slice::from_ref(notice)).iter().any(means)
}

#[test]
fn what_changes_in_the_lower_layer_is_polled_and_what_changes_above_is_told() {
    let world = World::new();
    let lower = world.scratch.path().join("lower");
    fs::create_dir_all(lower.join("d/e")).unwrap();
    fs::write(lower.join("d/f"), "1").unwrap();
    let Some(overlay) = Overlay::new(&world, &lower) else {
        return;
    };
    let mut watch = world.watch(1000);
    let ready = watch
        .until(|notice| matches!(notice, Notice::Ready(_)))
        .pop();
    let Some(Notice::Ready(report)) = ready else {
        unreachable!()
    };
    assert_eq!(
        (report.by.mechanism, report.directories, report.doubted),
        ("notify", 3, 3)
    );
    assert!(report.by.why.contains("overlay"), "{report:?}");
    fs::write(lower.join("d/f"), "changed below").unwrap();
    watch.until(|notice| told(notice, "d/f", Dirt::CONTENT));
    fs::write(lower.join("d/e/new"), "new below").unwrap();
    watch.until(|notice| told(notice, "d/e/new", Dirt::CONTENT));
    // What is changed here is told by an event, before a barrier, and not only by the next look.
    fs::write(world.at("d/e/above"), "").unwrap();
    let event = watch.barrier();
    assert!(
        event
            .iter()
            .any(|notice| told(notice, "d/e/above", Dirt::CONTENT)),
        "{event:?}"
    );
    watch.stop();
    drop(overlay);
}
