//! The hosts that one set of manifests is for: which there are, and what is known of each.
//!
//! `hosts` in the manifests names them. A directory of agent files, one a host, adds what only the host's settings say,
//! its labels; with it a plan can be made for any of them anywhere. The file's `name` is the host's, or else the file's
//! own name without `.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::exit;
use super::files::{self, Inputs};
use super::load::{self, Parsed};
use crate::diagnostic::{Code, Diagnostic, Report, Severity, terminal};
use crate::manifest::{self, Manifest};
use crate::plan::HostFacts;

/// The name under which a host is checked that nothing names. Sources without `hosts` run there, too.
pub const ANY_OTHER: &str = "any-other-host";

/// What is known of the hosts.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// By host; `None`: no agent files were named.
    agents: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Fleet {
    /// Reads a directory of agent files, or one of them. `Err` is the exit code; everything there is to say was said.
    pub fn read(
        directory: Option<&Path>,
        colour: bool,
        err: &mut dyn Write,
    ) -> io::Result<Result<Fleet, u8>> {
        let Some(directory) = directory else {
            return Ok(Ok(Fleet::default()));
        };
        let inputs = files::read(&[directory.to_owned()], &[]);
        let (agents, diagnostics, unreadable) = agents(&inputs);
        if !diagnostics.is_empty() {
            let texts = load::drawn(&inputs.files, &diagnostics);
            let report = Report {
                sources: &texts,
                diagnostics: &diagnostics,
                files: inputs.files.len(),
            };
            write!(err, "{}", terminal(report, colour))?;
        }
        let wrong = diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error);
        Ok(match () {
            () if unreadable => Err(exit::USAGE),
            () if wrong => Err(exit::NEGATIVE),
            () => Ok(Fleet {
                agents: Some(agents),
            }),
        })
    }

    /// Whether the host has an agent file.
    pub fn knows(&self, host: &str) -> bool {
        let agents = self.agents.as_ref();
        agents.is_some_and(|agents| agents.contains_key(host))
    }

    /// Every host that a manifest or an agent file names, and [`ANY_OTHER`] where a source runs on every host.
    pub fn hosts<'a>(&self, manifests: impl IntoIterator<Item = &'a Manifest>) -> Vec<String> {
        let mut named = BTreeSet::new();
        let mut anywhere = false;
        for source in manifests.into_iter().flat_map(|manifest| &manifest.sources) {
            match &source.options.hosts {
                Some(hosts) => named.extend(hosts.iter().map(|host| host.value.clone())),
                None => anywhere = true,
            }
        }
        named.extend(self.agents.iter().flat_map(BTreeMap::keys).cloned());
        let mut hosts: Vec<String> = named.into_iter().collect();
        if anywhere {
            hosts.push(ANY_OTHER.to_owned());
        }
        hosts
    }

    /// What is known of a host. Where no agent files were named, and for [`ANY_OTHER`], nothing is: every label that the
    /// manifests use then stands for itself, so that the rest can be checked. A host that agent files were named for, but
    /// that has none, has no labels.
    pub fn facts(&self, host: &str, parsed: &[&Parsed]) -> HostFacts {
        let labels = match &self.agents {
            Some(agents) if host != ANY_OTHER => agents.get(host).cloned().unwrap_or_default(),
            _ => {
                let used = parsed.iter().flat_map(|parsed| parsed.labels());
                used.map(|name| (name.clone(), name)).collect()
            }
        };
        HostFacts {
            name: host.to_owned(),
            labels,
        }
    }
}

