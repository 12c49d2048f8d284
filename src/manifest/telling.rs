//! What a service tells by itself: the agent file's `metrics` and `heartbeat`.

use serde::Serialize;

use super::fields::Fields;
use super::reading::{Bounds, Reading};
use super::web_url::WebUrl;
use super::yaml::Node;
use super::{Spanned, paths};
use crate::diagnostic::{Code, Diagnostic};

/// Between two writings, unless said.
const TEXTFILE_EVERY_MS: u64 = 15_000;
/// Between two heartbeats, unless said.
const HEARTBEAT_EVERY_MS: u64 = 5 * 60_000;
/// What may lag without a heartbeat failing, unless said.
const HEARTBEAT_LAG_MS: u64 = 15 * 60_000;

/// Whoever reads it, does so no more often.
pub(super) const TEXTFILE_EVERY: Bounds = Bounds {
    ms: 1_000..=3_600_000,
    least: "1s",
    most: "1h",
    seconds: true,
};
/// Nobody's service wants more of them.
pub(super) const HEARTBEAT_EVERY: Bounds = Bounds {
    ms: 1_000..=86_400_000,
    least: "1s",
    most: "1d",
    seconds: true,
};
/// A lag is bounded by what is worth waiting for.
pub(super) const HEARTBEAT_LAG: Bounds = Bounds {
    ms: 1_000..=2_592_000_000,
    least: "1s",
    most: "30d",
    seconds: true,
};

/// Metrics in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Absolute.
    pub textfile: String,
    /// Between two writings.
    pub every_ms: u64,
}

/// A url, or the file that it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BeatUrl {
    /// As it is written.
    Inline(String),
    /// An absolute path.
    File(String),
}

/// What somebody outside hears, so that he notices when he hears nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// Once, when the service has begun.
    pub start: Option<BeatUrl>,
    /// While all is well.
    pub success: Option<BeatUrl>,
    /// While it is not.
    pub fail: Option<BeatUrl>,
    /// Between two.
    pub every_ms: u64,
    /// Older changes that are not on their target are not well.
    pub lag_ms: u64,
}

/// `metrics`.
pub(super) fn metrics(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Metrics> {
    let mut fields = Fields::of(reading, key, "`metrics`", node)?;
    let written = fields.take("textfile");
    if written.is_none() {
        fields.missing(reading, "textfile", &node.at);
    }
    let textfile = written.and_then(|field| textfile(reading, "textfile", field.node));
    let every = fields.read(reading, "every", |reading, key, node| {
        reading.duration(key, node, &TEXTFILE_EVERY)
    });
    fields.finish(reading, &[]);
    Some(Metrics {
        textfile: textfile?.value,
        every_ms: every.map_or(TEXTFILE_EVERY_MS, |every| every.value),
    })
}

fn textfile(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let path = paths::absolute(reading, key, node)?;
    let name = path.value.rsplit('/').next().unwrap_or_default();
    if name.len() > ".prom".len() && name.ends_with(".prom") {
        return Some(path);
    }
    let message = format!("`{key}` does not end with `.prom`");
    let label = "collectors read `*.prom` only";
    reading.wrong(Code::BadPath, &path.at, message, label);
    None
}

/// `heartbeat`.
pub(super) fn heartbeat(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Heartbeat> {
    let mut fields = Fields::of(reading, key, "`heartbeat`", node)?;
    let start = url(reading, &mut fields, "start", "startFile");
    let success = url(reading, &mut fields, "success", "successFile");
    let fail = url(reading, &mut fields, "fail", "failFile");
    let every = fields.read(reading, "every", |reading, key, node| {
        reading.duration(key, node, &HEARTBEAT_EVERY)
    });
    let lag = fields.read(reading, "lag", |reading, key, node| {
        reading.duration(key, node, &HEARTBEAT_LAG)
    });
    fields.finish(reading, &[]);
    Some(Heartbeat {
        start,
        success,
        fail,
        every_ms: every.map_or(HEARTBEAT_EVERY_MS, |every| every.value),
        lag_ms: lag.map_or(HEARTBEAT_LAG_MS, |lag| lag.value),
    })
}

fn url(
    reading: &mut Reading<'_>,
    fields: &mut Fields<'_>,
    inline: &'static str,
    file: &'static str,
) -> Option<BeatUrl> {
    let written = fields.read(reading, inline, web_url);
    let named = fields.read(reading, file, paths::absolute);
    match (written, named) {
        (Some(written), Some(named)) => {
            let message = format!("`{inline}` and `{file}` exclude each other");
            let problem = Diagnostic::new(Code::Exclusive, message)
                .primary(&named.at, "remove one of them")
                .secondary(&written.at, "first set here");
            reading.report(problem);
            None
        }
        (Some(written), None) => Some(BeatUrl::Inline(written.value)),
        (None, Some(named)) => Some(BeatUrl::File(named.value)),
        (None, None) => None,
    }
}

fn web_url(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let text = reading.text(key, node)?;
    match WebUrl::parse(&text.value) {
        Ok(_) => Some(text),
        Err(why) => {
            let message = format!("`{key}` cannot be used: {why}");
            let mut problem = Diagnostic::new(Code::BadUrl, message)
                .primary(&text.at, "as in `https://hc-ping.com/…`")
                .help("a url that is a secret stands in a file of its own: see `successFile`");
            if text.value.contains('@') {
                problem = problem.mask(text.at);
            }
            reading.report(problem);
            None
        }
    }
}
