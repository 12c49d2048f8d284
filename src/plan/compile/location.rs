//! Places that can be held against each other: where a source is and where a target is, on which machine, in one spelling.
//!
//! Only spellings can be seen here. Two names of one machine, two modules on one directory, a symlink or a bind mount in
//! the way are for the guards on the host.

// From `core`: the type of an address, without the network.
use core::net::IpAddr;

use super::path;
use super::source::Lowered;
use super::substitute::{self, Home, Variables};
use crate::manifest::{Url, UrlParts, defaults, name};

/// The port at which an ssh url to this machine's own name is taken to reach this machine. Behind another port of
/// `localhost` there is mostly a container or a tunnel.
const SSH_PORT: u16 = 22;

/// A name space of paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Site {
    /// The file system of the host that the source runs on.
    Local,
    /// Another machine, by ssh.
    Ssh { host: String, port: u16 },
    /// A module of a daemon.
    Daemon {
        host: String,
        port: u16,
        module: String,
    },
}

/// A place in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub site: Site,
    /// Without a trailing slash; empty for a module's top.
    pub path: String,
}

impl Location {
    /// Whether `other` is the same place or lies below.
    pub fn contains(&self, other: &Location) -> bool {
        self.site == other.site && path::contains(&self.path, &other.path)
    }
}

/// What a source or a target takes up on one host.
#[derive(Clone, Debug)]
pub(super) struct Claim<'a> {
    /// Index of the source.
    pub source: usize,
    /// Index of the target within it; `None`: the source's own directory.
    pub target: Option<usize>,
    pub location: Location,
    home: Home<'a>,
    /// Runs on every host that loads it, and says the same there.
    anywhere: bool,
}

impl Claim<'_> {
    /// Whether the two can be met on one machine.
    pub fn meets(&self, other: &Claim<'_>) -> bool {
        self.location.site != Site::Local
            || self.anywhere
            || other.anywhere
            || self.home.name == other.home.name
    }
}

/// Every source's and every target's place, on every host that is known to run it. Suspended sources take up nothing;
/// neither does what depends on a fact that is not known here.
pub(super) fn claims<'a>(lowered: &[Lowered<'a>]) -> Vec<Claim<'a>> {
    let mut out = Vec::new();
    for (index, item) in lowered
        .iter()
        .enumerate()
        .filter(|(_, item)| !item.suspended())
    {
        let anywhere = item.source.options.hosts.is_none();
        for home in &item.homes {
            let variables = Variables {
                manifest: item.manifest,
                source: &item.source.name.value,
                target: None,
                home: *home,
            };
            let mut claim = |target: Option<usize>, text: &str, location: Option<Location>| {
                let anywhere = anywhere && !substitute::depends_on_host(text);
                out.extend(location.map(|location| Claim {
                    source: index,
                    target,
                    location,
                    home: *home,
                    anywhere,
                }));
            };
            let text = &item.source.path.value;
            claim(
                None,
                text,
                complete(text, variables).and_then(|text| local(&text)),
            );
            for (at, target) in item.source.targets.iter().enumerate() {
                let variables = Variables {
                    target: Some(&target.name.value),
                    ..variables
                };
                let text = &target.url.value.text;
                let url = complete(text, variables).and_then(|text| Url::parse(&text).ok());
                claim(
                    Some(at),
                    text,
                    url.and_then(|url| remote(url.parts, home.name)),
                );
            }
        }
    }
    out
}

/// Calls `visit` for each claim with those that lie at the same place or above it, the outermost first. Sorted component
/// by component a directory is followed by all that lies below it, so that this is not everything against everything.
pub(super) fn nested<'c, 'a>(
    mut claims: Vec<&'c Claim<'a>>,
    mut visit: impl FnMut(&[&'c Claim<'a>], &'c Claim<'a>),
) {
    // No name has a NUL, so that as a separator it sorts before everything.
    claims.sort_by_cached_key(|claim| {
        (
            claim.location.site.clone(),
            claim.location.path.replace('/', "\0"),
            claim.source,
            claim.target,
        )
    });
    let mut outer: Vec<&'c Claim<'a>> = Vec::new();
    for claim in claims {
        while outer
            .last()
            .is_some_and(|last| !last.location.contains(&claim.location))
        {
            outer.pop();
        }
        visit(&outer, claim);
        outer.push(claim);
    }
}

fn complete(text: &str, variables: Variables<'_>) -> Option<String> {
    substitute::substitute(text, variables)
        .ok()
        .filter(|done| done.complete)
        .map(|done| done.text)
}

fn local(text: &str) -> Option<Location> {
    Some(Location {
        site: Site::Local,
        path: path::normalise(text).ok()?,
    })
}

fn remote(parts: UrlParts, this_host: Option<&str>) -> Option<Location> {
    Some(match parts {
        UrlParts::Local { path } => local(&path)?,
        UrlParts::Ssh {
            host, port, path, ..
        } => {
            let host = machine(&host);
            let port = port.unwrap_or(SSH_PORT);
            let here =
                host == "localhost" || this_host.is_some_and(|name| host == name.to_lowercase());
            let site = if here && port == SSH_PORT {
                Site::Local
            } else {
                Site::Ssh { host, port }
            };
            Location {
                site,
                path: path::normalise(&path).ok()?,
            }
        }
        UrlParts::Daemon {
            host,
            port,
            module,
            path,
            ..
        } => Location {
            site: Site::Daemon {
                host: machine(&host),
                port: port.unwrap_or(defaults::RSYNC_PORT),
                module,
            },
            path: name::normalised(path.trim_start_matches('/')),
        },
    })
}

/// A host's name in its one spelling.
fn machine(host: &str) -> String {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_loopback() => "localhost".into(),
        Ok(address) => address.to_string(),
        Err(_) => {
            let name = host.trim_end_matches('.').to_lowercase();
            if name.ends_with(".localhost") {
                "localhost".into()
            } else {
                name
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_one_name() {
        for (text, name) in [
            ("WEB.Example.com.", "web.example.com"),
            ("127.0.0.2", "localhost"),
            ("0:0:0:0:0:0:0:1", "localhost"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("fe80:0::1", "fe80::1"),
        ] {
            assert_eq!(machine(text), name);
        }
    }
}
