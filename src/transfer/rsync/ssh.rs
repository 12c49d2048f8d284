//! rsync over ssh, one lasting connection a target.
//!
//! `-e` takes one string, which rsync (no shell) splits at blanks, with quotes of either kind, doubled inside themselves.
//! The first transfer leaves a master connection behind that the next ones use (161 ms instead of 347); it ends by
//! itself after a minute, or with [`close`].
//!
//! A jump host is reached by a `ProxyCommand` of our own: with `ProxyJump`, ssh hands none of its options on to the
//! connection to that host but `-F FILE`, and that unquoted; a jump host would be asked for with the user's own keys
//! and trust. The one process of the transfer's group that outlives it: [`Invocation::lasts`].

use std::path::Path;

use super::super::Context;
use super::invocation::{Invocation, Leave, Orders, list};
use super::kind::{Kind, Shown, bracketed};
use super::steps::Step;
use crate::engine::Trouble;
use crate::plan::Target;

/// rsync over ssh.
pub struct Ssh;

/// For the connection alone; afterwards `timeout` counts.
const CONNECT_S: u64 = 10;

/// A unix socket's path has 107 bytes; while it makes the socket, ssh appends 17 to its name.
const SOCKET_PATH_MAX: usize = 107 - 17;

/// What the sockets in the runtime directory begin with.
const SOCKET_PREFIX: &str = "ssh-";

impl Kind for Ssh {
    fn serves(&self, target: &Target) -> bool {
        matches!(target, Target::Ssh { .. })
    }

    fn lower(
        &self,
        orders: Orders<'_>,
        step: &Step,
        leave: Leave,
        context: &Context,
    ) -> Result<Invocation, Trouble> {
        let target = &orders.route.target;
        let options = vec![
            "-e".to_string(),
            shell(target, &context.ssh, Some(&context.runtime_dir)),
        ];
        Ok(Invocation {
            program: context.rsync.path(),
            arguments: orders.arguments(step, leave, options, &destination(target)),
            environment: context.environment(&orders.route.name),
            password: None,
            input: list(step),
            connects: false,
            lasts: matches!(target, Target::Ssh { jump: Some(_), .. }),
        })
    }

    fn far_root(&self, target: &Target) -> Vec<u8> {
        match target {
            Target::Ssh { path, .. } => path.trim_end_matches('/').as_bytes().to_vec(),
            _ => Vec::new(),
        }
    }

    fn explain(&self, target: &Target, code: Option<i32>, text: &[String]) -> Option<Trouble> {
        if !matches!(code, Some(12 | 126 | 127 | 255)) {
            return None;
        }
        let own = |line: &&String| !line.starts_with("rsync");
        let say = |code, line: &str, help: &str| Trouble {
            code,
            // Some of its messages name it already.
            message: if help.is_empty() {
                format!("ssh: {}", line.trim_start_matches("ssh: "))
            } else {
                format!("ssh: {}: {help}", line.trim_start_matches("ssh: "))
            },
            soon: false,
        };
        let find = |parts: &[&str]| {
            text.iter()
                .filter(own)
                .find(|line| parts.iter().any(|part| line.contains(part)))
        };
        if let Some(line) = find(&[
            "Permission denied",
            "Too many authentication failures",
            "UNPROTECTED PRIVATE KEY",
        ]) {
            return Some(say(
                "auth",
                line,
                "check `ssh.identityFile` and the far side's authorized keys",
            ));
        }
        if let Some(line) = find(&[
            "Host key verification failed",
            "host key is known for",
            "IDENTIFICATION HAS CHANGED",
        ]) {
            return Some(say("hostKey", line, "check `ssh.knownHostsFile`"));
        }
        if let Some(line) = find(&[
            "rsync: command not found",
            "rsync: not found",
            "rsync: No such file",
        ]) {
            return Some(say("noRsync", line, "install rsync on the far side"));
        }
        let unreachable = [
            "Connection refused",
            "Could not resolve",
            "No route to host",
            "timed out",
            "unreachable",
            "Connection closed",
            "Connection reset",
        ];
        if let Some(line) = find(&unreachable) {
            // ssh shows nothing of what the connection to a jump host said, because that is to last.
            let help = match target {
                Target::Ssh { jump: Some(_), .. } if line.contains("kex_exchange") => {
                    "the jump host is perhaps not reachable, not in `ssh.knownHostsFile`, refuses `ssh.identityFile`, or cannot reach the target"
                }
                _ => "",
            };
            return Some(say("unreachable", line, help));
        }
        let line = text.iter().find(own).or(text.first())?;
        Some(say("ssh", line, ""))
    }

    fn shown(&self, target: &Target) -> Shown {
        let options = vec!["-e".to_string(), shell(target, Path::new("ssh"), None)];
        Shown {
            before: String::new(),
            options,
            destination: destination(target),
        }
    }
}

