//! Two manifests in, what a reviewer reads out.

use super::{Measured, Review, Tally, Watched};
use crate::plan::compile::tests::plan;
use crate::plan::{Plan, RouteName, SourceName, TargetName, diff};

const OLD: &str = r#"
metadata: {labels: {team: web}}
sources:
  home:
    path: /home
    targets:
      nas: {url: "file:///mnt/nas/home"}
  logs:
    path: /var/log/app
    exclude: ["*.gz", "/old/"]
    targets:
      vault: {url: "rsync://logs@vault/logs", passwordFile: /etc/heliostat/secrets/logs, delete: mirror}
      warm: {url: "rsync://logs@warm/logs", passwordFile: /etc/heliostat/secrets/logs}
  scratch:
    path: /scratch
    targets:
      gone: {url: "file:///mnt/gone"}
  website:
    path: /data/website
    guard: {marker: .here}
    targets:
      web98: {url: "rsync://website@172.16.6.98/website", passwordFile: /etc/heliostat/secrets/website}
      web99: {url: "rsync://website@172.16.6.99/website", passwordFile: /etc/heliostat/secrets/website, delete: propagate}
"#;

const NEW: &str = r#"
metadata: {labels: {team: web}}
sources:
  home:
    path: /home
    targets:
      nas: {url: "file:///mnt/nas/home", bandwidth: 40MiB/s, windows: [{deny: "08:00-18:00"}]}
      usb: {url: "file:///mnt/usb", delete: mirror, sync: {every: 12h}}
  logs:
    path: /var/log/app
    exclude: ["*.gz", "/a|b`c/"]
    targets:
      vault: {url: "rsync://logs@vault/logs", passwordFile: /etc/heliostat/secrets/logs, delete: mirror}
      warm: {url: "rsync://logs@warm/logs", passwordFile: /etc/heliostat/secrets/logs}
  scratch2:
    path: /scratch
    targets:
      gone: {url: "file:///mnt/gone"}
  website:
    path: /data/website
    guard: {allowEmpty: true}
    targets:
      web98: {url: "rsync://website@172.16.6.98/website", passwordFile: /etc/heliostat/secrets/website, delete: mirror, maxDelete: 10%}
      web99: {url: "rsync://website@172.16.6.100/website", passwordFile: /etc/heliostat/secrets/website, delete: propagate}
"#;

fn review<T>(
    old: &Plan,
    new: &Plan,
    measured: Option<&Measured>,
    then: impl FnOnce(&Review<'_>) -> T,
) -> T {
    then(&Review {
        hosts: &["web1".to_owned()],
        against: "`main` (0123456789ab)",
        old,
        new,
        diff: &diff(old, new),
        reasons: &[(SourceName("scratch".into()), "suspended from now on".into())].into(),
        measured,
    })
}

fn measured() -> Measured {
    let route = |source: &str, target: &str| RouteName {
        source: SourceName(source.into()),
        target: TargetName(target.into()),
    };
    let watched = |before, after| Watched {
        before,
        after,
        unread: 0,
    };
    let tally = |entries, bytes| Tally { entries, bytes };
    Measured {
        sources: [
            (SourceName("logs".into()), watched(Some(1_200), Some(1_311))),
            (SourceName("scratch".into()), watched(None, None)),
        ]
        .into(),
        routes: [
            (route("home", "usb"), tally(1_234_567, 5 << 30)),
            (route("logs", "vault"), tally(1, 900)),
        ]
        .into(),
    }
}

#[test]
fn for_people() {
    let (old, new) = (plan(OLD), plan(NEW));
    insta::assert_snapshot!(review(&old, &new, Some(&measured()), |review| review.human()));
}

#[test]
fn for_a_pull_request() {
    let (old, new) = (plan(OLD), plan(NEW));
    insta::assert_snapshot!(review(&old, &new, Some(&measured()), |review| review.markdown()));
}

#[test]
fn where_nothing_changes() {
    let plan = plan(OLD);
    let told = review(&plan, &plan, None, |review| {
        (review.human(), review.markdown())
    });
    assert_eq!(
        told.0,
        "host `web1`: nothing changes, against `main` (0123456789ab)\n"
    );
    assert_eq!(
        told.1,
        "## Host `web1`\n\n**Nothing changes**, against `main` (0123456789ab).\n"
    );
}
