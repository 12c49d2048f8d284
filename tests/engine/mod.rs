//! Engine scripts: timed inputs and the trace of effects, as text files in `scripts/`.
//!
//! A script's `route` lines make the plan; each `@TIME input` line (milliseconds of both clocks) is one step; the
//! indented lines below it are what the engine did. `HELIOSTAT_UPDATE=1` writes the traces anew: read the difference.
//!
//! `epoch TIME` sets the wall clock at @0, `clock MS` steps it, `asleep MS` lets it alone run on (what a machine that
//! was suspended sees); `show sweep` and `show bandwidth` add these to what starts. `route` and `drop` lines after the
//! start take effect with the next `reload` (or `apply`, which is answered); so does `anew S`, after which the source's keys are
//! those of the `route` lines that follow. After `barriers wait` barriers come with `@TIME barriers`, and not at once.
//!
//! Inputs: `ready S`, `waiting S`, `change S PATH DIRT…`, `done [failed=PATH] [again=PATH] [deleted=N] [created=N]
//! [entries=N]`, `retry CODE`, `permanent CODE`, `hold COUNT OF PATH…`, `guard NAME`, `tick`, `trigger [R]`,
//! `rescan [R]`, `wait [R]`, `approve R`, `pause R MS [cancel]`, `resume [R]`, `status`, `paths`, `drain`, `reload`,
//! `cancelled`, `hooked R [failed=REASON]`. `done` takes `changed=PATH`, `files=N` and `before=ok|failed=REASON`, too;
//! `route` lines take `after=warn|fail`, `before=warn|fail`, and `recall` lines `hook=settled`. What ends a transfer names its route: `done R …`.

mod many;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use heliostat::engine::{
    Answer, Ask, Deletions, Dirt, Effect, Engine, Event, GuardRefusal, Hold, Hooked, Input, Mark,
    Memory, Notice, Now, Outcome, PathFailure, Pause, PauseWish, RelPath, Reload, RequestId,
    RootId, RouteMemory, Selector, Stats, SurveyId, SurveyScope, Surveyed, TargetId, TransferId,
    Trouble, Verdict, WatchId, WatchReport, Work,
};
use heliostat::filter::{FilterSpec, Rule};
use heliostat::plan::{
    Attributes, Compare, Compress, Debounce, DeleteBudget, DeletePolicy, Durability, EventSet,
    Hook, Limits, OnError, OnStart, Plan, Rescan, Retry, RouteName, RoutePlan, SourceGuard,
    SourceName, SourcePlan, Sync, Target, TargetName, route_key, source_key,
};
use heliostat::schedule::{Schedule, Window, WindowRule};

/// Midnight of a Monday, UTC.
const EPOCH: &str = "2026-06-01T00:00:00Z";

