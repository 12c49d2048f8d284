//! Targets: secrets first, then whether each can be reached and written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{StatVfsMountFlags, statvfs};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::powers::of_service;
use super::rights::{let_write, may_write_in, own_user};
use super::source::quoted;
use super::{Finding, Request, Subject};
use crate::host::{self, Powers};
use crate::plan::{RouteName, RoutePlan, Secret, SourcePlan, Target};
use crate::transfer::{self, Context, Rsync};

/// Targets that are asked at once: each is a process here and one there.
const ASKED_AT_ONCE: usize = 8;

/// Less room, and the next large file may not fit.
const ROOM: u64 = 64 << 20;

/// Looks at every target, several at once; in the order of their names.
pub async fn check(request: &Request, rsync: Rsync) -> Vec<Finding> {
    let context = Arc::new(Context {
        rsync,
        ssh: "/usr/bin/ssh".into(),
        runtime_dir: request.scratch.clone(),
        owner_tag: format!("doctor-{}", std::process::id()),
        orphans: Vec::new(),
        sessions: Default::default(),
        log_files: false,
    });
    let beside = Beside {
        stand_in: request.scratch.clone(),
        service: of_service(&request.socket),
    };
    let (room, mut asked) = (Arc::new(Semaphore::new(ASKED_AT_ONCE)), JoinSet::new());
    for (source, route) in request.plan.routes() {
        let (source, route) = (source.clone(), route.clone());
        let (context, room) = (Arc::clone(&context), Arc::clone(&room));
        let beside = beside.clone();
        asked.spawn(async move {
            let _turn = room.acquire_owned().await;
            let found = one(&source, &route, &context, &beside).await;
            (route.name, found)
        });
    }
    let mut all: BTreeMap<RouteName, Vec<Finding>> = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((name, found)) = answer {
            all.insert(name, found);
        }
    }
    transfer::close(&context).await;
    let missed = request
        .plan
        .routes()
        .filter(|(_, route)| !all.contains_key(&route.name));
    let missed: Vec<Finding> = missed
        .map(|(_, route)| {
            Subject::new("target", &route.name).error(
                "looking at it ended in a fault of this program",
                "please report it",
            )
        })
        .collect();
    all.into_values().flatten().chain(missed).collect()
}

/// What every target is looked at with.
#[derive(Clone, Debug)]
struct Beside {
    /// An empty directory.
    stand_in: PathBuf,
    /// Who the running service is.
    service: Option<Powers>,
}

/// Whether a secret that this process cannot take is the running service's: of its environment, or of its user.
fn is_of(secret: &Secret, service: &Option<Powers>) -> bool {
    let Some(service) = service else {
        return false;
    };
    match secret {
        Secret::Credential(_) | Secret::Env(_) => true,
        Secret::File(path) => fs::metadata(path).is_ok_and(|info| {
            info.uid() == service.user && *service != Powers::own() && info.mode() & 0o006 == 0
        }),
    }
}

async fn one(
    source: &SourcePlan,
    route: &RoutePlan,
    context: &Context,
    beside: &Beside,
) -> Vec<Finding> {
    let Beside { stand_in, service } = beside;
    let mut found = Vec::new();
    match &route.target {
        Target::Local { path } => return local(route, Path::new(path)),
        Target::Daemon { password, .. } => {
            if let Some(trouble) = password.as_ref().and_then(transfer::secret_trouble) {
                let subject = Subject::new("secret", &route.name);
                // Asking without it would only say the same once more.
                return vec![match password.as_ref().is_some_and(|one| is_of(one, service)) {
                    true => subject.note(
                        "it is the running service's, and not this user's to try: `heliostat status` says whether the target takes it",
                    ),
                    false => subject.trouble(&trouble),
                }];
            }
            if password.is_some() {
                found.push(
                    Subject::new("secret", &route.name)
                        .good("its password is there, and nobody else's to read"),
                );
            }
        }
        Target::Ssh {
            identity_file,
            known_hosts_file,
            ..
        } => {
            found.extend(identity_file.as_deref().map(|file| key(route, file)));
            found.extend(known_hosts_file.as_deref().map(|file| trust(route, file)));
        }
    }
    let subject = Subject::new("target", &route.name);
    found.push(
        match transfer::probe(source, route, context, stand_in).await {
            None => subject.good("it can be reached, and lets this host in"),
            Some(trouble) => subject.trouble(&trouble),
        },
    );
    if matches!(route.target, Target::Daemon { .. }) && route.attributes.archive {
        found.push(Subject::new("symlinks", &route.name).note(
            "a daemon's module with `use chroot = no` keeps symlinks in a changed form (`munge symlinks`), which cannot be seen from here",
        ));
    }
    found
}

