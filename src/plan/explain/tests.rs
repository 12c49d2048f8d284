//! A plan in, the whole text out.

use super::Explain;
use crate::plan::compile::tests::plan;
use crate::plan::{Plan, RoutePlan, SourcePlan, Target};

const FLEET: &str = r#"
sources:
  home:
    path: /home
    targets:
      nas: {url: "file:///mnt/nas/home", guard: {requireMount: true}, rescan: {every: 12h}}
  website:
    path: /data/website
    exclude: ["/cache/", "*.tmp"]
    events: [create, closeWrite, delete, movedTo]
    guard: {marker: .here, requireMount: true}
    targets:
      web98:
        url: rsync://website@172.16.6.98:8730/website/htdocs
        passwordFile: /etc/heliostat/secrets/website
        delete: mirror
        maxDelete: 10%
        sync: {schedule: "0 2 * * *", timeZone: Europe/Berlin}
        windows: [{deny: "08:00-18:00", days: [mon, tue, wed, thu, fri], timeZone: Europe/Berlin}]
        exclude: ["/a|b`c/"]
        bandwidth: 40MiB/s
        compress: zstd
        attributes: [archive, acls]
        rsyncArgs: [--fuzzy]
      dr:
        url: ssh://mirror@dr.example.com/srv/mirror
        ssh: {identityFile: /etc/heliostat/ssh/dr, jump: bastion}
        delete: propagate
        rescan: never
"#;

fn explain<T>(plan: &Plan, then: impl FnOnce(&Explain<'_>) -> T) -> T {
    let command_lines = |_: &SourcePlan, route: &RoutePlan| match &route.target {
        Target::Local { .. } => Vec::new(),
        target => vec![format!("rsync -a -- '`x`' {target}")],
    };
    let now = "2026-03-02T09:00:00Z".parse().unwrap();
    then(&Explain {
        plan,
        now,
        host: "web1",
        command_lines: &command_lines,
        watched_by: &|_| "decided on the host".to_owned(),
    })
}

#[test]
fn for_people() {
    insta::assert_snapshot!(explain(&plan(FLEET), |explain| explain.human()));
}

#[test]
fn for_a_merge_request() {
    insta::assert_snapshot!(explain(&plan(FLEET), |explain| explain.markdown()));
}
