//! The single values of [`super::wire`]: texts with their patterns, and sets of words.

use schemars::JsonSchema;
use serde::Serialize;

/// A DNS label.
pub(super) const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
/// A label's key.
pub(super) const LABEL_KEY: &str = "^[A-Za-z][A-Za-z0-9._-]{0,62}$";
/// The shape of a url; the loader knows more.
pub(super) const URL: &str = concat!(
    "^(rsync://([^@:/ ]+@)?(\\[[0-9A-Fa-f:.]+\\]|[^@:/ \\[\\]]+)(:[0-9]{1,5})?/+[^/].*",
    "|ssh://([^@:/ ]+@)?(\\[[0-9A-Fa-f:.]+\\]|[^@:/ \\[\\]]+)(:[0-9]{1,5})?/+[^/~].*",
    "|file:///+[^/].*)$",
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
#[schemars(extend("pattern" = "^/", "not" = {"pattern": "(^|/)\\.\\.(/|$)"}))]
pub struct AbsolutePath(pub String);

/// A text in one line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1))]
pub struct Text(pub String);

/// A label's value.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1, "maxLength" = 256))]
pub struct LabelText(pub String);

/// A host's name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"))]
pub struct Host(pub String);

/// A glob: `*` stays within a name, `**` crosses directories, `?`, `[a-z]`, `{a,b}`. Without a slash inside it matches at any depth; with one it is anchored at the source; a trailing slash means directories.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1))]
pub struct Glob(pub String);

/// Five fields of crontab(5), or a name such as `@daily`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1, "examples" = ["17 3 * * *"]))]
pub struct Cron(pub String);

/// An IANA time zone.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("minLength" = 1, "examples" = ["Europe/Berlin"]))]
pub struct TimeZone(pub String);

/// A part of the day; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "examples" = ["22:30-05:00"]))]
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

/// What may be deleted.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Delete {
    /// Nothing.
    Never,
    /// What was seen to vanish from the source.
    Propagate,
    /// Whatever the source has not.
    Mirror,
}

/// How files are compared.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// By size and time.
    Quick,
    /// By content.
    Checksum,
}

/// Whether a pass is made at start.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnStart {
    /// Where it cannot be known that nothing changed.
    Auto,
    /// In any case.
    Always,
    /// Never: the target is taken to be right.
    Never,
}

/// Compression on the wire.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// Symlinks, modes, times, owner and group.
    Archive,
    /// POSIX ACLs.
    Acls,
    /// Extended attributes.
    Xattrs,
    /// Which names are one file.
    HardLinks,
    /// Device nodes, fifos and sockets.
    Devices,
    /// Owners by number, not by name.
    NumericIds,
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
#[serde(rename_all = "camelCase")]
pub enum Event {
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
    /// A file's content changed while it is still open: sends half-written files.
    Modify,
    /// inotifywait's spelling of `closeWrite`.
    #[serde(rename = "close_write")]
    InotifyCloseWrite,
    /// inotifywait's spelling of `movedFrom`.
    #[serde(rename = "moved_from")]
    InotifyMovedFrom,
    /// inotifywait's spelling of `movedTo`.
    #[serde(rename = "moved_to")]
    InotifyMovedTo,
}
