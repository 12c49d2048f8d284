//! The single values of [`super::wire`]: texts with their patterns, and sets of words.

use schemars::JsonSchema;
use serde::Serialize;

use super::EventName;
use super::wire_rules::ONE_LINE;

/// A DNS label.
pub(super) const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
/// A label's key.
pub(super) const LABEL_KEY: &str = "^[A-Za-z][A-Za-z0-9._-]{0,62}$";
/// The shape of a url; the loader knows more.
pub(super) const URL: &str = concat!(
    "^(rsync://([^@:/ ]+@)?(\\[[0-9A-Fa-f:.]+\\]|[^@:/ \\[\\]]+)(:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?/+[^/].*",
    "|ssh://([^@:/ ]+@)?(\\[[0-9A-Fa-f:.]+\\]|[^@:/ \\[\\]]+)(:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?/+[^/~].*",
    "|file:///+[^/].*)$",
);

/// What no url has: percent-encoding, a `..`, control characters.
pub(super) const NOT_URL: &str = "%[0-9A-Fa-f]{2}|(^|/)\\.\\.(/|$)|[\\u0000-\\u001f\\u007f]";
/// Jump hosts with commas.
pub(super) const JUMP: &str = concat!(
    "^([^@:/ ,-][^@:/ ,]*@)?(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_][A-Za-z0-9._-]*)(:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?",
    "(,([^@:/ ,-][^@:/ ,]*@)?(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_][A-Za-z0-9._-]*)(:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?)*$"
);

/// A duration with units, as in `250ms`, `30s`, `5m`, `1h30m` or `2d`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "examples" = ["30s", "1h30m"]))]
pub struct Duration(pub String);

/// A size a second, as in `40MiB/s`; at least `1KiB/s`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9]+(B|[kKMGT]B|[KMGT]iB)/s$", "examples" = ["40MiB/s"]))]
pub struct Rate(pub String);

/// A path from `/`, without `..`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^/", "not" = {"pattern": "(^|/)\\.\\.(/|$)|[\\u0000-\\u001f\\u007f]"}))]
pub struct AbsolutePath(pub String);

/// A text in one line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1, "pattern" = ONE_LINE))]
pub struct Text(pub String);

/// A label's value.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1, "maxLength" = 256, "pattern" = ONE_LINE))]
pub struct LabelText(pub String);

/// A host's name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
pub struct Host(pub String);

/// A glob: `*` stays within a name, `**` crosses directories, `?`, `[a-z]`, `{a,b}`. Without a slash inside it matches at any depth; with one it is anchored at the source; a trailing slash means directories.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1, "pattern" = ONE_LINE))]
pub struct Glob(pub String);

/// Five fields of crontab(5), or a name such as `@daily`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^\\s*(@\\S+|\\S+(\\s+\\S+){4})\\s*$", "examples" = ["17 3 * * *", "@daily"]))]
pub struct Cron(pub String);

/// An IANA time zone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[A-Za-z][A-Za-z0-9+_/-]*$", "examples" = ["Europe/Berlin"]))]
pub struct TimeZone(pub String);

/// A part of the day; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "not" = {"pattern": "^(.{5})-\\1$"}, "examples" = ["22:30-05:00"]))]
pub struct Times(pub String);

/// One rsync option in its long form. What touches lists, deletes, remote shells, files or daemons has keys of its own.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^--((chmod|chown|usermap|groupmap|iconv|partial-dir|block-size|compress-level|skip-compress|checksum-choice)=.+|(no-)?fuzzy|(no-)?whole-file|delay-updates|fsync|sparse|preallocate|ipv[46])$"))]
pub struct RsyncArg(pub String);

/// A count of entries, or a percentage.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("examples" = ["10%", 500]))]
pub enum MaxDelete {
    /// So many entries.
    Count(u32),
    /// So much of what the target has.
    Share(#[schemars(regex(pattern = "^(100(\\.0{1,2})?|[0-9]{1,2}(\\.[0-9]{1,2})?)%$"))] String),
}

/// Only `never`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Never {
    /// No periodic passes: drift on the target is not repaired.
    Never,
}

/// Only `live`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Live {
    /// As changes come.
    Live,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(
    missing_docs,
    reason = "they speak for themselves, and editors would show the words"
)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// What triggers.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Event {
    /// In the manifest's spelling.
    Name(EventName),
    /// In inotifywait's spelling.
    Inotifywait(InotifywaitName),
}

/// inotifywait's spelling of events that have two words.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InotifywaitName {
    /// `closeWrite`.
    CloseWrite,
    /// `movedFrom`.
    MovedFrom,
    /// `movedTo`.
    MovedTo,
}
