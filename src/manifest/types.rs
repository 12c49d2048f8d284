//! What was written: manifests and the agent file as typed values with their places.
//!
//! Values are checked one by one (units, names, enums, urls) and `defaults` are merged in. What needs more than one
//! value at a time across sources, the host's facts, globs or schedules is the plan compiler's work.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::url::Url;
use crate::diagnostic::Place;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub at: Place,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub fn new(value: T, at: Place) -> Spanned<T> {
        Spanned { value, at }
    }
}

/// One document of `kind: Manifest`, with `defaults` merged into its sources and targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The whole document.
    pub at: Place,
    /// `metadata.name`.
    pub name: Option<Spanned<String>>,
    /// `metadata.labels`, for `${labels.X}` and metrics.
    pub labels: BTreeMap<String, Spanned<String>>,
    /// Lints that warn and are meant here, with their reasons.
    pub allow: BTreeMap<String, Spanned<String>>,
    /// In the order in which they were written; names are unique within the document.
    pub sources: Vec<Source>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its key: a DNS label. Its place is where to point for "this source".
    pub name: Spanned<String>,
    /// Absolute as written; may hold `${…}`, and `.`, double or trailing slashes, but no `..`. Empty where it was wrong,
    /// which is reported.
    pub path: Spanned<String>,
    /// What else it says, with `defaults.source` merged in.
    pub options: SourceOptions,
    /// In the order in which they were written; names are unique within the source, and there is at least one.
    pub targets: Vec<Target>,
}

/// What a source and `defaults.source` may say alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// Which hosts run it; `None`: every host that loads it.
    pub hosts: Option<Vec<Spanned<String>>>,
    /// Whether nothing is done for it; default false.
    pub suspend: Option<Spanned<bool>>,
    /// Globs, unchecked; `None`: `**`.
    pub include: Option<Vec<Spanned<String>>>,
    /// Globs, unchecked; those of `defaults.source` first.
    pub exclude: Vec<Spanned<String>>,
    /// What triggers; `None`: create, closeWrite, attrib, move, delete.
    pub events: Option<Spanned<Vec<Spanned<EventName>>>>,
    /// How changes are gathered, where a target does not say otherwise.
    pub debounce: Debounce,
    /// Whether mounts below the root are left out; default true.
    pub one_file_system: Option<Spanned<bool>>,
    /// What must hold of the source.
    pub guard: SourceGuard,
    /// Full passes, where a target does not say otherwise.
    pub rescan: Rescan,
}

/// One target of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its key: a DNS label.
    pub name: Spanned<String>,
    /// Where to, in parts; [`Url::is_unknown`] where it was wrong, which is reported. Parts may hold `${…}`: substitute in [`Url::text`] and parse that again.
    pub url: Spanned<Url>,
    /// What else it says, with what fits its scheme of `defaults.target` merged in.
    pub options: TargetOptions,
}

/// What a target and `defaults.target` may say alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetOptions {
    /// Where the password comes from; `rsync://` only.
    pub password: Option<Spanned<Secret>>,
    /// `ssh://` only.
    pub ssh: Ssh,
    /// What may be deleted; default never.
    pub delete: Option<Spanned<DeletePolicy>>,
    /// How much of it in one pass.
    pub max_delete: Option<Spanned<MaxDelete>>,
    /// When changes are sent; `None`: live.
    pub sync: Option<Spanned<Sync>>,
    /// When transfers may start.
    pub windows: Vec<Spanned<Window>>,
    /// Globs, unchecked, that narrow the source's set; those of `defaults.target` first.
    pub exclude: Vec<Spanned<String>>,
    /// Overrides the source's, key by key ([`Debounce::over`]).
    pub debounce: Debounce,
    /// Overrides the source's, key by key ([`Rescan::over`]).
    pub rescan: Rescan,
    /// Bytes a second, at least 1024.
    pub bandwidth: Option<Spanned<u64>>,
    /// On the wire; default none. Not with `file://`.
    pub compress: Option<Spanned<Compress>>,
    /// Sessions that are begun ahead; default auto. Not with `file://`.
    pub warm: Option<Spanned<Warm>>,
    /// What of a transfer is on the disk before it counts; default none.
    pub durability: Option<Spanned<Durability>>,
    /// What of the metadata is kept; `None`: archive.
    pub attributes: Option<Spanned<Vec<Spanned<Attribute>>>>,
    /// Milliseconds without progress; at least one second.
    pub timeout_ms: Option<Spanned<u64>>,
    /// Time between tries.
    pub retry: Retry,
    /// Each one argument, checked against the closed list and in the form `--name` or `--name=value`. Not with `file://`.
    pub rsync_args: Vec<Spanned<String>>,
    /// `guard.requireMount`; `file://` only.
    pub require_mount: Option<Spanned<bool>>,
    /// What is run around transfers.
    pub hooks: super::Hooks,
}

