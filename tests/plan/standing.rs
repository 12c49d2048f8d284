//! The keys that say whether what was remembered still counts, from the manifest on: what is written otherwise but means
//! the same keeps them, and so does what only says when and how fast; what decides which paths, where to or what of them
//! changes them.

use heliostat::diagnostic::Sources;
use heliostat::manifest::{self, SourceFile};
use heliostat::plan::{self, HostFacts, TargetName, route_key, source_key};

const MANIFEST: &str = r#"apiVersion: heliostat/v1
kind: Manifest
sources:
  web:
    path: /data/web
    exclude: ["/cache/", "*.tmp"]
    targets:
      far:
        url: rsync://mirror@far.example.com/web/htdocs
        passwordFile: /etc/heliostat/secrets/far
        exclude: ["/videos/"]
        delete: propagate
      near:
        url: file:///mnt/near
      shell:
        url: ssh://mirror@shell.example.com/srv/web
        ssh: {identityFile: /etc/heliostat/ssh/a}
"#;

/// The keys of the source and of each route.
#[derive(PartialEq)]
struct Keys {
    source: String,
    far: String,
    near: String,
    shell: String,
}

fn keys(text: &str) -> Keys {
    let file = SourceFile {
        name: "a.yaml".into(),
        text: text.into(),
    };
    let mut texts = Sources::new();
    texts.insert(&file.name, &file.text);
    let (manifests, problems) = manifest::load(&[file]);
    assert!(problems.is_empty(), "{text}\n{problems:#?}");
    let host = HostFacts {
        name: "web1".into(),
        ..HostFacts::default()
    };
    let compiled = plan::compile(&manifests, &texts, &host);
    let plan = compiled
        .plan
        .unwrap_or_else(|| panic!("{text}\n{:#?}", compiled.diagnostics));
    let source = plan.sources.values().next().unwrap();
    let route = |name: &str| route_key(source, &source.routes[&TargetName(name.into())]);
    Keys {
        source: source_key(source),
        far: route("far"),
        near: route("near"),
        shell: route("shell"),
    }
}

/// The manifest with one part replaced.
fn with(from: &str, to: &str) -> Keys {
    assert_eq!(MANIFEST.matches(from).count(), 1, "{from}");
    keys(&MANIFEST.replace(from, to))
}

#[test]
fn what_means_the_same_keeps_what_was_remembered() {
    let before = keys(MANIFEST);
    for (what, from, to) in [
        ("comments and lines", "sources:", "# moved\n\n\nsources:"),
        (
            "another style",
            "exclude: [\"/cache/\", \"*.tmp\"]",
            "exclude:\n      - '/cache/' # not this\n      - \"*.tmp\"",
        ),
        (
            "the order of keys",
            "        exclude: [\"/videos/\"]\n        delete: propagate\n",
            "        delete: propagate\n        exclude: [\"/videos/\"]\n",
        ),
        ("a slash at the end", "path: /data/web", "path: /data/web/"),
        (
            "the port that is meant anyway",
            "far.example.com/web",
            "far.example.com:873/web",
        ),
        (
            "what is the case anyway",
            "path: /data/web",
            "path: /data/web\n    oneFileSystem: true\n    include: [\"**\"]",
        ),
    ] {
        assert!(with(from, to) == before, "{what}");
    }
    let moved = MANIFEST.replace("    path: /data/web\n", "");
    assert!(keys(&format!("{moved}    path: /data/web\n")) == before);
}

#[test]
fn what_says_when_and_how_fast_keeps_what_was_remembered() {
    let before = keys(MANIFEST);
    for setting in [
        "sync: {every: 1h}",
        "rescan: {every: 6h, compare: checksum}",
        "rescan: {onStart: never}",
        "windows: [{deny: \"08:00-18:00\"}]",
        "debounce: {quiet: 1s, maxWait: 1m}",
        "bandwidth: 1MiB/s",
        "timeout: 10m",
        "retry: {initial: 5s, max: 1h}",
        "maxDelete: 50%",
        "compress: zstd",
    ] {
        let after = with(
            "delete: propagate",
            &format!("delete: propagate\n        {setting}"),
        );
        assert!(after == before, "{setting}");
    }
    // Of a source: which events trigger says when something is looked at; what must hold of it, whether.
    for setting in [
        "events: [create, closeWrite, move, delete]",
        "guard: {marker: .here}",
        "suspend: false",
    ] {
        let after = with(
            "path: /data/web",
            &format!("path: /data/web\n    {setting}"),
        );
        assert!(after == before, "{setting}");
    }
    // A password is changed where it was always to be changed; it leads to the same place.
    let other = with(
        "passwordFile: /etc/heliostat/secrets/far",
        "passwordEnv: FAR",
    );
    assert!(other == before, "the password");
}

#[test]
fn what_belongs_to_a_source_changes_it_and_all_its_routes() {
    let before = keys(MANIFEST);
    for (from, to) in [
        ("path: /data/web", "path: /data/web2"),
        ("\"/cache/\", ", ""),
        ("\"*.tmp\"", "\"*.tmp\", \"*.bak\""),
        (
            "path: /data/web",
            "path: /data/web\n    include: [\"*.html\"]",
        ),
        (
            "path: /data/web",
            "path: /data/web\n    oneFileSystem: false",
        ),
    ] {
        let after = with(from, to);
        assert!(after.source != before.source, "{to}");
        assert!(
            after.far != before.far && after.near != before.near && after.shell != before.shell,
            "{to}"
        );
    }
}

#[test]
fn what_belongs_to_one_route_changes_that_one() {
    let before = keys(MANIFEST);
    for (from, to) in [
        ("far.example.com/web", "far.example.com/web2"),
        ("far.example.com/web", "far.example.com:1873/web"),
        ("far.example.com/web", "other.example.com/web"),
        ("web/htdocs", "web/public"),
        // A daemon may show each user another directory, and write as another one.
        ("rsync://mirror@", "rsync://other@"),
        ("[\"/videos/\"]", "[\"/films/\"]"),
        ("delete: propagate", "delete: never"),
        ("delete: propagate", "delete: mirror"),
        (
            "delete: propagate",
            "delete: propagate\n        attributes: [archive, xattrs]",
        ),
        (
            "delete: propagate",
            "delete: propagate\n        rsyncArgs: [\"--chmod=D755,F644\"]",
        ),
    ] {
        let after = with(from, to);
        assert!(after.far != before.far, "{to}");
        assert!(
            after.source == before.source
                && after.near == before.near
                && after.shell == before.shell,
            "{to}"
        );
    }
    // On the far side a key may be bound to a directory of its own.
    let after = with("ssh/a}", "ssh/b}");
    assert!(after.shell != before.shell && after.far == before.far);
    let after = with("///mnt/near", "///mnt/other");
    assert!(after.near != before.near && after.far == before.far);
    // No route is taken for another one that leads to the same place by other means.
    assert!(before.far != before.near && before.near != before.shell);
}
