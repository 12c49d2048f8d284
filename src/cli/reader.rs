//! Reads the manifests of a running service anew: what [`Reader`] asks for.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::files;
use super::load::{self, Compiled, Parsed};
use super::render;
use crate::diagnostic::{Severity, json as document, terminal};
use crate::host;
use crate::plan::{self, Agent, HostFacts};
use crate::service::reading::{Diagnostics, Effective, Glance, Reader, Reading, Rejection};

/// A work tree that is flipped while it is read is read again; one that flips all the time has no revision.
const TRIES: usize = 3;

/// The files that a service was started with.
#[derive(Debug)]
pub struct Files {
    /// Named on the command line.
    pub named: Vec<PathBuf>,
    /// The agent file, where one was named.
    pub agent: Option<PathBuf>,
    /// The settings that the service runs with.
    pub settings: Agent,
    /// The name that it runs under.
    pub host: String,
}

impl Files {
    /// The commit that the manifests were checked out from.
    pub fn revision(&self, agent: &Agent) -> Option<String> {
        let paths = load::manifest_paths(&self.named, agent);
        host::revision(paths.first()?)
    }

    fn agent(&self) -> Result<Agent, Rejection> {
        let mut said = Vec::new();
        let read = load::read_agent(self.agent.as_deref(), false, &mut said);
        match read {
            Ok(Ok((agent, _))) => Ok(agent),
            Ok(Err(_)) | Err(_) => Err(Rejection {
                reason: "the host's settings have errors".into(),
                diagnostics: Diagnostics {
                    report: String::from_utf8_lossy(&said).into_owned(),
                    list: json!([]),
                },
            }),
        }
    }

    /// Settings that are taken up at the start only, and are others by now.
    fn notes(&self, agent: &Agent) -> Vec<String> {
        let (now, then) = (agent, &self.settings);
        let name = now.name.clone().unwrap_or_else(load::host_name);
        let changed = [
            ("name", name != self.host),
            ("stateDir", now.state_dir != then.state_dir),
            ("socket", now.socket != then.socket),
            ("rsync.path", now.rsync_path != then.rsync_path),
            ("limits.watches", now.limits.watches != then.limits.watches),
            (
                "watchManifests",
                now.watch_manifests != then.watch_manifests,
            ),
            ("access", now.access != then.access),
            ("http", now.http != then.http),
            ("metrics", now.metrics != then.metrics),
            ("heartbeat", now.heartbeat != then.heartbeat),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed
            .map(|(key, _)| format!("`{key}` of the host's settings has changed: it takes effect with the next start"))
            .collect()
    }

    fn compile(&self, agent: &Agent) -> Result<(Compiled, Option<String>), Rejection> {
        let facts = HostFacts {
            // The name under which the service runs: its jitter and its `${host}` hang on it.
            name: self.host.clone(),
            labels: agent.labels.clone(),
        };
        let paths = load::manifest_paths(&self.named, agent);
        let mut last = None;
        for _ in 0..TRIES {
            let before = self.revision(agent);
            let inputs = files::read(&paths, &[]);
            let after = self.revision(agent);
            // Stopping everything is written, not left out: a directory is empty for a moment in many a checkout.
            if inputs.files.is_empty() && inputs.problems.is_empty() {
                return Err(Rejection {
                    reason: "there is no manifest: to stop a source set `suspend: true` in it"
                        .into(),
                    diagnostics: Diagnostics {
                        report: String::new(),
                        list: json!([]),
                    },
                });
            }
            let settled = before == after;
            last = Some((inputs, after.filter(|_| settled)));
            if settled {
                break;
            }
        }
        let (inputs, revision) = last.unwrap_or_default();
        Ok((Compiled::new(inputs, &facts), revision))
    }
}

impl Reader for Files {
    fn read(&self) -> Result<Reading, Rejection> {
        let agent = self.agent()?;
        let (compiled, revision) = self.compile(&agent)?;
        let diagnostics = diagnostics(&compiled);
        let Some(plan) = compiled.plan else {
            return Err(broken(&compiled));
        };
        Ok(Reading {
            plan,
            limits: agent.limits,
            revision,
            diagnostics,
            notes: self.notes(&agent),
        })
    }

