//! Several names of one file: what is written through one of them is written under all, and no event tells of the others.

use std::fs;
use std::os::unix::fs::MetadataExt;

use heliostat::engine::{Dirt, Mark};
use heliostat::plan::{DeletePolicy, Target};

use super::rig::{Rig, mark};

/// Rewrites a file in place with as many bytes, and sets its time back: of its facts only the time of change tells.
fn rewrite(rig: &Rig, name: &str, text: &str) {
    let at = rig.source.join(name);
    let modified = fs::metadata(&at).unwrap().modified().unwrap();
    fs::write(&at, text).unwrap();
    let file = fs::File::options().write(true).open(&at).unwrap();
    file.set_modified(modified).unwrap();
}

async fn rewritten(target: fn(&Rig) -> Target, delete: DeletePolicy) {
    let rig = Rig::new("").await;
    let (names, mut route) = (["a/one", "m/n/two", "z/three"], rig.route(delete));
    route.target = target(&rig);
    route.attributes.hard_links = true;
    let at = match &route.target {
        Target::Local { path } => path.into(),
        _ => rig.target.clone(),
    };
    for name in names {
        rig.write(name, "0");
        fs::remove_file(rig.source.join(name)).unwrap();
    }
    rig.write(names[0], "before");
    for name in &names[1..] {
        fs::hard_link(rig.source.join(names[0]), rig.source.join(name)).unwrap();
    }
    rig.write("other", "x");
    rig.pass(route.clone()).await;
    let all = Dirt::SUBTREE | Dirt::CONTENT;
    let cases: [(&str, Mark); 5] = [
        ("first.", mark(names[0], Dirt::CONTENT)),
        ("second", mark(names[1], Dirt::CONTENT)),
        ("third.", mark(names[2], Dirt::CONTENT)),
        ("fourth", mark("m", all)),
        ("fifth.", mark("z", all)),
    ];
    for (text, mark) in cases {
        rewrite(&rig, names[1], text);
        rig.done(route.clone(), &[mark]).await;
        for passed in [false, true] {
            let there = names.map(|name| fs::read_to_string(at.join(name)).unwrap());
            assert_eq!(there, [text; 3], "after a pass: {passed}");
            let one = names.map(|name| fs::metadata(at.join(name)).unwrap().ino());
            assert!(one.iter().all(|inode| *inode == one[0]), "{text}: {one:?}");
            rig.pass(route.clone()).await;
        }
    }
}

fn daemon(rig: &Rig) -> Target {
    rig.module("m")
}

fn local(rig: &Rig) -> Target {
    let path = rig.at("here").display().to_string();
    Target::Local { path }
}

#[tokio::test]
async fn a_rewrite_through_one_name_reaches_all_of_them_on_a_daemon() {
    for delete in [DeletePolicy::Mirror, DeletePolicy::Propagate] {
        rewritten(daemon, delete).await;
    }
}

#[tokio::test]
async fn a_rewrite_through_one_name_reaches_all_of_them_on_a_local_target() {
    rewritten(local, DeletePolicy::Mirror).await;
}
