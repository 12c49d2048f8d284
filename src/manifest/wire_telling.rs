//! The agent file's `access`, `http`, `metrics` and `heartbeat` as they are written: a part of [`super::wire_agent`].

use schemars::JsonSchema;
use serde::Serialize;

use super::telling;
use super::wire_durations::within;
use super::wire_values::*;

/// Addresses that no other host reaches, in each spelling.
const LOOPBACK: &str = "^(127\\.|\\[[0:]*:0*1\\]|\\[[0:]*:[fF]{4}:(127\\.|7[fF][0-9A-Fa-f]{2}:))";

/// Who may use the control socket besides root and the service's own user.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Access {
    /// Groups that may look. Left out: none.
    #[schemars(extend("examples" = [["adm"]], "uniqueItems" = true))]
    pub read: Option<Vec<Group>>,
    /// Groups that may look and act. Left out: none.
    #[schemars(extend("examples" = [["deploy"]], "uniqueItems" = true))]
    pub operate: Option<Vec<Group>>,
}

/// HTTP over TCP.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend(
    "minProperties" = 1,
    "if" = {"required": ["listen"], "properties": {"listen": {"not": {"pattern": LOOPBACK}}}},
    "then" = {"required": ["remote"], "properties": {"remote": {"const": true}, "operate": {"const": false}}}
))]
pub struct Http {
    /// The address and port. Left out: none.
    #[schemars(extend("examples" = ["127.0.0.1:9099", "[::1]:9099"]))]
    pub listen: Option<Listen>,
    /// Whether whoever reaches it may act, not only look. For a loopback address alone.
    #[schemars(extend("default" = false))]
    pub operate: Option<bool>,
    /// Whether `listen` may be an address that other hosts reach.
    #[schemars(extend("default" = false))]
    pub remote: Option<bool>,
    /// Names under which it is asked for, besides the host's own and `localhost`; without a port.
    #[schemars(extend("examples" = [["web-1.example.com"]], "uniqueItems" = true))]
    pub hosts: Option<Vec<Host>>,
}

/// Metrics in a file, for a collector that reads files.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metrics {
    /// The file; its name ends with `.prom`.
    #[schemars(extend("examples" = ["/var/lib/prometheus/node-exporter/heliostat.prom"]))]
    pub textfile: PromPath,
    /// From one writing to the next: `1s` to `1h`.
    #[schemars(extend("pattern" = within(&telling::TEXTFILE_EVERY), "default" = "15s", "examples" = ["15s", "1m"]))]
    pub every: Option<Duration>,
}

/// Requests to somebody outside, who notices when none comes.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "allOf" = [
    {"not": {"required": ["start", "startFile"]}},
    {"not": {"required": ["success", "successFile"]}},
    {"not": {"required": ["fail", "failFile"]}}
]))]
pub struct Heartbeat {
    /// Asked once, when the service has begun.
    #[schemars(extend("examples" = ["https://hc-ping.com/UUID/start"]))]
    pub start: Option<WebUrlText>,
    /// A file with the url of `start`, where that is a secret.
    #[schemars(extend("examples" = ["/etc/heliostat/heartbeat-start.url"]))]
    pub start_file: Option<AbsolutePath>,
    /// Asked while all is well.
    #[schemars(extend("examples" = ["https://hc-ping.com/UUID"]))]
    pub success: Option<WebUrlText>,
    /// A file with the url of `success`, where that is a secret.
    #[schemars(extend("examples" = ["/etc/heliostat/heartbeat.url"]))]
    pub success_file: Option<AbsolutePath>,
    /// Asked while something is not well.
    #[schemars(extend("examples" = ["https://hc-ping.com/UUID/fail"]))]
    pub fail: Option<WebUrlText>,
    /// A file with the url of `fail`, where that is a secret.
    #[schemars(extend("examples" = ["/etc/heliostat/heartbeat-fail.url"]))]
    pub fail_file: Option<AbsolutePath>,
    /// From one to the next: `1s` to `1d`.
    #[schemars(extend("pattern" = within(&telling::HEARTBEAT_EVERY), "default" = "5m"))]
    pub every: Option<Duration>,
    /// A change that is older and not on its target is not well: `1s` to `30d`.
    #[schemars(extend("pattern" = within(&telling::HEARTBEAT_LAG), "default" = "15m"))]
    pub lag: Option<Duration>,
}

/// A group's name, or its number as a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[A-Za-z0-9_.@\\\\$-]{1,32}$"))]
pub struct Group(pub String);

/// An address with a port, as in `127.0.0.1:9099` or `[::1]:9099`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = concat!(
    "^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}|\\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[0-9]+)?\\])",
    ":0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})$"
)))]
pub struct Listen(pub String);

/// A path from `/`, without `..`, whose last name ends with `.prom`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^/(.*/)?[^/]+\\.prom$", "not" = {"pattern": "(^|/)\\.\\.(/|$)|[\\u0000-\\u001f\\u007f]"}))]
pub struct PromPath(pub String);

/// An `https://` or `http://` url without a user.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("maxLength" = 2048, "pattern" = concat!(
    "^https?://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\\])",
    "(:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?([/?#][!-~]*)?$"
)))]
pub struct WebUrlText(pub String);
