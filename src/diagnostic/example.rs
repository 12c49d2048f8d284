//! An example of each code: what is wrong, and the same as it should be. `heliostat explain` shows them, and a test
//! validates both.

use super::Code;
use Within::{Document, File, Source, Target};

/// An example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// Of which code.
    pub code: Code,
    /// Where the texts stand.
    pub within: Within,
    /// Has the code.
    pub wrong: &'static str,
    /// Has none.
    pub right: &'static str,
}

/// What an example is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// It is a whole file.
    File,
    /// A document without `apiVersion` and `kind`.
    Document,
    /// Fields of a source.
    Source,
    /// Fields of a target.
    Target,
}

/// The example of a code; none for what is not a matter of one text.
pub fn example(code: Code) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.code == code)
}

/// By code.
pub const EXAMPLES: &[Example] = &[
    of(
        Code::YamlSyntax,
        Document,
        "sources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}",
        "sources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(
        Code::YamlTab,
        Document,
        "sources:\n\ta: {path: /a, targets: {t: {url: \"file:///t\"}}}",
        "sources:\n  a: {path: /a, targets: {t: {url: \"file:///t\"}}}",
    ),
    of(
        Code::YamlAlias,
        Source,
        "exclude: [*.rs]",
        "exclude: [\"*.rs\"]",
    ),
    of(Code::YamlTag, Source, "path: !!str /a", "path: /a"),
    of(Code::DuplicateKey, Source, "path: /a\npath: /b", "path: /a"),
    of(
        Code::MergeKey,
        Source,
        "<<: {suspend: false}",
        "suspend: false",
    ),
    of(Code::YamlKey, Source, "[x]: 1", "suspend: false"),
    of(
        Code::YamlDirective,
        File,
        "%YAML 1.2\n---\napiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(
        Code::ApiVersion,
        File,
        "apiVersion: v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(
        Code::Kind,
        File,
        "apiVersion: heliostat/v1\nkind: ConfigMap\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(
        Code::MissingField,
        Document,
        "sources: {a: {path: /a}}",
        "sources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(Code::WrongType, Source, "suspend: \"no\"", "suspend: false"),
    of(
        Code::UnknownField,
        Source,
        "exlude: [\"*.tmp\"]",
        "exclude: [\"*.tmp\"]",
    ),
    of(
        Code::UnknownValue,
        Target,
        "attributes: [acl]",
        "attributes: [archive, acls]",
    ),
    of(Code::Empty, Source, "exclude: []", "exclude: [\"*.tmp\"]"),
    of(
        Code::DuplicateItem,
        Source,
        "exclude: [\"*.tmp\", \"*.tmp\"]",
        "exclude: [\"*.tmp\"]",
    ),
    of(
        Code::BadName,
        Document,
        "sources: {Web_Site: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "sources: {web-site: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(Code::BadDuration, Target, "timeout: 60", "timeout: 60s"),
    of(
        Code::BadSize,
        Target,
        "url: rsync://h/m\nbandwidth: 40MiB",
        "url: rsync://h/m\nbandwidth: 40MiB/s",
    ),
    of(
        Code::BadPercentage,
        Target,
        "delete: mirror\nmaxDelete: 10 percent",
        "delete: mirror\nmaxDelete: 10%",
    ),
    of(
        Code::BadTime,
        Target,
        "windows: [{deny: \"8:00-18:00\"}]",
        "windows: [{deny: \"08:00-18:00\"}]",
    ),
    of(
        Code::RelativePath,
        Source,
        "path: data/website",
        "path: /data/website",
    ),
    of(
        Code::BadPath,
        Source,
        "path: /data/../website",
        "path: /website",
    ),
    of(Code::OutOfRange, Target, "timeout: 1ms", "timeout: 60s"),
    of(
        Code::BadLabel,
        Document,
        "metadata: {labels: {1st: web}}\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "metadata: {labels: {first: web}}\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(Code::BadText, Source, "path: \"/a\\nb\"", "path: /a"),
    of(
        Code::ScheduleAndEvery,
        Target,
        "rescan: {schedule: \"17 3 * * *\", every: 6h}",
        "rescan: {every: 6h}",
    ),
    of(
        Code::Exclusive,
        Target,
        "url: rsync://u@h/m\npasswordFile: /etc/p\npasswordEnv: P",
        "url: rsync://u@h/m\npasswordFile: /etc/p",
    ),
    of(
        Code::NeedsOther,
        Target,
        "rescan: {every: 6h, timeZone: Europe/Berlin}",
        "rescan: {schedule: \"17 3 * * *\", timeZone: Europe/Berlin}",
    ),
    of(
        Code::BadCron,
        Target,
        "rescan: {schedule: \"99 3 * * *\"}",
        "rescan: {schedule: \"17 3 * * *\"}",
    ),
    of(
        Code::CronNeverFires,
        Target,
        "rescan: {schedule: \"0 0 30 2 *\"}",
        "rescan: {schedule: \"0 0 28 2 *\"}",
    ),
    of(
        Code::UnknownTimeZone,
        Target,
        "rescan: {schedule: \"17 3 * * *\", timeZone: Berlin}",
        "rescan: {schedule: \"17 3 * * *\", timeZone: Europe/Berlin}",
    ),
    of(
        Code::BadGlob,
        Source,
        "exclude: [\"[a-\"]",
        "exclude: [\"[a-z]\"]",
    ),
    of(
        Code::GlobNamesSource,
        Source,
        "path: /data/website\nexclude: [/data/website/cache/]",
        "path: /data/website\nexclude: [/cache/]",
    ),
    of(
        Code::BadSubstitution,
        Target,
        "url: \"file:///t/${HOSTNAME}\"",
        "url: \"file:///t/${host}\"",
    ),
    of(
        Code::WindowsNeverOpen,
        Target,
        "windows: [{deny: \"00:00-24:00\"}]",
        "windows: [{deny: \"08:00-18:00\"}]",
    ),
    of(
        Code::BadUrl,
        Target,
        "url: web98::website",
        "url: rsync://web98/website",
    ),
    of(
        Code::UnknownScheme,
        Target,
        "url: ftp://h/m",
        "url: rsync://h/m",
    ),
    of(
        Code::InlinePassword,
        Target,
        "url: rsync://web:PASSWORD@h/m",
        "url: rsync://web@h/m\npasswordFile: /etc/heliostat/secrets/web",
    ),
    of(
        Code::PercentEncoding,
        Target,
        "url: rsync://h/m/my%20files",
        "url: \"rsync://h/m/my files\"",
    ),
    of(
        Code::WrongScheme,
        Target,
        "url: file:///t\ncompress: zstd",
        "url: ssh://h/t\ncompress: zstd",
    ),
    of(
        Code::RsyncArg,
        Target,
        "url: rsync://h/m\nrsyncArgs: [--delete]",
        "url: rsync://h/m\ndelete: mirror\nmaxDelete: 10%",
    ),
    of(
        Code::RsyncArgValue,
        Target,
        "url: rsync://h/m\nrsyncArgs: [--chmod=rw]",
        "url: rsync://h/m\nrsyncArgs: [\"--chmod=D755,F644\"]",
    ),
    of(
        Code::PasswordWithoutUser,
        Target,
        "url: rsync://h/m\npasswordFile: /etc/p",
        "url: rsync://web@h/m\npasswordFile: /etc/p",
    ),
    of(
        Code::SshOption,
        Target,
        "url: ssh://h/t\nssh: {jump: \"-oProxyCommand=x\"}",
        "url: ssh://h/t\nssh: {jump: me@bastion}",
    ),
    of(
        Code::DuplicateSource,
        File,
        "apiVersion: heliostat/v1\nkind: Manifest\nsources: {web: {path: /a, targets: {t: {url: \"file:///t\"}}}}\n---\napiVersion: heliostat/v1\nkind: Manifest\nsources: {web: {path: /b, targets: {t: {url: \"file:///u\"}}}}",
        "apiVersion: heliostat/v1\nkind: Manifest\nsources: {web: {path: /a, targets: {t: {url: \"file:///t\"}}}}\n---\napiVersion: heliostat/v1\nkind: Manifest\nsources: {api: {path: /b, targets: {t: {url: \"file:///u\"}}}}",
    ),
    of(
        Code::TargetInsideSource,
        Target,
        "url: file:///a/backup",
        "url: file:///backup",
    ),
    of(
        Code::SourceInsideTarget,
        Document,
        "sources: {a: {path: /srv/web, targets: {t: {url: \"file:///srv\"}}}}",
        "sources: {a: {path: /srv/web, targets: {t: {url: \"file:///backup\"}}}}",
    ),
    of(
        Code::TwoDeletingRoutes,
        Document,
        "defaults: {target: {delete: mirror, maxDelete: 10%}}\nsources:\n  a: {path: /a, targets: {t: {url: \"file:///t\"}}}\n  b: {path: /b, targets: {t: {url: \"file:///t\"}}}",
        "defaults: {target: {delete: mirror, maxDelete: 10%}}\nsources:\n  a: {path: /a, targets: {t: {url: \"file:///t/a\"}}}\n  b: {path: /b, targets: {t: {url: \"file:///t/b\"}}}",
    ),
    of(
        Code::TargetIsRoot,
        Target,
        "url: file:///",
        "url: file:///backup",
    ),
    of(
        Code::SharedTarget,
        Document,
        "sources:\n  a: {path: /a, targets: {t: {url: \"file:///t\"}}}\n  b: {path: /b, targets: {t: {url: \"file:///t\"}}}",
        "sources:\n  a: {path: /a, targets: {t: {url: \"file:///t/a\"}}}\n  b: {path: /b, targets: {t: {url: \"file:///t/b\"}}}",
    ),
    of(
        Code::ModifyWithoutCloseWrite,
        Source,
        "events: [create, modify, delete]",
        "events: [create, closeWrite, delete]",
    ),
    of(
        Code::MirrorWithoutDelete,
        Document,
        "sources:\n  a:\n    path: /a\n    events: [create, closeWrite]\n    targets: {t: {url: \"file:///t\", delete: mirror, maxDelete: 10%}}",
        "sources:\n  a:\n    path: /a\n    events: [create, closeWrite, delete]\n    targets: {t: {url: \"file:///t\", delete: mirror, maxDelete: 10%}}",
    ),
    of(
        Code::MaxDeleteWithoutDelete,
        Target,
        "maxDelete: 10%",
        "delete: mirror\nmaxDelete: 10%",
    ),
    of(
        Code::IncludeNothing,
        Source,
        "include: [/cache/keep]\nexclude: [/cache/]",
        "include: [/cache/keep]",
    ),
    of(
        Code::LiveMayNotLag,
        Target,
        "debounce: {maxWait: 2h}\nrescan: {every: 1h}",
        "debounce: {maxWait: 5m}\nrescan: {every: 1h}",
    ),
    of(
        Code::DebounceOrder,
        Target,
        "debounce: {quiet: 30s, maxWait: 5s}",
        "debounce: {quiet: 5s, maxWait: 30s}",
    ),
    of(
        Code::DeleteWithoutMaxDelete,
        Target,
        "delete: mirror",
        "delete: mirror\nmaxDelete: 10%",
    ),
    of(
        Code::DangerousSsh,
        Target,
        "url: ssh://h/t\nssh: {identityFile: /tmp/key}",
        "url: ssh://h/t\nssh: {identityFile: /etc/heliostat/ssh/key}",
    ),
    of(
        Code::SecretInSource,
        Document,
        "sources:\n  etc:\n    path: /etc\n    targets: {vault: {url: rsync://etc@h/m, passwordFile: /etc/heliostat/secrets/vault}}",
        "sources:\n  etc:\n    path: /etc\n    exclude: [/heliostat/secrets/]\n    targets: {vault: {url: rsync://etc@h/m, passwordFile: /etc/heliostat/secrets/vault}}",
    ),
    of(
        Code::PlainText,
        Target,
        "url: rsync://8.8.8.8/website",
        "url: ssh://8.8.8.8/srv/website",
    ),
    of(
        Code::SchedulesOverlap,
        Target,
        "rescan: {every: 1h, jitter: 2h}",
        "rescan: {every: 1h, jitter: 10m}",
    ),
    of(
        Code::ScheduleOutsideWindows,
        Target,
        "sync: {schedule: \"0 12 * * *\"}\nwindows: [{deny: \"08:00-18:00\"}]",
        "sync: {schedule: \"0 22 * * *\"}\nwindows: [{deny: \"08:00-18:00\"}]",
    ),
    of(
        Code::UnusedDefault,
        Document,
        "defaults: {target: {passwordFile: /etc/p}}\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "defaults: {target: {passwordFile: /etc/p}}\nsources: {a: {path: /a, targets: {t: {url: \"rsync://web@h/m\"}}}}",
    ),
    of(
        Code::NothingIncluded,
        Source,
        "exclude: [\"*\"]",
        "exclude: [\"*.tmp\"]",
    ),
    of(
        Code::BadAllow,
        Document,
        "metadata: {allow: {two-deleting-owners: it is fine}}\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
        "metadata: {allow: {shared-target: names never clash}}\nsources: {a: {path: /a, targets: {t: {url: \"file:///t\"}}}}",
    ),
    of(
        Code::HookWithoutTimeout,
        Target,
        "hooks: {after: {run: [/usr/local/bin/purge]}}",
        "hooks: {after: {run: [/usr/local/bin/purge], timeout: 10s}}",
    ),
];

const fn of(code: Code, within: Within, wrong: &'static str, right: &'static str) -> Example {
    Example {
        code,
        within,
        wrong,
        right,
    }
}
