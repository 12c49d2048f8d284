//! Who may reach a running service besides its own user and root: the agent file's `access` and `http`.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::fields::Fields;
use super::reading::Reading;
use super::yaml::Node;
use super::{Spanned, name};
use crate::diagnostic::{Code, Diagnostic};

/// A group's name as Linux takes it.
const GROUP_MAX: usize = 32;

/// Who else may use the control socket; nobody by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Groups, by name or number, that may look.
    pub read: Vec<String>,
    /// Groups that may look and act.
    pub operate: Vec<String>,
}

/// HTTP over TCP; off by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// Where; `None`: nowhere, unless the command line says it.
    pub listen: Option<SocketAddr>,
    /// Whether who reaches it may act, not only look: on loopback alone.
    pub operate: bool,
    /// Whether it may be an address that other hosts reach.
    pub remote: bool,
    /// Names under which it is asked for, besides this host's own and `localhost`.
    pub hosts: Vec<String>,
}

impl Http {
    /// Why it may not be served there; `None`: it may.
    pub fn refusal(&self, listen: SocketAddr) -> Option<&'static str> {
        let local = is_loopback(listen.ip());
        match (local, self.remote, self.operate) {
            (true, ..) | (false, true, false) => None,
            (false, false, _) => Some(
                "other hosts reach this address, and whoever reaches it reads names and states: say `http: {remote: true}` in the agent file where that is meant",
            ),
            (false, true, true) => Some(
                "nobody is asked who he is over TCP, so `operate: true` is for a loopback address alone: let a proxy that asks stand before it",
            ),
        }
    }
}

/// Also where it is written as IPv6.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// `access`.
pub(super) fn access(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Access> {
    let mut fields = Fields::of(reading, key, "`access`", node)?;
    let mut groups = |reading: &mut Reading<'_>, name| {
        let groups = fields.read(reading, name, |reading, key, node| {
            let groups = reading.list(key, node, |reading, item| group(reading, key, item))?;
            reading.distinct(key, &groups);
            Some(groups)
        });
        groups.map_or_else(Vec::new, texts)
    };
    let access = Access {
        read: groups(reading, "read"),
        operate: groups(reading, "operate"),
    };
    fields.finish(reading, &[]);
    Some(access)
}

fn texts(items: Vec<Spanned<String>>) -> Vec<String> {
    items.into_iter().map(|item| item.value).collect()
}

fn group(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let text = reading.text(key, node)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.@\\$".contains(c);
    if !text.value.is_empty() && text.value.len() <= GROUP_MAX && text.value.chars().all(fits) {
        return Some(text);
    }
    let message = format!("`{}` is not a group's name", text.value.escape_debug());
    let label = "a group's name or number, as in `adm`";
    reading.wrong(Code::BadName, &text.at, message, label);
    None
}

/// `http`.
pub(super) fn http(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Http> {
    let mut fields = Fields::of(reading, key, "`http`", node)?;
    let listen = fields.read(reading, "listen", address);
    let operate = fields.read(reading, "operate", |reading, key, node| {
        reading.boolean(key, node)
    });
    let remote = fields.read(reading, "remote", |reading, key, node| {
        reading.boolean(key, node)
    });
    let hosts = fields.read(reading, "hosts", |reading, key, node| {
        let hosts = reading.list(key, node, |reading, item| host(reading, key, item))?;
        reading.distinct(key, &hosts);
        Some(hosts)
    });
    fields.finish(reading, &[]);
    let http = Http {
        listen: listen.as_ref().map(|listen| listen.value),
        operate: operate.as_ref().is_some_and(|operate| operate.value),
        remote: remote.as_ref().is_some_and(|remote| remote.value),
        hosts: hosts.map_or_else(Vec::new, texts),
    };
    if let Some(listen) = listen
        && let Some(refusal) = http.refusal(listen.value)
    {
        let message = format!("`{}` is an address that other hosts reach", listen.value);
        let mut problem = Diagnostic::new(Code::NeedsOther, message)
            .primary(&listen.at, "not a loopback address")
            .help(refusal);
        if let Some(operate) = operate.filter(|operate| operate.value && http.remote) {
            problem = problem.secondary(&operate.at, "whoever reaches it may act");
        }
        reading.report(problem);
    }
    Some(http)
}

fn address(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<SocketAddr>> {
    let text = reading.text(key, node)?;
    match text.value.parse() {
        Ok(address) => Some(Spanned::new(address, text.at)),
        Err(_) => {
            let message = format!(
                "`{}` is not an address with a port",
                text.value.escape_debug()
            );
            let label = "as in `127.0.0.1:9099` or `[::1]:9099`";
            reading.wrong(Code::BadText, &text.at, message, label);
            None
        }
    }
}

fn host(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let text = reading.text(key, node)?;
    if name::host(&text.value) {
        return Some(text);
    }
    let message = format!("`{}` is not a host's name", text.value.escape_debug());
    let label = "letters, digits, `-`, `_` and dots, without a port";
    reading.wrong(Code::BadName, &text.at, message, label);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_served_unasked_and_only_there_it_acts() {
        let ask = |remote, operate, listen: &str| {
            let http = Http {
                remote,
                operate,
                ..Http::default()
            };
            http.refusal(listen.parse().unwrap()).is_none()
        };
        for local in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            for (remote, operate) in [(false, false), (false, true), (true, false), (true, true)] {
                assert!(ask(remote, operate, local), "{local}");
            }
        }
        for far in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(ask(true, false, far), "{far}");
            assert!(!ask(false, false, far), "{far}");
            assert!(!ask(false, true, far), "{far}");
            assert!(!ask(true, true, far), "{far}");
        }
    }
}
