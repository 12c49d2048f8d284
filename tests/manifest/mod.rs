//! The manifest's language: the loader and the schema are held against the same files.
//!
//! `tests/manifests/valid` must be accepted by both. `tests/manifests/invalid` is the corpus of mistakes ([`corpus`]).

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: the panic is the message"
)]

mod agents;
mod bounded;
mod corpus;
mod cost;
mod durations;
mod explained;
mod formats;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use heliostat::diagnostic::{self, Code, Diagnostic, Report, Severity, Sources};
use heliostat::manifest::{self, SourceFile};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/manifests")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn source_file(path: &Path) -> SourceFile {
    SourceFile {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    }
}

fn rendered(file: &SourceFile, diagnostics: &[Diagnostic]) -> String {
    rendered_set(std::slice::from_ref(file), diagnostics)
}

fn rendered_set(files: &[SourceFile], diagnostics: &[Diagnostic]) -> String {
    let mut sources = Sources::new();
    for file in files {
        sources.insert(&file.name, &file.text);
    }
    sources.mask(diagnostics);
    diagnostic::terminal(
        Report {
            sources: &sources,
            diagnostics,
            files: files.len(),
        },
        false,
    )
}

fn load(file: &SourceFile) -> Vec<Diagnostic> {
    if file.text.contains("kind: Agent # this file") {
        return manifest::load_agent(file).1;
    }
    heliostat::cli::load::review(std::slice::from_ref(file)).1
}

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: serde_json::Value = serde_json::from_str(&manifest::schema()).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
});

/// What the schema says about each document of a file; nothing where it is not even YAML.
fn schema_accepts(file: &SourceFile) -> Option<bool> {
    use serde::Deserialize as _;
    let mut all = true;
    for document in serde_yaml::Deserializer::from_str(file.text.trim_start_matches('\u{feff}')) {
        let value = serde_json::Value::deserialize(document).ok()?;
        all &= value.is_null() || VALIDATOR.is_valid(&value);
    }
    Some(all)
}

#[test]
fn valid_files_are_accepted_by_loader_and_schema() {
    for path in files("valid") {
        let file = source_file(&path);
        let diagnostics = load(&file);
        assert!(diagnostics.is_empty(), "{}", rendered(&file, &diagnostics));
        if !file.text.contains("kind: Agent # this file") {
            assert_eq!(
                schema_accepts(&file),
                Some(true),
                "{}: {}",
                file.name,
                schema_errors(&file)
            );
        }
    }
}

fn schema_errors(file: &SourceFile) -> String {
    use serde::Deserialize as _;
    let mut out = String::new();
    for document in serde_yaml::Deserializer::from_str(file.text.trim_start_matches('\u{feff}')) {
        let value = serde_json::Value::deserialize(document).unwrap();
        for error in VALIDATOR.iter_errors(&value) {
            out.push_str(&format!("{}: {error}\n", error.instance_path()));
        }
    }
    out
}

#[test]
fn the_kept_schemas_are_the_generated_ones() {
    for (kind, generated) in [
        ("manifest", manifest::schema()),
        ("agent", manifest::agent_schema()),
    ] {
        let name = format!("schemas/{kind}.schema.json");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == generated, "run `heliostat schema {kind} > {name}`");
    }
}

