//! Killed in the midst of a reload, under churn: what is in force afterwards is one generation whole, and nothing is lost.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{PATIENCE, Story, extend, local, remote, site};
use crate::rig::churn::Churn;
use crate::rig::service::manifest;

/// So often it is killed.
const ROUNDS: usize = 8;
/// The moment of the kill, in turns of the processor: a reload of this size takes some milliseconds.
const MOMENT_MAX: u32 = 40_000;

/// The manifest, in which everything but `module` is another each time: retuned, rescoped, resynced, added, removed.
fn variant(story: &Story, round: usize) -> String {
    let mut site = site(
        &story.source,
        json!({"module": remote(&story.daemon), "copy": local(&story.copy)}),
    );
    let keys = match round % 4 {
        0 => json!({"debounce": {"quiet": format!("{}ms", 10 + round)}}),
        1 => json!({"exclude": [format!("*.left-out-{round}")]}),
        2 => json!({"attributes": ["archive", "xattrs"]}),
        _ => json!({}),
    };
    extend(&mut site["targets"]["copy"], &keys);
    if round % 2 == 1 {
        site["targets"]["third"] = local(&story.scratch.dir("third"));
    }
    for target in site["targets"].as_object_mut().unwrap().values_mut() {
        extend(target, &json!({"delete": "mirror"}));
    }
    manifest(&json!({ "site": site }))
}

/// Whether just this is what runs, by the service's own word.
fn runs(story: &Story, text: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("candidate.yaml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let answer = story.service.call(&["diff", path, "--detailed-exitcode"]);
    assert!([0, 3].contains(&answer.code), "{answer:?}");
    answer.code == 0
}

#[test]
fn a_kill_in_the_midst_of_a_reload_leaves_one_generation_and_loses_nothing() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut story = Story::with(&json!({"delete": "mirror"}));
    let path = story.service.manifest();
    let mut in_force = variant(&story, ROUNDS);
    fs::write(&path, &in_force).unwrap();
    story.start();
    let (mut taken, mut fallen) = (0, 0);
    for round in 0..ROUNDS {
        let next = variant(&story, round);
        let broken = round % 2 == 1;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (source, over) = (story.source.clone(), &stop);
            scope.spawn(move || {
                let mut churn = Churn::new(&source, round as u64);
                while !over.load(Ordering::Relaxed) {
                    churn.run(10, Duration::from_millis(20));
                }
            });
            fs::write(&path, &next).unwrap();
            let id = story.service.id().expect("it runs");
            kill_process(Pid::from_raw(id.cast_signed()).unwrap(), Signal::HUP).unwrap();
            (0..random.u32(0..MOMENT_MAX)).for_each(|_| thread::yield_now());
            story.service.kill();
            if broken {
                fs::write(&path, "sources: [").unwrap();
            }
            story.service.start();
            let up = crate::rig::wait_for(PATIENCE, || story.service.status());
            assert!(up.is_some(), "{}", story.service.tail());
            stop.store(true, Ordering::Relaxed);
        });
        let status = story.status();
        let from = &status["origin"]["from"];
        if broken {
            assert_eq!(from, "lastGood", "{status:#}\n{}", story.service.tail());
            let (old, new) = (runs(&story, &in_force), runs(&story, &next));
            assert!(
                old != new,
                "round {round}: of the old {old}, of the new {new}"
            );
            fallen += 1;
            taken += usize::from(new);
            // A good file is taken after a bad one.
            fs::write(&path, &next).unwrap();
            let answer = story.service.call(&["reload"]);
            assert_eq!(answer.code, 0, "{answer:?}");
        } else {
            assert_eq!(from, "files", "{status:#}");
        }
        assert!(runs(&story, &next), "round {round}");
        let settled = story.service.wait(PATIENCE);
        assert!(settled, "round {round}\n{}", story.service.tail());
        in_force = next;
    }
    eprintln!("{fallen} fell back to the last good, {taken} of them to the newest");
    let answer = story.service.call(&["rescan", "--wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    story.settle();
    let generations = story.status()["generation"].clone();
    assert!(generations.as_u64() > Some(1), "{generations}");
}