/// An event's name as triggers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EventName {
    /// A file, link or special file came into being.
    Create,
    /// A file open for writing was closed.
    CloseWrite,
    /// Mode, owner, times or xattrs changed.
    Attrib,
    /// Both halves of a rename.
    Move,
    /// Something was renamed away.
    MovedFrom,
    /// Something was renamed to here.
    MovedTo,
    /// Something was removed.
    Delete,
    /// A file's content changed while it is still open: without `closeWrite`, sends half-written files.
    Modify,
}

/// How changes are gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debounce {
    /// Milliseconds.
    pub quiet_ms: Option<Spanned<u64>>,
    /// Milliseconds.
    pub max_wait_ms: Option<Spanned<u64>>,
}

impl Debounce {
    /// This one, and what it leaves open from `base`.
    #[must_use]
    pub fn over(&self, base: &Debounce) -> Debounce {
        Debounce {
            quiet_ms: self.quiet_ms.clone().or_else(|| base.quiet_ms.clone()),
            max_wait_ms: self
                .max_wait_ms
                .clone()
                .or_else(|| base.max_wait_ms.clone()),
        }
    }
}

/// What must hold of a source before anything is sent from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceGuard {
    /// A path below the root, relative, without `..`.
    pub marker: Option<Spanned<String>>,
    /// Default false.
    pub allow_empty: Option<Spanned<bool>>,
    /// Default false.
    pub require_mount: Option<Spanned<bool>>,
}

/// Full passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescan {
    /// `schedule`, `every`, or never.
    pub when: Option<Spanned<RescanWhen>>,
    /// IANA name, unchecked; for `schedule`.
    pub time_zone: Option<Spanned<String>>,
    /// Spread, in milliseconds.
    pub jitter_ms: Option<Spanned<u64>>,
    /// Default quick.
    pub compare: Option<Spanned<Compare>>,
    /// Default auto.
    pub on_start: Option<Spanned<OnStart>>,
}

impl Rescan {
    /// This one, and what it leaves open from `base`. `schedule` and `every` are one key in this; a base's jitter and
    /// time zone are for the base's own times, except that a `schedule` inherits the time zone.
    #[must_use]
    pub fn over(&self, base: &Rescan) -> Rescan {
        let own_times = self.when.is_some();
        Rescan {
            when: self.when.clone().or_else(|| base.when.clone()),
            time_zone: self.time_zone.clone().or_else(|| base.time_zone.clone()),
            jitter_ms: self.jitter_ms.clone().or_else(|| {
                if own_times {
                    None
                } else {
                    base.jitter_ms.clone()
                }
            }),
            compare: self.compare.clone().or_else(|| base.compare.clone()),
            on_start: self.on_start.clone().or_else(|| base.on_start.clone()),
        }
    }
}

/// When full passes are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RescanWhen {
    /// `rescan: never`.
    Never,
    /// crontab(5), unchecked.
    Schedule(String),
    /// Milliseconds.
    Every(u64),
}

/// When changes are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// As they come.
    Live,
    /// Gathered, and sent by crontab(5), unchecked.
    Schedule {
        /// The five fields.
        expression: Spanned<String>,
        /// IANA name, unchecked.
        time_zone: Option<Spanned<String>>,
        /// Spread, in milliseconds.
        jitter_ms: Option<Spanned<u64>>,
    },
    /// Gathered, and sent periodically.
    Every {
        /// Milliseconds.
        period_ms: Spanned<u64>,
        /// Spread, in milliseconds.
        jitter_ms: Option<Spanned<u64>>,
    },
}

/// A part of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whether transfers may start in it (allow) or not (deny).
    pub allow: bool,
    /// Minutes from midnight, `0..1440`.
    pub from_min: u16,
    /// Minutes from midnight, `1..=1440`, exclusive; not after `from_min`: it ends on the next day.
    pub to_min: u16,
    /// The days on which it begins, Monday first; all where none were named.
    pub days: [bool; 7],
    /// IANA name, unchecked.
    pub time_zone: Option<Spanned<String>>,
}

