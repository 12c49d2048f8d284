//! The plan's data types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hooks, RouteName, SourceName, TargetName};
use crate::filter::FilterSpec;
use crate::manifest::{Access, Heartbeat, Http, Mechanism, Metrics};
use crate::schedule::{Schedule, Window};

/// Everything that one host will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// By name; names are unique over all files.
    pub sources: BTreeMap<SourceName, SourcePlan>,
}

impl Plan {
    /// Every route, in the order of its name.
    pub fn routes(&self) -> impl Iterator<Item = (&SourcePlan, &RoutePlan)> {
        self.sources
            .values()
            .flat_map(|source| source.routes.values().map(move |route| (source, route)))
    }
}

/// One watched tree and its routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourcePlan {
    /// Its name.
    pub name: SourceName,
    /// Absolute, normalised (no `.`, `..`, double or trailing slash), substituted.
    pub path: String,
    /// What of it is synced at all; routes may narrow it.
    pub filter: FilterSpec,
    /// Which events trigger.
    pub events: EventSet,
    /// Whether mounts below the root are left out.
    pub one_file_system: bool,
    /// What must hold of the source before anything is sent from it.
    pub guard: SourceGuard,
    /// The source's metadata labels, for metrics and selection.
    pub labels: BTreeMap<String, String>,
    /// By target name.
    pub routes: BTreeMap<TargetName, RoutePlan>,
}

/// Which events trigger; directories are always watched for what keeps the tree right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSet {
    /// A file, link or special file came into being.
    pub create: bool,
    /// A file open for writing was closed.
    pub close_write: bool,
    /// Mode, owner, times or xattrs changed.
    pub attrib: bool,
    /// Something was renamed away.
    pub moved_from: bool,
    /// Something was renamed to here.
    pub moved_to: bool,
    /// Something was removed.
    pub delete: bool,
    /// A file's content changed while it is still open.
    pub modify: bool,
}

impl Default for EventSet {
    /// `[create, closeWrite, attrib, move, delete]`.
    fn default() -> EventSet {
        EventSet {
            create: true,
            close_write: true,
            attrib: true,
            moved_from: true,
            moved_to: true,
            delete: true,
            modify: false,
        }
    }
}

/// What must hold of a source before anything is sent from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceGuard {
    /// A path below the root that must exist (an unmounted disk has it not).
    pub marker: Option<String>,
    /// Whether a source that has become empty may empty its targets.
    pub allow_empty: bool,
    /// Whether the root must be a mount point or lie on another file system than `/`.
    pub require_mount: bool,
}

/// One source → target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutePlan {
    /// `source/target`.
    pub name: RouteName,
    /// Where to.
    pub target: Target,
    /// The source's filter narrowed by the target's excludes.
    pub filter: FilterSpec,
    /// What may be deleted.
    pub delete: DeletePolicy,
    /// How much of it.
    pub max_delete: DeleteBudget,
    /// When changes are sent.
    pub sync: Sync,
    /// When transfers may start at all; empty: always.
    pub windows: Vec<Window>,
    /// How changes are gathered.
    pub debounce: Debounce,
    /// Full passes.
    pub rescan: Rescan,
    /// Bytes a second; `None`: unlimited.
    pub bandwidth: Option<u64>,
    /// On the wire.
    pub compress: Compress,
    /// Whether a session with its far side may be begun ahead.
    pub warm: bool,
    /// What of a transfer is on the disk before it counts.
    pub durability: Durability,
    /// What of the metadata is kept.
    pub attributes: Attributes,
    /// Without progress, after which a transfer is ended.
    pub timeout_ms: u64,
    /// Between tries.
    pub retry: Retry,
    /// Further rsync options, from the closed list; each one argument.
    pub rsync_args: Vec<String>,
    /// Whether a local target must be (on) a mounted file system other than `/`.
    pub require_mount: bool,
    /// What is run around transfers.
    #[serde(default, skip_serializing_if = "Hooks::are_none")]
    pub hooks: Hooks,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Target {
    /// A module of an rsync daemon.
    Daemon {
        /// For authentication.
        user: Option<String>,
        /// Name, IPv4, or IPv6 without brackets.
        host: String,
        /// 873 where none was given.
        port: u16,
        /// The module.
        module: String,
        /// Below the module; empty for its top, no leading or trailing slash.
        path: String,
        /// Where the password comes from.
        password: Option<Secret>,
    },
    /// rsync over ssh.
    Ssh {
        /// `None`: ssh's own default.
        user: Option<String>,
        /// Name, IPv4, or IPv6 without brackets.
        host: String,
        /// `None`: ssh's own default.
        port: Option<u16>,
        /// Absolute, on the far side.
        path: String,
        /// A private key's file.
        identity_file: Option<String>,
        /// The file with the host keys; `None`: ssh's own default.
        known_hosts_file: Option<String>,
        /// A jump host, as ssh's `-J` takes it.
        jump: Option<String>,
    },
    /// A local directory.
    Local {
        /// Absolute, normalised.
        path: String,
    },
}