#[test]
fn scripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/scripts");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        eprintln!("{}", path.display());
        let trace = run(&text);
        count += 1;
        if trace == text {
            continue;
        }
        if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
            fs::write(&path, &trace).unwrap();
        } else {
            wrong.push(format!(
                "{}:\n{}",
                path.display(),
                first_difference(&text, &trace)
            ));
        }
    }
    assert!(
        count >= 10,
        "only {count} scripts found in {}",
        dir.display()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_difference(expected: &str, got: &str) -> String {
    let (expected, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    let at = expected
        .iter()
        .zip(&got)
        .take_while(|(a, b)| a == b)
        .count();
    let around = |lines: &[&str]| lines[at.saturating_sub(3)..(at + 3).min(lines.len())].join("\n");
    format!(
        "line {}: expected\n{}\ngot\n{}",
        at + 1,
        around(&expected),
        around(&got)
    )
}

/// One script's world.
struct World {
    engine: Engine,
    watches: BTreeMap<String, WatchId>,
    surveys: BTreeMap<String, SurveyId>,
    running: BTreeMap<String, TransferId>,
    hooks: BTreeMap<String, TransferId>,
    barriers: Vec<(WatchId, u64)>,
    barriers_wait: bool,
    held: BTreeMap<String, String>,
    requests: u64,
    epoch: jiff::Timestamp,
    wall_shift: i64,
    shown: Vec<String>,
    /// What the next `reload` takes over.
    plan: Plan,
    limits: Limits,
    recalled: Vec<(String, Vec<String>)>,
    pauses: BTreeMap<RouteName, Pause>,
}

fn run(script: &str) -> String {
    played(script).1
}

/// The world after a script, and its trace.
fn played(script: &str) -> (World, String) {
    let mut world = World {
        engine: Engine::default(),
        watches: BTreeMap::new(),
        surveys: BTreeMap::new(),
        running: BTreeMap::new(),
        hooks: BTreeMap::new(),
        barriers: Vec::new(),
        barriers_wait: false,
        held: BTreeMap::new(),
        requests: 0,
        epoch: EPOCH.parse().unwrap(),
        wall_shift: 0,
        shown: Vec::new(),
        plan: Plan::default(),
        limits: Limits::default(),
        recalled: Vec::new(),
        pauses: BTreeMap::new(),
    };
    let mut trace = String::new();
    let mut started = false;
    for line in script.lines() {
        if line.starts_with("  ") {
            continue;
        }
        trace.push_str(line);
        trace.push('\n');
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["limits", options @ ..] => {
                for (key, value) in options.iter().map(|option| option.split_once('=').unwrap()) {
                    match key {
                        "transfers" => world.limits.transfers = value.parse().unwrap(),
                        "perHost" => world.limits.transfers_per_host = value.parse().unwrap(),
                        "bandwidth" => world.limits.bandwidth = Some(value.parse().unwrap()),
                        other => panic!("no such limit: {other}"),
                    }
                }
            }
            ["route", name, options @ ..] => add_route(&mut world.plan, name, options),
            ["drop", name] => {
                let name = route_name(name);
                let source = world.plan.sources.get_mut(&name.source).unwrap();
                source.routes.remove(&name.target).unwrap();
                if source.routes.is_empty() {
                    world.plan.sources.remove(&name.source);
                }
            }
            // A source's keys are as its next `route` line has them.
            ["anew", source] => {
                world.plan.sources.remove(&SourceName((*source).into()));
            }
            ["epoch", at] => world.epoch = at.parse().unwrap(),
            ["barriers", "wait"] => world.barriers_wait = true,
            ["show", what] => world.shown.push((*what).to_owned()),
            ["recall-pause", name, said, until] => {
                let at =
                    |ms: &str| world.epoch + jiff::SignedDuration::from_millis(ms.parse().unwrap());
                let pause = Pause {
                    reason: None,
                    by: "me".into(),
                    since: at(said),
                    said: at(said),
                    until: at(until),
                };
                world.pauses.insert(route_name(name), pause);
            }
            ["recall", name, options @ ..] => {
                let options = options.iter().map(|option| option.to_string());
                world.recalled.push((name.to_string(), options.collect()));
            }
            [at, input @ ..] if at.starts_with('@') => {
                if !started {
                    started = true;
                    let reload = world.reload();
                    let effects = world.engine.step(world.now("@0"), reload);
                    world.note(&effects);
                }
                world.input(at, input, &mut trace);
            }
            other => panic!("cannot read {other:?}"),
        }
    }
    (world, trace)
}

/// What is remembered of the routes of `recall` lines: marks as `PATH=dirt+dirt`, `pass`, `rescan=MS` (wall clock); or
/// `other`: under another plan. Their sources have rows, made on the root that `ready` tells.
fn recall(plan: &Plan, recalled: &[(String, Vec<String>)]) -> Memory {
    let mut memory = Memory::default();
    for (name, options) in recalled {
        let name = route_name(name);
        let source = &plan.sources[&name.source];
        let mut route = RouteMemory {
            key: route_key(source, &source.routes[&name.target]),
            ..RouteMemory::default()
        };
        for option in options {
            match option.split_once('=') {
                Some(("hook", "settled")) => {
                    memory.settled_hooks.insert(name.clone());
                }
                None if option == "pass" => route.pass = Some(Compare::Quick),
                None if option == "other" => route.key = "other".into(),
                Some(("rescan", ms)) => {
                    let epoch: jiff::Timestamp = EPOCH.parse().unwrap();
                    let ms = jiff::SignedDuration::from_millis(ms.parse().unwrap());
                    route.next_rescan = Some(epoch + ms);
                }
                Some((at, kinds)) => route.marks.push(Mark {
                    path: path(at),
                    dirt: dirt(&kinds.split('+').collect::<Vec<_>>()),
                }),
                None => panic!("no such memory: {option}"),
            }
        }
        let of_source = memory.sources.entry(name.source.clone()).or_default();
        of_source.rows = Some(format!("{}-2", source_key(source)));
        memory.routes.insert(name, route);
    }
    memory
}

fn add_route(plan: &mut Plan, name: &str, options: &[&str]) {
    let name = route_name(name);
    let everything = FilterSpec {
        include: vec![Rule {
            pattern: "**".into(),
            origin: None,
        }],
        exclude: Vec::new(),
    };
    let source = plan
        .sources
        .entry(name.source.clone())
        .or_insert_with(|| SourcePlan {
            name: name.source.clone(),
            path: format!("/source/{}", name.source),
            filter: everything.clone(),
            events: EventSet::default(),
            one_file_system: true,
            guard: SourceGuard::default(),
            labels: BTreeMap::new(),
            routes: BTreeMap::new(),
        });
    let mut route = RoutePlan {
        name: name.clone(),
        target: Target::Local {
            path: format!("/target/{}", name.target),
        },
        filter: everything,
        delete: DeletePolicy::Mirror,
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
    };
    let hook = |value: &str| {
        Some(Hook {
            run: vec!["/hook".into()],
            timeout_ms: 1000,
            on_error: match value {
                "warn" => OnError::Warn,
                "fail" => OnError::Fail,
                other => panic!("no such word: {other}"),
            },
        })
    };
    let every = |value: &str| Schedule::Every {
        period_ms: value.parse().unwrap(),
        jitter_ms: 0,
    };
    for (key, value) in options.iter().map(|option| option.split_once('=').unwrap()) {
        match key {
            "onStart" => {
                route.rescan.on_start = match value {
                    "never" => OnStart::Never,
                    "always" => OnStart::Always,
                    other => panic!("no such start: {other}"),
                }
            }
            "rescan" => route.rescan.schedule = Some(every(value)),
            "daily" => {
                let (hour, zone) = value.split_once('@').unwrap();
                route.rescan.schedule = Some(Schedule::Cron {
                    expression: format!("30 {hour} * * *"),
                    time_zone: zone.into(),
                    jitter_ms: 0,
                });
            }
            "path" => source.path = value.into(),
            // Of the source, and so of all of its routes.
            "sourceExclude" => source.filter.exclude = rules(value),
            "exclude" => route.filter.exclude = rules(value),
            "events" => source.events.modify = value == "modify",
            "allowEmpty" => source.guard.allow_empty = value == "true",
            "delete" => {
                route.delete = match value {
                    "never" => DeletePolicy::Never,
                    "propagate" => DeletePolicy::Propagate,
                    other => panic!("no such policy: {other}"),
                }
            }
            "after" => route.hooks.after = hook(value),
            "before" => route.hooks.before = hook(value),
            "maxDelete" => route.max_delete = DeleteBudget::Count(value.parse().unwrap()),
            "to" => route.target = Target::Local { path: value.into() },
            "quiet" => route.debounce.quiet_ms = value.parse().unwrap(),
            "acls" => route.attributes.acls = value == "true",
            "sync" => route.sync = Sync::Scheduled(every(value)),
            "host" => {
                route.target = Target::Daemon {
                    user: None,
                    host: value.into(),
                    port: 873,
                    module: "m".into(),
                    path: String::new(),
                    password: None,
                };
            }
            "deny" => {
                let (from, to) = value.split_once('-').unwrap();
                route.windows.push(Window {
                    rule: WindowRule::Deny,
                    from_min: from.parse().unwrap(),
                    to_min: to.parse().unwrap(),
                    days: [true; 7],
                    time_zone: "UTC".into(),
                });
            }
            other => panic!("no such option: {other}"),
        }
    }
    route.filter.exclude.extend(source.filter.exclude.clone());
    source.routes.insert(name.target, route);
}

/// Excludes of a script: `A,B`.
fn rules(patterns: &str) -> Vec<Rule> {
    let rule = |pattern: &str| Rule {
        pattern: pattern.into(),
        origin: None,
    };
    patterns.split(',').map(rule).collect()
}

fn route_name(text: &str) -> RouteName {
    let (source, target) = text.split_once('/').unwrap();
    RouteName {
        source: SourceName(source.into()),
        target: TargetName(target.into()),
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn dirt(words: &[&str]) -> Dirt {
    words.iter().fold(Dirt::none(), |dirt, word| {
        dirt | match *word {
            "attributes" => Dirt::ATTRIBUTES,
            "content" => Dirt::CONTENT,
            "subtree" => Dirt::SUBTREE,
            "gone" => Dirt::GONE,
            "listing" => Dirt::LISTING,
            other => panic!("no such dirt: {other}"),
        }
    })
}

impl World {
    fn now(&self, at: &str) -> Now {
        let ms: u64 = at.strip_prefix('@').unwrap().parse().unwrap();
        let wall = self.epoch + jiff::SignedDuration::from_millis(ms as i64 + self.wall_shift);
        Now {
            mono: Duration::from_millis(ms),
            wall,
        }
    }

    fn input(&mut self, at: &str, words: &[&str], trace: &mut String) {
        if let ["clock", shift] = words {
            self.wall_shift += shift.parse::<i64>().unwrap();
            return self.input(at, &["tick"], trace);
        }
        if let ["asleep", slept] = words {
            self.wall_shift += slept.parse::<i64>().unwrap();
            return self.input(at, &["tick"], trace);
        }
        let now = self.now(at);
        let input = match words {
            ["paths"] => {
                for route in self.engine.paths(now, &Selector::default()).routes {
                    writeln!(trace, "  {} {}", route.route, route.state.word()).unwrap();
                    for path in route.pending_paths {
                        let (at, dirt, age) = (path.path, path.dirt, path.age_seconds);
                        writeln!(trace, "    {at} {dirt}, {age:.3}s: {}", path.reason).unwrap();
                    }
                }
                return;
            }
            ["status"] => {
                for route in self.engine.status(now).routes {
                    let why = route.why.map(|why| format!(": {why}")).unwrap_or_default();
                    writeln!(
                        trace,
                        "  {} {} pending={}{why}",
                        route.route,
                        route.state.word(),
                        route.pending
                    )
                    .unwrap();
                    assert_eq!(route.failing.len() as u64, route.failing_count);
                    for path in route.failing {
                        let since: jiff::Timestamp = path.since.parse().unwrap();
                        let since = since.duration_since(self.epoch).as_millis();
                        let next = if path.trying {
                            "being tried".to_owned()
                        } else {
                            format!("next in {:.3}s", path.next_try_seconds)
                        };
                        writeln!(
                            trace,
                            "    {}: {}, since @{since}, tries {}, {next}",
                            path.path, path.reason, path.tries
                        )
                        .unwrap();
                    }
                }
                return;
            }
            words => self.read(words),
        };
        let effects = self.engine.step(now, input);
        self.note(&effects);
        for effect in &effects {
            writeln!(trace, "  {}", show(effect, &self.shown)).unwrap();
        }
        // Barriers come back at once unless the script says otherwise.
        let come = !self.barriers_wait || matches!(words, ["barriers"]);
        let barriers = come.then(|| std::mem::take(&mut self.barriers));
        for (watch, id) in barriers.unwrap_or_default() {
            // One that was asked of a watch that is gone does not come.
            if !self.watches.values().any(|stands| *stands == watch) {
                continue;
            }
            let effects = self
                .engine
                .step(now, Input::Watch(watch, Notice::Barrier(id)));
            self.note(&effects);
            for effect in &effects {
                writeln!(trace, "  {}", show(effect, &self.shown)).unwrap();
            }
        }
        if let Some(deadline) = self.engine.deadline() {
            writeln!(trace, "  until @{}", deadline.as_millis()).unwrap();
        }
    }

    fn read(&mut self, words: &[&str]) -> Input {
        let selector = |rest: &[&str]| match rest {
            [] => Selector::default(),
            [name] => {
                let name = route_name(name);
                Selector {
                    source: Some(name.source),
                    target: Some(name.target),
                }
            }
            other => panic!("one route at most: {other:?}"),
        };
        match words {
            ["tick"] | ["barriers"] => Input::Tick,
            ["reload"] => self.reload(),
            ["apply"] => {
                let Input::Reload(reload) = self.reload() else {
                    unreachable!("it is one")
                };
                self.request(Ask::Reload(Box::new(reload)))
            }
            ["drain"] => Input::Drain,
            ["ready", source, root @ ..] => {
                let inode = root.first().map_or(2, |inode| inode.parse().unwrap());
                let report = WatchReport {
                    root: RootId(vec![(1, inode)]),
                    directories: 3,
                    unwatched: 0,
                    doubted: 0,
                    by: Default::default(),
                };
                Input::Watch(self.watches[*source], Notice::Ready(report))
            }
            ["waiting", source] => Input::Watch(
                self.watches[*source],
                Notice::Waiting {
                    reason: "it is not there".into(),
                },
            ),
            ["change", source, at, kinds @ ..] => {
                let marks = match at.split_once("..") {
                    None => vec![Mark {
                        path: path(at),
                        dirt: dirt(kinds),
                    }],
                    Some((stem, count)) => (0..count.parse::<u32>().unwrap())
                        .map(|number| Mark {
                            path: path(&format!("{stem}{number}")),
                            dirt: dirt(kinds),
                        })
                        .collect(),
                };
                Input::Watch(self.watches[*source], Notice::Changed(marks))
            }
            ["done", route, options @ ..] => {
                let mut outcome = Outcome::bare(Verdict::Done);
                for (key, value) in options.iter().map(|option| option.split_once('=').unwrap()) {
                    match key {
                        "failed" => {
                            outcome.failed.push(PathFailure {
                                path: path(value),
                                reason: "permission denied".into(),
                            });
                        }
                        "changed" => outcome.changed.add(&path(value)),
                        "before" => outcome.before = Some(hooked(value)),
                        "files" => outcome.stats.files = value.parse().unwrap(),
                        "again" => outcome.again.push(path(value)),
                        "deleted" => outcome.stats.deleted = value.parse().unwrap(),
                        "created" => outcome.stats.created = value.parse().unwrap(),
                        "entries" => outcome.stats.target_entries = Some(value.parse().unwrap()),
                        "target" => {
                            outcome.target = Some(TargetId {
                                file_system: 1,
                                inode: value.parse().unwrap(),
                            })
                        }
                        "mount" => outcome.mounts = Some(vec![path(value)]),
                        other => panic!("no such option: {other}"),
                    }
                }
                self.finished(route, outcome)
            }
            [verdict @ ("retry" | "permanent"), route, code, deleted @ ..] => {
                let trouble = Trouble {
                    code: "test",
                    message: (*code).into(),
                    soon: *code == "busy",
                };
                let verdict = if *verdict == "retry" {
                    Verdict::Retry(trouble)
                } else {
                    Verdict::Permanent(trouble)
                };
                self.finished(route, having_deleted(Outcome::bare(verdict), deleted))
            }
            ["cancelled", route, deleted @ ..] => {
                let outcome = Outcome::bare(Verdict::Cancelled);
                self.finished(route, having_deleted(outcome, deleted))
            }
            ["hold", route, of, paths @ ..] => {
                let paths: Vec<RelPath> = paths.iter().map(|at| path(at)).collect();
                let plan = Deletions::of(&paths).plan(route, of.parse().unwrap());
                self.finished(
                    route,
                    Outcome::bare(Verdict::Held(Hold::Deletes(Arc::new(plan)))),
                )
            }
            ["guard", route, name] => {
                let guard = [
                    "marker",
                    "mount",
                    "targetMount",
                    "lostMount",
                    "empty",
                    "rootReplaced",
                    "rootMissing",
                ]
                .into_iter()
                .find(|guard| guard == name)
                .unwrap();
                let refusal = GuardRefusal {
                    guard,
                    message: format!("the {guard} guard refused"),
                };
                self.finished(route, Outcome::bare(Verdict::Held(Hold::Guard(refusal))))
            }
            ["hooked", route, how] => {
                let id = self.hooks.remove(*route).unwrap();
                Input::Hooked(id, hooked(how))
            }
            ["disowned", source] => Input::Disowned(SourceName((*source).into())),
            ["late", _] => Input::Finished(TransferId(9999), Outcome::bare(Verdict::Done)),
            ["surveyed", source, "everything"] => self.surveyed(source, Surveyed::Everything),
            ["surveyed", source, "failed"] => {
                self.surveyed(source, Surveyed::Failed("it cannot be read".into()))
            }
            ["surveyed", source, words @ ..] => {
                let (mut marks, mut young) = (Vec::new(), Vec::new());
                for word in words {
                    match word.split_once('=').unwrap() {
                        ("young", at) => young.push(path(at)),
                        (at, kinds) => marks.push(Mark {
                            path: path(at),
                            dirt: dirt(&kinds.split('+').collect::<Vec<_>>()),
                        }),
                    }
                }
                self.surveyed(source, Surveyed::Done { marks, young })
            }
            ["trigger", rest @ ..] => self.request(Ask::Trigger(selector(rest))),
            ["rescan", rest @ ..] => self.request(Ask::Rescan(selector(rest), Compare::Quick)),
            ["wait", rest @ ..] => self.request(Ask::Wait(selector(rest))),
            ["pause", route, ms, cancel @ ..] => {
                let wish = PauseWish {
                    time: Duration::from_millis(ms.parse().unwrap()),
                    reason: Some("work".into()),
                    by: "me".into(),
                    cancel: !cancel.is_empty(),
                };
                let selector = Selector::of(&route_name(route));
                self.request(Ask::Pause(selector, wish))
            }
            ["resume", rest @ ..] => self.request(Ask::Resume(selector(rest), "me".into())),
            ["approve", route] => {
                let id = self.held[*route].clone();
                self.request(Ask::Approve(route_name(route), id))
            }
            ["approve", route, id] => self.request(Ask::Approve(route_name(route), (*id).into())),
            other => panic!("no such input: {other:?}"),
        }
    }

    fn reload(&self) -> Input {
        Input::Reload(Reload {
            plan: self.plan.clone(),
            generation: 1,
            host: "h".into(),
            limits: self.limits,
            memory: Memory {
                pauses: self.pauses.clone(),
                ..recall(&self.plan, &self.recalled)
            },
            watched: true,
        })
    }

    fn request(&mut self, ask: Ask) -> Input {
        self.requests += 1;
        Input::Ask(RequestId(self.requests), ask)
    }

    fn finished(&mut self, route: &str, outcome: Outcome) -> Input {
        let id = self
            .running
            .remove(route)
            .unwrap_or_else(|| panic!("nothing runs for {route}"));
        Input::Finished(id, outcome)
    }

    fn surveyed(&mut self, source: &str, found: Surveyed) -> Input {
        // One that was not asked for is a late one.
        let id = self.surveys.remove(source).unwrap_or(SurveyId(9999));
        Input::Surveyed(id, found)
    }

    fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Survey(survey) => {
                    self.surveys
                        .insert(survey.source.name.to_string(), survey.id);
                }
                Effect::Watch(watch, source) => {
                    self.watches.insert(source.name.to_string(), *watch);
                }
                Effect::Barrier(watch, id) => self.barriers.push((*watch, *id)),
                Effect::Start(job) => {
                    // Also after a reload: a transfer of the earlier plan runs until it is said to have ended.
                    let before = self.running.insert(job.route.name.to_string(), job.id);
                    assert!(
                        !self.hooks.contains_key(&job.route.name.to_string()),
                        "a transfer beside a hook"
                    );
                    assert!(
                        before.is_none(),
                        "two transfers at once for {}",
                        job.route.name
                    );
                }
                Effect::Hook(job) => {
                    let route = job.route.name.to_string();
                    assert!(
                        !self.running.contains_key(&route),
                        "a hook beside a transfer"
                    );
                    let before = self.hooks.insert(route, job.id);
                    assert!(before.is_none(), "two hooks at once for {}", job.route.name);
                }
                Effect::Tell(Event::Held { route, id, .. }) => {
                    self.held.insert(route.to_string(), id.clone());
                }
                _ => {}
            }
        }
    }
}

