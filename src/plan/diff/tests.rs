//! Two manifests in, what changes from the first to the second out.

use std::fmt::Write;

use super::{Class, DeleteRisk, Look, PlanDiff, What, diff};
use crate::plan::compile::tests::plan;
use crate::plan::{
    DeletePolicy, Plan, RoutePlan, SourceName, SourcePlan, TargetName, digest, route_key,
    source_key,
};

const BASE: &str = r#"
metadata: {labels: {team: web}}
sources:
  web:
    path: /data/web
    exclude: ["/cache/", "*.tmp"]
    guard: {marker: .here, requireMount: true}
    targets:
      far:
        url: rsync://mirror@far.example.com/web/htdocs
        passwordFile: /etc/heliostat/secrets/far
        exclude: ["/videos/"]
        delete: propagate
        maxDelete: 10%
      near: {url: "file:///mnt/near"}
      shell:
        url: ssh://mirror@shell.example.com/srv/web
        ssh: {identityFile: /a, knownHostsFile: /b, jump: bastion}
"#;

/// The base with one part replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(BASE.matches(from).count(), 1, "{from}");
    BASE.replace(from, to)
}

/// The base with its patterns the other way round.
fn reordered() -> String {
    with(r#""/cache/", "*.tmp""#, r#""*.tmp", "/cache/""#)
}

/// What changes, one line a source, a route, a key, a look and a risk; what is kept is left out.
fn told(diff: &PlanDiff) -> String {
    let mut out = String::new();
    let changes = |changes: &[super::Change], out: &mut String| {
        for change in changes {
            let what = match &change.what {
                What::Value { before, after } => {
                    let shown = |value: &Option<String>| value.clone().unwrap_or("-".into());
                    format!("{} → {}", shown(before), shown(after))
                }
                What::List { added, removed } => {
                    let added = added.iter().map(|item| format!("+{item}"));
                    let removed = removed.iter().map(|item| format!("-{item}"));
                    added.chain(removed).collect::<Vec<_>>().join(" ")
                }
            };
            writeln!(out, "  {} {}: {what}", change.key, change.class.word()).unwrap();
        }
    };
    for (name, source) in &diff.sources {
        if source.class != Class::Keep {
            writeln!(out, "{name} {} look {:?}", source.class.word(), source.look).unwrap();
        }
        changes(&source.changes, &mut out);
        for (target, route) in &source.routes {
            if route.class != Class::Keep {
                writeln!(
                    out,
                    "{name}/{target} {} look {:?}",
                    route.class.word(),
                    route.look
                )
                .unwrap();
            }
            changes(&route.changes, &mut out);
            for risk in &route.deletes {
                writeln!(out, "  {risk:?}").unwrap();
            }
        }
    }
    out
}

#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    let diff = diff(&plan(old), &plan(new));
    assert_eq!(told(&diff), expected.trim_start_matches('\n'));
}

#[test]
fn what_means_the_same_is_kept() {
    check(BASE, BASE, "");
    check(BASE, &format!("# moved\n\n{BASE}"), "");
    check(BASE, &with("path: /data/web", "path: /data/web/"), "");
    // The order of patterns, events, attributes and windows.
    check(BASE, &reordered(), "");
    let windows = |list: &str| with("maxDelete: 10%", &format!("windows: [{list}]"));
    let (one, other) = ("{deny: \"08:00-18:00\"}", "{allow: \"01:00-19:00\"}");
    let (old, new) = (
        windows(&format!("{one}, {other}")),
        windows(&format!("{other}, {one}")),
    );
    check(&old, &new, "");
    assert_eq!(digest(&plan(&old)), digest(&plan(&new)));
    assert!(diff(&Plan::default(), &Plan::default()).is_empty());
}

