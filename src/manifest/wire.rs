//! The manifest as it is written: what the schema is generated from, and what `init` and `render` write.
//!
//! These types hold texts where the manifest's own types hold checked values, and they know nothing of places. They and
//! the loader describe one language twice, which is safe only because a test holds both to the same files. Their
//! documentation is what editors show: it is written for users.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::wire_durations::within;
use super::wire_rules;
use super::wire_values::*;
use super::{
    API_VERSION, Attribute, Compare, Compress, DeletePolicy, Durability, OnError, OnStart, Warm,
};
use super::{hooks, timing};

/// A heliostat manifest: directories, and the targets that each is kept reflected on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "heliostat manifest")]
pub struct Manifest {
    /// How the rest is to be read.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: String,
    /// What the document is.
    #[schemars(extend("const" = "Manifest"))]
    pub kind: String,
    /// Describes the manifest; its labels serve selection, metrics and `${labels.X}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"name": "web-fleet", "labels": {"team": "web"}}]))]
    pub metadata: Option<Metadata>,
    /// Holds under every source and target of this manifest. What is explicit wins; lists replace, `exclude` appends. What does not fit a target's scheme is not given to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"target": {"delete": "mirror", "maxDelete": "10%"}}]))]
    pub defaults: Option<Defaults>,
    /// Directories, by name. The name is the identity in status, metrics, history and reload.
    #[schemars(extend("examples" = [{"website": {"path": "/data/website", "targets": {"web98": {"url": "rsync://website@172.16.6.98/website"}}}}], "minProperties" = 1, "propertyNames" = {"pattern": NAME}))]
    pub sources: BTreeMap<String, Source>,
}

/// Describes a manifest.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Metadata {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["web-fleet"]))]
    pub name: Option<Text>,
    /// For selection, metrics and `${labels.X}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("propertyNames" = {"pattern": LABEL_KEY}, "examples" = [{"team": "web"}]))]
    pub labels: Option<BTreeMap<String, LabelText>>,
    /// Lints that warn and are meant here, each with the reason. `heliostat explain lints` lists them. What is an error cannot be allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"enum": super::allowable()}, "examples" = [{"modify-without-close-write": "the log is never closed"}]))]
    pub allow: Option<BTreeMap<String, Text>>,
}

/// Holds under every source and target.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Defaults {
    /// Under every source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"exclude": ["*.swp", "*~"]}], "minProperties" = 1))]
    pub source: Option<SourceOptions>,
    /// Under every target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"delete": "mirror", "maxDelete": "10%"}], "minProperties" = 1))]
    pub target: Option<TargetOptions>,
}

/// A directory whose contents are kept reflected on targets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// The directory; its contents are synced. `${source}`, `${host}` and `${labels.X}` are substituted.
    #[schemars(extend("examples" = ["/data/website"]))]
    pub path: AbsolutePath,
    /// What `defaults.source` may say, too.
    #[serde(flatten)]
    pub options: SourceOptions,
    /// Where to, by name.
    #[schemars(extend("examples" = [{"web98": {"url": "rsync://website@172.16.6.98/website"}}], "minProperties" = 1, "propertyNames" = {"pattern": NAME}))]
    pub targets: BTreeMap<String, Target>,
}

/// What a source and `defaults.source` may say alike.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceOptions {
    /// Which hosts run it; left out: every host that loads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("uniqueItems" = true, "examples" = [["web-origin-1"]]))]
    pub hosts: Option<Vec<Host>>,
    /// Whether nothing is done for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub suspend: Option<bool>,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["**"], ["/htdocs/", "*.php"]], "uniqueItems" = true, "default" = ["**"]))]
    pub include: Option<Vec<Glob>>,
    /// What does not belong to it; always wins. An excluded directory is neither watched nor entered, and protected on the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("uniqueItems" = true, "examples" = [["/cache/", "*.tmp"]]))]
    pub exclude: Option<Vec<Glob>>,
    /// What triggers. Not a filter of contents: a rescan finds everything. inotifywait's spelling is taken, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["create", "closeWrite", "attrib", "move", "delete"]], "uniqueItems" = true, "default" = ["create", "closeWrite", "attrib", "move", "delete"]))]
    pub events: Option<Vec<Event>>,
    /// How changes are gathered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"quiet": "30s", "maxWait": "5m"}]))]
    pub debounce: Option<Debounce>,
    /// Whether mounts below the directory are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub one_file_system: Option<bool>,
    /// What must hold before anything is sent from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"marker": ".heliostat-source"}]))]
    pub guard: Option<SourceGuard>,
    /// Full passes that compare with the targets themselves; left out: nightly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"every": "12h"}]))]
    pub rescan: Option<Rescan>,
}

