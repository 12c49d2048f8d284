//! `plan`: what will happen on a host.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};
use schemars::JsonSchema;
use serde::Serialize;

use super::exit;
use super::fleet::{Fleet, OwnHost};
use super::load::{self, Compiled};
use crate::diagnostic;
use crate::plan::{Explain, NextTime, Plan, SourcePlan, next_times};
use crate::service::protocol::FORMAT_VERSION;
use crate::transfer;
use crate::watch;

/// The flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Manifest files or directories [default: /etc/heliostat/conf.d, or what the agent file names]
    pub paths: Vec<PathBuf>,
    /// The host that the plan is for [default: this one]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// From when on the next times count: `2026-03-02T09:00:00Z`, or a time of this host's zone [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub at: Option<Timestamp>,
    /// The host's settings [default: /etc/heliostat/agent.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// The fleet's agent files, one a host: where the labels of other hosts are known from
    #[arg(long, value_name = "DIR")]
    pub agents: Option<PathBuf>,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = PlanFormat::Human, value_name = "FORMAT")]
    pub format: PlanFormat,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Human,
    /// One JSON document, also for errors.
    Json,
    /// For a merge request or a wiki.
    Markdown,
}

/// What a host will do. Where the manifests are not right, the document is that of their diagnostics instead.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PlanDocument")]
pub(super) struct Document<'a> {
    /// Counts changes that a reader of an older version would misread.
    format_version: u32,
    /// The host that it is for.
    host: &'a str,
    /// From when on the next times count.
    #[schemars(with = "String")]
    at: Timestamp,
    /// The plan. There are no secrets in one.
    plan: &'a Plan,
    /// What happens by the clock, the first first.
    next: Vec<NextTime>,
    /// By route: as they would be typed; none for what is copied in process.
    command_lines: BTreeMap<String, Vec<String>>,
    /// By source: what watches it, and why.
    watched_by: BTreeMap<String, String>,
}

/// Prints the plan, or what is wrong with the manifests.
pub fn run(
    args: &PlanArgs,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let (agent, own_name) = match load::read_agent(args.agent.as_deref(), colour, err)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let fleet = match Fleet::read(args.agents.as_deref(), colour, err)? {
        Ok(fleet) => fleet,
        Err(code) => return Ok(code),
    };
    let paths = load::manifest_paths(&args.paths, &agent);
    let own = OwnHost {
        name: &own_name,
        labels: &agent.labels,
        agent_named: args.agent.is_some(),
    };
    let facts = fleet.one(args.host.as_deref(), &own);
    let host = facts.name.clone();
    let compiled = Compiled::read(&paths, &facts);
    let Some(plan) = &compiled.plan else {
        match args.format {
            PlanFormat::Json => write!(out, "{}", diagnostic::json(compiled.report()))?,
            PlanFormat::Human | PlanFormat::Markdown => {
                write!(err, "{}", diagnostic::terminal(compiled.report(), colour))?;
                write!(err, "{}", fleet.hint(&host, &compiled.diagnostics))?;
            }
        }
        return Ok(compiled.code());
    };
    write!(err, "{}", diagnostic::terminal(compiled.report(), colour))?;
    let now = args.at.unwrap_or_else(Timestamp::now);
    // Only on the host itself can be seen what it offers.
    let here = host == load::host_name() || host == own_name && args.agent.is_none();
    let mechanism = agent.watch;
    let watched_by = |source: &SourcePlan| match here {
        true => watch::foresee(mechanism, Path::new(&source.path)),
        false => "decided on the host".to_owned(),
    };
    let explain = Explain {
        plan,
        now,
        host: &host,
        command_lines: &transfer::command_lines,
        watched_by: &watched_by,
    };
    match args.format {
        PlanFormat::Human => write!(out, "{}", explain.human())?,
        PlanFormat::Markdown => write!(out, "{}", explain.markdown())?,
        PlanFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, &document(&explain))?;
            writeln!(out)?;
        }
    }
    Ok(exit::GOOD)
}

fn document<'a>(explain: &Explain<'a>) -> Document<'a> {
    let mut next = Vec::new();
    let mut command_lines = BTreeMap::new();
    for (source, route) in explain.plan.routes() {
        next.extend(next_times(route, explain.now, explain.host));
        command_lines.insert(
            route.name.to_string(),
            (explain.command_lines)(source, route),
        );
    }
    let sources = explain.plan.sources.values();
    let watched_by = |source: &SourcePlan| (source.name.to_string(), (explain.watched_by)(source));
    next.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.route.cmp(&b.route)));
    Document {
        format_version: FORMAT_VERSION,
        host: explain.host,
        at: explain.now,
        plan: explain.plan,
        next,
        command_lines,
        watched_by: sources.map(watched_by).collect(),
    }
}

/// Reads an instant: with an offset or a zone, or else on the wall clock of this host.
fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.timestamp());
    }
    text.parse::<civil::DateTime>()
        .ok()
        .and_then(|time| time.to_zoned(TimeZone::system()).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| {
            format!("`{text}` is no time: write it as `2026-03-02T09:00:00Z` or `2026-03-02 09:00`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        let nine: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        for text in [
            "2026-03-02T09:00:00Z",
            "2026-03-02T10:00:00+01:00",
            "2026-03-02T10:00[Europe/Berlin]",
        ] {
            assert_eq!(instant(text), Ok(nine), "{text}");
        }
        assert!(instant("2026-03-02 09:00").is_ok() && instant("2026-03-02").is_ok());
        assert!(instant("tomorrow").is_err() && instant("").is_err());
    }
}