    fn effective(&self) -> Result<Effective, Rejection> {
        let agent = self.agent()?;
        let facts = HostFacts {
            name: self.host.clone(),
            labels: agent.labels.clone(),
        };
        let parsed = Parsed::read(&load::manifest_paths(&self.named, &agent));
        let compiled = parsed.compile(&facts);
        let Some(plan) = &compiled.plan else {
            return Err(broken(&compiled));
        };
        let texts = load::drawn(parsed.files(), &[]);
        let lines = render::lines(&parsed.manifests, &texts);
        Ok(Effective {
            digest: plan::digest(plan),
            lines: lines.map_err(|error| Rejection {
                reason: format!("the manifests cannot be written out: {error}"),
                diagnostics: diagnostics(&compiled),
            })?,
        })
    }

    fn glance(&self) -> Glance {
        let mut look = Look::default();
        let own = Path::new(load::AGENT);
        look.at(self.agent.as_deref().unwrap_or(own));
        // Which manifests it names is read from it, so that a broken one is another glance than a whole one.
        let paths = match self.agent() {
            Ok(agent) => load::manifest_paths(&self.named, &agent),
            Err(_) => self.named.clone(),
        };
        for path in paths {
            look.at(&path);
            if path.is_dir() {
                look.inside(&path);
            }
        }
        look.glance()
    }
}

/// Why there is no plan.
fn broken(compiled: &Compiled) -> Rejection {
    let mut errors = compiled
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error);
    let first = errors.next().map(|first| {
        let at = first.place().map(|label| {
            let at = compiled.position(label);
            format!("{at}: ")
        });
        format!("{}{}", at.unwrap_or_default(), first.message)
    });
    let first = first.unwrap_or_else(|| "nothing could be read".into());
    Rejection {
        reason: match errors.count() {
            0 => first,
            more => format!("{first} (and {more} more)"),
        },
        diagnostics: diagnostics(compiled),
    }
}

fn diagnostics(compiled: &Compiled) -> Diagnostics {
    if compiled.diagnostics.is_empty() {
        return Diagnostics {
            report: String::new(),
            list: json!([]),
        };
    }
    let whole: Value = serde_json::from_str(&document(compiled.report())).unwrap_or_default();
    Diagnostics {
        report: terminal(compiled.report(), false),
        list: whole["diagnostics"].clone(),
    }
}

/// A look at files from outside.
#[derive(Default)]
struct Look {
    hasher: blake3::Hasher,
    youngest: Option<SystemTime>,
}

impl Look {
    /// One path: what it is, and, where it is a symlink, what it leads to.
    fn at(&mut self, path: &Path) {
        self.word(path.as_os_str().as_encoded_bytes());
        let real = path.canonicalize();
        self.word(
            real.as_deref()
                .unwrap_or(Path::new(""))
                .as_os_str()
                .as_encoded_bytes(),
        );
        match fs::metadata(path) {
            Ok(meta) => {
                let times = [
                    meta.mtime(),
                    meta.mtime_nsec(),
                    meta.ctime(),
                    meta.ctime_nsec(),
                ];
                let numbers = [meta.dev(), meta.ino(), meta.size(), u64::from(meta.mode())];
                times.iter().for_each(|time| self.word(&time.to_le_bytes()));
                numbers
                    .iter()
                    .for_each(|number| self.word(&number.to_le_bytes()));
                let changed = Duration::from_secs(meta.ctime().max(0) as u64)
                    + Duration::from_nanos(meta.ctime_nsec().max(0) as u64);
                self.youngest = self
                    .youngest
                    .max(SystemTime::UNIX_EPOCH.checked_add(changed));
            }
            Err(error) => self.word(kind(&error).as_bytes()),
        }
    }

    /// What in a directory may be a manifest.
    fn inside(&mut self, directory: &Path) {
        let mut found: Vec<PathBuf> = match fs::read_dir(directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => return self.word(kind(&error).as_bytes()),
        };
        found.retain(|path| {
            let extension = path.extension().and_then(OsStr::to_str);
            matches!(extension, Some("yaml" | "yml"))
        });
        found.sort();
        found.iter().for_each(|path| self.at(path));
    }

