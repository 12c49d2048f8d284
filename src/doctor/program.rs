//! The programs that the plan's targets need.

use std::path::Path;

use super::{Finding, Subject};
use crate::host;
use crate::plan::{Plan, Target};
use crate::transfer::Rsync;

/// Where the service looks for ssh.
const SSH: &str = "/usr/bin/ssh";

/// The programs of hooks: each is looked at as it is before it is run.
pub fn hooks(plan: &Plan) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, route) in plan.routes() {
        for (when, hook) in route.hooks.all() {
            let subject = Subject::new("hook", &route.name);
            let Some(program) = hook.run.first() else {
                continue;
            };
            let word = when.word();
            found.push(match host::trusted_program(Path::new(program)) {
                Ok(()) => subject.good(format!("the `{word}` hook `{program}` can be run")),
                Err(why) => {
                    let (says, remedy) = why.rsplit_once(": ").unwrap_or((&why, ""));
                    let remedy = match remedy.starts_with("chmod") {
                        true => remedy.to_owned(),
                        false => format!("install it: {remedy}"),
                    };
                    subject.error(format!("the `{word}` hook: {says}"), remedy)
                }
            });
        }
    }
    found
}

/// rsync, where a target is reached by it; ssh likewise.
pub async fn check(plan: &Plan, rsync: &Rsync) -> Vec<Finding> {
    let needs = |kind: fn(&Target) -> bool| plan.routes().any(|(_, route)| kind(&route.target));
    let mut found = Vec::new();
    if needs(|target| !matches!(target, Target::Local { .. })) {
        let subject = Subject::new("rsync", "rsync");
        found.push(match rsync.get().await {
            Err(message) => {
                let mut finding = subject.telling(&message);
                if let Some(remedy) = finding
                    .remedy
                    .as_mut()
                    .filter(|remedy| remedy.starts_with("install"))
                {
                    remedy.push_str("; on Debian: apt-get install rsync");
                }
                finding
            }
            Ok(binary) => match binary.warning() {
                Some(warning) => {
                    let (says, remedy) = warning.split_once(": ").unwrap_or((&warning, ""));
                    subject.warning(says, remedy)
                }
                None => subject.good(format!("`{}` is {}", binary.path.display(), binary.version)),
            },
        });
    }
    if needs(|target| matches!(target, Target::Ssh { .. })) {
        let subject = Subject::new("ssh", "ssh");
        found.push(match Path::new(SSH).exists() {
            true => subject.good(format!("`{SSH}` is there")),
            false => subject.error(
                format!("`{SSH}` is not there"),
                "install it; on Debian: apt-get install openssh-client",
            ),
        });
    }
    found
}
