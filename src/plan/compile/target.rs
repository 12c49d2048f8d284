//! Where a route leads.

use super::collector::Collector;
use super::path;
use super::substitute::{self, Variables};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{self, Url, UrlParts, defaults};
use crate::plan::{Secret, Target};

/// The place that a target's url names; `None` with a diagnostic where it names none.
pub(super) fn lower(
    target: &manifest::Target,
    variables: Variables<'_>,
    out: &mut Collector<'_>,
) -> Option<Target> {
    let url = &target.url;
    if url.value.is_unknown() {
        return None;
    }
    let parts = match substitute::substitute(&url.value.text, variables) {
        Ok(done) if done.text == url.value.text => url.value.parts.clone(),
        Ok(done) => match Url::parse(&done.text) {
            Ok(parsed) => parsed.parts,
            Err(problem) => {
                out.push(
                    Diagnostic::new(
                        problem.code,
                        format!("{}, after substitution", problem.message),
                    )
                    .primary(&url.at, problem.label),
                );
                return None;
            }
        },
        Err(problem) => {
            let place = out.within(&url.at, &url.value.text, problem.at);
            out.push(
                Diagnostic::new(problem.code, problem.message)
                    .primary(&place, "")
                    .help(problem.help),
            );
            return None;
        }
    };
    let built = build(parts, &target.options);
    if let Target::Local { path: at } | Target::Ssh { path: at, .. } = &built
        && path::normalise(at).is_ok_and(|at| at == "/")
    {
        out.push(
            Diagnostic::new(
                Code::TargetIsRoot,
                "a target cannot be the root directory `/`",
            )
            .primary(&url.at, "")
            .help("name a directory below it"),
        );
        return None;
    }
    Some(built)
}

/// The target of a url's parts, with the options that belong to its scheme.
pub(super) fn build(parts: UrlParts, options: &manifest::TargetOptions) -> Target {
    let text =
        |value: &Option<manifest::Spanned<String>>| value.as_ref().map(|value| value.value.clone());
    match parts {
        UrlParts::Daemon {
            user,
            host,
            port,
            module,
            path,
        } => Target::Daemon {
            user,
            host,
            port: port.unwrap_or(defaults::RSYNC_PORT),
            module,
            path,
            password: options
                .password
                .as_ref()
                .map(|password| secret(&password.value)),
        },
        UrlParts::Ssh {
            user,
            host,
            port,
            path,
        } => Target::Ssh {
            user,
            host,
            port,
            path,
            identity_file: text(&options.ssh.identity_file),
            known_hosts_file: text(&options.ssh.known_hosts_file),
            jump: text(&options.ssh.jump),
        },
        UrlParts::Local { path } => Target::Local { path },
    }
}

fn secret(written: &manifest::Secret) -> Secret {
    match written {
        manifest::Secret::File(path) => Secret::File(path.clone()),
        manifest::Secret::Credential(name) => Secret::Credential(name.clone()),
        manifest::Secret::Env(name) => Secret::Env(name.clone()),
    }
}
