//! How a target is reached: passwords by reference, and ssh's options.

use super::fields::{Field, Fields};
use super::reading::Reading;
use super::yaml::Node;
use super::{Secret, Spanned, Ssh, Url, name, paths};
use crate::diagnostic::{Code, Diagnostic};

/// `passwordFile`, `passwordCredential` or `passwordEnv`.
pub(super) fn password(
    reading: &mut Reading<'_>,
    fields: [Option<Field<'_>>; 3],
) -> Option<Spanned<Secret>> {
    let mut given: Vec<Field<'_>> = fields.iter().flatten().copied().collect();
    given.sort_by_key(|field| field.key.at.span.start);
    if let [first, rest @ ..] = given.as_slice() {
        for field in rest {
            let message = format!(
                "`{}` and `{}` exclude each other",
                first.key.text, field.key.text
            );
            reading.report(
                Diagnostic::new(Code::Exclusive, message)
                    .primary(&field.key.at, "remove one of them")
                    .secondary(&first.key.at, "first set here"),
            );
        }
    }
    let [file, credential, variable] = fields;
    let file = file.and_then(|field| {
        let path = paths::absolute(reading, "passwordFile", field.node)?;
        Some(Spanned::new(Secret::File(path.value), path.at))
    });
    let credential = credential.and_then(|field| {
        let label = "the name of a systemd credential, as in `LoadCredential=NAME:…`";
        let name = named_secret(reading, field, name::credential, label)?;
        Some(Spanned::new(Secret::Credential(name.value), name.at))
    });
    let variable = variable.and_then(|field| {
        let label = "the name of an environment variable, not its value";
        let name = named_secret(reading, field, name::variable, label)?;
        Some(Spanned::new(Secret::Env(name.value), name.at))
    });
    file.or(credential).or(variable)
}

/// A name; if it is none it may be the secret itself, and is not shown.
fn named_secret(
    reading: &mut Reading<'_>,
    field: Field<'_>,
    fits: fn(&str) -> bool,
    label: &str,
) -> Option<Spanned<String>> {
    let name = reading.text(&field.key.text, field.node)?;
    if fits(&name.value) {
        return Some(name);
    }
    let message = format!("`{}` does not name a secret", field.key.text);
    reading.report(
        Diagnostic::new(Code::BadText, message)
            .primary(&field.key.at, label)
            .mask(name.at),
    );
    None
}

/// Whoever could pass options on could switch the checks off.
const UNSAFE: &str =
    "no manifest: host keys are always checked, and nothing else is passed on to ssh";

/// `ssh: {identityFile, knownHostsFile, jump}`.
pub(super) fn ssh(reading: &mut Reading<'_>, node: &Node) -> Option<Ssh> {
    let mut fields = Fields::of(reading, "ssh", "`ssh`", node)?;
    let ssh = Ssh {
        identity_file: fields.read(reading, "identityFile", paths::absolute),
        known_hosts_file: fields.read(reading, "knownHostsFile", paths::absolute),
        jump: fields.read(reading, "jump", jump),
    };
    fields.finish(
        reading,
        &[
            ("user", "the `url`"),
            ("port", "the `url`"),
            ("host", "the `url`"),
            ("options", UNSAFE),
            ("args", UNSAFE),
            ("strictHostKeyChecking", UNSAFE),
            ("StrictHostKeyChecking", UNSAFE),
            ("userKnownHostsFile", "`knownHostsFile`"),
            ("password", "no manifest: ssh is used with keys"),
        ],
    );
    Some(ssh)
}

/// `[user@]host[:port]`, several with commas: checked as an `ssh://` url's authority is.
fn jump(reading: &mut Reading<'_>, key: &str, node: &Node) -> Option<Spanned<String>> {
    let jump = reading.text(key, node)?;
    let substituted = jump.value.contains("${");
    if !substituted
        && jump
            .value
            .split(',')
            .all(|hop| !hop.contains('/') && Url::parse(&format!("ssh://{hop}/x")).is_ok())
    {
        return Some(jump);
    }
    reading.wrong(
        Code::SshOption,
        &jump.at,
        "not a jump host",
        "write `user@host:port`",
    );
    None
}
