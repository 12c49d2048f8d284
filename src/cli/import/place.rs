//! Where rsync would send to, as a url.

use super::draft::Target;

/// What is not said by the destination itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Of the daemon.
    pub port: Option<u16>,
    /// Of ssh.
    pub ssh_port: Option<u16>,
    /// Whether a remote shell is named.
    pub shell: bool,
    /// Where the destination names none.
    pub user: Option<String>,
}

/// The target that a destination of rsync means. `below`: what is appended, for a source without a slash at its end. An error says why it
/// cannot be one, without the destination itself where a password is in it.
pub fn place(destination: &str, access: &Access, below: Option<&str>) -> Result<Target, String> {
    let joined = |path: &str| match below {
        Some(below) => format!("{}/{below}", path.trim_end_matches('/')),
        None => path.to_owned(),
    };
    if let Some(rest) = destination.strip_prefix("rsync://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = user_of(authority)?;
        let path = joined(path);
        let user = user.or(access.user.clone());
        return daemon(user, host, None, &path);
    }
    if let Some((authority, path)) = destination.split_once("::") {
        if access.shell {
            return Err(
                "a daemon that is reached through a remote shell is not supported: name a directory (`HOST:/PATH`)"
                    .to_owned(),
            );
        }
        let (user, host) = user_of(authority)?;
        let user = user.or(access.user.clone());
        return daemon(user, host, access.port, &joined(path));
    }
    if let Some((authority, path)) = remote(destination) {
        let (user, host) = user_of(authority)?;
        return over_ssh(
            user.or(access.user.clone()),
            host,
            access.ssh_port,
            &joined(path),
        );
    }
    if !destination.starts_with('/') {
        return Err("it is neither an absolute path nor on another host".to_owned());
    }
    let path = joined(destination);
    Ok(Target {
        url: format!("file://{}", path.trim_end_matches('/')),
        called: path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        ..Target::default()
    })
}

/// `host:path`, but not `/a:b`; an IPv6 address stands in brackets.
fn remote(destination: &str) -> Option<(&str, &str)> {
    let colon = match destination.find("]:") {
        Some(at) => at + 1,
        None => destination.find(':')?,
    };
    let slash = destination.find('/').unwrap_or(usize::MAX);
    (colon < slash).then(|| (&destination[..colon], &destination[colon + 1..]))
}

fn user_of(authority: &str) -> Result<(Option<String>, &str), String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return Ok((None, authority));
    };
    if user.contains(':') {
        return Err("a password stands in it: put it into a file of mode 0600, and change it, as it was readable here".to_owned());
    }
    Ok((Some(user.to_owned()).filter(|user| !user.is_empty()), host))
}

fn daemon(
    user: Option<String>,
    host: &str,
    port: Option<u16>,
    path: &str,
) -> Result<Target, String> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Err("it names no module of the daemon".to_owned());
    }
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let port = port
        .filter(|port| *port != 873)
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    Ok(Target {
        url: format!("rsync://{user}{host}{port}/{path}"),
        called: called(host),
        ..Target::default()
    })
}

/// A directory over ssh.
pub fn over_ssh(
    user: Option<String>,
    host: &str,
    port: Option<u16>,
    path: &str,
) -> Result<Target, String> {
    if !path.starts_with('/') {
        return Err("it begins in a home directory: write its path from `/`".to_owned());
    }
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(Target {
        url: format!("ssh://{user}{host}{port}{}", path.trim_end_matches('/')),
        called: called(host),
        ..Target::default()
    })
}

/// A name makes a name; an address makes one of all of it.
fn called(host: &str) -> String {
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.') || host.contains(':');
    match numeric {
        true => format!("host-{host}"),
        false => host.split('.').next().unwrap_or_default().to_owned(),
    }
}