fn key(route: &RoutePlan, file: &str) -> Finding {
    let subject = Subject::new("secret", &route.name);
    let shown = host::shown(Path::new(file));
    match fs::metadata(file) {
        Err(error) => subject.error(
            format!("its key `{shown}` cannot be looked at: {error}"),
            "create it with ssh-keygen, and put the public half into the far side's authorized_keys",
        ),
        Ok(info) if info.mode() & 0o077 != 0 => subject.error(
            format!("its key `{shown}` is open to others, and ssh refuses such a one"),
            format!("chmod 600 {}", quoted(&shown)),
        ),
        Ok(_) => subject.good(format!("its key `{shown}` is there, and nobody else's to read")),
    }
}

fn trust(route: &RoutePlan, file: &str) -> Finding {
    let subject = Subject::new("secret", &route.name);
    let shown = host::shown(Path::new(file));
    match fs::metadata(file) {
        Ok(info) if info.len() > 0 && info.mode() & 0o002 == 0 => {
            subject.good(format!("its host keys are in `{shown}`"))
        }
        Ok(info) if info.len() > 0 => subject.error(
            format!("everybody may write `{shown}`, and so say which hosts are trusted"),
            format!("chmod o-w {}", quoted(&shown)),
        ),
        _ => subject.error(
            format!("`{shown}` has no host key in it"),
            format!(
                "ssh-keyscan HOST >> {}, and compare the key with the far side's",
                quoted(&shown)
            ),
        ),
    }
}

fn local(route: &RoutePlan, path: &Path) -> Vec<Finding> {
    let subject = Subject::new("target", &route.name);
    let shown = host::shown(path);
    if !path.is_dir() {
        let says = format!("`{shown}` is not there, or is no directory");
        return vec![subject.error(says, format!("mount it, or mkdir {}", quoted(&shown)))];
    }
    let mut found = Vec::new();
    if route.require_mount && !host::on_own_mount(path, &host::mounts()) {
        found.push(Subject::new("guard", &route.name).error(
            format!("nothing is mounted at `{shown}`, and `requireMount` holds the route"),
            format!("mount {}", quoted(&shown)),
        ));
    }
    let space = statvfs(path).ok();
    if space
        .as_ref()
        .is_some_and(|space| space.f_flag.contains(StatVfsMountFlags::RDONLY))
    {
        found.push(subject.error(
            format!("`{shown}` is mounted read-only"),
            format!("mount -o remount,rw {}", quoted(&shown)),
        ));
    } else if !may_write_in(path) {
        found.push(subject.error(
            format!("`{shown}` may not be written by `{}`", own_user()),
            format!("{}, or run heliostat as a user that may", let_write(&shown)),
        ));
    }
    if let Some(space) = space {
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < ROOM {
            found.push(subject.warning(
                format!("{} MiB are free at `{shown}`", free >> 20),
                "make room",
            ));
        }
        if space.f_files > 0 && space.f_favail == 0 {
            found.push(subject.error(
                format!("no inode is free at `{shown}`"),
                "remove files, or make the file system anew with more inodes",
            ));
        }
    }
    if found.is_empty() {
        found.push(subject.good(format!("`{shown}` is there, and can be written")));
    }
    found
}
