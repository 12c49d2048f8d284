//! What a new user copies: the examples and the README, run through the parser, the schema, the planner and the command line.

mod daemon;
mod documents;
mod gitops;
mod hooks;
mod names;
mod numbers;
mod pages;
mod readme;
mod reference;
mod requests;
mod service;
mod shown;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use heliostat::diagnostic::{self, Diagnostic, Report, Sources};
use heliostat::manifest::{self, SourceFile};
use heliostat::plan::{self, DeletePolicy, HostFacts, Plan};
use serde::Deserialize;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> SourceFile {
    let text =
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    SourceFile {
        name: path.to_owned(),
        text,
    }
}

/// Every manifest and agent file below `examples`, as `examples/…`. What carries them from a repository to the hosts is
/// looked at in [`gitops`].
fn examples() -> Vec<String> {
    let (mut folders, mut found) = (vec![PathBuf::from("examples")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if path == Path::new("examples/gitops") {
                continue;
            }
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Nothing is to be said about them, warnings included.
fn silent(files: &[SourceFile], diagnostics: &[Diagnostic]) {
    let mut sources = Sources::new();
    for file in files {
        sources.insert(&file.name, &file.text);
    }
    let report = Report {
        sources: &sources,
        diagnostics,
        files: files.len(),
    };
    assert!(
        diagnostics.is_empty(),
        "{}",
        diagnostic::terminal(report, false)
    );
}

/// The plan of a host, through the parser, the schema and the compiler.
fn plan(files: &[SourceFile], host: &HostFacts) -> Plan {
    let (manifests, diagnostics) = manifest::load(files);
    silent(files, &diagnostics);
    let schema = serde_json::from_str(&read("schemas/manifest.schema.json").text).unwrap();
    let schema = jsonschema::draft7::new(&schema).unwrap();
    let mut texts = Sources::new();
    for file in files {
        texts.insert(&file.name, &file.text);
        for document in serde_yaml::Deserializer::from_str(&file.text) {
            let value = serde_json::Value::deserialize(document).unwrap();
            let errors: Vec<String> = schema
                .iter_errors(&value)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", file.name);
        }
    }
    silent(files, &plan::review(&manifests, &texts));
    let compiled = plan::compile(&manifests, &texts, host);
    silent(files, &compiled.diagnostics);
    compiled
        .plan
        .expect("there is a plan where there is no diagnostic")
}

/// The routes that `host` runs, each with what it may delete.
fn routes(plan: &Plan) -> Vec<(String, DeletePolicy)> {
    plan.routes()
        .map(|(_, route)| (route.name.to_string(), route.delete))
        .collect()
}

fn named(host: &str) -> HostFacts {
    HostFacts {
        name: host.to_owned(),
        labels: BTreeMap::new(),
    }
}

#[test]
fn every_example_has_the_plan_that_it_is_there_for() {
    use DeletePolicy::{Mirror, Never, Propagate};
    let expected: &[(&str, &[(&str, DeletePolicy)])] = &[
        ("examples/local-backup.yaml", &[("home/disk", Propagate)]),
        (
            "examples/many-targets.yaml",
            &[
                ("website/archive", Never),
                ("website/branch", Mirror),
                ("website/web98", Mirror),
                ("website/web99", Mirror),
            ],
        ),
        ("examples/ssh.yaml", &[("website/dr", Mirror)]),
        ("examples/website.yaml", &[("website/web98", Mirror)]),
    ];
    for (path, expected) in expected {
        let have = routes(&plan(&[read(path)], &named("any")));
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, delete)| ((*name).to_owned(), *delete))
            .collect();
        assert_eq!(have, expected, "{path}");
    }
    let checked = expected.iter().map(|(path, _)| (*path).to_owned());
    let checked: BTreeSet<String> = checked
        .chain(FLEET.iter().map(|path| (*path).to_owned()))
        .collect();
    assert_eq!(
        checked,
        examples().into_iter().collect(),
        "an example that no test knows"
    );
}

const FLEET: [&str; 3] = [
    "examples/fleet/10-website.yaml",
    "examples/fleet/20-backup.yaml",
    "examples/fleet/agent.yaml",
];

#[test]
fn the_fleets_hosts_each_run_their_share() {
    let agent = read(FLEET[2]);
    let (written, diagnostics) = manifest::load_agent(&agent);
    silent(&[agent], &diagnostics);
    let written = written.unwrap();
    let labels: BTreeMap<String, String> = written
        .labels
        .into_iter()
        .map(|(name, value)| (name, value.value))
        .collect();
    let files = FLEET[..2].iter().map(|path| read(path)).collect::<Vec<_>>();
    let share = |host: &str| {
        let plan = plan(
            &files,
            &HostFacts {
                name: host.to_owned(),
                labels: labels.clone(),
            },
        );
        routes(&plan)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let origin = written.name.unwrap().value;
    assert_eq!(
        share(&origin),
        ["etc/vault", "website/web1", "website/web2", "website/web3"]
    );
    for host in ["web1", "web2", "web3"] {
        assert_eq!(share(host), ["etc/vault", "uploads/origin"]);
    }
    assert_eq!(share("another"), ["etc/vault"]);
}

/// The fenced blocks of the README in that language.
fn blocks(language: &str) -> Vec<String> {
    let text = read("README.md").text;
    let mut parts = text.split("\n```");
    let mut found = Vec::new();
    parts.next();
    while let (Some(block), Some(_prose)) = (parts.next(), parts.next()) {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        if first == language {
            found.push(format!("{rest}\n"));
        }
    }
    found
}

#[test]
fn the_readmes_manifests_are_valid_and_the_first_is_the_example() {
    let blocks = blocks("yaml");
    assert_eq!(blocks.first(), Some(&read("examples/website.yaml").text));
    for (number, text) in blocks.into_iter().enumerate() {
        plan(
            &[SourceFile {
                name: format!("README.md, block {number}"),
                text,
            }],
            &named("any"),
        );
    }
}