/// Where a secret is found; never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Secret {
    /// A file, readable by nobody else.
    File(String),
    /// A systemd credential: a file of that name under `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// An environment variable of the service.
    Env(String),
}

/// What may leave a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeletePolicy {
    /// Nothing.
    #[default]
    Never,
    /// What was seen to vanish from the source.
    Propagate,
    /// Whatever the source has not.
    Mirror,
}

/// How many deletions a pass may make before it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeleteBudget {
    /// Not given: half of what the target has, and never less than 100 entries.
    Default,
    /// So many entries.
    Count(u64),
    /// Of the entries that the target has, in hundredths of a per cent (`10%` is 1000).
    Share(u32),
}

impl DeleteBudget {
    /// The number of deletions that a target of `total` entries (in the route's scope) may suffer in one pass.
    pub fn allows(self, total: u64) -> u64 {
        match self {
            DeleteBudget::Default => (total / 2).max(100),
            DeleteBudget::Count(count) => count,
            DeleteBudget::Share(share) => (u128::from(total) * u128::from(share) / 10_000) as u64,
        }
    }
}

/// When changes are sent.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Sync {
    /// As they come.
    #[default]
    Live,
    /// Gathered, and sent when the schedule is due.
    Scheduled(Schedule),
}

/// How changes are gathered: a batch leaves when nothing came for `quiet`, or `max_wait` after its first change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Debounce {
    /// Default 5.
    pub quiet_ms: u64,
    /// Default 1000; not below `quiet_ms`.
    pub max_wait_ms: u64,
}

/// Full passes that compare with the target itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rescan {
    /// `None` only where the manifest says `rescan: never`… default: nightly.
    pub schedule: Option<Schedule>,
    /// How files are compared.
    pub compare: Compare,
    /// Whether a pass is made at start.
    pub on_start: OnStart,
}

/// How a full pass compares files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// Size and nanosecond time.
    #[default]
    Quick,
    /// Content.
    Checksum,
}

/// Whether a pass is made at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnStart {
    /// Where it cannot be known that nothing changed.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Never: the target is taken to be right.
    Never,
}

/// What of a transfer is on the target's disk before it counts: what a power cut cannot take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// Nothing is waited for.
    #[default]
    None,
    /// Each file's content, before the file takes its name.
    File,
    /// Everything, before the transfer is done. Local targets only.
    Full,
}

impl Durability {
    /// Whether a transfer that is done is there whatever the machine does then.
    pub fn lasts(self) -> bool {
        self == Durability::Full
    }
}

/// Compression on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compress {
    /// None.
    #[default]
    None,
    /// What both ends like best.
    Auto,
    /// zstd.
    Zstd,
    /// lz4.
    Lz4,
    /// zlib (rsync's `zlibx`).
    Zlib,
}

/// What of the metadata is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Symlinks, modes, times, owner, group.
    pub archive: bool,
    /// POSIX ACLs.
    pub acls: bool,
    /// Extended attributes.
    pub xattrs: bool,
    /// Which names are one file.
    pub hard_links: bool,
    /// Device nodes, fifos and sockets; without it they are left out, and said.
    pub devices: bool,
    /// Owners by number, not by name.
    pub numeric_ids: bool,
}

impl Default for Attributes {
    /// `[archive]`.
    fn default() -> Attributes {
        Attributes {
            archive: true,
            acls: false,
            xattrs: false,
            hard_links: false,
            devices: false,
            numeric_ids: false,
        }
    }
}

/// Bounds of the time between tries; it doubles, with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Default 1000.
    pub initial_ms: u64,
    /// Default 60000.
    pub max_ms: u64,
}

/// What a host's agent file sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The host's name for `hosts` and `${host}`; `None`: the system's.
    pub name: Option<String>,
    /// For `${labels.X}`; a manifest's own win.
    pub labels: BTreeMap<String, String>,
    /// Manifest paths where the command line names none.
    pub manifests: Vec<String>,
    /// State directory.
    pub state_dir: Option<String>,
    /// Control socket.
    pub socket: Option<String>,
    /// Bounds of the whole service.
    pub limits: Limits,
    /// What watches, default `auto`.
    pub watch: Mechanism,
    /// rsync's absolute path; `None`: looked for in the usual places.
    pub rsync_path: Option<String>,
    /// Whether changed manifests are taken over by themselves.
    pub watch_manifests: bool,
    /// Who else may use the control socket.
    pub access: Access,
    /// HTTP over TCP.
    pub http: Http,
    /// Metrics in a file.
    pub metrics: Option<Metrics>,
    /// What somebody outside hears.
    pub heartbeat: Option<Heartbeat>,
}

/// Bounds of the whole service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Transfers at once, default 16.
    pub transfers: u32,
    /// Transfers to one host at once, default 4.
    pub transfers_per_host: u32,
    /// Bytes a second of each transfer whose route has no limit of its own, which may be more. Not of all together.
    pub bandwidth: Option<u64>,
    /// Watches; `None`: the kernel's limit.
    pub watches: Option<u64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            transfers: 16,
            transfers_per_host: 4,
            bandwidth: None,
            watches: None,
        }
    }
}
