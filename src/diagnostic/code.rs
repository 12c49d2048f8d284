//! The registry of codes: every diagnostic that there is, with its title and how to repair it.
//!
//! `00` files and YAML · `01` structure · `02` values · `03` urls, secrets, options · `04` across sources and targets.
//! A code's number is never used again for something else: people search for it.

use super::{LINTS, Lint, REGISTRY, Severity};

/// What kind of problem a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// `H0001`: a manifest cannot be read.
    UnreadableFile,
    /// `H0002`: a manifest is not UTF-8.
    NotUtf8,
    /// `H0003`: a manifest is too large.
    TooLarge,
    /// `H0004`: a manifest is nested too deeply.
    TooDeep,
    /// `H0005`: a manifest is not valid YAML.
    YamlSyntax,
    /// `H0006`: a tab is used for indentation.
    YamlTab,
    /// `H0007`: an alias or an anchor is used.
    YamlAlias,
    /// `H0008`: a tag is used.
    YamlTag,
    /// `H0009`: a key is given twice.
    DuplicateKey,
    /// `H0010`: a merge key is used.
    MergeKey,
    /// `H0011`: a key is not a plain text.
    YamlKey,
    /// `H0012`: there is no manifest.
    NoManifest,
    /// `H0013`: too many problems.
    TooManyProblems,
    /// `H0014`: a YAML directive is used.
    YamlDirective,
    /// `H0101`: `apiVersion` is missing or unknown.
    ApiVersion,
    /// `H0102`: `kind` is missing or unknown.
    Kind,
    /// `H0103`: a required field is missing.
    MissingField,
    /// `H0104`: a value has the wrong type.
    WrongType,
    /// `H0105`: unknown field.
    UnknownField,
    /// `H0106`: unknown value.
    UnknownValue,
    /// `H0107`: a value is empty.
    Empty,
    /// `H0108`: an item is listed twice.
    DuplicateItem,
    /// `H0201`: a name is not a DNS label.
    BadName,
    /// `H0202`: a duration cannot be read.
    BadDuration,
    /// `H0203`: a size or a rate cannot be read.
    BadSize,
    /// `H0204`: a count or a percentage cannot be read.
    BadPercentage,
    /// `H0205`: a time of day cannot be read.
    BadTime,
    /// `H0206`: a path is not absolute.
    RelativePath,
    /// `H0207`: a path cannot be used.
    BadPath,
    /// `H0208`: a value is out of range.
    OutOfRange,
    /// `H0209`: a label cannot be used.
    BadLabel,
    /// `H0210`: a text holds characters that cannot be used.
    BadText,
    /// `H0211`: `schedule` and `every` exclude each other.
    ScheduleAndEvery,
    /// `H0212`: fields exclude each other.
    Exclusive,
    /// `H0213`: a field needs another one.
    NeedsOther,
    /// `H0214`: a schedule cannot be read.
    BadCron,
    /// `H0215`: a schedule never fires.
    CronNeverFires,
    /// `H0216`: an unknown time zone.
    UnknownTimeZone,
    /// `H0217`: a pattern cannot be read.
    BadGlob,
    /// `H0218`: a pattern begins with the source's own path.
    GlobNamesSource,
    /// `H0219`: a substitution cannot be made.
    BadSubstitution,
    /// `H0220`: the windows never open.
    WindowsNeverOpen,
    /// `H0301`: a url cannot be read.
    BadUrl,
    /// `H0302`: unknown scheme.
    UnknownScheme,
    /// `H0303`: a password is written in the manifest.
    InlinePassword,
    /// `H0304`: a url is percent-encoded.
    PercentEncoding,
    /// `H0305`: an option does not fit the url's scheme.
    WrongScheme,
    /// `H0306`: an rsync option is not allowed.
    RsyncArg,
    /// `H0307`: an rsync option's value cannot be used.
    RsyncArgValue,
    /// `H0308`: a password without a user.
    PasswordWithoutUser,
    /// `H0309`: an ssh option cannot be used.
    SshOption,
    /// `H0401`: a source's name is used twice.
    DuplicateSource,
    /// `H0402`: a target lies inside its source.
    TargetInsideSource,
    /// `H0403`: a source lies inside its target.
    SourceInsideTarget,
    /// `H0404`: two routes delete in the same target.
    TwoDeletingRoutes,
    /// `H0405`: a target is the root directory.
    TargetIsRoot,
    /// `H0406`: two routes write to the same target.
    SharedTarget,
    /// `H0407`: `modify` without `closeWrite`.
    ModifyWithoutCloseWrite,
    /// `H0408`: `delete: mirror` without the event `delete`.
    MirrorWithoutDelete,
    /// `H0409`: a host that is never met.
    UnknownHost,
    /// `H0410`: nothing to do on this host.
    NoRoutes,
    /// `H0411`: `maxDelete` without deletions.
    MaxDeleteWithoutDelete,
    /// `H0412`: a pattern that can never match.
    IncludeNothing,
    /// `H0413`: a live route may not lag.
    LiveMayNotLag,
    /// `H0414`: `maxWait` is shorter than `quiet`.
    DebounceOrder,
    /// `H0415`: a fact of the host is missing.
    HostFact,
    /// `H0416`: deletions without `maxDelete`.
    DeleteWithoutMaxDelete,
    /// `H0417`: an ssh option that gives the protection away.
    DangerousSsh,
    /// `H0418`: a secret is sent with the source.
    SecretInSource,
    /// `H0419`: an rsync daemon at a public address.
    PlainText,
    /// `H0420`: schedules that overlap.
    SchedulesOverlap,
    /// `H0421`: a schedule that fires in closed windows only.
    ScheduleOutsideWindows,
    /// `H0422`: a default that nothing takes.
    UnusedDefault,
    /// `H0423`: everything is excluded.
    NothingIncluded,
    /// `H0424`: a lint that cannot be allowed.
    BadAllow,
    /// `H0425`: a hook without a timeout.
    HookWithoutTimeout,
}

