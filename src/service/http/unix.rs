//! The control socket: bound narrowly, and open to those alone whom the kernel's word for them admits.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::Group;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::caller::{Caller, Class, Peer};
use super::connection::{ACCEPT_AGAIN, Desk};
use super::groups;
use super::router::router;
use super::server::{Facts, Server};
use crate::manifest::Access;
use crate::service::question::Question;
use crate::service::{Failure, state};

/// Connections of those who operate, and their requests under way.
const OPERATORS_MAX: usize = 256;
/// Of those who may only look: they cannot shut an operator out.
const READERS_MAX: usize = 64;
/// Of those who may nothing, and are told so.
const STRANGERS_MAX: usize = 8;

/// The socket as long as it is served; removed when dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever comes next removes a stale one as well.
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves the socket at `path`: for this user and root, and for the groups that `access` names. Called with the state
/// directory's lock held; a socket that nobody serves any more is replaced, one that is served is an error.
pub async fn serve(
    path: &Path,
    access: &Access,
    questions: mpsc::Sender<Question>,
    facts: Arc<Facts>,
) -> Result<Control, Failure> {
    let rule = Rule::new(access);
    let listener = bind(path, rule.is_narrow()).await?;
    let desk = |most| {
        let server = Server::new(questions.clone(), Arc::clone(&facts), most);
        Desk::new(router(server), most)
    };
    let (operators, readers, strangers) =
        (desk(OPERATORS_MAX), desk(READERS_MAX), desk(STRANGERS_MAX));
    let task = tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!("the control socket cannot accept: {error}");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let Ok(caller) = caller(&stream, &rule) else {
                continue; // it is gone
            };
            let desk = match caller.class {
                Some(Class::Operate) => &operators,
                Some(Class::Read) => &readers,
                None => &strangers,
            };
            desk.attend(stream, caller);
        }
    });
    Ok(Control {
        path: path.to_path_buf(),
        task,
    })
}

async fn bind(path: &Path, narrow: bool) -> Result<UnixListener, Failure> {
    let fail = |act: &str, error: &dyn std::fmt::Display| {
        Failure::Setup(format!(
            "cannot {act} the control socket `{}`: {error}; choose another with `--socket`",
            path.display()
        ))
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        let made = !parent.is_dir();
        state::private_dir_or_existing(parent)
            .map_err(|error| fail("create the directory of", &error))?;
        if made && !narrow {
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755))
                .map_err(|error| fail("open the directory of", &error))?;
        }
        let closed = |meta: fs::Metadata| meta.permissions().mode() & 0o001 == 0;
        if !narrow && fs::metadata(parent).is_ok_and(closed) {
            tracing::warn!(
                "`access` lets groups in, but others cannot reach the socket: chmod o+x {}",
                parent.display()
            );
        }
    }
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(fail("take", &"another heliostat serves it"));
            }
            fs::remove_file(path).map_err(|error| fail("replace", &error))?;
        }
        Ok(_) => return Err(fail("create", &"something else is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail("look at", &error)),
    }
    // Narrow from its first moment: bound under another name in a private place would cross file systems, so the mask does it.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(|error| fail("create", &error))?;
    // A socket has one group and `access` may name several: everybody knocks, and each is looked at.
    let mode = if narrow { 0o600 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| fail("protect", &error))?;
    Ok(listener)
}

/// Who may what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    own: u32,
    read: Vec<u32>,
    operate: Vec<u32>,
}

impl Rule {
    fn new(access: &Access) -> Rule {
        let numbers =
            |names: &[String]| names.iter().filter_map(|name| group_number(name)).collect();
        Rule {
            own: rustix::process::geteuid().as_raw(),
            read: numbers(&access.read),
            operate: numbers(&access.operate),
        }
    }

    /// Whether only the service's own user and root may anything.
    fn is_narrow(&self) -> bool {
        self.read.is_empty() && self.operate.is_empty()
    }

    /// What a process of this user, in these groups, may.
    fn class(&self, uid: u32, groups: &[u32]) -> Option<Class> {
        let is_in = |named: &[u32]| groups.iter().any(|group| named.contains(group));
        if uid == 0 || uid == self.own || is_in(&self.operate) {
            Some(Class::Operate)
        } else {
            is_in(&self.read).then_some(Class::Read)
        }
    }
}

/// A group that is not there lets nobody in, and does not keep the service from its work.
fn group_number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Some(group.gid.as_raw()),
        Ok(None) => {
            tracing::error!(
                "`access` names the group `{name}`, which is not there: nobody is let in for it"
            );
            None
        }
        Err(error) => {
            tracing::error!(
                "`access` names the group `{name}`, which cannot be looked up: {error}"
            );
            None
        }
    }
}

fn caller(stream: &UnixStream, rule: &Rule) -> io::Result<Caller> {
    let credentials = stream.peer_cred()?;
    let uid = credentials.uid();
    let mut class = rule.class(uid, &[credentials.gid()]);
    if class != Some(Class::Operate) && !rule.is_narrow() {
        class = class.max(rule.class(uid, &groups::of_peer(stream)?));
    }
    let peer = Peer::Process {
        uid,
        pid: credentials.pid(),
    };
    Ok(Caller {
        class,
        peer,
        names: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_what_his_groups_may() {
        let rule = Rule {
            own: 7,
            read: vec![100, 101],
            operate: vec![200],
        };
        for (uid, groups, class) in [
            (0, &[][..], Some(Class::Operate)),
            (7, &[], Some(Class::Operate)),
            (8, &[], None),
            (8, &[7, 0], None),
            (8, &[5, 101], Some(Class::Read)),
            (8, &[200], Some(Class::Operate)),
            (8, &[100, 200], Some(Class::Operate)),
        ] {
            assert_eq!(rule.class(uid, groups), class, "{uid} {groups:?}");
        }
        assert!(!rule.is_narrow());
        let nobody = Rule::new(&Access::default());
        assert!(nobody.is_narrow());
        assert_eq!(nobody.class(nobody.own + 1, &[0]), None);
    }

    #[test]
    fn groups_are_named_or_numbered() {
        assert_eq!(group_number("root"), Some(0));
        assert_eq!(group_number("4711"), Some(4711));
        assert_eq!(group_number("no-such-group"), None);
    }
}