/// The remote shell as rsync splits it. Without a runtime directory, or in one with too long a name, every transfer
/// makes its own connection.
fn shell(target: &Target, ssh: &Path, runtime_dir: Option<&Path>) -> String {
    let Target::Ssh { port, jump, .. } = target else {
        return String::new();
    };
    let mut words = common(target, ssh);
    let mut option = |text: String| words.extend(["-o".to_string(), text]);
    if let Some(socket) = runtime_dir.map(|dir| dir.join(socket_name(target)))
        && socket.as_os_str().len() <= SOCKET_PATH_MAX
        && let Some(path) = socket.to_str()
    {
        option("ControlMaster=auto".to_string());
        option("ControlPersist=60s".to_string());
        option(format!("ControlPath={}", value(path)));
    }
    let hops: Vec<&str> = jump.iter().flat_map(|jump| jump.split(',')).collect();
    if let Some(command) = by_way_of(&hops, &common(target, ssh)) {
        option(format!("ProxyCommand={command}"));
    }
    if let Some(port) = port {
        words.extend(["-p".to_string(), port.to_string()]);
    }
    words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The program with what holds for every host on the way.
fn common(target: &Target, ssh: &Path) -> Vec<String> {
    let Target::Ssh {
        identity_file,
        known_hosts_file,
        ..
    } = target
    else {
        return Vec::new();
    };
    let mut words = vec![ssh.to_string_lossy().into_owned()];
    let mut option = |text: String| words.extend(["-o".to_string(), text]);
    for text in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "LogLevel=ERROR",
        "ServerAliveInterval=15",
    ] {
        option(text.to_string());
    }
    option(format!("ConnectTimeout={CONNECT_S}"));
    if let Some(file) = known_hosts_file {
        option(format!("UserKnownHostsFile={}", value(file)));
        option("GlobalKnownHostsFile=/dev/null".to_string());
    }
    if let Some(file) = identity_file {
        option(format!("IdentityFile={}", value(file)));
        option("IdentitiesOnly=yes".to_string());
    }
    words
}

/// The command that connects to a host by way of these; `None`: by way of none. ssh puts that host in for `%h` and hands
/// the line to `/bin/sh`. Each hop is reached by way of those before it.
fn by_way_of(hops: &[&str], common: &[String]) -> Option<String> {
    let (last, before) = hops.split_last()?;
    let mut words: Vec<String> = common.to_vec();
    if let Some(command) = by_way_of(before, common) {
        words.extend(["-o".to_string(), format!("ProxyCommand={command}")]);
    }
    let (user, place) = match last.rsplit_once('@') {
        Some((user, place)) => (format!("{user}@"), place),
        None => (String::new(), *last),
    };
    let (host, port) = match place.rsplit_once(':') {
        // Colons in the brackets are the address's own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    };
    words.extend(
        port.into_iter()
            .flat_map(|port| ["-p".to_string(), port.to_string()]),
    );
    words.push(format!("{user}{}", host.trim_matches(['[', ']'])));
    let mut words: Vec<String> = words.iter().map(|word| for_shell(word)).collect();
    words.insert(1, "-W \"[%h]:%p\"".to_string());
    Some(words.join(" "))
}

/// A word of a `ProxyCommand`: in double quotes, because rsync doubles single ones.
fn for_shell(word: &str) -> String {
    let word = word.replace('%', "%%");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:@,%+".contains(c);
    if word.chars().all(plain) {
        return word;
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// A path as the value of an ssh option: ssh splits at blanks and expands `%` itself.
fn value(path: &str) -> String {
    let path = path.replace('%', "%%");
    if path.contains([' ', '"', '\\']) {
        format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        path
    }
}

/// A word as rsync splits `-e`.
fn quoted(word: &str) -> String {
    if word.contains([' ', '\'', '"']) {
        format!("'{}'", word.replace('\'', "''"))
    } else {
        word.to_string()
    }
}

/// Everything that makes another connection makes another name; short, because a socket's path may not be long.
fn socket_name(target: &Target) -> String {
    let Target::Ssh {
        user,
        host,
        port,
        identity_file,
        known_hosts_file,
        jump,
        ..
    } = target
    else {
        return String::new();
    };
    let identity =
        format!("{user:?} {host:?} {port:?} {identity_file:?} {known_hosts_file:?} {jump:?}");
    format!(
        "{SOCKET_PREFIX}{}",
        &blake3::hash(identity.as_bytes()).to_hex()[..12]
    )
}

fn destination(target: &Target) -> String {
    let Target::Ssh {
        user, host, path, ..
    } = target
    else {
        return String::new();
    };
    let user = user
        .as_ref()
        .map(|user| format!("{user}@"))
        .unwrap_or_default();
    format!("{user}{}:{}/", bracketed(host), path.trim_end_matches('/'))
}

/// Ends every lasting connection. For the end of the service; what does not answer ends by itself after a minute.
pub async fn close(context: &Context) {
    let Ok(entries) = std::fs::read_dir(&context.runtime_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(text) = path.to_str().filter(|_| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(SOCKET_PREFIX)
        }) else {
            continue;
        };
        let mut command = tokio::process::Command::new(&context.ssh);
        command.env_clear().args([
            "-O",
            "exit",
            "-o",
            &format!("ControlPath={}", value(text)),
            "master",
        ]);
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let Ok(mut child) = command.kill_on_drop(true).spawn() else {
            continue;
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), child.wait()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hop_is_reached_by_way_of_those_before_it() {
        let common = ["ssh", "-o", "IdentityFile=/a%%b"].map(String::from);
        let shown = |jump: &str| by_way_of(&jump.split(',').collect::<Vec<_>>(), &common).unwrap();
        let own = r#"ssh -W "[%h]:%p" -o IdentityFile=/a%%%%b"#;
        assert_eq!(shown("bastion"), format!("{own} bastion"));
        assert_eq!(shown("me@[::1]:2222"), format!("{own} -p 2222 me@::1"));
        assert_eq!(shown("[::1]"), format!("{own} ::1"));
        assert_eq!(
            shown("first,second"),
            format!(
                r#"{own} -o "ProxyCommand=ssh -W \"[%%h]:%%p\" -o IdentityFile=/a%%%%%%%%b first" second"#
            )
        );
        assert_eq!(by_way_of(&[], &common), None);
    }

    #[test]
    fn no_shell_sees_more_than_a_word() {
        for (word, shown) in [
            ("a b", r#""a b""#),
            ("it's", r#""it's""#),
            (r#"$a`b\"c"#, r#""\$a\`b\\\"c""#),
            ("5%", "5%%"),
        ] {
            assert_eq!(for_shell(word), shown);
        }
    }
}