#[test]
fn the_start_is_the_difference_from_nothing() {
    let plan = plan(BASE);
    let started = diff(&Plan::default(), &plan);
    assert_eq!(
        told(&started),
        "web add look Everything\nweb/far add look Everything\nweb/near add look Everything\n\
         web/shell add look Everything\n"
    );
    let ended = diff(&plan, &Plan::default());
    assert_eq!(
        told(&ended),
        "web remove look Nothing\nweb/far remove look Nothing\nweb/near remove look Nothing\n\
         web/shell remove look Nothing\n"
    );
}

#[test]
fn a_new_exclude_looks_at_nothing_and_a_dropped_one_where_it_was() {
    check(
        BASE,
        &with(r#""*.tmp""#, r#""*.tmp", "*.bak""#),
        "
web rescope look Nothing
  exclude rescope: +*.bak
web/far rescope look Nothing
web/near rescope look Nothing
web/shell rescope look Nothing
",
    );
    check(
        BASE,
        &with(r#""/cache/", "#, ""),
        r#"
web rescope look Below({"cache"})
  exclude rescope: -/cache/
web/far rescope look Below({"cache"})
web/near rescope look Below({"cache"})
web/shell rescope look Below({"cache"})
"#,
    );
    check(
        BASE,
        &with(r#", "*.tmp""#, ""),
        "
web rescope look Everything
  exclude rescope: -*.tmp
web/far rescope look Everything
web/near rescope look Everything
web/shell rescope look Everything
",
    );
}

#[test]
fn a_routes_own_exclude_is_its_own() {
    check(
        BASE,
        &with(r#"["/videos/"]"#, r#"["/videos/old/"]"#),
        r#"
web/far rescope look Below({"videos"})
  exclude rescope: +/videos/old/ -/videos/
"#,
    );
    // Moved from one route to the source: that route leaves out what it left out before.
    let moved = with(r#"        exclude: ["/videos/"]"#, "").replace(
        r#"["/cache/", "*.tmp"]"#,
        r#"["/cache/", "*.tmp", "/videos/"]"#,
    );
    check(
        BASE,
        &moved,
        "
web rescope look Nothing
  exclude rescope: +/videos/
web/far rescope look Nothing
  exclude rescope: -/videos/
web/near rescope look Nothing
web/shell rescope look Nothing
",
    );
}

#[test]
fn includes_widen_only_where_not_everything_was_included() {
    let some = with(
        "path: /data/web",
        "path: /data/web\n    include: [\"/www/\"]",
    );
    let more = some.replace(r#"["/www/"]"#, r#"["/www/", "/www/a/", "/img/x*/"]"#);
    let look = |old: &str, new: &str| {
        let diff = diff(&plan(old), &plan(new));
        diff.sources[&SourceName("web".into())].look.clone()
    };
    let below = |paths: &[&str]| Look::Below(paths.iter().map(|path| (*path).into()).collect());
    assert_eq!(look(BASE, &some), Look::Nothing);
    assert_eq!(look(&some, &more), below(&["img", "www/a"]));
    assert_eq!(look(&some, BASE), Look::Everything);
    let star = more.replace(r#""/www/""#, r#""**""#);
    assert_eq!(
        look(&star, &star.replace("/img/x*/", "/pdf/")),
        Look::Nothing
    );
}

#[test]
fn what_lies_below_another_is_not_told_twice() {
    let below = |paths: &[&str]| Look::Below(paths.iter().map(|path| (*path).into()).collect());
    let joined = below(&["a/b", "ab", "c"]).join(below(&["a", "c/d"]));
    assert_eq!(joined, below(&["a", "ab", "c"]));
    assert_eq!(Look::Nothing.join(below(&["a"])), below(&["a"]));
    assert_eq!(below(&["a"]).join(Look::Everything), Look::Everything);
    let many: Vec<String> = (0..1001).map(|nth| format!("d{nth}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        below(&many[..600]).join(below(&many[600..])),
        Look::Everything
    );
}

#[test]
fn more_triggers_look_at_everything_and_fewer_at_nothing() {
    let events = |list: &str| {
        with(
            "path: /data/web",
            &format!("path: /data/web\n    events: [{list}]"),
        )
    };
    let fewer = events("create, closeWrite, move, delete");
    check(
        BASE,
        &fewer,
        "
web rescope look Nothing
  events rescope: -attrib
web/far rescope look Nothing
web/near rescope look Nothing
web/shell rescope look Nothing
",
    );
    check(
        &fewer,
        BASE,
        "
web rescope look Everything
  events rescope: +attrib
web/far rescope look Everything
web/near rescope look Everything
web/shell rescope look Everything
",
    );
}

#[test]
fn routes_come_and_go_by_themselves() {
    let moved = BASE.replace("near:", "nas:");
    check(
        BASE,
        &moved,
        "
web/nas add look Everything
web/near remove look Nothing
",
    );
}

/// Every key, each with the class of the source, of the route `far` (for a route's key) and its name in the result.
const EDITS: &[(&str, &str, Class, Class, &str)] = {
    use Class::{Keep, Rebuild, Rescope, Resync, Retune};
    &[
        (
            "path: /data/web",
            "path: /data/www",
            Rebuild,
            Rebuild,
            "path",
        ),
        (
            "path: /data/web",
            "path: /data/web\n    oneFileSystem: false",
            Rebuild,
            Rebuild,
            "oneFileSystem",
        ),
        (
            "path: /data/web",
            "path: /data/web\n    include: [\"*.html\"]",
            Rescope,
            Rescope,
            "include",
        ),
        ("\"*.tmp\"", "\"*.bak\"", Rescope, Rescope, "exclude"),
        (
            "path: /data/web",
            "path: /data/web\n    events: [create, closeWrite, move, delete]",
            Rescope,
            Rescope,
            "events",
        ),
        (
            "marker: .here",
            "marker: .there",
            Retune,
            Retune,
            "guard.marker",
        ),
        (
            "marker: .here",
            "allowEmpty: true, marker: .here",
            Retune,
            Retune,
            "guard.allowEmpty",
        ),
        (
            ", requireMount: true",
            "",
            Retune,
            Retune,
            "guard.requireMount",
        ),
        ("team: web", "team: www", Retune, Retune, "labels"),
        ("far.example.com", "away.example.com", Keep, Resync, "url"),
        (
            "far.example.com",
            "far.example.com:8873",
            Keep,
            Resync,
            "url",
        ),
        ("mirror@far", "other@far", Keep, Resync, "url"),
        ("/web/htdocs", "/www/htdocs", Keep, Resync, "url"),
        ("/web/htdocs", "/web/public", Keep, Resync, "url"),
        (
            "passwordFile: /etc/heliostat/secrets/far",
            "passwordEnv: FAR",
            Keep,
            Retune,
            "password",
        ),
        ("\"/videos/\"", "\"/films/\"", Keep, Rescope, "exclude"),
        (
            "delete: propagate",
            "delete: mirror",
            Keep,
            Resync,
            "delete",
        ),
        (
            "maxDelete: 10%",
            "maxDelete: 100",
            Keep,
            Retune,
            "maxDelete",
        ),
        ("maxDelete: 10%", "sync: {every: 1h}", Keep, Retune, "sync"),
        (
            "maxDelete: 10%",
            "windows: [{deny: \"08:00-18:00\"}]",
            Keep,
            Retune,
            "windows",
        ),
        (
            "maxDelete: 10%",
            "debounce: {quiet: 1s}",
            Keep,
            Retune,
            "debounce.quiet",
        ),
        (
            "maxDelete: 10%",
            "debounce: {maxWait: 9s}",
            Keep,
            Retune,
            "debounce.maxWait",
        ),
        (
            "maxDelete: 10%",
            "rescan: {every: 6h}",
            Keep,
            Retune,
            "rescan",
        ),
        ("maxDelete: 10%", "rescan: never", Keep, Retune, "rescan"),
        (
            "maxDelete: 10%",
            "rescan: {compare: checksum}",
            Keep,
            Retune,
            "rescan.compare",
        ),
        (
            "maxDelete: 10%",
            "rescan: {onStart: never}",
            Keep,
            Retune,
            "rescan.onStart",
        ),
        (
            "maxDelete: 10%",
            "bandwidth: 1MiB/s",
            Keep,
            Retune,
            "bandwidth",
        ),
        ("maxDelete: 10%", "compress: zstd", Keep, Retune, "compress"),
        (
            "maxDelete: 10%",
            "attributes: [archive, acls]",
            Keep,
            Resync,
            "attributes",
        ),
        ("maxDelete: 10%", "timeout: 5m", Keep, Retune, "timeout"),
        (
            "maxDelete: 10%",
            "retry: {initial: 5s}",
            Keep,
            Retune,
            "retry.initial",
        ),
        (
            "maxDelete: 10%",
            "retry: {max: 1h}",
            Keep,
            Retune,
            "retry.max",
        ),
        (
            "maxDelete: 10%",
            "rsyncArgs: [\"--fuzzy\"]",
            Keep,
            Retune,
            "rsyncArgs",
        ),
        (
            "maxDelete: 10%",
            "rsyncArgs: [\"--chmod=D755\"]",
            Keep,
            Resync,
            "rsyncArgs",
        ),
        (
            "maxDelete: 10%",
            "rsyncArgs: [\"--ipv6\"]",
            Keep,
            Resync,
            "rsyncArgs",
        ),
    ]
};

fn only(plan: &Plan) -> &SourcePlan {
    plan.sources.values().next().unwrap()
}

fn route<'a>(plan: &'a Plan, name: &str) -> (&'a SourcePlan, &'a RoutePlan) {
    let source = only(plan);
    (source, &source.routes[&TargetName(name.into())])
}

#[test]
fn every_key_has_its_class() {
    let base = plan(BASE);
    for (from, to, of_source, of_route, key) in EDITS {
        let changed = diff(&base, &plan(&with(from, to)));
        let source = &changed.sources[&SourceName("web".into())];
        let far = &source.routes[&TargetName("far".into())];
        assert_eq!((source.class, far.class), (*of_source, *of_route), "{to}");
        let keys = source.changes.iter().chain(&far.changes);
        let keys: Vec<_> = keys.map(|change| change.key).collect();
        assert!(keys.contains(key), "{to}: {keys:?}");
        // A route's key concerns no other route.
        let near = &source.routes[&TargetName("near".into())];
        assert_eq!(near.class, *of_source, "{to}");
    }
}

#[test]
fn every_key_of_an_ssh_target_has_its_class() {
    let base = plan(BASE);
    for (from, to, class, key) in [
        ("shell.example.com", "sh.example.com", Class::Resync, "url"),
        (
            "shell.example.com",
            "shell.example.com:2222",
            Class::Resync,
            "url",
        ),
        ("mirror@shell", "other@shell", Class::Resync, "url"),
        ("/srv/web", "/srv/www", Class::Resync, "url"),
        (
            "identityFile: /a",
            "identityFile: /c",
            Class::Resync,
            "ssh.identityFile",
        ),
        (
            "knownHostsFile: /b",
            "knownHostsFile: /c",
            Class::Retune,
            "ssh.knownHostsFile",
        ),
        ("jump: bastion", "jump: fort", Class::Resync, "ssh.jump"),
    ] {
        let new = plan(&with(from, to));
        let changed = diff(&base, &new);
        let shell = &changed.sources[&SourceName("web".into())].routes[&TargetName("shell".into())];
        let keys: Vec<_> = shell.changes.iter().map(|change| change.key).collect();
        assert_eq!((shell.class, &keys[..]), (class, &[key][..]), "{to}");
        let key = |plan| {
            let (source, route) = route(plan, "shell");
            route_key(source, route)
        };
        assert_eq!(key(&base) == key(&new), class <= Class::Retune, "{to}");
    }
    // Another kind of target, and a local guard.
    let new = plan(&with(
        "\"file:///mnt/near\"",
        "\"file:///mnt/near\", guard: {requireMount: true}",
    ));
    assert_eq!(
        told(&diff(&base, &new)),
        "web/near retune look Nothing\n  guard.requireMount retune: false → true\n"
    );
    let new = plan(&with(
        "\"file:///mnt/near\"",
        "\"rsync://near/m\", warm: off",
    ));
    assert_eq!(
        told(&diff(&base, &new)),
        "web/near resync look Everything\n  url resync: file:///mnt/near → rsync://near/m\n"
    );
}

#[test]
fn warm_is_retuned() {
    let off = BASE.replace(", requireMount: true", "");
    let on = off.replace("maxDelete: 10%", "warm: off");
    let told = told(&diff(&plan(&off), &plan(&on)));
    assert!(told.contains("  warm retune: auto → off\n"), "{told}");
}

/// The classes agree with what makes remembered checkpoints count: below rescope all that is remembered stays valid; from
/// resync on nothing of the route does; of a rescope exactly what the filter says.
#[test]
fn the_class_says_whether_what_is_remembered_counts() {
    let base = plan(BASE);
    for (from, to, of_source, of_route, key) in EDITS {
        let new = plan(&with(from, to));
        let key_of = |plan| {
            let (source, route) = route(plan, "far");
            route_key(source, route)
        };
        let same = key_of(&base) == key_of(&new);
        let rows = source_key(only(&base)) == source_key(only(&new));
        let triggers = *key == "events";
        assert_eq!(same, *of_route < Class::Rescope || triggers, "{to}");
        assert_eq!(rows, *of_source < Class::Rescope || triggers, "{to}");
    }
    let reordered = plan(&reordered());
    assert_eq!(source_key(only(&base)), source_key(only(&reordered)));
}

/// Two plans have one digest exactly if nothing is said to change; and what changes back has the same class.
#[test]
fn nothing_changes_exactly_between_plans_of_one_digest() {
    let mut plans = vec![plan(BASE), plan(&reordered()), Plan::default()];
    plans.extend(EDITS.iter().map(|(from, to, ..)| plan(&with(from, to))));
    for one in &plans {
        for other in &plans {
            let (there, back) = (diff(one, other), diff(other, one));
            assert_eq!(there.is_empty(), digest(one) == digest(other));
            for (name, route) in there.routes() {
                let returned = back.routes().find(|(other, _)| *other == name).unwrap().1;
                let expected = match route.class {
                    Class::Add => Class::Remove,
                    Class::Remove => Class::Add,
                    class => class,
                };
                assert_eq!(returned.class, expected, "{name}");
            }
            let all = one.routes().chain(other.routes());
            let mut all: Vec<_> = all.map(|(_, route)| route.name.clone()).collect();
            all.sort();
            all.dedup();
            let named: Vec<_> = there.routes().map(|(name, _)| name).collect();
            assert_eq!(named, all, "every route once");
        }
    }
}

#[track_caller]
fn risks(old: &str, new: &str, expected: &[DeleteRisk]) {
    let changed = diff(&plan(old), &plan(new));
    let far = &changed.sources[&SourceName("web".into())].routes[&TargetName("far".into())];
    assert_eq!(far.deletes, expected);
}

#[test]
fn where_deletes_become_possible() {
    use DeletePolicy::{Mirror, Never, Propagate};
    let never = with("delete: propagate", "delete: never");
    let mirror = with("delete: propagate", "delete: mirror");
    let policy = |before, after| [DeleteRisk::Policy { before, after }];
    risks(&never, BASE, &policy(Never, Propagate));
    risks(BASE, &mirror, &policy(Propagate, Mirror));
    risks(&never, &mirror, &policy(Never, Mirror));
    risks(&mirror, &never, &[]);
    risks(&mirror, BASE, &[]);
    let none = "sources:\n  other: {path: /o, targets: {t: {url: \"file:///t\"}}}\n";
    risks(none, &mirror, &[DeleteRisk::NewMirror]);
    risks(none, BASE, &[]);
    let on = |text: &str, from: &str, to: &str| text.replace(from, to);
    let away = |text: &str| on(text, "far.example.com", "away.example.com");
    risks(&mirror, &away(&mirror), &[DeleteRisk::OtherTarget]);
    risks(BASE, &away(BASE), &[]);
    let moved = |text: &str| on(text, "path: /data/web", "path: /data/www");
    risks(&mirror, &moved(&mirror), &[DeleteRisk::OtherSource]);
    risks(BASE, &moved(BASE), &[]);
    let wider = |text: &str| on(text, "\"/cache/\", ", "");
    let below = Look::Below(["cache".to_owned()].into());
    risks(
        &mirror,
        &wider(&mirror),
        &[DeleteRisk::Unprotected { below }],
    );
    risks(&wider(&mirror), &mirror, &[]);
    risks(BASE, &wider(BASE), &[]);
    // More triggers look at everything, but what is protected stays so.
    let fewer = on(
        &mirror,
        "path: /data/web",
        "path: /data/web\n    events: [create, closeWrite, move, delete]",
    );
    risks(&fewer, &mirror, &[]);
}

#[test]
fn guards_and_budgets_that_hold_less() {
    let budget = |text: &str| with("maxDelete: 10%", text);
    for (old, new, more) in [
        ("maxDelete: 10%", "maxDelete: 11%", true),
        ("maxDelete: 11%", "maxDelete: 10%", false),
        ("maxDelete: 10%", "maxDelete: 0", false),
        ("maxDelete: 10", "maxDelete: 9", false),
        ("maxDelete: 10", "maxDelete: 1%", true),
        ("maxDelete: 1%", "maxDelete: 10", true),
        ("maxDelete: 50%", "bandwidth: 1MiB/s", true),
        ("bandwidth: 1MiB/s", "maxDelete: 50%", false),
        ("bandwidth: 1MiB/s", "maxDelete: 51%", true),
    ] {
        let expected: &[DeleteRisk] = if more { &[DeleteRisk::Budget] } else { &[] };
        risks(&budget(old), &budget(new), expected);
    }
    let gone = |key| [DeleteRisk::Guard { key }];
    risks(BASE, &with("marker: .here, ", ""), &gone("guard.marker"));
    risks(&with("marker: .here, ", ""), BASE, &[]);
    risks(
        BASE,
        &with("marker: .here", "marker: .there"),
        &gone("guard.marker"),
    );
    risks(
        BASE,
        &with("marker: .here", "marker: .here, allowEmpty: true"),
        &gone("guard.allowEmpty"),
    );
    risks(
        BASE,
        &with(", requireMount: true", ""),
        &gone("guard.requireMount"),
    );
    // Nothing of it concerns a route that deletes nothing.
    let never = |text: &str| text.replace("delete: propagate", "delete: never");
    risks(&never(BASE), &never(&with("marker: .here, ", "")), &[]);
    risks(&never(BASE), &never(&budget("maxDelete: 99%")), &[]);
}

#[test]
fn as_json() {
    let new = with("delete: propagate", "delete: mirror").replace("\"/cache/\", ", "");
    let diff = diff(&plan(BASE), &plan(&new));
    insta::assert_snapshot!(serde_json::to_string_pretty(&diff).unwrap());
}

/// A plan that was asked of a service is held against one that was read from files.
#[test]
fn a_plan_survives_its_json() {
    let mut plans = vec![plan(BASE), Plan::default()];
    plans.extend(EDITS.iter().map(|(from, to, ..)| plan(&with(from, to))));
    for plan in plans {
        let text = serde_json::to_string(&plan).unwrap();
        let back: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(back, plan);
        // Also where rules were written, which equality does not look at.
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
    let name: Result<crate::plan::RouteName, _> = serde_json::from_str("\"web\"");
    assert!(name.is_err());
}
