//! The grammar of a target's url.
//!
//! `rsync://[user@]host[:port]/module[/path]` · `ssh://[user@]host[:port]/absolute/path` · `file:///absolute/path`.
//! Nothing is decoded: rsync does not either (`%20` would become a directory of that name). A part may hold `${…}`,
//! which is taken as it is: the compiler substitutes in the text and parses again.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::reading::nearest;
use super::{mend, name};
use crate::diagnostic::{Code, secret};

/// What a target can be reached by.
pub(super) const SCHEMES: [&str; 3] = ["rsync", "ssh", "file"];

/// A target's address in its parts.
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
    pub code: Code,
    /// One line.
    pub message: String,
    /// Which bytes of the text.
    pub range: Range<usize>,
    /// What is to be said at that place.
    pub label: String,
    /// Which bytes of the text must not be shown.
    pub secret: Option<Range<usize>>,
}

impl UrlParts {
    /// Its scheme.
    pub fn scheme(&self) -> &'static str {
        match self {
            UrlParts::Daemon { .. } => "rsync",
            UrlParts::Ssh { .. } => "ssh",
            UrlParts::Local { .. } => "file",
        }
    }
}

impl Url {
    /// Stands for one that was wrong and is reported, so that the rest of its target can still be looked at. It leads
    /// nowhere.
    pub(super) fn unknown() -> Url {
        Url {
            text: String::new(),
            parts: UrlParts::Local {
                path: String::new(),
            },
        }
    }

    /// Whether it stands for one that was wrong.
    pub fn is_unknown(&self) -> bool {
        self.text.is_empty()
    }

    /// Parses a url.
    pub fn parse(text: &str) -> Result<Url, UrlProblem> {
        if let Some(range) = secret::in_url(text).or_else(|| password_without_scheme(text)) {
            let mut problem = problem(
                Code::InlinePassword,
                range.clone(),
                "the url holds a password",
                "remove it",
            );
            problem.secret = Some(range);
            return Err(problem);
        }
        let (scheme, rest) = scheme(text)?;
        if let Some(at) = text.find(|c: char| c.is_control()) {
            return Err(problem(
                Code::BadUrl,
                at..at + 1,
                "the url holds a control character",
                "",
            ));
        }
        if let Some(at) = percent_encoded(text) {
            let label = "write the character itself, and quote the url";
            return Err(problem(
                Code::PercentEncoding,
                at..at + 3,
                "percent-encoding is not decoded",
                label,
            ));
        }
        let slash = text[rest..].find('/').map_or(text.len(), |at| rest + at);
        let path = checked_path(text, slash)?;
        let parts = match scheme {
            "file" => local(text, rest..slash, path)?,
            "ssh" => {
                let (user, host, port) = authority(text, rest..slash)?;
                UrlParts::Ssh {
                    user,
                    host,
                    port,
                    path: far_path(text, slash, path)?,
                }
            }
            _ => {
                let (user, host, port) = authority(text, rest..slash)?;
                let (module, path) = path
                    .trim_start_matches('/')
                    .split_once('/')
                    .unwrap_or((&path[path.len().min(1)..], ""));
                if module.is_empty() {
                    let message = "the url names no module of the daemon";
                    return Err(problem(
                        Code::BadUrl,
                        rest..text.len(),
                        message,
                        "write `rsync://host/MODULE`",
                    ));
                }
                UrlParts::Daemon {
                    user,
                    host,
                    port,
                    module: module.to_owned(),
                    path: path.to_owned(),
                }
            }
        };
        Ok(Url {
            text: text.to_owned(),
            parts,
        })
    }
}

fn problem(
    code: Code,
    range: Range<usize>,
    message: impl Into<String>,
    label: impl Into<String>,
) -> UrlProblem {
    UrlProblem {
        code,
        message: message.into(),
        range,
        label: label.into(),
        secret: None,
    }
}

/// The scheme, and where what follows it begins.
fn scheme(text: &str) -> Result<(&str, usize), UrlProblem> {
    let whole = 0..text.len();
    let Some(end) = text.find("://") else {
        let label = match mend::url(text) {
            Some(meant) => format!("write `{}`", meant.text),
            None => "begins with `rsync://`, `ssh://` or `file:///`".to_owned(),
        };
        return Err(problem(
            Code::BadUrl,
            whole,
            format!("`{text}` is not a url"),
            label,
        ));
    };
    let scheme = &text[..end];
    if SCHEMES.contains(&scheme) {
        return Ok((scheme, end + 3));
    }
    let label = match nearest(scheme, SCHEMES.into_iter()) {
        Some(scheme) => format!("did you mean `{scheme}`?"),
        None => "takes `rsync`, `ssh` or `file`, written out".to_owned(),
    };
    Err(problem(
        Code::UnknownScheme,
        0..end,
        format!("unknown scheme `{scheme}`"),
        label,
    ))
}

