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
use super::load;
use crate::diagnostic::{Code, Diagnostic, Report, Severity, terminal};
use crate::manifest::{self, Manifest, SourceFile};
use crate::plan::{self, HostFacts};

/// The name under which a host is checked that nothing names. Sources without `hosts` run there, too.
pub const ANY_OTHER: &str = "any-other-host";

/// What is known of the hosts.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// By host; `None`: no agent files were named.
    agents: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

/// A fleet's agent files, read.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What they say.
    pub fleet: Fleet,
    /// Their texts.
    pub files: Vec<SourceFile>,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether any cannot be read.
    pub unreadable: bool,
}

impl Fleet {
    /// Reads a directory of agent files, or one of them; where none is named nothing is known.
    pub fn gather(directory: Option<&Path>) -> Gathered {
        let Some(directory) = directory else {
            return Gathered::default();
        };
        let inputs = files::read(&[directory.to_owned()], &[]);
        let (agents, diagnostics) = agents(&inputs);
        Gathered {
            fleet: Fleet {
                agents: Some(agents),
            },
            unreadable: !inputs.problems.is_empty(),
            files: inputs.files,
            diagnostics,
        }
    }

    /// The same for commands that go no further where anything is wrong. `Err` is the exit code; everything there is to
    /// say was said.
    pub fn read(
        directory: Option<&Path>,
        colour: bool,
        err: &mut dyn Write,
    ) -> io::Result<Result<Fleet, u8>> {
        let gathered = Fleet::gather(directory);
        let diagnostics = &gathered.diagnostics;
        if !diagnostics.is_empty() {
            let texts = load::drawn(&gathered.files, diagnostics);
            let report = Report {
                sources: &texts,
                diagnostics,
                files: gathered.files.len(),
            };
            write!(err, "{}", terminal(report, colour))?;
        }
        let wrong = diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error);
        Ok(match () {
            () if gathered.unreadable => Err(exit::USAGE),
            () if wrong => Err(exit::NEGATIVE),
            () => Ok(gathered.fleet),
        })
    }

    /// Every host that a manifest or an agent file names, and [`ANY_OTHER`] where a source runs on every host.
    pub fn hosts<'a>(&self, manifests: impl IntoIterator<Item = &'a Manifest>) -> Vec<String> {
        let mut named = BTreeSet::new();
        let mut anywhere = false;
        for source in sources(manifests) {
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

    /// What is known of one of [`hosts`](Self::hosts). Where no agent files were named, and for [`ANY_OTHER`], nothing
    /// is: every label that the files use then stands for itself, so that the rest can be checked. A host that has no
    /// agent file where others have has no labels.
    pub fn facts(&self, host: &str, files: &[&[SourceFile]]) -> HostFacts {
        let labels = match &self.agents {
            Some(agents) if host != ANY_OTHER => agents.get(host).cloned().unwrap_or_default(),
            _ => {
                let used = files.iter().flat_map(|files| labels(files));
                used.map(|name| (name.clone(), name)).collect()
            }
        };
        HostFacts {
            name: host.to_owned(),
            labels,
        }
    }

    /// What is known of the one host that a command is for: `named`, or else this one.
    pub fn one(&self, named: Option<&str>, own: &OwnHost<'_>) -> HostFacts {
        let name = named.unwrap_or(own.name);
        let known = self.agents.as_ref().and_then(|agents| agents.get(name));
        // This host's labels are not another one's, unless its settings were named.
        let own = (name == own.name || own.agent_named).then_some(own.labels);
        HostFacts {
            name: name.to_owned(),
            labels: known.or(own).cloned().unwrap_or_default(),
        }
    }

    /// What helps where a host's labels are missing; empty where that is not what is wrong.
    pub fn hint(&self, host: &str, diagnostics: &[Diagnostic]) -> String {
        let mut codes = diagnostics.iter().map(|diagnostic| diagnostic.code);
        if !codes.any(|code| code == Code::HostFact) {
            return String::new();
        }
        let host = host.escape_debug();
        match &self.agents {
            None => format!(
                "help: the labels of `{host}` are in its agent file: name those of the fleet with `--agents DIR`\n"
            ),
            Some(agents) if agents.contains_key(&host.to_string()) => String::new(),
            Some(_) => format!("help: no agent file is for the host `{host}`\n"),
        }
    }

    /// What is wrong with the manifests on some host of the fleet only, with the hosts; `known` is what is wrong with them
    /// anywhere, and is not said again.
    pub fn check(
        &self,
        files: &[SourceFile],
        manifests: &[Manifest],
        known: &[Diagnostic],
    ) -> Vec<Diagnostic> {
        let texts = load::drawn(files, &[]);
        let mut compiler = plan::Compiler::new(manifests, &texts);
        let mut found: Vec<(Diagnostic, Vec<String>)> = Vec::new();
        for host in self.hosts(manifests) {
            let compiled = compiler.compile(&self.facts(&host, &[files]));
            for diagnostic in compiled.diagnostics {
                // Sources may be suspended; and that a host which nothing names has nothing to do is as it should be.
                let idle = diagnostic.code == Code::NoRoutes
                    || (diagnostic.code == Code::UnknownHost && host == ANY_OTHER);
                if idle || known.contains(&diagnostic) {
                    continue;
                }
                match found.iter_mut().find(|(seen, _)| *seen == diagnostic) {
                    Some((_, hosts)) => hosts.push(host.clone()),
                    None => found.push((diagnostic, vec![host.clone()])),
                }
            }
        }
        let mut out = self.strangers(manifests);
        out.extend(found.into_iter().map(|(mut diagnostic, hosts)| {
            if diagnostic.code != Code::UnknownHost {
                let hosts = plan::listed(&hosts);
                diagnostic.message = format!("{}, on {hosts}", diagnostic.message);
            }
            diagnostic
        }));
        out
    }

    /// Hosts that manifests name and no agent file is for: misspelled, or forgotten.
    fn strangers(&self, manifests: &[Manifest]) -> Vec<Diagnostic> {
        let Some(agents) = &self.agents else {
            return Vec::new();
        };
        let hosts = sources(manifests).filter_map(|source| source.options.hosts.as_ref());
        let strangers = hosts
            .flatten()
            .filter(|host| !agents.contains_key(&host.value));
        let told = strangers.map(|host| {
            let message = format!("no agent file is for the host `{}`", host.value);
            let diagnostic = Diagnostic::new(Code::UnknownHost, message);
            match manifest::nearest(&host.value, agents.keys().map(String::as_str)) {
                Some(near) => diagnostic.primary(&host.at, format!("did you mean `{near}`?")),
                None => diagnostic
                    .primary(&host.at, "")
                    .help("add one to the directory that `--agents` names"),
            }
        });
        told.collect()
    }
}

/// The host that a command runs on.
#[derive(Debug)]
pub struct OwnHost<'a> {
    /// Its name.
    pub name: &'a str,
    /// Of its agent file.
    pub labels: &'a BTreeMap<String, String>,
    /// Whether that file was named on the command line.
    pub agent_named: bool,
}

fn sources<'a>(
    manifests: impl IntoIterator<Item = &'a Manifest>,
) -> impl Iterator<Item = &'a manifest::Source> {
    manifests.into_iter().flat_map(|manifest| &manifest.sources)
}

/// The labels that are substituted anywhere, as `${labels.NAME}`.
fn labels(files: &[SourceFile]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files {
        // What stands before the first is none.
        for rest in file.text.split("${labels.").skip(1) {
            if let Some((name, _)) = rest.split_once('}') {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// The labels of each host, and what is wrong with the files.
fn agents(inputs: &Inputs) -> (BTreeMap<String, BTreeMap<String, String>>, Vec<Diagnostic>) {
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
    (agents, diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::Parsed;
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
            let labels = fleet.facts(host, &[parsed.files()]).labels;
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