/// Where a secret is found; never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// `passwordFile`: absolute.
    File(String),
    /// `passwordCredential`: a systemd credential's name.
    Credential(String),
    /// `passwordEnv`: a variable's name.
    Env(String),
}

/// How ssh is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssh {
    /// Absolute.
    pub identity_file: Option<Spanned<String>>,
    /// Absolute.
    pub known_hosts_file: Option<Spanned<String>>,
    /// `[user@]host[:port]`, several with commas, as ssh's `-J` takes it.
    pub jump: Option<Spanned<String>>,
}

/// What may leave a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeletePolicy {
    /// Nothing.
    Never,
    /// What was seen to vanish from the source.
    Propagate,
    /// Whatever the source has not.
    Mirror,
}

/// How many deletions a pass may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxDelete {
    /// So many entries.
    Count(u64),
    /// In hundredths of a per cent, `0..=10_000`.
    Share(u32),
}

/// How a full pass compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// Size and time.
    Quick,
    /// Content.
    Checksum,
}

/// Whether a full pass is made at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnStart {
    /// Where it cannot be known that nothing changed.
    Auto,
    /// In any case.
    Always,
    /// Never.
    Never,
}

/// Whether a session with the far side is begun ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Warm {
    /// After each transfer one, for a minute at most, unless the far side is short of connections.
    Auto,
    /// Never.
    Off,
}

/// What watches the sources of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mechanism {
    /// What fits the file system and the number of directories.
    #[default]
    Auto,
    /// The kernel's inotify: a watch a directory.
    Inotify,
    /// The kernel's fanotify: a mark on the whole file system.
    Fanotify,
    /// The crate notify: inotify by path.
    Notify,
    /// Nothing: everything is looked at again and again.
    Polling,
}

/// What of a transfer is on the target's disk before it counts: what a power cut cannot take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// Nothing is waited for: the file system writes when it does. After a restart of the machine a local target is compared.
    None,
    /// Each file's content, before the file takes its name: a power cut leaves no empty or half-written files.
    File,
    /// Everything, names and deletions too, before the transfer counts as done. `file://` only.
    Full,
}

/// Compression on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compress {
    /// None.
    None,
    /// What both ends like best.
    Auto,
    /// zstd.
    Zstd,
    /// lz4.
    Lz4,
    /// zlib.
    Zlib,
}

/// A part of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// Symlinks, modes, times, owner, group.
    Archive,
    /// POSIX ACLs.
    Acls,
    /// Extended attributes.
    Xattrs,
    /// Which names are one file.
    HardLinks,
    /// Device nodes, fifos and sockets.
    Devices,
    /// Owners by number.
    NumericIds,
}

/// Time between tries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// Milliseconds.
    pub initial_ms: Option<Spanned<u64>>,
    /// Milliseconds.
    pub max_ms: Option<Spanned<u64>>,
}

/// A document of `kind: Agent`: the settings of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The whole document.
    pub at: Place,
    /// The host's name for `hosts` and `${host}`.
    pub name: Option<Spanned<String>>,
    /// For `${labels.X}`.
    pub labels: BTreeMap<String, Spanned<String>>,
    /// Manifest files and directories, absolute.
    pub manifests: Vec<Spanned<String>>,
    /// Absolute.
    pub state_dir: Option<Spanned<String>>,
    /// Absolute.
    pub socket: Option<Spanned<String>>,
    /// Bounds of the whole service.
    pub limits: Limits,
    /// What watches.
    pub watch: Option<Spanned<Mechanism>>,
    /// `rsync.path`: absolute.
    pub rsync_path: Option<Spanned<String>>,
    /// Whether changed manifests are taken over by themselves.
    pub watch_manifests: Option<Spanned<bool>>,
    /// Who else may use the control socket.
    pub access: Option<super::Access>,
    /// HTTP over TCP.
    pub http: Option<super::Http>,
    /// Metrics in a file.
    pub metrics: Option<super::Metrics>,
    /// What somebody outside hears.
    pub heartbeat: Option<super::Heartbeat>,
}

/// Bounds of the whole service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at once, at least 1.
    pub transfers: Option<Spanned<u32>>,
    /// Transfers to one host at once, at least 1.
    pub transfers_per_host: Option<Spanned<u32>>,
    /// Bytes a second.
    pub bandwidth: Option<Spanned<u64>>,
    /// Watches, at least 1.
    pub watches: Option<Spanned<u64>>,
}