/// `user:password@host…`, where the scheme was forgotten.
fn password_without_scheme(text: &str) -> Option<Range<usize>> {
    let colon = text.find(':').filter(|_| !text.contains("://"))?;
    let at = text.rfind('@').filter(|at| *at > colon + 1)?;
    (!text[colon + 1..].starts_with(['/', ':'])).then_some(colon + 1..at)
}

fn percent_encoded(text: &str) -> Option<usize> {
    text.as_bytes().windows(3).position(|window| {
        window[0] == b'%' && window[1].is_ascii_hexdigit() && window[2].is_ascii_hexdigit()
    })
}

/// The path from its slash on, normalised.
fn checked_path(text: &str, slash: usize) -> Result<String, UrlProblem> {
    let path = &text[slash..];
    if name::climbs(path) {
        return Err(problem(
            Code::BadPath,
            slash..text.len(),
            "the url's path has a `..`",
            "write where it leads",
        ));
    }
    Ok(name::normalised(path))
}

fn far_path(text: &str, slash: usize, path: String) -> Result<String, UrlProblem> {
    match path.as_str() {
        "" => Err(problem(
            Code::BadUrl,
            0..text.len(),
            "the url has no path",
            "add the directory's absolute path",
        )),
        "/" => Err(problem(
            Code::TargetIsRoot,
            slash..text.len(),
            "the target is `/`",
            "name a directory below it",
        )),
        _ if path.starts_with("/~") => {
            let label = "write the absolute path";
            Err(problem(
                Code::BadUrl,
                slash..text.len(),
                "`~` is not expanded",
                label,
            ))
        }
        _ => Ok(path),
    }
}

fn local(text: &str, authority: Range<usize>, path: String) -> Result<UrlParts, UrlProblem> {
    if !authority.is_empty() {
        let label = format!("write `file:///{}`", &text[authority.start..]);
        return Err(problem(
            Code::BadUrl,
            authority,
            "a `file` url has three slashes and no host",
            label,
        ));
    }
    Ok(UrlParts::Local {
        path: far_path(text, authority.start, path)?,
    })
}

type Authority = (Option<String>, String, Option<u16>);

/// `user@host:port`.
fn authority(text: &str, range: Range<usize>) -> Result<Authority, UrlProblem> {
    let whole = &text[range.clone()];
    let host_start = whole
        .rfind('@')
        .map_or(range.start, |at| range.start + at + 1);
    let user = match whole.rfind('@') {
        None => None,
        Some(at) => Some(user(&whole[..at], range.start..range.start + at)?),
    };
    let rest = &text[host_start..range.end];
    let (host, port_start) = if let Some(inner) = rest.strip_prefix('[') {
        let Some(close) = inner
            .find(']')
            .filter(|close| inner[..*close].parse::<Ipv6Addr>().is_ok())
        else {
            return Err(problem(
                Code::BadUrl,
                host_start..range.end,
                "not an IPv6 address",
                "as in `[2001:db8::1]`",
            ));
        };
        (&inner[..close], host_start + close + 2)
    } else if rest.parse::<Ipv6Addr>().is_ok() {
        let label = format!("write `[{rest}]`");
        return Err(problem(
            Code::BadUrl,
            host_start..range.end,
            "an IPv6 address is put in brackets",
            label,
        ));
    } else {
        let colon = colon_outside_braces(rest).unwrap_or(rest.len());
        if !name::host(&without_substitutions(&rest[..colon])) {
            let (message, label) = match &rest[..colon] {
                "" => ("the url has no host", "write `//host/`".to_owned()),
                host => ("not a host's name", format!("`{host}`")),
            };
            return Err(problem(
                Code::BadUrl,
                host_start..host_start + colon,
                message,
                label,
            ));
        }
        (&rest[..colon], host_start + colon)
    };
    let port = match text[port_start..range.end].strip_prefix(':') {
        None if port_start < range.end => {
            return Err(problem(
                Code::BadUrl,
                port_start..range.end,
                "unexpected text after the address",
                "",
            ));
        }
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(number)
            }
            _ => {
                let place = port_start + 1..range.end;
                let number = port.bytes().all(|byte| byte.is_ascii_digit());
                let message = match number {
                    true => format!("`{port}` is not a port"),
                    false => "the port is not a number".to_owned(),
                };
                let mut problem = problem(Code::BadUrl, place.clone(), message, "takes 1 to 65535");
                // A user and a password whose `@` was forgotten look like this.
                problem.secret = (!number).then_some(place);
                return Err(problem);
            }
        },
    };
    Ok((user, host.to_owned(), port))
}

