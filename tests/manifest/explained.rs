//! `explain`: every registered code says what it is, why and what to do; what is wrong and what mends it are so; every
//! key and lint is found.

use heliostat::cli::exit;
use heliostat::cli::explain::{self, ExplainArgs};
use heliostat::cli::validate::{self, ValidateArgs};
use heliostat::diagnostic::{EXAMPLES, LINTS, REGISTRY, Within};
use heliostat::manifest::keys;

fn explained(asked: Option<&str>) -> (u8, String, String) {
    let args = ExplainArgs {
        code: asked.map(str::to_owned),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = explain::run(&args, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

#[test]
fn every_code_is_explained() {
    let (code, list, _) = explained(None);
    assert_eq!(code, exit::GOOD);
    assert_eq!(list.lines().count(), REGISTRY.len());
    for entry in REGISTRY {
        assert!(list.contains(&format!("{}  {}\n", entry.id, entry.title)));
        for spelling in [entry.id.to_owned(), entry.id.to_lowercase()] {
            let (code, out, err) = explained(Some(&spelling));
            assert_eq!((code, err.as_str()), (exit::GOOD, ""));
            let (title, rest) = out.split_once("\n\n").unwrap();
            assert_eq!(title, format!("{}: {}", entry.id, entry.title));
            assert!(rest.starts_with(entry.explanation), "{out}");
            // More than its title over again.
            assert!(!entry.explanation.to_lowercase().starts_with(entry.title));
        }
    }
    let (code, out, err) = explained(Some("H9999"));
    assert_eq!((code, out.as_str()), (exit::USAGE, ""));
    assert!(err.contains("`H9999`") && err.contains("lists"), "{err}");
}

#[test]
fn lints_are_listed_and_explained_by_their_names() {
    let (code, list, _) = explained(Some("lints"));
    assert_eq!((code, list.lines().count()), (exit::GOOD, LINTS.len()));
    for lint in LINTS {
        assert!(list.contains(lint.name), "{}", lint.name);
        let (code, out, _) = explained(Some(lint.name));
        assert_eq!(code, exit::GOOD);
        assert!(out.starts_with(lint.code.id()), "{out}");
        assert_eq!(out.contains("metadata: {allow:"), lint.allowable(), "{out}");
    }
}

#[test]
fn keys_are_explained_with_what_the_schema_says() {
    let (_, list, _) = explained(Some("keys"));
    for key in keys() {
        assert!(list.contains(&format!("{}\n", key.path)));
        let (code, out, err) = explained(Some(&key.path));
        assert_eq!((code, err.as_str()), (exit::GOOD, ""), "{}", key.path);
        assert!(out.contains(&key.description), "{}: {out}", key.path);
    }
    insta::assert_snapshot!(explained(Some("maxDelete")).1);
    insta::assert_snapshot!(explained(Some("sources.website.targets.web98.delete")).1);
    insta::assert_snapshot!(explained(Some("H0407")).1);
    let (code, _, err) = explained(Some("maxDelet"));
    assert_eq!(code, exit::USAGE);
    assert!(err.contains("did you mean `maxDelete`?"), "{err}");
}

/// What is not a matter of one text: a file that is not there, of other bytes, too long or too deep; too many mistakes;
/// a host.
const ELSEWHERE: [&str; 9] = [
    "H0001", "H0002", "H0003", "H0004", "H0012", "H0013", "H0409", "H0410", "H0415",
];

/// A file with this in the place that the example is for.
fn file(within: Within, text: &str) -> String {
    let head = "apiVersion: heliostat/v1\nkind: Manifest\n";
    let indented = |by: usize| {
        let space = " ".repeat(by);
        let lines = text.lines().map(|line| format!("{space}{line}\n"));
        lines.collect::<String>()
    };
    let or = |key: &str, otherwise: &str| match text.contains(key) {
        true => String::new(),
        false => format!("{otherwise}\n"),
    };
    match within {
        Within::File => format!("{text}\n"),
        Within::Document => format!("{head}{text}\n"),
        Within::Source => format!(
            "{head}sources:\n  a:\n{}{}    targets: {{t: {{url: \"file:///t\"}}}}\n",
            or("path: ", "    path: /a"),
            indented(4)
        ),
        Within::Target => format!(
            "{head}sources:\n  a:\n    path: /a\n    targets:\n      t:\n{}{}",
            or("url: ", "        url: file:///t"),
            indented(8)
        ),
    }
}

#[test]
fn what_is_wrong_has_its_code_and_what_mends_it_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let validated = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let args = ValidateArgs {
            paths: vec![path.clone()],
            ..ValidateArgs::default()
        };
        let mut out = Vec::new();
        validate::run(&args, &mut out, &mut std::io::sink()).unwrap();
        String::from_utf8(out).unwrap()
    };
    let mut bad = Vec::new();
    for example in EXAMPLES {
        let code = example.code;
        let wrong = file(example.within, example.wrong);
        let said = validated(&wrong);
        let named = code
            .lint()
            .is_none_or(|lint| said.contains(&format!("[{}]\n", lint.name)));
        if !said.contains(&format!("[{code}]")) || !named {
            bad.push(format!("{code} is not said of:\n{wrong}\n{said}"));
        }
        let right = file(example.within, example.right);
        let said = validated(&right);
        if !said.starts_with("valid: 1 file, ") || !said.contains(" 0 warnings") {
            bad.push(format!("{code}, mended:\n{right}\n{said}"));
        }
    }
    for entry in REGISTRY {
        let has = EXAMPLES.iter().any(|example| example.code == entry.code);
        if has == ELSEWHERE.contains(&entry.id) {
            bad.push(format!("{} wants an example", entry.id));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn what_warns_can_be_allowed_where_it_is_meant() {
    use heliostat::cli::load::review;
    use heliostat::manifest::SourceFile;
    for lint in LINTS {
        let example = EXAMPLES
            .iter()
            .find(|example| example.code == lint.code)
            .unwrap();
        let text = file(example.within, example.wrong);
        let codes = |text: String| -> Vec<_> {
            let file = SourceFile {
                name: "a".to_owned(),
                text,
            };
            review(&[file]).1.iter().map(|one| one.code).collect()
        };
        assert_eq!(codes(text.clone()), [lint.code], "{}", lint.name);
        let allowed = text.replacen(
            "kind: Manifest\n",
            &format!(
                "kind: Manifest\nmetadata: {{allow: {{{}: \"why\"}}}}\n",
                lint.name
            ),
            1,
        );
        let left = codes(allowed);
        match lint.allowable() {
            true => assert_eq!(left, [], "{}", lint.name),
            false => assert!(left.contains(&lint.code), "{}", lint.name),
        }
    }
}
