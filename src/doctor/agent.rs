//! What the agent file has the service do besides: let groups in, listen, write a file of metrics, send heartbeats.
//!
//! Each is optional, and none keeps a route from its work; so what is wrong with one is seen late.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::Group;
use rustix::fs::Access as Way;

use super::rights::{let_write, may, may_write_in, own_user};
use super::source::quoted;
use super::{Finding, Subject, door};
use crate::host::shown;
use crate::manifest::{Access, BeatUrl, Heartbeat, Http, Metrics};

/// The keys of the agent file that are looked at here.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// Who else may use the control socket.
    pub access: Access,
    /// HTTP over TCP.
    pub http: Http,
    /// Metrics in a file.
    pub metrics: Option<Metrics>,
    /// What somebody outside hears.
    pub heartbeat: Option<Heartbeat>,
}

/// Looks at what is set; nothing is said of what is not.
pub fn check(telling: &Telling, socket: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let groups = telling.access.read.iter().chain(&telling.access.operate);
    found.extend(groups.map(|group| who(group)));
    if let Some(listen) = telling.http.listen {
        found.push(door::check(listen, socket));
    }
    if let Some(metrics) = &telling.metrics {
        found.push(textfile(Path::new(&metrics.textfile)));
    }
    if let Some(heartbeat) = &telling.heartbeat {
        let urls = [&heartbeat.start, &heartbeat.success, &heartbeat.fail];
        let files = urls.into_iter().flatten().filter_map(|url| match url {
            BeatUrl::File(path) => Some(beat(Path::new(path))),
            BeatUrl::Inline(_) => None,
        });
        found.extend(files);
    }
    found
}

fn who(group: &str) -> Finding {
    let subject = Subject::new("access", group);
    if group.parse::<u32>().is_ok() || matches!(Group::from_name(group), Ok(Some(_))) {
        return subject.good("the group is there");
    }
    subject.error(
        "the group is not there: nobody is let in for it",
        format!("groupadd --system {}", quoted(group)),
    )
}

fn textfile(path: &Path) -> Finding {
    let subject = Subject::new("textfile", shown(path));
    let directory = path.parent().unwrap_or(path);
    let name = shown(directory);
    if !directory.is_dir() {
        return subject.error(
            format!("`{name}` is no directory"),
            format!("mkdir -p {}", quoted(&name)),
        );
    }
    if !may_write_in(directory) {
        return subject.error(
            format!("`{name}` may not be written by `{}`", own_user()),
            let_write(&name),
        );
    }
    if path.is_dir() {
        return subject.error("it is a directory", "name a file in `metrics.textfile`");
    }
    subject.good("it can be written")
}

fn beat(path: &Path) -> Finding {
    let name = shown(path);
    let subject = Subject::new("heartbeat", &name);
    let chmod = format!("chmod 600 {}", quoted(&name));
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => subject.error(
            "the file with the url is not there",
            format!("create it, the url alone in it, and {chmod}"),
        ),
        Err(error) => subject.error(
            format!("it cannot be looked at: {error}"),
            "look at what the message names",
        ),
        Ok(info) if !info.is_file() => {
            subject.error("it is no file", "name a file that holds the url")
        }
        Ok(info) if info.mode() & 0o004 != 0 => {
            subject.error("everybody can read it, so it is not used", chmod)
        }
        Ok(_) if !may(path, Way::READ_OK) => subject.error(
            format!("it may not be read by `{}`", own_user()),
            format!("chown {} {}", own_user(), quoted(&name)),
        ),
        Ok(_) => subject.good("only who may can read it"),
    }
}