/// Where a source is reflected.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("allOf" = wire_rules::schemes(), "not" = wire_rules::one_password()))]
pub struct Target {
    /// A daemon's module, a directory over ssh, or a local directory. Nothing is decoded; IPv6 addresses are put in brackets; `${source}`, `${target}`, `${host}` and `${labels.X}` are substituted. Never with a password.
    #[schemars(extend("pattern" = URL, "not" = {"pattern": NOT_URL}, "examples" = [
        "rsync://website@172.16.6.98:873/website/htdocs",
        "ssh://mirror@dr.example.com:22/srv/mirror",
        "file:///mnt/nas/website",
    ]))]
    pub url: String,
    /// What `defaults.target` may say, too.
    #[serde(flatten)]
    pub options: TargetOptions,
}

/// What a target and `defaults.target` may say alike.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("not" = wire_rules::one_password()))]
pub struct TargetOptions {
    /// A file with the daemon's password, readable by nobody else. `rsync://` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/heliostat/secrets/website"]))]
    pub password_file: Option<AbsolutePath>,
    /// A systemd credential with the daemon's password. `rsync://` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9._@:-]+$"))]
    #[schemars(extend("examples" = ["website"]))]
    pub password_credential: Option<String>,
    /// A variable of the service's environment with the daemon's password. `rsync://` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    #[schemars(extend("examples" = ["WEBSITE_PASSWORD"]))]
    pub password_env: Option<String>,
    /// How ssh is called. `ssh://` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"identityFile": "/etc/heliostat/ssh/dr", "knownHostsFile": "/etc/heliostat/ssh/known_hosts"}]))]
    pub ssh: Option<Ssh>,
    /// What may be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "never"))]
    pub delete: Option<DeletePolicy>,
    /// How many entries a pass may delete, as a count or a share of what the target has: above it, the route is held before anything is deleted. Left out: half of it, and never less than 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10%", 500]))]
    pub max_delete: Option<MaxDelete>,
    /// When changes are sent: as they come, or gathered and sent by a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["live", {"schedule": "0 2 * * *"}, {"every": "6h"}], "default" = "live"))]
    pub sync: Option<Sync>,
    /// When transfers may start. `deny` wins over `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    #[schemars(extend("examples" = [[{"deny": "08:00-18:00", "days": ["mon", "tue", "wed", "thu", "fri"], "timeZone": "Europe/Berlin"}]]))]
    pub windows: Option<Vec<Window>>,
    /// Narrows the source's set for this target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["/cache/", "*.tmp"]], "uniqueItems" = true))]
    pub exclude: Option<Vec<Glob>>,
    /// How changes are gathered; overrides the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"quiet": "30s", "maxWait": "5m"}]))]
    pub debounce: Option<Debounce>,
    /// Full passes; overrides the source's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"every": "12h"}]))]
    pub rescan: Option<Rescan>,
    /// At most so many bytes a second in each transfer of the route. It takes the place of the agent's `limits.bandwidth`, which is for every transfer whose route has none, and may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["40MiB/s"]))]
    pub bandwidth: Option<Rate>,
    /// On the wire. Not with `file://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "none"))]
    pub compress: Option<Compress>,
    /// Whether, after a transfer, a session with the daemon or host is begun ahead: the next small change is then there in half the time or less. It holds one of the far side's connections for up to a minute. Not with `file://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "auto"))]
    pub warm: Option<Warm>,
    /// What of a transfer is on the target's disk before it counts: what a power cut cannot take back. Waiting for the disk costs milliseconds a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "none"))]
    pub durability: Option<Durability>,
    /// What of the metadata is kept; `archive` is links, perms, times, owner and group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["archive", "acls", "xattrs", "hardLinks"]], "uniqueItems" = true, "default" = ["archive"]))]
    pub attributes: Option<Vec<Attribute>>,
    /// Without progress for so long, a transfer is ended; from `1s` to `1d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::TIMEOUT), "examples" = ["60s", "2m"], "default" = "60s"))]
    pub timeout: Option<Duration>,
    /// The time between tries; it doubles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"initial": "2s", "max": "10m"}]))]
    pub retry: Option<Retry>,
    /// Further rsync options, from a closed list. Not with `file://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["--fsync", "--chmod=D755,F644"]], "uniqueItems" = true))]
    pub rsync_args: Option<Vec<RsyncArg>>,
    /// What must hold of the target. `file://` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"requireMount": true}]))]
    pub guard: Option<TargetGuard>,
    /// Programs that are run around transfers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"after": {"run": ["/usr/local/bin/purge-cdn", "website"], "timeout": "30s", "onError": "warn"}}]))]
    pub hooks: Option<Hooks>,
}

