//! The lints: mistakes that have a name, in one table.
//!
//! A lint looks at what is allowed by itself and probably not meant, or at two places that do not go together. Its name
//! is shown behind the message and is stable, as its code is. Those that warn can be allowed where they are meant, with
//! a reason, under a manifest's `metadata.allow`; those that are errors cannot.

use super::{Code, Severity};

/// A lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// As it is shown and allowed.
    pub name: &'static str,
    /// What is said where it finds something.
    pub code: Code,
}

impl Lint {
    /// Whether `metadata.allow` may name it: what can lose data is never allowed.
    pub fn allowable(&self) -> bool {
        self.code.severity() == Severity::Warning
    }

    /// The lint of that name.
    pub fn named(name: &str) -> Option<&'static Lint> {
        LINTS.iter().find(|lint| lint.name == name)
    }
}

/// All of them, by code.
pub const LINTS: &[Lint] = &[
    lint("schedule-never-fires", Code::CronNeverFires),
    lint("pattern-names-source", Code::GlobNamesSource),
    lint("windows-never-open", Code::WindowsNeverOpen),
    lint("password-without-user", Code::PasswordWithoutUser),
    lint("target-in-source", Code::TargetInsideSource),
    lint("source-in-target", Code::SourceInsideTarget),
    lint("two-deleting-owners", Code::TwoDeletingRoutes),
    lint("shared-target", Code::SharedTarget),
    lint("modify-without-close-write", Code::ModifyWithoutCloseWrite),
    lint("mirror-without-delete-event", Code::MirrorWithoutDelete),
    lint("max-delete-without-delete", Code::MaxDeleteWithoutDelete),
    lint("pattern-never-matches", Code::IncludeNothing),
    lint("live-may-not-lag", Code::LiveMayNotLag),
    lint("delete-without-max-delete", Code::DeleteWithoutMaxDelete),
    lint("dangerous-ssh-option", Code::DangerousSsh),
    lint("secret-in-source", Code::SecretInSource),
    lint("plain-text-to-public-address", Code::PlainText),
    lint("schedules-overlap", Code::SchedulesOverlap),
    lint("schedule-outside-windows", Code::ScheduleOutsideWindows),
    lint("unused-default", Code::UnusedDefault),
    lint("nothing-included", Code::NothingIncluded),
    lint("hook-without-timeout", Code::HookWithoutTimeout),
];

const fn lint(name: &'static str, code: Code) -> Lint {
    Lint { name, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_unique_and_in_order() {
        assert!(LINTS.is_sorted_by(|a, b| a.code < b.code));
        for lint in LINTS {
            assert_eq!(Lint::named(lint.name), Some(lint));
            assert_eq!(lint.code.lint(), Some(lint));
            assert!(
                lint.name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            );
        }
        assert_eq!(Lint::named("nonsense"), None);
    }

    #[test]
    fn what_can_lose_data_cannot_be_allowed() {
        for name in [
            "two-deleting-owners",
            "target-in-source",
            "source-in-target",
        ] {
            assert!(!Lint::named(name).unwrap().allowable(), "{name}");
        }
        assert!(
            Lint::named("modify-without-close-write")
                .unwrap()
                .allowable()
        );
    }
}