/// `ok`, or why a hook failed.
fn hooked(how: &str) -> Hooked {
    Hooked {
        took: Duration::from_millis(7),
        failure: (how != "ok").then(|| how.to_owned()),
    }
}

/// `deleted=N`: what a transfer that failed had deleted by then.
fn having_deleted(mut outcome: Outcome, options: &[&str]) -> Outcome {
    for option in options {
        match option.split_once('=').unwrap() {
            ("deleted", count) => outcome.stats.deleted = count.parse().unwrap(),
            ("changed", at) => outcome.changed.add(&path(at)),
            ("before", how) => outcome.before = Some(hooked(how)),
            other => panic!("no such option: {other:?}"),
        }
    }
    outcome
}

fn show(effect: &Effect, shown: &[String]) -> String {
    match effect {
        Effect::Watch(_, source) => format!("watch {}", source.name),
        Effect::Unwatch(_) => "unwatch".into(),
        Effect::Barrier(..) => "barrier".into(),
        Effect::Start(job) => {
            let work = match &job.work {
                Work::Pass(compare) => format!("pass {compare:?}").to_lowercase(),
                Work::Batch(marks) if marks.len() > 4 => format!("{} marks", marks.len()),
                Work::Batch(marks) => {
                    let marks: Vec<_> = marks
                        .iter()
                        .map(|mark| format!("{} {}", mark.path, mark.dirt))
                        .collect();
                    marks.join(", ")
                }
            };
            let mut line = format!("start {}: {work}", job.route.name);
            let own = job.source.routes.get(&job.route.name.target);
            if own.is_some_and(|own| own.delete != job.route.delete) {
                line.push_str(", deleting nothing");
            }
            if job.owes {
                line.push_str(", owes");
            }
            if job.deletes.spent > 0 {
                write!(line, ", {} deletions spent", job.deletes.spent).unwrap();
            }
            if let Some(plan) = &job.deletes.approved {
                write!(line, ", approved {} deletions", plan.count).unwrap();
            }
            if shown.iter().any(|what| what == "sweep") && job.sweep {
                line.push_str(", sweep");
            }
            if let Some(rate) = job
                .bandwidth
                .filter(|_| shown.iter().any(|what| what == "bandwidth"))
            {
                write!(line, ", {rate} B/s").unwrap();
            }
            if !job.mounts.is_empty() {
                write!(line, ", mounts {:?}", job.mounts).unwrap();
            }
            line
        }
        Effect::Cancel(_) => "cancel".into(),
        Effect::Settle(route) => format!("settle {route}"),
        Effect::Hook(job) => {
            let paths: Vec<String> = job.changed.paths().map(ToString::to_string).collect();
            format!(
                "hook {} {}: {} {}, {} files, {}: {}, try {}",
                job.route.name,
                job.when.word(),
                job.trigger,
                job.outcome,
                job.stats.files,
                job.changed.known().word(),
                paths.join(" "),
                job.tries + 1
            )
        }
        Effect::Answer(id, answer) => {
            let answer = match answer {
                Answer::Status(_) => "status".into(),
                other => format!("{other:?}"),
            };
            format!("answer {}: {answer}", id.0)
        }
        Effect::KeepPauses { pauses, answer } => {
            let kept: Vec<String> = pauses
                .iter()
                .map(|(route, pause)| {
                    let epoch: jiff::Timestamp = EPOCH.parse().unwrap();
                    format!(
                        " {route} until {}",
                        pause.until.duration_since(epoch).as_millis()
                    )
                })
                .collect();
            let answer = answer.as_ref().map_or(String::new(), |(id, answer)| {
                format!(", then answer {}: {answer:?}", id.0)
            });
            format!("keep pauses:{}{answer}", kept.join(","))
        }
        Effect::Remember(source, mounts) => format!("remember {source}: mounts {mounts:?}"),
        Effect::Survey(survey) => {
            let places = match &survey.scope {
                SurveyScope::Everything => "everything".to_owned(),
                SurveyScope::Places {
                    directories,
                    subtrees,
                } => format!("{directories:?} and below {subtrees:?}"),
            };
            let compare = if survey.compare { ", compare" } else { "" };
            format!("survey {}: {places}{compare}", survey.source.name)
        }
        Effect::Disown(source) => format!("disown {source}"),
        Effect::DisownRoute(route) => format!("disown {route}"),
        Effect::Rescope(_, source) => format!("rescope {}", source.name),
        Effect::ForgetSurvey(_) => "forget survey".into(),
        Effect::Commit(commit) => {
            let mut line = format!("commit {}", commit.source);
            if commit.whole {
                line.push_str(", all rows");
            }
            for (route, memory) in &commit.routes {
                write!(line, "; {route} {:?}", memory.marks).unwrap();
                if let Some(pass) = memory.pass {
                    write!(line, " owes pass {pass:?}").unwrap();
                }
            }
            line
        }
        Effect::Tell(event) => match event {
            Event::Paused(route, _) => format!("told: {route} paused"),
            Event::Resumed(route, by) => format!("told: {route} resumed: {by:?}"),
            Event::Replaced(route) => format!("told: {route} replaced"),
            Event::Parked(route) => format!("told: {route} parked"),
            Event::Unparked(route, differ) => format!("told: {route} unparked: {differ:?}"),
            Event::Surveyed(source, differ) => format!("told: {source} surveyed: {differ:?}"),
            Event::SurveyFailed(source, reason) => {
                format!("told: {source} not surveyed: {reason}")
            }
            Event::Ready(source, _) => format!("told: {source} is watched"),
            Event::Waiting(source, reason) => format!("told: {source} waits: {reason}"),
            Event::Lost(source, reason) => format!("told: {source} lost: {reason}"),
            Event::Sent(sent) => {
                let Stats { deleted, .. } = sent.stats;
                let lag = sent.lag.as_millis();
                format!(
                    "told: {} sent ({}), deleted {deleted}, failed {}, lag {lag} ms",
                    sent.route, sent.trigger, sent.failed
                )
            }
            Event::Failed {
                route,
                trouble,
                tries,
                wait,
                ..
            } => {
                format!(
                    "told: {route} failed ({}), try {tries}, again in {} ms",
                    trouble.message,
                    wait.as_millis()
                )
            }
            Event::Cancelled {
                route,
                trigger,
                stats,
                why,
                ..
            } => {
                let deleted = stats.deleted;
                format!("told: {route} cancelled ({trigger}), deleted {deleted}: {why}")
            }
            Event::PathsFailing {
                route,
                count,
                first,
            } => {
                format!(
                    "told: {route} has {count} failing: {}: {}",
                    first.0, first.1
                )
            }
            Event::Held { route, hold, .. } => match hold {
                Hold::Deletes(plan) => format!("told: {route} held: {} of {}", plan.count, plan.of),
                Hold::Guard(refusal) => format!("told: {route} held: {}", refusal.message),
            },
            Event::Released(route) => format!("told: {route} released"),
            Event::Recovered(route) => format!("told: {route} recovered"),
            Event::Hooked {
                route,
                when,
                hooked,
                wait,
                ..
            } => {
                let how = hooked.failure.as_deref().unwrap_or("done");
                let again = wait.map(|wait| format!(", again in {} ms", wait.as_millis()));
                let again = again.unwrap_or_default();
                format!("told: {route} {} hook {how}{again}", when.word())
            }
            Event::Note(route, note) => format!("told: {route} note: {}: {}", note.path, note.text),
        },
        Effect::Drained => "drained".into(),
    }
}
