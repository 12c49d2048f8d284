//! One host after the other: the same as each alone, and no more work than there is to do.

use super::host;
use crate::diagnostic::Sources;
use crate::manifest::{self, SourceFile};
use crate::plan::compile::{Compiler, Counted, compile};

const HOSTS: usize = 12;

/// A source a host, one on all of them, and one that is wrong on a single one.
fn text(url: &str) -> String {
    let mut text = String::from("apiVersion: heliostat/v1\nkind: Manifest\nsources:\n");
    for nth in 0..HOSTS {
        text += &format!(
            "  s{nth}: {{path: /s{nth}, hosts: [h{nth}], include: [\"/a/*\", /b], exclude: [/b], targets: {{t: {{url: \"{url}{nth}\", exclude: [x]}}}}}}\n"
        );
    }
    text + "  all: {path: \"/all/${host}\", exclude: [\"*.tmp\"], targets: {t: {url: \"file:///all-of/s3\"}}}\n"
        + "  h3: {path: \"/all-of/s3\", hosts: [h3], targets: {t: {url: \"file:///elsewhere\"}}}\n"
        + "  ring: {path: \"/elsewhere\", hosts: [h3], targets: {t: {url: \"file:///all/h3\"}}}\n"
}

#[track_caller]
fn check(url: &str, expected: Counted) {
    let file = SourceFile {
        name: "a.yaml".into(),
        text: text(url),
    };
    let mut texts = Sources::new();
    texts.insert(&file.name, &file.text);
    let (manifests, problems) = manifest::load(&[file]);
    assert_eq!(problems, []);
    let mut compiler = Compiler::new(&manifests, &texts);
    let mut wrong = 0;
    for nth in 0..=HOSTS {
        let host = host(&format!("h{nth}"));
        let together = compiler.compile(&host);
        assert_eq!(
            together,
            compile(&manifests, &texts, &host),
            "{}",
            host.name
        );
        assert!(
            together.diagnostics.len() >= HOSTS,
            "an include is hidden in each"
        );
        wrong += usize::from(together.plan.is_none());
    }
    assert!(wrong > 0, "the ring is one on a single host");
    assert_eq!(compiler.counted(), expected);
}

#[test]
fn what_no_host_changes_is_made_once() {
    // `all` names the host, so that it is another on each.
    let expected = Counted {
        sources: HOSTS + 2 + HOSTS + 1,
        filters: 2 * HOSTS + 3,
    };
    check("rsync://far/m/", expected);
}

#[test]
fn what_names_its_host_is_made_for_that_one_again() {
    let expected = Counted {
        sources: 2 * HOSTS + 2 + HOSTS + 1,
        filters: 2 * HOSTS + 3,
    };
    check("rsync://far/m/${labels.site}/${host}/", expected);
}
