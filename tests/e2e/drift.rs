//! What others did on the targets: no event tells of it, a rescan repairs it, and the history says how much that was.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use heliostat::ledger::{Ledger, Run};
use serde_json::json;

use super::Story;

#[test]
fn a_rescan_repairs_what_drifted_and_the_history_has_its_counts() {
    let mut story = Story::with(&json!({"delete": "mirror"}));
    for at in 0..10 {
        story.write(&format!("kept/{at}"), "as it was");
    }
    for name in ["edited", "deleted", "mode"] {
        story.write(name, "right");
    }
    story.start();
    for target in [&story.module, &story.copy] {
        fs::write(target.join("edited"), "wrong, and longer").unwrap();
        fs::remove_file(target.join("deleted")).unwrap();
        fs::set_permissions(target.join("mode"), PermissionsExt::from_mode(0o600)).unwrap();
        fs::create_dir(target.join("added")).unwrap();
        fs::write(target.join("added/x"), "nobody's").unwrap();
    }
    assert_eq!(story.service.call(&["rescan"]).code, 0);
    story.settle();
    assert_eq!(story.service.stop().0, 0, "{}", story.service.tail());

    let runs = Ledger::open(&story.service.state()).ledger.runs(100);
    for target in ["module", "copy"] {
        let of_target = |run: &&Run| run.route.target.0 == target;
        let last = runs.iter().find(of_target).expect("it was booked");
        assert_eq!((&*last.trigger, &*last.result), ("rescan", "done"));
        let stats = last.stats;
        assert_eq!(stats.deleted, 2, "{target}: {stats:?}");
        assert_eq!(stats.created, 1, "{target}: {stats:?}");
        // The other is what was edited.
        assert_eq!(stats.files - stats.attributes, 2, "{target}: {stats:?}");
        // The root's own time may count as one more.
        assert!((1..=2).contains(&stats.attributes), "{target}: {stats:?}");
        assert!(stats.bytes > 0, "{target}: {stats:?}");
    }
}
