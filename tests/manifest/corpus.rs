//! The corpus of mistakes: what people get wrong, and what they are told.
//!
//! Each file of `tests/manifests/invalid` (or each directory, for a set of files) is one mistake that a sysadmin would
//! make. Beside it is what `validate` says of it (`.txt`), and, where `--fix` changes something, what it makes of it
//! (`.fixed`). Its first line says whether the schema rejects it, too: `# schema: rejects`, `# schema: accepts: WHY`,
//! or `# schema: none: WHY` for what is not YAML to every reader or no manifest. `README.md` there is the table of it
//! all. Written anew with `HELIOSTAT_UPDATE=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use heliostat::cli::exit;
use heliostat::cli::load::review;
use heliostat::cli::validate::{self, ValidateArgs, ValidateFormat};
use heliostat::diagnostic::{self, Code, Diagnostic, Severity};
use heliostat::manifest::SourceFile;

use super::{files, load, rendered_set, schema_accepts, source_file};

/// One mistake.
struct Case {
    /// The file, or the directory of the set.
    path: PathBuf,
    name: String,
    files: Vec<SourceFile>,
}

impl Case {
    fn diagnostics(&self) -> Vec<Diagnostic> {
        match self.files.as_slice() {
            [only] => load(only),
            set => review(set).1,
        }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.path.with_extension(extension)
    }