/// What must hold of a source before anything is sent from it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct SourceGuard {
    /// A path below the directory that must exist, or the routes are held: an unmounted disk has it not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[^/]"), extend("not" = {"pattern": "(^|/)\\.\\.(/|$)"}, "examples" = [".heliostat-source"]))]
    pub marker: Option<String>,
    /// Whether a source that was not empty and now is may empty its targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub allow_empty: Option<bool>,
    /// Whether the directory must be on a mounted file system other than `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub require_mount: Option<bool>,
}

/// What must hold of a local target.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct TargetGuard {
    /// Whether the directory must be on a mounted file system other than `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub require_mount: Option<bool>,
}

/// How ssh is called.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Ssh {
    /// A private key, for the jump hosts too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/heliostat/ssh/dr"]))]
    pub identity_file: Option<AbsolutePath>,
    /// The host keys that are trusted, the jump hosts' among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/heliostat/ssh/known_hosts"]))]
    pub known_hosts_file: Option<AbsolutePath>,
    /// A jump host, `user@host:port`; several with commas, each reached by way of those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = JUMP, "examples" = ["me@bastion:22"]))]
    pub jump: Option<String>,
}

/// How changes are gathered: a batch leaves when nothing came for `quiet`, or `maxWait` after its first change. Towards a far target, `quiet` grows with what changed in the last second (0.1 ms each), up to a quarter of `maxWait`: a burst leaves in few runs of rsync.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Debounce {
    /// At most `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::QUIET), "examples" = ["5ms", "30s"], "default" = "5ms"))]
    pub quiet: Option<Duration>,
    /// Not shorter than `quiet`, at most `1d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::MAX_WAIT), "examples" = ["1s", "5m"], "default" = "1s"))]
    pub max_wait: Option<Duration>,
}

/// The time between tries: it doubles, with jitter, and never ends.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Retry {
    /// From `100ms` to `1d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::RETRY), "examples" = ["1s"], "default" = "1s"))]
    pub initial: Option<Duration>,
    /// From `100ms` to `1d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::RETRY), "examples" = ["1m"], "default" = "1m"))]
    pub max: Option<Duration>,
}

/// Programs of this host that are run around the transfers of a route, never two at a time. `docs/hooks.md` has what they are told.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Hooks {
    /// Run before anything is written to the target, where there is something to write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"run": ["/usr/local/bin/snapshot", "web98"], "timeout": "5m", "onError": "fail"}]))]
    pub before: Option<Hook>,
    /// Run when a transfer has changed something on the target, and whenever `before` was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [{"run": ["/usr/local/bin/purge-cdn", "website"], "timeout": "30s", "onError": "warn"}]))]
    pub after: Option<Hook>,
}

