//! The programs that the plan's targets need.

use std::path::Path;

use super::{Finding, Subject};
use crate::plan::{Plan, Target};
use crate::transfer::Rsync;

/// Where the service looks for ssh.
const SSH: &str = "/usr/bin/ssh";

/// rsync, where a target is reached by it; ssh likewise.
pub async fn check(plan: &Plan, rsync: &Rsync) -> Vec<Finding> {
    let needs = |kind: fn(&Target) -> bool| plan.routes().any(|(_, route)| kind(&route.target));
    let mut found = Vec::new();
    if needs(|target| !matches!(target, Target::Local { .. })) {
        let subject = Subject::new("rsync", "rsync");
        found.push(match rsync.get().await {
            Err(message) => subject.telling(&message),
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
