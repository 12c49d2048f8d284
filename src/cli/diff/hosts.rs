//! The differences of the hosts: each with its plans, and those that read the same told once.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::fleet::ANY_OTHER;
use crate::cli::load::Parsed;
use crate::plan::{Class, Measured, Plan, PlanDiff, Review, SourceName, diff, digest};

/// One host's difference.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostDiff {
    /// Its name.
    pub host: String,
    /// Of the old plan.
    pub digest_before: String,
    /// Of the new one.
    pub digest_after: String,
    /// Whether anything changes.
    pub changes: bool,
    /// What.
    pub diff: PlanDiff,
    /// Why sources came or went that the manifests have in both.
    pub reasons: BTreeMap<SourceName, String>,
    /// What was counted on this host's disk, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    #[serde(skip)]
    old: Plan,
    #[serde(skip)]
    new: Plan,
}

impl HostDiff {
    /// Compares a host's plans.
    pub fn new(host: &str, old: Plan, new: Plan) -> HostDiff {
        let diff = diff(&old, &new);
        HostDiff {
            host: host.to_owned(),
            digest_before: digest(&old),
            digest_after: digest(&new),
            changes: !diff.is_empty(),
            diff,
            reasons: BTreeMap::new(),
            measured: None,
            old,
            new,
        }
    }

    /// Counts on this host's disk.
    pub fn measure(&mut self) {
        self.measured = Some(super::measure::measure(&self.old, &self.new, &self.diff));
    }

    /// Says of each source that came or went why, where the manifests of both have it.
    pub fn explain(&mut self, old: Option<&Parsed>, new: &Parsed) {
        for (name, source) in &self.diff.sources {
            let (there, verb) = match source.class {
                Class::Add => (old, "until now"),
                Class::Remove => (Some(new), "from now on"),
                _ => continue,
            };
            let why = there.and_then(|parsed| absent(parsed, name, &self.host));
            if let Some(why) = why {
                self.reasons.insert(name.clone(), format!("{verb} {why}"));
            }
        }
    }

    fn review<'a>(&'a self, hosts: &'a [String], against: &'a str) -> Review<'a> {
        Review {
            hosts,
            against,
            old: &self.old,
            new: &self.new,
            diff: &self.diff,
            reasons: &self.reasons,
            measured: self.measured.as_ref(),
        }
    }
}

/// Why manifests that have a source do not run it on a host.
fn absent(parsed: &Parsed, name: &SourceName, host: &str) -> Option<String> {
    let mut sources = parsed
        .manifests
        .iter()
        .flat_map(|manifest| &manifest.sources);
    let source = sources.find(|source| source.name.value == name.0)?;
    let options = &source.options;
    if options
        .suspend
        .as_ref()
        .is_some_and(|suspend| suspend.value)
    {
        return Some("it is suspended".into());
    }
    let hosts = options.hosts.as_ref()?;
    let hosts: Vec<&str> = hosts.iter().map(|host| host.value.as_str()).collect();
    let elsewhere = !hosts.contains(&host);
    elsewhere.then(|| format!("it runs on {}", crate::plan::listed(&hosts)))
}

/// The differences as people read them: what reads the same on several hosts once, with all their names.
pub fn told(
    hosts: &[HostDiff],
    against: &str,
    render: impl Fn(&Review<'_>) -> String,
) -> Vec<String> {
    let mut groups: Vec<(String, &HostDiff, Vec<String>)> = Vec::new();
    for host in hosts {
        let text = render(&host.review(&[], against));
        let name = match host.host.as_str() {
            ANY_OTHER => "any other".to_owned(),
            name => name.to_owned(),
        };
        match groups.iter_mut().find(|(known, ..)| *known == text) {
            Some((_, _, names)) => names.push(name),
            None => groups.push((text, host, vec![name])),
        }
    }
    // What does not change is of least interest.
    groups.sort_by_key(|(_, host, _)| !host.changes);
    groups
        .iter()
        .map(|(_, host, names)| render(&host.review(names, against)))
        .collect()
}