    fn word(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    fn glance(self) -> Glance {
        Glance {
            hash: *self.hasher.finalize().as_bytes(),
            youngest: self.youngest,
        }
    }
}

fn kind(error: &io::Error) -> String {
    format!("{:?}", error.kind())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn files(at: &Path) -> Files {
        // There is no agent file but the one that is named.
        let agent = at.join("agent.yaml");
        fs::write(&agent, "apiVersion: heliostat/v1\nkind: Agent\n").unwrap();
        let (settings, host) = load::read_agent(Some(&agent), false, &mut Vec::new())
            .unwrap()
            .unwrap();
        Files {
            named: vec![at.join("conf.d")],
            agent: Some(agent),
            settings,
            host,
        }
    }

    #[test]
    fn every_way_in_which_files_change_is_another_glance() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), "same").unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        fs::create_dir(at("conf.d")).unwrap();
        symlink("../..data/a.yaml", at("conf.d/a.yaml")).unwrap();
        let files = files(scratch.path());
        let mut seen = vec![files.glance()];
        assert_eq!(files.glance(), seen[0]);
        let mut another = |what: &str, change: &dyn Fn()| {
            change();
            let glance = files.glance();
            assert!(!seen.contains(&glance), "{what}");
            seen.push(glance);
        };
        another("a swap of `..data`, as of a ConfigMap", &|| {
            symlink("v2", at("..new")).unwrap();
            fs::rename(at("..new"), at("..data")).unwrap();
        });
        another("an edit in place where a symlink leads to", &|| {
            fs::write(at("v2/a.yaml"), "not the same").unwrap();
        });
        another("a save by rename", &|| {
            fs::write(at("conf.d/.b.yaml.swp"), "b").unwrap();
            fs::rename(at("conf.d/.b.yaml.swp"), at("conf.d/b.yaml")).unwrap();
        });
        another("an edit in place", &|| {
            fs::write(at("conf.d/b.yaml"), "longer").unwrap();
        });
        another("the whole directory is another one", &|| {
            fs::rename(at("conf.d"), at("old")).unwrap();
            fs::create_dir(at("conf.d")).unwrap();
            fs::write(at("conf.d/a.yaml"), "same").unwrap();
        });
        another("a file that is gone", &|| {
            fs::remove_file(at("conf.d/a.yaml")).unwrap()
        });
        another("the directory is gone", &|| {
            fs::remove_dir(at("conf.d")).unwrap()
        });
        another("the agent's file", &|| {
            fs::write(at("agent.yaml"), "broken").unwrap();
        });
    }

    #[test]
    fn an_empty_directory_is_rejected_and_what_is_wrong_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let at = scratch.path().join("conf.d");
        fs::create_dir(&at).unwrap();
        let files = files(scratch.path());
        assert!(files.read().unwrap_err().reason.contains("no manifest"));
        let source = "{path: /a, suspend: true, targets: {t: {url: \"file:///b\"}}}";
        let text = format!("apiVersion: heliostat/v1\nkind: Manifest\nsources: {{s: {source}}}\n");
        fs::write(at.join("a.yaml"), &text).unwrap();
        assert!(files.read().unwrap().plan.sources.is_empty());
        fs::write(at.join("a.yaml"), format!("{text}nonsense: 1\nmore: 2\n")).unwrap();
        let rejection = files.read().unwrap_err();
        assert!(
            rejection.reason.contains("a.yaml:4:1"),
            "{}",
            rejection.reason
        );
        assert!(
            rejection.reason.ends_with("(and 1 more)"),
            "{}",
            rejection.reason
        );
        assert!(
            rejection
                .diagnostics
                .report
                .contains("unknown field `nonsense`")
        );
        assert_eq!(rejection.diagnostics.list.as_array().unwrap().len(), 2);
        fs::write(at.join("a.yaml"), &text).unwrap();
        fs::write(
            files.agent.clone().unwrap(),
            "apiVersion: heliostat/v1\nkind: Agent\nnonsense: 1\n",
        )
        .unwrap();
        assert!(
            files
                .read()
                .unwrap_err()
                .diagnostics
                .report
                .contains("nonsense")
        );
        fs::write(
            files.agent.clone().unwrap(),
            "apiVersion: heliostat/v1\nkind: Agent\nsocket: /other\n",
        )
        .unwrap();
        assert!(files.read().unwrap().notes[0].contains("`socket`"));
    }
}