/// A program with its arguments; no shell comes near it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// The program's absolute path and its arguments, in which `${source}`, `${target}`, `${host}` and `${labels.X}` are replaced.
    #[schemars(length(min = 1, max = 100), extend("examples" = [["/usr/local/bin/purge-cdn", "website"]]))]
    pub run: Vec<Text>,
    /// From `1s` to `1h`. One that lasts longer is ended with everything that it has started, and has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&hooks::TIMEOUT), "examples" = ["30s", "5m"], "default" = "30s"))]
    pub timeout: Option<Duration>,
    /// What its failure means. By default `fail` for `before` and `warn` for `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
}

/// When full passes are made: `never`, or by a schedule.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("examples" = [{"every": "12h"}, {"schedule": "17 3 * * *", "timeZone": "Europe/Berlin", "jitter": "20m"}, "never"]))]
pub enum Rescan {
    /// No periodic passes: drift on the target is not repaired.
    Never(Never),
    /// By a schedule.
    Times(RescanTimes),
}

/// When full passes are made, and how.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "not" = {"anyOf": [{"required": ["schedule", "every"]}, {"required": ["timeZone", "every"]}]}))]
pub struct RescanTimes {
    /// crontab(5): minute, hour, day of month, month, day of week. Left out: nightly at 03:17, with a jitter of 20m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["17 3 * * *"], "default" = super::defaults::RESCAN_SCHEDULE))]
    pub schedule: Option<Cron>,
    /// A fixed period, instead of `schedule`: from `1s` to `366d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::PERIOD), "examples" = ["12h"]))]
    pub every: Option<Duration>,
    /// An IANA name, for `schedule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["Europe/Berlin"], "default" = super::defaults::TIME_ZONE))]
    pub time_zone: Option<TimeZone>,
    /// Spread over this time, at most `1d`, by a stable hash of host and route.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::JITTER), "examples" = ["20m"]))]
    pub jitter: Option<Duration>,
    /// By size and time, or by content.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "quick"))]
    pub compare: Option<Compare>,
    /// Whether a pass is made at start: where it cannot be known that nothing changed, always, or never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "auto"))]
    pub on_start: Option<OnStart>,
}

/// When changes are sent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Sync {
    /// As they come.
    Live(Live),
    /// Gathered now, sent by a schedule.
    Times(SyncTimes),
}

/// When gathered changes are sent: `schedule` or `every`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "anyOf" = [{"required": ["schedule"]}, {"required": ["every"]}],
    "not" = {"anyOf": [{"required": ["schedule", "every"]}, {"required": ["timeZone", "every"]}]},
))]
pub struct SyncTimes {
    /// crontab(5): minute, hour, day of month, month, day of week.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["17 3 * * *"]))]
    pub schedule: Option<Cron>,
    /// A fixed period: from `1s` to `366d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::PERIOD), "examples" = ["12h"]))]
    pub every: Option<Duration>,
    /// An IANA name, for `schedule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["Europe/Berlin"], "default" = super::defaults::TIME_ZONE))]
    pub time_zone: Option<TimeZone>,
    /// Spread over this time, at most `1d`, by a stable hash of host and route.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = within(&timing::JITTER), "examples" = ["20m"]))]
    pub jitter: Option<Duration>,
}

/// A part of the day in which transfers may start (`allow`) or not (`deny`).
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["allow"]}, {"required": ["deny"]}]))]
pub struct Window {
    /// Transfers start only in such a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["22:00-05:00"]))]
    pub allow: Option<Times>,
    /// No transfer starts in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["08:00-18:00"]))]
    pub deny: Option<Times>,
    /// The days on which it begins; left out: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("examples" = [["sat", "sun"]], "uniqueItems" = true))]
    pub days: Option<Vec<Day>>,
    /// An IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["Europe/Berlin"], "default" = super::defaults::TIME_ZONE))]
    pub time_zone: Option<TimeZone>,
}
