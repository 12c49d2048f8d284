//! The grammar of a target's url.

/// A target's address in its parts. Parts may hold `${…}` until the compiler has substituted the text and parsed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// As written.
    pub text: String,
    /// In parts.
    pub parts: UrlParts,
}

/// The parts of a url, by scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlParts {
    /// `rsync://user@host:port/module/path`.
    Daemon {
        /// For authentication.
        user: Option<String>,
        /// Name, IPv4, or IPv6 without brackets.
        host: String,
        /// Where one was given.
        port: Option<u16>,
        /// The module.
        module: String,
        /// Below the module, normalised; empty for its top, no leading or trailing slash.
        path: String,
    },
    /// `ssh://user@host:port/absolute/path`.
    Ssh {
        /// Where one was given.
        user: Option<String>,
        /// Name, IPv4, or IPv6 without brackets.
        host: String,
        /// Where one was given.
        port: Option<u16>,
        /// Absolute, normalised.
        path: String,
    },
    /// `file:///absolute/path`.
    Local {
        /// Absolute, normalised.
        path: String,
    },
}

/// Why a text is not a target's url. Never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlProblem {
    /// What kind.
    pub code: crate::diagnostic::Code,
    /// One line.
    pub message: String,
    /// Which bytes of the text.
    pub range: std::ops::Range<usize>,
    /// What to do.
    pub help: Option<String>,
    /// Bytes of the text that must not be shown.
    pub secret: Option<std::ops::Range<usize>>,
}

impl Url {
    /// Parses a url.
    pub fn parse(text: &str) -> Result<Url, UrlProblem> {
        Err(UrlProblem {
            code: crate::diagnostic::Code::BadUrl,
            message: format!("`{text}` is not a url"),
            range: 0..text.len(),
            help: None,
            secret: None,
        })
    }
}