#[test]
fn limits_hold() {
    let load = |text: String| {
        manifest::load(&[SourceFile {
            name: "big.yaml".to_owned(),
            text,
        }])
        .1
    };
    let codes = |text: String| {
        load(text)
            .iter()
            .map(|diagnostic| diagnostic.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        codes("#".repeat(manifest::MAX_FILE_BYTES + 1)),
        [Code::TooLarge]
    );
    assert_eq!(codes("[".repeat(500_000)), [Code::TooDeep]);
    assert_eq!(codes("- ".repeat(500_000)), [Code::TooDeep]);
    assert_eq!(codes("{a: ".repeat(100_000)), [Code::TooDeep]);
    let many = load((0..100_000).map(|index| format!("k{index}: 1\n")).collect());
    assert_eq!(many.len(), 201);
    assert_eq!(many[200].code, Code::TooManyProblems);
    assert_eq!(
        many[200].message,
        "800 or more further problems are not shown"
    );
    let excludes = vec!["a"; 1000].join(", ");
    let sources = (0..200)
        .map(|at| format!("s{at}: {{path: /{at}, targets: {{t: {{url: \"file:///t{at}\"}}}}}}"));
    let sources = sources.collect::<Vec<_>>().join(", ");
    let spread = format!(
        "apiVersion: heliostat/v1\nkind: Manifest\ndefaults: {{source: {{exclude: [{excludes}]}}}}\nsources: {{{sources}}}\n"
    );
    assert!(codes(spread).contains(&Code::TooLarge));
}

#[test]
fn no_files_and_empty_files_are_said() {
    let (_, none) = manifest::load(&[]);
    assert_eq!(
        none.iter()
            .map(|problem| (problem.code, problem.severity))
            .collect::<Vec<_>>(),
        [(Code::NoManifest, Severity::Error)]
    );
    let good = files("valid")
        .iter()
        .find(|path| path.ends_with("smallest.yaml"))
        .map(|path| source_file(path))
        .unwrap();
    let empty = SourceFile {
        name: "empty.yaml".to_owned(),
        text: "# nothing\n---\n".to_owned(),
    };
    let (manifests, warnings) = manifest::load(&[good, empty]);
    assert_eq!(manifests.len(), 1);
    assert_eq!(
        warnings
            .iter()
            .map(|problem| (problem.code, problem.severity))
            .collect::<Vec<_>>(),
        [(Code::NoManifest, Severity::Warning)]
    );
}

#[test]
fn what_render_writes_is_a_manifest_that_means_the_same() {
    use heliostat::cli::render::{RenderArgs, run};
    let render = |path: &Path, origin: bool| {
        let args = RenderArgs {
            paths: vec![path.to_owned()],
            origin,
            colour: false,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(&args, &mut out, &mut err).unwrap();
        assert_eq!(
            (code, String::from_utf8(err).unwrap().as_str()),
            (0, ""),
            "{}",
            path.display()
        );
        String::from_utf8(out).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    for path in files("valid")
        .iter()
        .filter(|path| !path.ends_with("agent.yaml"))
    {
        let once = render(path, false);
        let again = folder.path().join("again.yaml");
        fs::write(&again, &once).unwrap();
        assert_eq!(render(&again, false), once);
        assert_eq!(
            schema_accepts(&source_file(&again)),
            Some(true),
            "{}",
            schema_errors(&source_file(&again))
        );
        // Comments change nothing.
        let origins = render(path, true);
        fs::write(&again, &origins).unwrap();
        assert_eq!(render(&again, false), once, "{origins}");
    }
}

#[test]
fn render_says_where_values_come_from() {
    let path = files("valid")
        .into_iter()
        .find(|path| path.ends_with("everything.yaml"))
        .unwrap();
    let args = heliostat::cli::render::RenderArgs {
        paths: vec![path.clone()],
        origin: true,
        colour: false,
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = heliostat::cli::render::run(&args, &mut out, &mut err).unwrap();
    assert_eq!(code, 0);
    let folder = format!("{}/", path.parent().unwrap().display());
    insta::assert_snapshot!(String::from_utf8(out).unwrap().replace(&folder, ""));
}

/// The text with a few random edits: a piece removed, doubled, or replaced by what means something to YAML.
fn mutated(text: &str, edits: &[(usize, usize, usize)]) -> String {
    const PIECES: [&str; 20] = [
        "", "\t", "\n", "\r\n", "*", "&a ", "!x ", "{", "}", "[", "]", ": ", "\"", "'", "- ",
        "<<: ", "\u{feff}", "| ", "ä\u{0}", "://u:p@",
    ];
    let mut text = text.to_owned();
    for (at, length, piece) in edits {
        let at = at % (text.len() + 1);
        let start = (0..=at)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap();
        let end = (start + length % 8..=text.len())
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(text.len());
        text.replace_range(start..end, PIECES[piece % PIECES.len()]);
    }
    text
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]
    /// A password in a url stays unseen whatever else is wrong with the file, as long as it is still one: the edits stay
    /// away from it.
    #[test]
    fn no_mistake_elsewhere_shows_a_password(
        edits in proptest::collection::vec(proptest::prelude::any::<(usize, usize, usize)>(), 0..6),
    ) {
        let file = files("invalid").iter().find(|path| path.ends_with("password-in-url.yaml")).map(|path| source_file(path));
        let text = file.unwrap().text;
        let (before, rest) = text.split_at(text.find("rsync://web:hunter2@").unwrap());
        let (url, after) = rest.split_at(rest.find('\n').unwrap());
        let text = format!("{}{url}\n{}", mutated(before, &edits), mutated(after, &edits));
        let file = SourceFile { name: "x".to_owned(), text };
        let diagnostics = manifest::load(std::slice::from_ref(&file)).1;
        let out = rendered(&file, &diagnostics);
        proptest::prop_assert!(!out.contains("hunter2"), "{out}");
        for diagnostic in &diagnostics {
            proptest::prop_assert!(!format!("{diagnostic:?}").contains("hunter2"), "{diagnostic:?}");
        }
    }

    #[test]
    fn nothing_that_is_written_makes_the_loader_panic(
        file in 0_usize..1000,
        edits in proptest::collection::vec(proptest::prelude::any::<(usize, usize, usize)>(), 0..12),
    ) {
        let mut paths = files("valid");
        paths.extend(files("invalid"));
        let file = source_file(&paths[file % paths.len()]);
        let file = SourceFile { text: mutated(&file.text, &edits), ..file };
        let (_, diagnostics) = heliostat::cli::load::review(std::slice::from_ref(&file));
        if !diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            // The schema is looser than the loader, never stricter.
            proptest::prop_assert_ne!(schema_accepts(&file), Some(false), "{}", file.text);
        }
        let (_, agent) = manifest::load_agent(&file);
        for diagnostics in [diagnostics, agent] {
            for diagnostic in &diagnostics {
                for label in &diagnostic.labels {
                    proptest::prop_assert!(file.text.get(label.span.clone()).is_some(), "{diagnostic:?}");
                }
            }
            let mut sources = Sources::new();
            sources.insert(&file.name, &file.text);
            sources.mask(&diagnostics);
            let report = Report { sources: &sources, diagnostics: &diagnostics, files: 1 };
            diagnostic::terminal(report, true);
            diagnostic::json(report);
            diagnostic::github(report);
            diagnostic::sarif(report);
        }
    }
}
