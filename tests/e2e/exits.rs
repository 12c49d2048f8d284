//! The exit codes of what waits and releases, in one table, with one service: 0 good, 1 refused, 2 usage, 4 not reachable, 5 timed
//! out, 6 held. Asked for as JSON, each says one document as well.

use std::fs;

use serde_json::{Value, json};

use super::{local, remote, site, until, write};
use crate::rig::Scratch;
use crate::rig::rsyncd::Rsyncd;
use crate::rig::service::{Heliostat, manifest};

/// Runs each line and holds it to its code.
#[track_caller]
fn hold(service: &Heliostat, table: &[(i32, &str)]) {
    for (code, line) in table {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["--format", "json"]);
        let answer = service.call(&words);
        assert_eq!(answer.code, *code, "{line}: {answer:?}\n{}", service.tail());
        // What the command line itself cannot read is told in words alone.
        if answer.stdout.is_empty() {
            assert!(
                *code == 2 && !answer.stderr.is_empty(),
                "{line}: {answer:?}"
            );
            continue;
        }
        let document: Result<Value, _> = serde_json::from_str(&answer.stdout);
        let version = document
            .as_ref()
            .map(|document| document["formatVersion"] == 1);
        assert!(matches!(version, Ok(true)), "{line}: {answer:?}");
    }
}

#[test]
fn what_waits_and_releases_says_how_it_ended_by_its_exit_code() {
    let scratch = Scratch::new();
    let (source, module) = (scratch.dir("source"), scratch.dir("module"));
    let (large, guarded) = (scratch.dir("large"), scratch.dir("guarded"));
    let mut daemon = Rsyncd::new(&scratch.dir("daemon"), &module);
    daemon.start();
    let mut mirror = local(&scratch.dir("mirror"));
    super::extend(&mut mirror, &json!({"delete": "mirror", "maxDelete": 1}));
    let mut unmounted = local(&scratch.dir("unmounted"));
    super::extend(&mut unmounted, &json!({"guard": {"requireMount": true}}));
    let mut far = remote(&daemon);
    far["warm"] = json!("off");
    let sources = json!({
        "site": site(&source, json!({"copy": local(&scratch.dir("copy")), "far": far})),
        "large": site(&large, json!({"mirror": mirror})),
        "guarded": site(&guarded, json!({"unmounted": unmounted})),
    });
    let names = || (0..20).map(|number| format!("{number}"));
    names().for_each(|name| write(&large, &name, "x"));
    write(&large, "stays", "x");
    let mut service = Heliostat::new(&scratch.dir("service"), &manifest(&sources));
    service.start();
    for route in ["site/copy", "site/far", "large/mirror"] {
        until(&service, route, |route| route["state"] == "in sync");
    }
    until(&service, "guarded/unmounted", |route| {
        route["state"] == "held"
    });
    names().for_each(|name| fs::remove_file(large.join(name)).unwrap());
    daemon.stop();
    write(&source, "new", "new");
    let held = until(&service, "large/mirror", |route| route["state"] == "held");
    let id = held["hold"]["id"].as_str().unwrap();
    until(&service, "site/far", |route| route["state"] == "retrying");

    let approve = format!("approve large/mirror --id {id}");
    hold(
        &service,
        &[
            (0, "wait site/copy"),
            (0, "trigger site/copy --wait"),
            (0, "rescan site/copy --wait --timeout 1m"),
            (0, "rescan site/copy --checksum --wait"),
            (1, "wait site/none"),
            (1, "trigger none --wait"),
            (1, "rescan none --wait"),
            (1, "approve none/none --id 1"),
            (1, "approve site/copy --id 1"),
            (1, "approve large/mirror --id 1"),
            (1, "approve guarded/unmounted --id 1"),
            (2, "wait a/b/c"),
            (2, "trigger a/b/c --wait"),
            (2, "rescan /b --wait"),
            (2, "approve a/b/c --id 1"),
            (2, "approve large --id 1"),
            (2, "wait --timeout soon"),
            (2, "trigger --wait --timeout 5"),
            (2, "rescan --timeout 5s"),
            (2, "trigger --timeout 5s"),
            (2, "approve large/mirror"),
            (2, "approve --id 1"),
            (5, "wait site/far --timeout 100ms"),
            (5, "trigger site/far --wait --timeout 100ms"),
            (5, "rescan site/far --wait --timeout 100ms"),
            (6, "wait large/mirror"),
            (6, "trigger large --wait"),
            (6, "rescan large --wait"),
            (6, "wait guarded"),
            (0, &approve),
            (0, "wait large"),
            (1, &approve),
        ],
    );
    assert_eq!(service.stop().0, 0, "{}", service.tail());
    hold(
        &service,
        &[
            (4, "wait"),
            (4, "trigger --wait"),
            (4, "rescan --wait"),
            (4, &approve),
        ],
    );
}