fn user(text: &str, range: Range<usize>) -> Result<String, UrlProblem> {
    let plain = without_substitutions(text);
    // ssh would take a leading dash for an option; `:` would be rsync's and ours for a password.
    if plain.is_empty() || plain.starts_with('-') || plain.contains([':', '@', '[', ']', ' ']) {
        return Err(problem(Code::BadUrl, range, "not a user's name", ""));
    }
    Ok(text.to_owned())
}

fn colon_outside_braces(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    text.bytes().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        byte == b':' && depth == 0
    })
}

/// The text with each `${…}` as a plain letter, so that grammars can look at the rest.
fn without_substitutions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else {
            break;
        };
        out.push_str(&rest[..start]);
        out.push('x');
        rest = &rest[start + end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, parts: &str) {
        let shown = match Url::parse(text) {
            Ok(url) => match url.parts {
                UrlParts::Daemon {
                    user,
                    host,
                    port,
                    module,
                    path,
                } => format!("{user:?} {host} {port:?} {module} {path:?}"),
                UrlParts::Ssh {
                    user,
                    host,
                    port,
                    path,
                } => format!("{user:?} {host} {port:?} {path}"),
                UrlParts::Local { path } => path,
            },
            Err(problem) => {
                assert!(
                    problem.range.end <= text.len() && text.get(problem.range.clone()).is_some(),
                    "{text}"
                );
                format!("{}: {}", problem.code, problem.message)
            }
        };
        assert_eq!(shown, parts, "{text}");
    }

    #[test]
    fn daemons() {
        check(
            "rsync://website@172.16.6.98/website",
            "Some(\"website\") 172.16.6.98 None website \"\"",
        );
        check(
            "rsync://h:8730/m/a//b/./c/",
            "None h Some(8730) m \"a/b/c\"",
        );
        check(
            "rsync://[2001:db8::1]:873/m",
            "None 2001:db8::1 Some(873) m \"\"",
        );
        check("rsync://u@[::1]/m", "Some(\"u\") ::1 None m \"\"");
        check(
            "rsync://${labels.mirror}/m/${source}",
            "None ${labels.mirror} None m \"${source}\"",
        );
        check("rsync://h/m/with space", "None h None m \"with space\"");
    }

    #[test]
    fn ssh_and_local_paths_are_absolute() {
        check(
            "ssh://mirror@dr.example.com:22/srv/mirror",
            "Some(\"mirror\") dr.example.com Some(22) /srv/mirror",
        );
        check("file:///mnt/nas/website/", "/mnt/nas/website");
        check("ssh://h", "H0301: the url has no path");
        check("ssh://h/~/x", "H0301: `~` is not expanded");
        check("ssh://h/", "H0405: the target is `/`");
        check("file:///", "H0405: the target is `/`");
        check(
            "file://mnt/nas",
            "H0301: a `file` url has three slashes and no host",
        );
        check("file:///a/../b", "H0207: the url's path has a `..`");
    }

    #[test]
    fn what_is_not_a_url_says_why() {
        check("/mnt/nas", "H0301: `/mnt/nas` is not a url");
        check("", "H0301: `` is not a url");
        check("h::m", "H0301: `h::m` is not a url");
        check("rsnc://h/m", "H0302: unknown scheme `rsnc`");
        check("rsync://h", "H0301: the url names no module of the daemon");
        check(
            "rsync://h//",
            "H0301: the url names no module of the daemon",
        );
        check("rsync:///m", "H0301: the url has no host");
        check("rsync://h:0/m", "H0301: `0` is not a port");
        check("rsync://h:99999/m", "H0301: `99999` is not a port");
        check("rsync://h:/m", "H0301: `` is not a port");
        check("rsync://h:+1/m", "H0301: the port is not a number");
        check(
            "rsync://2001:db8::1/m",
            "H0301: an IPv6 address is put in brackets",
        );
        check("rsync://[zz]/m", "H0301: not an IPv6 address");
        check(
            "rsync://[::1]x/m",
            "H0301: unexpected text after the address",
        );
        check("rsync://-oProxy/m", "H0301: not a host's name");
        check("rsync://@h/m", "H0301: not a user's name");
        check("ssh://-l@h/m", "H0301: not a user's name");
        check(
            "rsync://h/m/a%20b",
            "H0304: percent-encoding is not decoded",
        );
    }

    #[test]
    fn passwords_are_refused_and_never_said() {
        for text in [
            "rsync://u:hunter2@h/m",
            "rsync://u:hun/ter2@h/m",
            "ssh://u:hunter2@h:22/x",
            "http://u:hunter2@h",
            "u:hunter2@h/m",
        ] {
            let problem = Url::parse(text).unwrap_err();
            assert_eq!(problem.code, Code::InlinePassword, "{text}");
            assert!(!format!("{} {}", problem.message, problem.label).contains("hun"));
            assert!(problem.secret.is_some());
        }
    }
}