/// A code with what `heliostat explain` says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// As users see it, for instance `H0105`.
    pub id: &'static str,
    /// Whether it rejects the manifest.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// A paragraph: why, and how to repair it.
    pub explanation: &'static str,
}

impl Code {
    /// Its row of the registry.
    pub fn entry(self) -> &'static Entry {
        // The rows are in the order of the variants, which a test checks.
        &REGISTRY[self as usize]
    }

    /// As users see it, for instance `H0105`.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// Whether it rejects the manifest.
    pub fn severity(self) -> Severity {
        self.entry().severity
    }

    /// The lint that says it, if it is one.
    pub fn lint(self) -> Option<&'static Lint> {
        LINTS.iter().find(|lint| lint.code == self)
    }

    /// The code with this id, in either case.
    pub fn from_id(id: &str) -> Option<Code> {
        REGISTRY
            .iter()
            .find(|entry| entry.id.eq_ignore_ascii_case(id))
            .map(|entry| entry.code)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_of_the_variants_and_ids_rise() {
        for (index, entry) in REGISTRY.iter().enumerate() {
            assert_eq!(entry.code as usize, index, "{}", entry.id);
            assert_eq!(Code::from_id(&entry.id.to_lowercase()), Some(entry.code));
        }
        assert!(REGISTRY.is_sorted_by(|a, b| a.id < b.id));
    }

    #[test]
    fn every_row_says_something() {
        for entry in REGISTRY {
            assert!(
                entry.id.len() == 5 && entry.id.starts_with('H'),
                "{}",
                entry.id
            );
            assert!(
                !entry.title.is_empty() && !entry.title.ends_with('.'),
                "{}",
                entry.id
            );
            assert!(
                entry.explanation.len() > 40 && entry.explanation.ends_with('.'),
                "{}",
                entry.id
            );
        }
    }
}
