//! `import`: each file of `tests/imports` with the manifest and the report that are made of it.
//!
//! Beside an input stand the manifest (`.yaml`, where one is made) and the report with the exit code (`.txt`). Written anew with
//! `HELIOSTAT_UPDATE=1`: read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use heliostat::cli::client::Format;
use heliostat::cli::exit;
use heliostat::cli::import::{self, ImportArgs};
use heliostat::cli::load::review;
use heliostat::diagnostic::Severity;
use heliostat::manifest::SourceFile;

fn inputs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let ours = |path: &PathBuf| {
        path.extension()
            .is_some_and(|kind| kind == "yaml" || kind == "txt")
    };
    let mut all: Vec<PathBuf> = entries.filter(|path| !ours(path)).collect();
    all.sort();
    all
}

fn arguments(file: &Path) -> ImportArgs {
    ImportArgs {
        file: file.to_owned(),
        from: None,
        output: None,
        format: Format::Human,
    }
}

/// The exit code, the results and the talk.
fn import(args: &ImportArgs) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = import::run(args, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

#[test]
fn each_becomes_what_is_expected_of_it() {
    let update = std::env::var_os("HELIOSTAT_UPDATE").is_some();
    let mut wrong = Vec::new();
    let all = inputs();
    assert!(all.len() >= 12, "{}", all.len());
    for path in all {
        let (code, out, err) = import(&arguments(&path));
        let report = format!("{err}exit {code}\n");
        let expected = [("txt", report), ("yaml", out)];
        for (kind, text) in expected {
            let beside = path.with_extension(kind);
            if update {
                match text.is_empty() {
                    true => drop(fs::remove_file(&beside)),
                    false => fs::write(&beside, &text).unwrap(),
                }
            } else if fs::read_to_string(&beside).unwrap_or_default() != text {
                wrong.push(format!("{}:\n{text}", beside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_made_is_valid_and_holds_no_secret() {
    let mut made = 0;
    for path in inputs() {
        let shown = path.display();
        let (code, out, err) = import(&arguments(&path));
        assert!(
            !out.contains("hunter2") && !err.contains("hunter2"),
            "{shown}"
        );
        if out.is_empty() {
            assert_eq!(code, exit::NEGATIVE, "{shown}");
            assert!(err.contains("refused: "), "{shown}: {err}");
            continue;
        }
        made += 1;
        assert_eq!(code, exit::GOOD, "{shown}");
        let file = SourceFile {
            name: "made".into(),
            text: out.clone(),
        };
        let (_, problems) = review(&[file]);
        let errors: Vec<_> = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{shown}: {errors:#?}\n{out}");
        // Each deletes only where the original does, bounded, and says so.
        let original = fs::read_to_string(&path).unwrap();
        let mirrors = out.matches("delete: mirror").count();
        assert_eq!(mirrors, out.matches("maxDelete: ").count(), "{shown}");
        assert_eq!(
            mirrors > 0,
            err.contains("`delete: mirror`"),
            "{shown}: {err}"
        );
        let deletes = ["--delete", "<delete start=\"true\"", "sync"];
        assert!(
            mirrors == 0 || deletes.iter().any(|word| original.contains(word)),
            "{shown}"
        );
        // Every line of the report names one of the original.
        let name = path.file_name().unwrap().to_str().unwrap();
        let lines = original.lines().count();
        for line in err.lines().filter(|line| line.starts_with(name)) {
            let number: usize = line[name.len() + 1..]
                .split(':')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!((1..=lines).contains(&number), "{line}");
        }
    }
    assert!(made >= 8, "{made}");
}

#[test]
fn the_script_of_the_readme_becomes_its_manifest() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports/classic.sh");
    let (_, out, _) = import(&arguments(&path));
    assert!(
        !out.contains("events:"),
        "the default has all of them: {out}"
    );
    for line in [
        "    path: /data/website\n",
        "url: rsync://website@172.16.6.98/website\n",
        "passwordFile: /etc/rsync.passwd\n",
        "delete: mirror\n",
        "maxDelete: 10%\n",
        "compress: auto\n",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
}

#[test]
fn what_cannot_be_known_to_be_left_out_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sync.sh");
    let made = |options: &str| {
        let text =
            format!("inotifywait -m /a | while read x; do rsync -a {options} /a/ h::m; done\n");
        fs::write(&path, text).unwrap();
        import(&arguments(&path)).1
    };
    assert!(made("--delete").contains("delete: mirror"));
    assert!(made("--delete --exclude=x -v").contains("delete: mirror"));
    for options in [
        "",
        "--delete --exclude-from=/x",
        "--delete --filter='- x'",
        "--delete --include=y --exclude='*'",
        "--delete --exclude='{a,b}'",
        "--delete -C",
        "--delete --files-from=/x",
        "--delete -R",
        "--delete -n",
        "--delete --backup",
        "--delete --no-delete",
        "--delete /b/",
        "--delete $x",
    ] {
        assert!(
            made(options).contains("delete: never"),
            "{options}: {}",
            made(options)
        );
    }
}

#[test]
fn a_file_is_written_once_and_as_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports/classic.sh");
    let output = folder.path().join("new.yaml");
    let args = ImportArgs {
        output: Some(output.clone()),
        ..arguments(&input)
    };
    let (code, out, _) = import(&args);
    assert_eq!((code, &*out), (exit::GOOD, ""));
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        import(&arguments(&input)).1
    );
    assert_eq!(import(&args).0, exit::USAGE, "nothing is overwritten");
    let json = ImportArgs {
        format: Format::Json,
        ..arguments(&input)
    };
    let (code, out, err) = import(&json);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &*err), (exit::GOOD, ""));
    assert_eq!(document["manifest"], import(&arguments(&input)).1);
    assert!(document["report"].as_array().unwrap().len() > 5);
    let missing = arguments(&folder.path().join("none"));
    assert_eq!(import(&missing).0, exit::USAGE);
    let large = folder.path().join("large");
    fs::write(&large, vec![b'#'; 2 << 20]).unwrap();
    assert_eq!(import(&arguments(&large)).0, exit::USAGE);
}

#[test]
fn hostile_files_end_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let deep = "{".repeat(100_000);
    let loops = format!(
        "h=\"{}\"\ninotifywait /a\nrsync -a /a/ $h$h$h$h$h::m\n",
        "a ".repeat(1000)
    );
    let texts = [
        format!("sync {{ default.rsync, source = {deep}"),
        format!("sync({deep}"),
        "<".repeat(100_000),
        format!("<head>{}</head>", "<a>".repeat(20_000)),
        "$(".repeat(100_000),
        "rsync '".to_owned(),
        loops,
        format!(
            "for i in {}; do rsync -a /a/ $i$i$i::m; done",
            "x ".repeat(2000)
        ),
        "--[==[".to_owned(),
        "\u{0}\u{1b}[31m rsync -a /a/ \u{1b}[31m::m".to_owned(),
    ];
    for text in texts {
        fs::write(&path, &text).unwrap();
        let began = std::time::Instant::now();
        let (_, out, err) = import(&arguments(&path));
        assert!(began.elapsed().as_secs() < 30, "{}", &text[..20]);
        assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "{err}");
    }
}
