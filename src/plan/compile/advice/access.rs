//! How targets are reached: secrets, keys and plain text.

use std::collections::{HashMap, HashSet};

// From `core`: the type of an address, without the network.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::filter::{Filter, Verdict};
use crate::manifest::{self, Secret};
use crate::plan::Target;
use crate::plan::compile::collector::Collector;
use crate::plan::compile::source::Lowered;

/// Directories where everybody may write.
const OPEN: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];

pub(super) fn check(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    let mut said = HashSet::new();
    for (_, target, route) in lowered.iter().flat_map(Lowered::targets) {
        ssh(target, &mut said, out);
        if let Target::Daemon { host, .. } = &route.target
            && public(host)
        {
            out.push(
                Diagnostic::new(
                    Code::PlainText,
                    format!("`{}` goes to a public address in plain text", route.name),
                )
                .primary(&target.url.at, "whoever is on the way can read it")
                .help("use `ssh://`, or a tunnel and its address"),
            );
        }
    }
    secrets(lowered, out);
}

/// Files that decide who is trusted, where everybody may put another one.
fn ssh<'a>(target: &'a manifest::Target, said: &mut HashSet<&'a Place>, out: &mut Collector<'_>) {
    let ssh = &target.options.ssh;
    let files = [
        ("identityFile", &ssh.identity_file),
        ("knownHostsFile", &ssh.known_hosts_file),
    ];
    for (key, file) in files {
        let Some(file) = file.as_ref().filter(|file| !said.contains(&file.at)) else {
            continue;
        };
        let open = OPEN
            .iter()
            .find(|open| crate::plan::compile::path::contains(open, &file.value));
        let (message, label) = match open {
            _ if file.value == "/dev/null" => (
                format!("`{key}` is empty"),
                "no host is known, and every connection is refused".to_owned(),
            ),
            Some(open) => (
                format!("`{key}` lies where everybody may write"),
                format!("anybody can put another file into `{open}`"),
            ),
            None => continue,
        };
        said.insert(&file.at);
        out.push(
            Diagnostic::new(Code::DangerousSsh, message)
                .primary(&file.at, label)
                .help("keep it where only root may write, for instance in `/etc/heliostat/ssh`"),
        );
    }
}

/// Passwords and keys that a source sends along: its own and those of the other sources on the same hosts.
fn secrets(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    let mut roots: HashMap<&str, Vec<&Lowered<'_>>> = HashMap::new();
    for item in lowered.iter().filter(|item| !item.suspended()) {
        if !item.part.plan.path.is_empty() {
            roots.entry(&item.part.plan.path).or_default().push(item);
        }
    }
    let mut said = HashSet::new();
    for owner in lowered {
        for (_, target, _) in owner.targets() {
            for (file, at) in kept(target) {
                for (root, inside) in above(file) {
                    for item in roots.get(root).into_iter().flatten() {
                        if meet(owner, item) && said.insert((at, &item.part.plan.name)) {
                            out.extend(sent(item, inside, at));
                        }
                    }
                }
            }
        }
    }
}

/// The files of a target that nobody else should have.
fn kept(target: &manifest::Target) -> impl Iterator<Item = (&str, &Place)> {
    let password = target.options.password.as_ref();
    let password = password.and_then(|secret| match &secret.value {
        Secret::File(path) => Some((path.as_str(), &secret.at)),
        Secret::Credential(_) | Secret::Env(_) => None,
    });
    let key = target.options.ssh.identity_file.as_ref();
    let key = key.map(|file| (file.value.as_str(), &file.at));
    password.into_iter().chain(key)
}

/// Each directory above a file, with what the file is below it.
fn above(file: &str) -> impl Iterator<Item = (&str, &str)> {
    let slashes = file.match_indices('/');
    slashes.map(|(at, _)| (if at == 0 { "/" } else { &file[..at] }, &file[at + 1..]))
}

/// Whether the two may run on one host.
fn meet(a: &Lowered<'_>, b: &Lowered<'_>) -> bool {
    match (&a.source.options.hosts, &b.source.options.hosts) {
        (Some(_), Some(_)) => a
            .homes
            .iter()
            .any(|home| b.homes.iter().any(|other| other.name == home.name)),
        _ => true,
    }
}

fn sent(item: &Lowered<'_>, inside: &str, at: &Place) -> Option<Diagnostic> {
    let (_, _, route) = item.targets().find(|(_, _, route)| {
        Filter::compile(&route.filter).is_ok_and(|filter| {
            filter.decide(inside.as_bytes(), false).verdict == Verdict::Included
        })
    })?;
    let diagnostic = Diagnostic::new(
        Code::SecretInSource,
        format!("`{}` sends this secret to its target", route.name),
    )
    .primary(at, "lies in the source")
    .secondary(&item.source.path.at, "the source")
    .help(format!(
        "add `/{inside}` to its `exclude`, or keep it elsewhere"
    ));
    Some(diagnostic)
}

/// An address that routers of the internet carry. A name may mean anything, and is not looked up.
fn public(host: &str) -> bool {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => public_v4(address),
        Ok(IpAddr::V6(address)) => public_v6(address),
        Err(_) => false,
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    // Of carriers and overlay networks (RFC 6598), and for measurements (RFC 2544).
    let shared = a == 100 && (64..128).contains(&b);
    let measured = a == 198 && (18..20).contains(&b);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || shared
        || measured)
}

fn public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments();
    // Global unicast is 2000::/3; 2001:db8::/32 is for documents.
    first[0] & 0xe000 == 0x2000 && !(first[0] == 0x2001 && first[1] == 0x0db8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        for host in ["8.8.8.8", "93.184.215.14", "2a00:1450::1", "::ffff:8.8.8.8"] {
            assert!(public(host), "{host}");
        }
        for host in [
            "10.0.0.1",
            "172.16.6.98",
            "192.168.1.1",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "192.0.2.1",
            "fd00::1",
            "fe80::1",
            "::1",
            "2001:db8::1",
            "web.example.com",
        ] {
            assert!(!public(host), "{host}");
        }
    }

    #[test]
    fn directories_above() {
        let all: Vec<_> = above("/a/b/c").collect();
        assert_eq!(all, [("/", "a/b/c"), ("/a", "b/c"), ("/a/b", "c")]);
    }
}