    /// What the first line says: a word, and the reason.
    fn schema(&self) -> (String, String) {
        if self.path.is_dir() {
            return (
                "set".to_owned(),
                "each file is looked at by itself".to_owned(),
            );
        }
        let text = self.files[0].text.trim_start_matches('\u{feff}');
        let first = text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("# schema: ").unwrap_or_default();
        let (word, why) = says.split_once(": ").unwrap_or((says, ""));
        (word.to_owned(), why.to_owned())
    }
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = files("invalid")
        .into_iter()
        .map(|path| Case {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            files: vec![source_file(&path)],
            path,
        })
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests/invalid");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let files = files(&format!("invalid/{name}"));
            let files = files.iter().map(|path| source_file(path)).collect();
            cases.push(Case { path, name, files });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn updating() -> bool {
    std::env::var_os("HELIOSTAT_UPDATE").is_some()
}

/// Compares with what is kept, or keeps it; no text is no file.
fn kept(path: &Path, text: &str, wrong: &mut Vec<String>) {
    let have = fs::read_to_string(path).unwrap_or_default();
    if have == text {
        return;
    }
    match (updating(), text) {
        (true, "") => fs::remove_file(path).unwrap(),
        (true, text) => fs::write(path, text).unwrap(),
        (false, text) => wrong.push(format!("{}:\n{text}", path.display())),
    }
}

#[test]
fn mistakes_are_told_as_expected() {
    let cases = cases();
    assert!(cases.len() >= 150, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let out = rendered_set(&case.files, &case.diagnostics());
        assert!(!out.contains("hunter2"), "{out}");
        assert!(!out.is_empty(), "{} is accepted", case.name);
        kept(&case.beside("txt"), &out, &mut wrong);
    }
    assert!(
        wrong.is_empty(),
        "other than expected:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_mistake_is_in_it_twice() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for case in cases() {
        let text: String = case.files.iter().map(|file| file.text.as_str()).collect();
        let lines = text.lines().filter(|line| !line.starts_with("# schema"));
        let body = lines.collect::<Vec<_>>().join("\n");
        if let Some(other) = seen.insert(body, case.name.clone()) {
            panic!("{} and {other} are the same", case.name);
        }
    }
}

#[test]
fn the_schema_rejects_what_it_can_see() {
    let mut wrong = Vec::new();
    let mut table = String::from(
        "# The corpus of mistakes\n\n\
         What people get wrong in manifests, each with what `heliostat validate` says of it (`.txt`) and what `--fix`\n\
         makes of it (`.fixed`). Written by `HELIOSTAT_UPDATE=1 cargo test --test all -- corpus`.\n\n\
         An editor knows the schema alone. This table says which mistakes it shows, and why it cannot show the others.\n\n\
         | mistake | codes | fixed | by the schema |\n| --- | --- | --- | --- |\n",
    );
    for case in cases() {
        let (word, why) = case.schema();
        let expected = match word.as_str() {
            "rejects" if why.is_empty() => Some(false),
            "accepts" if !why.is_empty() => Some(true),
            "none" if !why.is_empty() => None,
            "set" => None,
            _ => {
                let actual = schema_accepts(&case.files[0]);
                wrong.push(format!(
                    "{}: the first line says `{word}: {why}`; it is {actual:?}",
                    case.name
                ));
                None
            }
        };
        if let (true, [file]) = (expected.is_some(), case.files.as_slice()) {
            let actual = schema_accepts(file);
            if actual != expected {
                wrong.push(format!("{}: {word}, but {actual:?}", case.name));
            }
        }
        let diagnostics = case.diagnostics();
        let codes: BTreeSet<&str> = diagnostics.iter().map(|one| one.code.id()).collect();
        let codes = codes.into_iter().collect::<Vec<_>>().join(" ");
        let certain = |one: &&Diagnostic| one.fix.as_ref().is_some_and(|fix| fix.certain);
        let certain = diagnostics.iter().filter(certain).count();
        let fixed = match certain {
            0 => "",
            all if all == diagnostics.len() => "all",
            _ => "in part",
        };
        let schema = match word.as_str() {
            "rejects" => "rejected".to_owned(),
            "none" => format!("not looked at: {why}"),
            _ => format!("accepted: {why}"),
        };
        table.push_str(&format!(
            "| {} | {codes} | {fixed} | {schema} |\n",
            case.name
        ));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests/invalid");
    kept(&folder.join("README.md"), &table, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn args(path: &Path) -> ValidateArgs {
    ValidateArgs {
        paths: vec![path.to_owned()],
        ..ValidateArgs::default()
    }
}

fn run(args: &ValidateArgs) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = validate::run(args, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

/// A copy that may be changed.
fn copy(case: &Case) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for file in &case.files {
        fs::write(folder.path().join(&file.name), &file.text).unwrap();
    }
    let path = match case.path.is_dir() {
        true => folder.path().to_owned(),
        false => folder.path().join(&case.files[0].name),
    };
    (folder, path)
}

#[test]
fn what_is_certain_is_fixed_once_and_nothing_else_is_touched() {
    let mut wrong = Vec::new();
    let mut changed = 0;
    // An agent's file is none of a manifest's.
    let cases = cases()
        .into_iter()
        .filter(|case| !case.name.starts_with("agent"));
    for case in cases {
        let (folder, path) = copy(&case);
        let texts = || -> Vec<String> {
            let names = case.files.iter().map(|file| folder.path().join(&file.name));
            names
                .map(|path| fs::read_to_string(path).unwrap())
                .collect()
        };
        let before: Vec<String> = case.files.iter().map(|file| file.text.clone()).collect();
        let plain = run(&args(&path));
        let dry = ValidateArgs {
            fix: true,
            dry_run: true,
            ..args(&path)
        };
        let (dry_code, diff, _) = run(&dry);
        assert_eq!(dry_code, plain.0, "{}", case.name);
        assert_eq!(texts(), before, "{}: a dry run changed it", case.name);
        let fix = ValidateArgs {
            fix: true,
            ..args(&path)
        };
        let (code, _, said) = run(&fix);
        let after = texts();
        assert_eq!(
            after != before,
            said.contains("fixed `"),
            "{}: {said}",
            case.name
        );
        assert_eq!(after != before, !diff.is_empty(), "{}", case.name);
        if case.name.contains("password") {
            assert!(!diff.contains("hunter2"), "{diff}");
        }
        let (again, _, said) = run(&fix);
        assert_eq!(
            (again, said.as_str()),
            (code, ""),
            "{}: not idempotent",
            case.name
        );
        assert_eq!(texts(), after, "{}: not idempotent", case.name);
        assert_eq!(run(&args(&path)).0, code, "{}", case.name);
        let expected = match after == before {
            true => String::new(),
            false => after.join("--- the next file ---\n"),
        };
        changed += usize::from(!expected.is_empty());
        kept(&case.beside("fixed"), &expected, &mut wrong);
    }
    assert!(changed > 50, "{changed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How often this is said.
fn count(diagnostics: &[Diagnostic], one: &Diagnostic) -> usize {
    let same = |other: &&Diagnostic| (other.code, &other.message) == (one.code, &one.message);
    diagnostics.iter().filter(same).count()
}

#[test]
fn each_offer_in_the_json_mends_what_it_is_offered_for() {
    let mut offers = 0;
    for case in cases()
        .iter()
        .filter(|case| !case.name.starts_with("agent"))
    {
        let (_folder, path) = copy(case);
        let json = ValidateArgs {
            format: ValidateFormat::Json,
            ..args(&path)
        };
        let document: serde_json::Value = serde_json::from_str(&run(&json).1).unwrap();
        let diagnostics = case.diagnostics();
        let shown = document["diagnostics"].as_array().unwrap();
        assert_eq!(shown.len(), diagnostics.len(), "{}", case.name);
        for (shown, one) in shown.iter().zip(&diagnostics) {
            assert_eq!(shown["fix"].is_null(), one.fix.is_none());
            let Some(edits) = shown["fix"]["edits"].as_array() else {
                continue;
            };
            offers += 1;
            let mut set = case.files.clone();
            for edit in edits {
                let file = edit["file"].as_str().unwrap();
                let file = set
                    .iter_mut()
                    .find(|one| file.ends_with(&one.name))
                    .unwrap();
                let byte = |end: &str| edit["range"][end].as_u64().unwrap() as usize;
                let text = edit["replacement"].as_str().unwrap();
                file.text.replace_range(byte("start")..byte("end"), text);
            }
            let after = review(&set).1;
            assert!(
                count(&after, one) < count(&diagnostics, one),
                "{}: `{}` is still said after {}:\n{}",
                case.name,
                one.message,
                shown["fix"],
                set[0].text
            );
        }
    }
    assert!(offers > 80, "{offers}");
}

#[test]
fn exit_codes_follow_the_worst() {
    for case in cases()
        .iter()
        .filter(|case| !case.name.starts_with("agent"))
    {
        let (_folder, path) = copy(case);
        let errors = case
            .diagnostics()
            .iter()
            .any(|one| one.severity == Severity::Error);
        let expected = if errors { exit::NEGATIVE } else { exit::GOOD };
        assert_eq!(run(&args(&path)).0, expected, "{}", case.name);
        let strict = ValidateArgs {
            warnings_as_errors: true,
            ..args(&path)
        };
        assert_eq!(run(&strict).0, exit::NEGATIVE, "{}", case.name);
    }
}

/// Codes that need more than the texts: files that cannot be read, and facts of a host.
const ELSEWHERE: &[Code] = &[
    Code::UnreadableFile,
    Code::NotUtf8,
    Code::TooLarge,
    Code::TooManyProblems,
    Code::UnknownHost,
    Code::NoRoutes,
    Code::HostFact,
];

#[test]
fn every_code_has_a_mistake() {
    let all = cases();
    let seen: BTreeSet<Code> = all
        .iter()
        .flat_map(Case::diagnostics)
        .map(|diagnostic| diagnostic.code)
        .collect();
    let missing: Vec<&str> = diagnostic::REGISTRY
        .iter()
        .filter(|entry| !ELSEWHERE.contains(&entry.code) && !seen.contains(&entry.code))
        .map(|entry| entry.id)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
