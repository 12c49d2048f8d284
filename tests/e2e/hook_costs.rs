//! What hooks cost: how long a change takes to the target without, with one after, and with one before as well.

use std::time::Instant;

use serde_json::{Value, json};

use super::Story;

/// Changes of each kind that are measured.
const CHANGES: usize = 40;

/// From the rename in the source to the content on the target, in milliseconds: the median and the 90th percentile.
fn latency(target: &str, keys: &Value) -> (f64, f64) {
    let mut story = Story::new(|site| {
        site["targets"] = json!({target: site["targets"][target]});
        super::extend(&mut site["targets"][target], keys);
    });
    let there = match target {
        "module" => story.module.clone(),
        _ => story.copy.clone(),
    };
    story.write("x", "first");
    story.service.start();
    assert!(
        story.service.wait(super::PATIENCE),
        "{}",
        story.service.tail()
    );
    let whole = story.scratch.path().join("whole");
    let mut all = Vec::new();
    for change in 0..CHANGES {
        let content = format!("change {change}");
        std::fs::write(&whole, &content).unwrap();
        let began = Instant::now();
        std::fs::rename(&whole, story.source.join("x")).unwrap();
        while std::fs::read_to_string(there.join("x")).ok().as_deref() != Some(&content) {
            assert!(
                began.elapsed() < super::PATIENCE,
                "{}",
                story.service.tail()
            );
            std::thread::yield_now();
        }
        all.push(began.elapsed().as_secs_f64() * 1000.0);
        assert!(story.service.wait(super::PATIENCE));
    }
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() * 9 / 10])
}

#[test]
#[ignore = "figures, for an optimised build"]
fn figures() {
    let hook = json!({"run": ["/bin/true"], "onError": "warn"});
    for target in ["copy", "module"] {
        for (name, keys) in [
            ("none", json!({})),
            ("after", json!({"hooks": {"after": hook}})),
            ("before", json!({"hooks": {"before": hook}})),
            (
                "before and after",
                json!({"hooks": {"before": hook, "after": hook}}),
            ),
        ] {
            let (median, p90) = latency(target, &keys);
            println!("{target}, {name}: median {median:.1} ms, p90 {p90:.1} ms");
        }
    }
}
