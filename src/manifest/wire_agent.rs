//! The agent file as it is written: what its schema is generated from. As with manifests ([`super::wire`]) these types hold
//! texts, and their documentation is what editors show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::wire_telling::{Access, Heartbeat, Http, Metrics};
use super::wire_values::*;
use super::{API_VERSION, Mechanism};

/// The settings of one host. All are optional; what is kept in sync stands in the manifests.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "heliostat agent file")]
pub struct Agent {
    /// How the rest is to be read.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: String,
    /// What the document is.
    #[schemars(extend("const" = "Agent"))]
    pub kind: String,
    /// The host's name, for `hosts` and `${host}` in manifests. Left out: the system's.
    #[schemars(extend("examples" = ["web-origin-1"]))]
    pub name: Option<Host>,
    /// For `${labels.X}` in manifests, whose own labels win. At most 64.
    #[schemars(extend("propertyNames" = {"pattern": LABEL_KEY}, "maxProperties" = super::bounds::LABELS_MAX, "examples" = [{"site": "berlin"}]))]
    pub labels: Option<BTreeMap<String, LabelText>>,
    /// Manifest files and directories, for commands that are given none.
    #[schemars(extend("default" = ["/etc/heliostat/conf.d"], "examples" = [["/etc/heliostat/conf.d"]], "uniqueItems" = true))]
    pub manifests: Option<Vec<AbsolutePath>>,
    /// Where the ledger and the generations are kept.
    #[schemars(extend("default" = "/var/lib/heliostat", "examples" = ["/var/lib/heliostat"]))]
    pub state_dir: Option<AbsolutePath>,
    /// Where the service answers `status`, `reload` and the others.
    #[schemars(extend("default" = "/run/heliostat/control.sock", "examples" = ["/run/heliostat/control.sock"]))]
    pub socket: Option<AbsolutePath>,
    /// Bounds of the whole service.
    #[schemars(extend("examples" = [{"transfers": 8}]))]
    pub limits: Option<Limits>,
    /// What tells of changes in the sources.
    #[schemars(extend("default" = "auto"))]
    pub watch: Option<Mechanism>,
    /// The program rsync.
    #[schemars(extend("examples" = [{"path": "/usr/bin/rsync"}]))]
    pub rsync: Option<Rsync>,
    /// Whether changed manifests are taken over by themselves, as `heliostat reload` does.
    #[schemars(extend("default" = false))]
    pub watch_manifests: Option<bool>,
    /// Groups that may use the control socket, besides root and the service's own user.
    #[schemars(extend("examples" = [{"read": ["adm"], "operate": ["deploy"]}]))]
    pub access: Option<Access>,
    /// HTTP over TCP. Left out: none, unless the command line says so.
    #[schemars(extend("examples" = [{"listen": "127.0.0.1:9099"}]))]
    pub http: Option<Http>,
    /// Metrics in a file. Left out: none.
    #[schemars(extend("examples" = [{"textfile": "/var/lib/prometheus/node-exporter/heliostat.prom"}]))]
    pub metrics: Option<Metrics>,
    /// Requests to somebody outside, who notices when none comes. Left out: none.
    #[schemars(extend("examples" = [{"successFile": "/etc/heliostat/heartbeat.url", "every": "5m"}]))]
    pub heartbeat: Option<Heartbeat>,
}

/// Bounds of the whole service.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Limits {
    /// Transfers at once, over all routes.
    #[schemars(extend("minimum" = 1, "maximum" = 1024, "default" = 16, "examples" = [8]))]
    pub transfers: Option<u32>,
    /// Transfers to one host at once.
    #[schemars(extend("minimum" = 1, "maximum" = 1024, "default" = 4, "examples" = [2]))]
    pub transfers_per_host: Option<u32>,
    /// Of each transfer whose route has no `bandwidth` of its own, which may be more. Left out: no bound.
    #[schemars(extend("examples" = ["100MiB/s"]))]
    pub bandwidth: Option<Rate>,
    /// Directories watched at once. Left out: as many as the kernel lets.
    #[schemars(extend("minimum" = 1, "maximum" = 2_147_483_647, "examples" = [500_000]))]
    pub watches: Option<u32>,
}

/// The program rsync.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Rsync {
    /// Where it is. Left out: it is looked for in the usual places.
    #[schemars(extend("examples" = ["/usr/bin/rsync"]))]
    pub path: Option<AbsolutePath>,
}
