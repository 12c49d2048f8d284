//! Every metric: its name, kind, labels and what it says. `docs/metrics.md` is written from this table, and a page takes
//! no sample that is not in it.

/// What a metric's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, from zero at the start of the service.
    Counter,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// As the formats call it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Without the `_total` that counters end with.
    pub name: &'static str,
    /// What its values do.
    pub kind: Kind,
    /// The labels of each sample, in this order.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

impl Metric {
    /// As it is asked for in a query; of a histogram, without `_bucket`, `_sum` and `_count`.
    pub fn full_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

const NONE: &[&str] = &[];
const SOURCE: &[&str] = &["source"];
const ROUTE: &[&str] = &["source", "target"];

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    let kind = Kind::Gauge;
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    let kind = Kind::Counter;
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

/// One for each state, 1 for the state the route is in.
pub const ROUTE_STATE: Metric = gauge(
    "heliostat_route_state",
    &["source", "target", "state"],
    "1 for the state that the route is in, 0 for the others.",
);
/// Held routes.
pub const ROUTE_HELD: Metric = gauge(
    "heliostat_route_held",
    &["source", "target", "reason"],
    "1 while the route is held, by `deletes` or a guard's name; no sample while it is not.",
);
/// Paused routes.
pub const ROUTE_PAUSED: Metric = gauge(
    "heliostat_route_paused",
    &["source", "target", "otherwise"],
    "1 while an operator has paused the route, with the state that it would be in otherwise; no sample while it is not.",
);
/// Since when.
pub const ROUTE_PAUSED_SINCE: Metric = gauge(
    "heliostat_route_paused_since_timestamp_seconds",
    ROUTE,
    "When the route was paused: a pause that is given anew goes on; no sample while it is not.",
);
/// Until when.
pub const ROUTE_PAUSED_UNTIL: Metric = gauge(
    "heliostat_route_paused_until_timestamp_seconds",
    ROUTE,
    "When the pause ends by itself; no sample while the route is not paused.",
);
/// What would be deleted.
pub const ROUTE_PAUSED_DELETIONS: Metric = gauge(
    "heliostat_route_paused_deletions",
    ROUTE,
    "Names that vanished in the source of a paused route, and would be deleted on its target; no sample where it is not paused, or nothing is deleted.",
);
/// What is wrong.
pub const ROUTE_TROUBLE: Metric = gauge(
    "heliostat_route_trouble",
    &["source", "target", "code"],
    "1 for the code of what keeps the route from being in sync; no sample where nothing does.",
);
/// Age of the oldest change.
pub const ROUTE_LAG: Metric = gauge(
    "heliostat_route_lag_seconds",
    ROUTE,
    "Age of the oldest change that is not on the target, of what an earlier process left since the start; 0 where there is none.",
);
/// Changes.
pub const ROUTE_PENDING: Metric = gauge(
    "heliostat_route_pending_paths",
    ROUTE,
    "Changed paths that are not on the target; a directory with all below it is one.",
);
/// Failing.
pub const ROUTE_FAILING: Metric = gauge(
    "heliostat_route_failing_paths",
    ROUTE,
    "Paths that could not be sent, and are tried again.",
);
/// Last success.
pub const ROUTE_LAST_SUCCESS: Metric = gauge(
    "heliostat_route_last_success_timestamp_seconds",
    ROUTE,
    "When a transfer last succeeded, also before the start; no sample where none is known.",
);
/// Last compared.
pub const ROUTE_COMPARED: Metric = gauge(
    "heliostat_route_last_compared_timestamp_seconds",
    ROUTE,
    "When a full pass last compared the target itself with the source without a failing path, also before the start; no sample where none is known.",
);
/// Next pass.
pub const ROUTE_NEXT_RESCAN: Metric = gauge(
    "heliostat_route_next_rescan_timestamp_seconds",
    ROUTE,
    "When the next periodic pass is due; no sample with `rescan: never`.",
);
/// Transfers.
pub const ROUTE_TRANSFERS: Metric = counter(
    "heliostat_route_transfers",
    &["source", "target", "outcome"],
    "Transfers that ended: done, partial (some paths failed), failed, held, or cancelled.",
);
/// Bytes.
pub const ROUTE_BYTES: Metric = counter(
    "heliostat_route_sent_bytes",
    ROUTE,
    "Bytes of files that were sent.",
);
/// Entries.
pub const ROUTE_FILES: Metric = counter(
    "heliostat_route_sent_files",
    ROUTE,
    "Files and other entries that were sent.",
);
/// Deletions.
pub const ROUTE_DELETED: Metric = counter(
    "heliostat_route_deleted_files",
    ROUTE,
    "Entries that were deleted on the target.",
);
/// Time.
pub const ROUTE_DURATION: Metric = Metric {
    name: "heliostat_route_transfer_duration_seconds",
    kind: Kind::Histogram,
    labels: ROUTE,
    help: "How long transfers took that were not failures as a whole.",
};
/// Ready.
pub const SOURCE_READY: Metric = gauge(
    "heliostat_source_ready",
    SOURCE,
    "1 where every directory in scope is watched or polled.",
);
/// Waiting.
pub const SOURCE_WAITING: Metric = gauge(
    "heliostat_source_waiting",
    SOURCE,
    "1 where the source's directory is not there or cannot be read.",
);
/// Directories.
pub const SOURCE_DIRECTORIES: Metric = gauge(
    "heliostat_source_watched_directories",
    SOURCE,
    "Directories that are watched.",
);
/// Polled.
pub const SOURCE_POLLED: Metric = gauge(
    "heliostat_source_polled_directories",
    SOURCE,
    "Directories that should be watched and are polled instead, for want of watches or permission.",
);
/// Doubted.
pub const SOURCE_DOUBTED: Metric = gauge(
    "heliostat_source_doubted_directories",
    SOURCE,
    "Directories that are watched, and polled as well, because others may change them without an event here.",
);
/// Mechanism.
pub const SOURCE_MECHANISM: Metric = gauge(
    "heliostat_source_mechanism",
    &["source", "mechanism"],
    "1 for what watches the source: inotify, fanotify, notify or polling.",
);
/// Events.
pub const SOURCE_EVENTS: Metric = counter(
    "heliostat_source_events",
    SOURCE,
    "Changed paths that the watch has told of.",
);
/// Lost.
pub const SOURCE_LOST: Metric = counter(
    "heliostat_source_lost_events",
    SOURCE,
    "Times that events were lost, as by an overflow of the kernel's queue; what they would have told of was looked at anew.",
);
/// Version.
pub const BUILD: Metric = gauge(
    "heliostat_build_info",
    &["version"],
    "1, with the program's version.",
);
/// Generation.
pub const GENERATION: Metric = gauge(
    "heliostat_generation",
    NONE,
    "The number of the generation in force.",
);
/// Origin.
pub const ORIGIN: Metric = gauge(
    "heliostat_plan_origin",
    &["origin"],
    "1 for where the plan in force comes from: files, rollback, or last_good because the files were broken at the start.",
);
/// Since.
pub const PLAN_SINCE: Metric = gauge(
    "heliostat_plan_in_force_timestamp_seconds",
    NONE,
    "When the plan came in force.",
);
/// The start.
pub const STARTED: Metric = gauge(
    "heliostat_start_timestamp_seconds",
    NONE,
    "When the service was started.",
);
/// Drift.
pub const DRIFT: Metric = gauge(
    "heliostat_drift",
    NONE,
    "1 where the manifests on disk are not what runs, or cannot be read.",
);
/// Rejected.
pub const REJECTED: Metric = gauge(
    "heliostat_reload_rejected",
    NONE,
    "1 where the last attempt to reload was rejected.",
);
/// Reloads.
pub const RELOADS: Metric = counter(
    "heliostat_reloads",
    &["result"],
    "Attempts to reload or roll back: applied, unchanged or rejected.",
);
/// Watches used.
pub const WATCHES: Metric = gauge(
    "heliostat_watches_used",
    NONE,
    "inotify watches that the sources use.",
);
/// Watches allowed.
pub const WATCHES_MAX: Metric = gauge(
    "heliostat_watches_limit",
    NONE,
    "inotify watches that the service may use; no sample where that is unknown.",
);
/// The loop.
pub const LATENCY: Metric = gauge(
    "heliostat_engine_latency_seconds",
    NONE,
    "How long the engine's loop took to answer for these numbers.",
);
/// The ledger.
pub const LEDGER_KEPT: Metric = gauge(
    "heliostat_ledger_kept",
    NONE,
    "1 while what is known is kept in the ledger; 0 where it cannot be, and the next start compares everything.",
);
/// Another one.
pub const LEDGER_DAMAGED: Metric = gauge(
    "heliostat_ledger_damaged",
    NONE,
    "1 where a damaged ledger was set aside and still lies in the state directory.",
);
/// When.
pub const WRITTEN: Metric = gauge(
    "heliostat_written_timestamp_seconds",
    NONE,
    "When these numbers were taken: a textfile whose numbers are old was left behind.",
);
/// Heartbeats.
pub const HEARTBEATS: Metric = counter(
    "heliostat_heartbeats",
    &["kind", "result"],
    "Heartbeats (start, success, fail) that were delivered or failed.",
);
/// The last heartbeat.
pub const HEARTBEAT_LAST: Metric = gauge(
    "heliostat_heartbeat_last_delivered_timestamp_seconds",
    NONE,
    "When a heartbeat was last delivered; no sample where none was.",
);
/// CPU.
pub const CPU: Metric = counter(
    "process_cpu_seconds",
    NONE,
    "User and system time of the service itself.",
);
/// CPU of children.
pub const CHILDREN_CPU: Metric = counter(
    "heliostat_children_cpu_seconds",
    NONE,
    "User and system time of the rsync, ssh and other processes that have ended.",
);
/// Memory.
pub const RESIDENT: Metric = gauge(
    "process_resident_memory_bytes",
    NONE,
    "Resident memory of the service itself.",
);
/// Start.
pub const START: Metric = gauge(
    "process_start_time_seconds",
    NONE,
    "When the process was started.",
);
/// Descriptors.
pub const FDS: Metric = gauge("process_open_fds", NONE, "File descriptors that are open.");
/// Descriptors allowed.
pub const FDS_MAX: Metric = gauge(
    "process_max_fds",
    NONE,
    "File descriptors that may be open.",
);

/// All of them, in the order in which they are shown.
pub const METRICS: &[&Metric] = &[
    &ROUTE_STATE,
    &ROUTE_HELD,
    &ROUTE_PAUSED,
    &ROUTE_PAUSED_SINCE,
    &ROUTE_PAUSED_UNTIL,
    &ROUTE_PAUSED_DELETIONS,
    &ROUTE_TROUBLE,
    &ROUTE_LAG,
    &ROUTE_PENDING,
    &ROUTE_FAILING,
    &ROUTE_LAST_SUCCESS,
    &ROUTE_COMPARED,
    &ROUTE_NEXT_RESCAN,
    &ROUTE_TRANSFERS,
    &ROUTE_BYTES,
    &ROUTE_FILES,
    &ROUTE_DELETED,
    &ROUTE_DURATION,
    &SOURCE_READY,
    &SOURCE_WAITING,
    &SOURCE_DIRECTORIES,
    &SOURCE_POLLED,
    &SOURCE_DOUBTED,
    &SOURCE_MECHANISM,
    &SOURCE_EVENTS,
    &SOURCE_LOST,
    &BUILD,
    &GENERATION,
    &ORIGIN,
    &PLAN_SINCE,
    &STARTED,
    &DRIFT,
    &REJECTED,
    &RELOADS,
    &WATCHES,
    &WATCHES_MAX,
    &LATENCY,
    &LEDGER_KEPT,
    &LEDGER_DAMAGED,
    &WRITTEN,
    &HEARTBEATS,
    &HEARTBEAT_LAST,
    &CPU,
    &CHILDREN_CPU,
    &RESIDENT,
    &START,
    &FDS,
    &FDS_MAX,
];

/// The reference page's body: a row for each.
pub fn reference() -> String {
    let row = |metric: &&Metric| {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        let (name, kind) = (metric.full_name(), metric.kind.word());
        let labels = match labels.is_empty() {
            true => "–".to_owned(),
            false => labels.join(", "),
        };
        format!("| `{name}` | {kind} | {labels} | {} |\n", metric.help)
    };
    METRICS.iter().map(row).collect()
}
