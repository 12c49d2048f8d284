//! Command lines as a user would read them, and rsync's real messages (collected from 3.5.0 by provoking each).

mod command_lines;
mod corpus;
mod paths;
mod refusals;

use super::invocation::{Leave, Orders, list};
use super::judge::{Case, Judged, judge};
use super::kind::kind_of;
use super::report::Report;
use super::show::command_lines;
use super::steps::Step;
use crate::engine::{RelPath, Verdict};
use crate::filter::{Filter, FilterSpec, Rule};
use crate::plan::*;
use crate::transfer::batch::{Act, Entry};
use crate::transfer::progress::Progress;

fn rules(patterns: &[&str]) -> Vec<Rule> {
    patterns
        .iter()
        .map(|text| Rule {
            pattern: text.to_string(),
            origin: None,
        })
        .collect()
}

fn source() -> SourcePlan {
    SourcePlan {
        name: SourceName("web".into()),
        path: "/data/website".into(),
        filter: FilterSpec {
            include: rules(&["**"]),
            exclude: Vec::new(),
        },
        events: EventSet::default(),
        one_file_system: true,
        guard: SourceGuard::default(),
        labels: Default::default(),
        routes: Default::default(),
    }
}

fn daemon(path: &str, password: Option<Secret>) -> Target {
    Target::Daemon {
        user: Some("web".into()),
        host: "10.0.0.9".into(),
        port: 873,
        module: "m".into(),
        path: path.into(),
        password,
    }
}

fn ssh() -> Target {
    Target::Ssh {
        user: Some("mirror".into()),
        host: "2001:db8::1".into(),
        port: Some(2222),
        path: "/srv/mirror".into(),
        identity_file: Some("/etc/heliostat/a key".into()),
        known_hosts_file: Some("/etc/heliostat/known_hosts".into()),
        jump: Some("bastion".into()),
    }
}

fn route(target: Target, delete: DeletePolicy) -> RoutePlan {
    RoutePlan {
        name: RouteName {
            source: SourceName("web".into()),
            target: TargetName("far".into()),
        },
        target,
        filter: FilterSpec {
            include: rules(&["**"]),
            exclude: rules(&["/cache/", "*.tmp"]),
        },
        delete,
        max_delete: DeleteBudget::Default,
        sync: Sync::Live,
        windows: Vec::new(),
        debounce: Debounce {
            quiet_ms: 5,
            max_wait_ms: 1000,
        },
        rescan: Rescan {
            schedule: None,
            compare: Compare::Quick,
            on_start: OnStart::Auto,
        },
        bandwidth: None,
        compress: Compress::None,
        durability: Durability::None,
        warm: false,
        attributes: Attributes::default(),
        timeout_ms: 60_000,
        retry: Retry {
            initial_ms: 1000,
            max_ms: 60_000,
        },
        rsync_args: Vec::new(),
        require_mount: false,
        hooks: Default::default(),
    }
}

fn entry(path: &str, act: Act) -> Entry {
    Entry {
        path: RelPath::new(path.as_bytes()).unwrap(),
        act,
    }
}

fn words(route: &RoutePlan, step: &Step, leave: Leave) -> String {
    let (source, filter) = (source(), Filter::compile(&route.filter).unwrap());
    let orders = Orders {
        source: &source,
        route,
        filter: &filter,
        bandwidth: Some(5_000),
        small: true,
    };
    let all = orders.arguments(step, leave, vec!["--kind".into()], "far:/");
    all.iter()
        .map(|word| word.to_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}
fn judged(target: Target, step: &Step, leave: Leave, code: Option<i32>, output: &str) -> Judged {
    let policy = if leave == Leave::Never {
        DeletePolicy::Never
    } else {
        DeletePolicy::Mirror
    };
    let (source, route, progress) = (source(), route(target, policy), Progress::new());
    let kind = kind_of(&route.target).unwrap();
    let mut report = Report::new(leave == Leave::Count);
    output
        .lines()
        .for_each(|line| report.take(line.as_bytes(), &progress));
    judge(
        Case {
            source: &source,
            route: &route,
            kind,
            step,
            leave,
        },
        code,
        &report,
    )
}

fn batch(paths: &[&str]) -> Step {
    let entries = paths.iter().map(|path| entry(path, Act::Send)).collect();
    Step {
        entries,
        recurse: true,
        delete: true,
        ..Step::default()
    }
}

/// `failed` and `again` as `path: reason`.
fn check(target: Target, step: &Step, code: i32, output: &str, failed: &[&str], again: &[&str]) {
    let judged = judged(target, step, Leave::Counted(1), Some(code), output);
    assert_eq!(judged.verdict, Verdict::Done, "{output}");
    let shown: Vec<String> = judged
        .failed
        .iter()
        .map(|failure| format!("{}: {}", failure.path, failure.reason))
        .collect();
    assert_eq!(shown, failed, "{output}");
    assert_eq!(
        judged
            .again
            .iter()
            .map(RelPath::to_string)
            .collect::<Vec<_>>(),
        again,
        "{output}"
    );
}

/// How rsync ends a run that was done in part.
const PARTIAL: &str = "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394) [sender=3.5.0]";
