//! `match`: whether a path belongs to a route, and which rule says so.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::client::Format;
use super::exit;
use super::load::{self, Compiled};
use crate::diagnostic;
use crate::engine::{RelPath, escape};
use crate::filter::{Decision, Filter, FilterSpec, Verdict};
use crate::plan::{HostFacts, Plan};
use crate::service::protocol::FORMAT_VERSION;

/// The flags of `match`.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// Files or directories; they need not exist (a trailing slash then says that it is a directory)
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Manifest files or directories [default: /etc/heliostat/conf.d, or what the agent file names]
    #[arg(long, value_name = "PATH")]
    pub manifest: Vec<PathBuf>,
    /// The host's settings [default: /etc/heliostat/agent.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    pub format: Format,
}

/// The JSON document.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    format_version: u32,
    included: bool,
    paths: Vec<Matched>,
}

/// A path with what each source and route that contains it makes of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Matched {
    path: String,
    matches: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line {
    /// `source`, or `source/target`.
    name: String,
    verdict: &'static str,
    pattern: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    #[serde(skip)]
    words: String,
}

/// Prints the verdicts. Good if each path belongs to a route at least.
pub fn run(
    args: &MatchArgs,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let (agent, host) = match load::read_agent(args.agent.as_deref(), colour, err)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let paths = load::manifest_paths(&args.manifest, &agent);
    let compiled = Compiled::read(
        &paths,
        &HostFacts {
            name: host,
            labels: agent.labels,
        },
    );
    let Some(plan) = &compiled.plan else {
        match args.format {
            Format::Json => write!(out, "{}", diagnostic::json(compiled.report()))?,
            Format::Human => write!(err, "{}", diagnostic::terminal(compiled.report(), colour))?,
        }
        return Ok(compiled.code());
    };
    let working = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut paths = Vec::new();
    for named in &args.paths {
        let path = absolute(&working, named);
        let is_dir = match path.symlink_metadata() {
            Ok(found) => found.is_dir(),
            Err(_) => named.as_os_str().as_bytes().ends_with(b"/"),
        };
        paths.push(matched(plan, &path, is_dir));
    }
    let included = paths.iter().all(|path| {
        path.matches
            .iter()
            .any(|line| line.name.contains('/') && line.verdict != "excluded")
    });
    match args.format {
        Format::Json => {
            let document = Document {
                format_version: FORMAT_VERSION,
                included,
                paths,
            };
            serde_json::to_writer_pretty(&mut *out, &document)?;
            writeln!(out)?;
        }
        Format::Human => write!(out, "{}", human(&paths))?,
    }
    Ok(if included { exit::GOOD } else { exit::NEGATIVE })
}

/// The path from `/`, its `.` and `..` taken by the letter: symlinks in it are not followed, because a watch does not
/// follow them either.
fn absolute(working: &Path, named: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in working.join(named).components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

fn matched(plan: &Plan, path: &Path, is_dir: bool) -> Matched {
    let mut matches = Vec::new();
    for source in plan.sources.values() {
        let root = Path::new(OsStr::from_bytes(source.path.as_bytes()));
        let Some(below) = RelPath::below(root, path) else {
            continue;
        };
        matches.extend(line(
            source.name.to_string(),
            &source.filter,
            &below,
            is_dir,
        ));
        for route in source.routes.values() {
            matches.extend(line(route.name.to_string(), &route.filter, &below, is_dir));
        }
    }
    Matched {
        path: escape(path.as_os_str().as_bytes()).into_owned(),
        matches,
    }
}

/// The compiler has made sure that the filter is good.
fn line(name: String, spec: &FilterSpec, path: &RelPath, is_dir: bool) -> Option<Line> {
    let filter = Filter::compile(spec).ok()?;
    let decision = filter.decide(path.as_bytes(), is_dir);
    let origin = decision.rule.and_then(|rule| rule.origin.as_ref());
    Some(Line {
        name,
        verdict: match decision.verdict {
            Verdict::Included => "included",
            Verdict::Parent => "parent",
            Verdict::Excluded => "excluded",
        },
        pattern: decision.rule.map(|rule| rule.pattern.clone()),
        file: origin.map(|origin| origin.file.clone()),
        line: origin.map(|origin| origin.line),
        words: words(decision, path),
    })
}

fn words(decision: Decision<'_>, path: &RelPath) -> String {
    let by = decision.rule.map(|rule| match &rule.origin {
        Some(origin) => format!("`{}`  {}:{}", rule.pattern, origin.file, origin.line),
        None => format!("`{}`  the default", rule.pattern),
    });
    match (decision.verdict, by) {
        (_, None) if path.is_root() => "included  it is the source itself".into(),
        (Verdict::Included, Some(by)) => format!("included  by {by}"),
        (Verdict::Included, None) => "included".into(),
        (Verdict::Parent, Some(by)) => format!("included  as the way to what is included by {by}"),
        (Verdict::Parent, None) => "included  as the way to what may be included below it".into(),
        (Verdict::Excluded, Some(by)) => format!("excluded  by {by}"),
        (Verdict::Excluded, None) => "excluded  no include matches it".into(),
    }
}

fn human(paths: &[Matched]) -> String {
    let mut out = String::new();
    let names = paths.iter().flat_map(|path| &path.matches);
    let width = names
        .map(|line| line.name.chars().count())
        .max()
        .unwrap_or(0);
    for path in paths {
        out.push_str(&format!("{}\n", path.path));
        if path.matches.is_empty() {
            out.push_str("  in no source of this host\n");
        }
        for line in &path.matches {
            out.push_str(&format!("  {:width$}  {}\n", line.name, line.words));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::Inputs;
    use crate::manifest::SourceFile;

    fn plan() -> Plan {
        let text = r#"apiVersion: heliostat/v1
kind: Manifest
sources:
  docs: {path: /data/docs, include: ["/a/*.md"], targets: {t: {url: "file:///u"}}}
  website:
    path: /data/website
    exclude: ["/cache/", "*.tmp"]
    targets:
      web98: {url: "file:///t", exclude: ["/videos/"]}
      dr: {url: "file:///v"}
"#;
        let file = SourceFile {
            name: "web.yaml".into(),
            text: text.into(),
        };
        Compiled::new(
            Inputs {
                files: vec![file],
                paths: Vec::new(),
                problems: Vec::new(),
            },
            &HostFacts {
                name: "h".into(),
                ..HostFacts::default()
            },
        )
        .plan
        .unwrap()
    }

    fn show(paths: &[(&str, bool)]) -> String {
        let plan = plan();
        human(
            &paths
                .iter()
                .map(|(path, is_dir)| matched(&plan, Path::new(path), *is_dir))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn every_source_and_route_names_its_rule() {
        insta::assert_snapshot!(show(&[
            ("/data/website/index.html", false),
            ("/data/website/cache/x/y", false),
            ("/data/website/videos/a.mp4", false),
            ("/data/website", true),
            ("/data/docs/a", true),
            ("/data/docs/a/x.md", false),
            ("/data/docs/b", false),
            ("/data/websites", true),
            ("/data/website/a\n\u{1b}[31m", false),
        ]));
    }

    #[test]
    fn paths_are_taken_by_the_letter() {
        let absolute = |named: &str| {
            absolute(Path::new("/w/x"), Path::new(named))
                .display()
                .to_string()
        };
        assert_eq!(absolute("a/./b/"), "/w/x/a/b");
        assert_eq!(absolute("../a"), "/w/a");
        assert_eq!(absolute("/../../a"), "/a");
    }
}