/// The labels of each host, and what is wrong with the files.
fn agents(
    inputs: &Inputs,
) -> (
    BTreeMap<String, BTreeMap<String, String>>,
    Vec<Diagnostic>,
    bool,
) {
    let mut agents = BTreeMap::new();
    let mut first = BTreeMap::new();
    let mut diagnostics = inputs.problems.clone();
    for file in &inputs.files {
        let (agent, found) = manifest::load_agent(file);
        diagnostics.extend(found);
        let Some(agent) = agent else { continue };
        let path = PathBuf::from(&file.name);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let (name, at) = match &agent.name {
            Some(name) => (name.value.clone(), name.at.clone()),
            None => (stem.into_owned(), agent.at.clone()),
        };
        let labels = agent.labels.iter();
        let labels = labels
            .map(|(key, value)| (key.clone(), value.value.clone()))
            .collect();
        if let Some(before) = first.insert(name.clone(), at.clone()) {
            diagnostics.push(
                Diagnostic::new(
                    Code::DuplicateItem,
                    format!("two agent files are for the host `{name}`"),
                )
                .primary(&at, "named again here")
                .secondary(&before, "first named here")
                .help("remove one of them, or give it the `name` of its own host"),
            );
        }
        agents.insert(name, labels);
    }
    (agents, diagnostics, !inputs.problems.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let text = format!("apiVersion: heliostat/v1\n{text}\n");
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const WEB: &str = "kind: Manifest\nsources:\n  a: {path: /a, hosts: [web2, web1], targets: {t: {url: \"ssh://h/${labels.site}/${labels.rack}\"}}}";
    const ALL: &str =
        "kind: Manifest\nsources:\n  b: {path: /b, targets: {t: {url: \"file:///c\"}}}";

    fn read(directory: &Path) -> (Result<Fleet, u8>, String) {
        let mut err = Vec::new();
        let fleet = Fleet::read(Some(directory), false, &mut err).unwrap();
        (fleet, String::from_utf8(err).unwrap())
    }

    #[test]
    fn hosts_are_those_that_anything_names_and_one_more() {
        let manifests = folder(&[("a.yaml", WEB)]);
        let parsed = Parsed::read(&[manifests.path().to_owned()]);
        let hosts = |fleet: &Fleet, parsed: &Parsed| fleet.hosts(&parsed.manifests);
        assert_eq!(hosts(&Fleet::default(), &parsed), ["web1", "web2"]);
        let agents = folder(&[
            ("web1.yaml", "kind: Agent\nlabels: {site: berlin}"),
            ("x.yaml", "kind: Agent\nname: db1\nlabels: {site: bonn}"),
        ]);
        let (fleet, said) = read(agents.path());
        let fleet = fleet.unwrap();
        assert_eq!(said, "");
        assert_eq!(hosts(&fleet, &parsed), ["db1", "web1", "web2"]);
        let manifests = folder(&[("a.yaml", WEB), ("b.yaml", ALL)]);
        let parsed = Parsed::read(&[manifests.path().to_owned()]);
        assert_eq!(hosts(&fleet, &parsed), ["db1", "web1", "web2", ANY_OTHER]);
        let labels = |fleet: &Fleet, host: &str| {
            let labels = fleet.facts(host, &[&parsed]).labels;
            let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
            labels.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(&fleet, "web1"), "site=berlin");
        assert_eq!(labels(&fleet, "web2"), "", "it has no agent file");
        assert_eq!(labels(&fleet, ANY_OTHER), "rack=rack site=site");
        assert_eq!(labels(&Fleet::default(), "web1"), "rack=rack site=site");
    }

    #[test]
    fn two_files_for_one_host_are_refused() {
        let agents = folder(&[
            ("web1.yaml", "kind: Agent"),
            ("x.yaml", "kind: Agent\nname: web1"),
        ]);
        let (fleet, said) = read(agents.path());
        assert_eq!(fleet.unwrap_err(), exit::NEGATIVE);
        assert!(
            said.contains("two agent files are for the host `web1`"),
            "{said}"
        );
        assert!(said.contains("x.yaml:3:7"), "{said}");
        let (fleet, said) = read(Path::new("/nonexistent/agents"));
        assert_eq!(fleet.unwrap_err(), exit::USAGE);
        assert!(said.contains("cannot read `/nonexistent/agents`"), "{said}");
        let manifests = folder(&[("b.yaml", ALL)]);
        assert_eq!(read(manifests.path()).0.unwrap_err(), exit::NEGATIVE);
    }
}
