//! Processes that an earlier service left behind and that nothing ends: one on a file system that hangs, which even
//! SIGKILL waits for. As long as such a one lives it may still write to its target, so nobody else does.

use std::fs;

use rustix::process::Pid;

use super::Context;
use crate::engine::Trouble;
use crate::plan::RouteName;

impl Context {
    /// The environment variable that says for which route a child works.
    pub const ROUTE: &'static str = "HELIOSTAT_ROUTE";

    /// Why nothing may be sent to this route's target yet; `None`: nothing stands against it.
    pub(crate) async fn orphaned(&self, route: &RouteName) -> Option<Trouble> {
        if self.orphans.is_empty() {
            return None;
        }
        let (route, orphans, owner) = (
            route.to_string(),
            self.orphans.clone(),
            self.owner_tag.clone(),
        );
        // What hangs may keep even who asks for its environment waiting.
        let found = tokio::task::spawn_blocking(move || {
            orphans.into_iter().find(|pid| {
                let theirs = variable(*pid, Context::ROUTE);
                marked(*pid, &owner) && theirs.is_none_or(|theirs| theirs == route.as_bytes())
            })
        });
        let pid = found.await.ok()??;
        Some(Trouble {
            code: "busy",
            message: format!(
                "process {pid}, which an earlier run of heliostat left behind, still writes there and cannot be ended: see \
                 which file system it hangs on with `cat /proc/{pid}/stack` as root; sent when it is gone"
            ),
            soon: false,
        })
    }
}

/// Whether a process is a child of the service with this owner tag. A zombie, whose environment is empty, is not.
pub fn marked(pid: i32, owner: &str) -> bool {
    variable(pid, Context::OWNER).is_some_and(|theirs| theirs == owner.as_bytes())
}

/// The processes with this in their environment, this one aside.
pub(super) fn carrying(name: &str, value: &[u8]) -> Vec<Pid> {
    let own = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| u32::try_from(*id).is_ok_and(|id| id != own))
        .filter(|id| variable(*id, name).is_some_and(|theirs| theirs == value))
        .filter_map(Pid::from_raw)
        .collect()
}

fn variable(pid: i32, name: &str) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut entries = environment.split(|byte| *byte == 0);
    entries.find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{SourceName, TargetName};
    use crate::transfer::Rsync;
    use std::process::Command;

    #[tokio::test]
    async fn what_still_writes_to_a_target_keeps_others_from_it_alone() {
        let name = |target: &str| RouteName {
            source: SourceName("site".into()),
            target: TargetName(target.into()),
        };
        let mut child = Command::new("/bin/sleep")
            .arg("300")
            .env_clear()
            .env(Context::OWNER, "/state")
            .env(Context::ROUTE, "site/a")
            .spawn()
            .unwrap();
        let mut context = Context {
            rsync: Rsync::new(None),
            ssh: "/usr/bin/ssh".into(),
            runtime_dir: "/nowhere".into(),
            owner_tag: "/state".into(),
            orphans: vec![i32::try_from(child.id()).unwrap()],
            sessions: Default::default(),
            log_files: false,
        };
        // Its environment is in place a moment after `spawn` returns.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !marked(context.orphans[0], "/state") && std::time::Instant::now() < until {
            tokio::task::yield_now().await;
        }
        let trouble = context.orphaned(&name("a")).await.unwrap();
        assert_eq!(trouble.code, "busy");
        assert!(trouble.message.contains(&child.id().to_string()));
        assert_eq!(context.orphaned(&name("b")).await, None);
        context.owner_tag = "/other".into();
        assert_eq!(
            context.orphaned(&name("a")).await,
            None,
            "its number is another's by now"
        );
        context.owner_tag = "/state".into();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(context.orphaned(&name("a")).await, None);
    }
}
