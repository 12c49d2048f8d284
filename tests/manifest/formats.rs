//! What is handed to other programs: SARIF against its published schema and GitHub's limits, and GitHub's workflow
//! commands as its runner reads them.

use heliostat::cli::load::{drawn, review};
use heliostat::diagnostic::{self, Code, Diagnostic, Place, Report, Severity, Sources};
use heliostat::manifest::SourceFile;
use serde_json::Value;

use super::{files, source_file};

fn schema() -> jsonschema::Validator {
    let text = include_str!("../schemas/sarif-2.1.0.json");
    let mut schema: Value = serde_json::from_str(text).unwrap();
    // The published pattern of a language's name has a bracket too many, and is no regular expression.
    for holder in ["run", "toolComponent"] {
        let language = format!("/definitions/{holder}/properties/language");
        let language = schema.pointer_mut(&language).unwrap();
        language.as_object_mut().unwrap().remove("pattern").unwrap();
    }
    jsonschema::draft7::new(&schema).unwrap()
}

/// What every mistake of the corpus says, in one report.
fn everything() -> (Vec<SourceFile>, Vec<Diagnostic>) {
    let files: Vec<SourceFile> = files("invalid")
        .iter()
        .map(|path| source_file(path))
        .collect();
    let found = files
        .iter()
        .flat_map(|file| review(std::slice::from_ref(file)).1)
        .collect();
    (files, found)
}

fn sarif(sources: &Sources, diagnostics: &[Diagnostic]) -> Value {
    let report = Report {
        sources,
        diagnostics,
        files: 1,
    };
    serde_json::from_str(&diagnostic::sarif(report)).unwrap()
}

#[test]
fn sarif_is_as_its_schema_says_and_within_githubs_limits() {
    let schema = schema();
    let valid = |document: &Value| {
        let errors: Vec<String> = schema
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    };
    // Against a schema that takes everything this would say nothing.
    assert!(
        !schema.is_valid(&serde_json::json!({"version": "2.1.0", "runs": [{"results": [{}]}]}))
    );
    let (files, diagnostics) = everything();
    let document = sarif(&drawn(&files, &diagnostics), &diagnostics);
    valid(&document);
    valid(&sarif(&Sources::new(), &[]));
    let run = &document["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), diagnostics.len());
    assert!(
        results
            .iter()
            .filter(|one| one.get("fixes").is_some())
            .count()
            > 50
    );
    for rule in run["tool"]["driver"]["rules"].as_array().unwrap() {
        let length = |field: &str| rule[field]["text"].as_str().unwrap().chars().count();
        assert!(length("shortDescription") <= 1024 && length("fullDescription") <= 1024);
        assert!(length("help") > 0, "GitHub wants one");
    }
    for result in results {
        let at = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(run["tool"]["driver"]["rules"][at]["id"], result["ruleId"]);
        assert!(result["locations"].as_array().unwrap().len() <= 1);
    }
}

#[test]
fn no_report_is_larger_than_github_takes() {
    let place = Place {
        file: "a".into(),
        span: 0..1,
    };
    let mut one = Diagnostic::new(Code::UnknownField, "x").primary(&place, "");
    for _ in 0..2000 {
        one = one.secondary(&place, "");
    }
    let mut sources = Sources::new();
    sources.insert("a", "x");
    let document = sarif(&sources, std::slice::from_ref(&one));
    assert_eq!(
        document["runs"][0]["results"][0]["relatedLocations"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    let many = vec![Diagnostic::new(Code::UnknownField, "x").primary(&place, ""); 30_000];
    assert_eq!(
        sarif(&sources, &many)["runs"][0]["results"]
            .as_array()
            .unwrap()
            .len(),
        5_000
    );
}

/// Name, properties and data.
type Command<'l> = (&'l str, Vec<(String, String)>, String);

/// A command as GitHub's runner takes it apart: `::NAME key=value,…::DATA`.
fn command(line: &str) -> Option<Command<'_>> {
    let rest = line.strip_prefix("::")?;
    let (head, data) = rest.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let property = |text: &str| {
        let text = text.replace("%3A", ":").replace("%2C", ",");
        plain(&text)
    };
    let properties = properties.split(',').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), property(value)))
    });
    Some((name, properties.collect(), plain(data)))
}

fn plain(text: &str) -> String {
    text.replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%25", "%")
}

#[test]
fn workflow_commands_say_what_was_meant_to_githubs_runner() {
    let name = "50%, a:b::error::/x.yaml";
    let mut sources = Sources::new();
    sources.insert(name, "a: 1\nb: 2\n");
    let place = Place {
        file: name.into(),
        span: 5..6,
    };
    let message = "100% of `a,b`: ::set-output name=x::y";
    let one = Diagnostic::new(Code::UnknownField, message)
        .primary(&place, "here\nand there")
        .help("50%");
    let report = |diagnostics: &[Diagnostic]| {
        let report = Report {
            sources: &sources,
            diagnostics,
            files: 1,
        };
        diagnostic::github(report)
    };
    let out = report(std::slice::from_ref(&one));
    let (kind, properties, data) = command(out.trim_end()).unwrap();
    assert_eq!(out.lines().count(), 1);
    assert_eq!(kind, "error");
    let get = |key: &str| {
        let found = properties.iter().find(|(have, _)| have == key);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    assert_eq!(
        [
            get("file"),
            get("line"),
            get("endLine"),
            get("col"),
            get("endColumn"),
            get("title")
        ],
        [name, "2", "2", "1", "2", "H0105 unknown field"]
    );
    let label = &one.labels[0].text;
    assert_eq!(data, format!("{}\n{label}\n50%", one.message));

    // Ten of a kind are annotations, errors first; the rest is said, and is no command.
    let warning = Diagnostic::new(Code::SharedTarget, message).primary(&place, "");
    let mixed: Vec<Diagnostic> = (0..15)
        .flat_map(|_| [warning.clone(), one.clone()])
        .collect();
    let out = report(&mixed);
    let commands: Vec<&str> = out
        .lines()
        .filter_map(|line| Some(command(line)?.0))
        .collect();
    assert_eq!(commands, [vec!["error"; 10], vec!["warning"; 10]].concat());
    let said = |id: &str| {
        out.lines()
            .filter(|line| line.starts_with("  ") && line.contains(id))
            .count()
    };
    assert_eq!((said("H0105"), said("H0406")), (5, 5), "{out}");
    assert!(mixed.iter().any(|one| one.severity == Severity::Warning));
}
