//! `import`: each file of `tests/imports` with the manifest and the report that are made of it.
//!
//! Beside an input stand the manifest (`.yaml`, where one is made) and the report with the exit code (`.txt`). Written anew with
//! `HELIOSTAT_UPDATE=1`: read the difference.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use heliostat::cli::client::Format;
use heliostat::cli::exit;
use heliostat::cli::import::{self, ImportArgs};
use heliostat::cli::load::review;
use heliostat::diagnostic::Severity;
use heliostat::filter::{Filter, Verdict};
use heliostat::manifest::{self, SourceFile};
use heliostat::plan::{self, HostFacts};

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
        "--delete --timeout=${1:-60}",
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

/// Everything below a directory, relative to it.
fn found(root: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            all.insert(name.to_owned());
            if path.is_dir() {
                left.push(path);
            }
        }
    }
    all
}

#[test]
fn what_a_file_of_patterns_leaves_out_is_what_rsync_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, list) = (at("data"), at("list"));
    for file in [
        "top",
        "x.bak",
        "cache/a",
        "d/cache/b",
        "d/e/f",
        "d/top",
        "e/f",
        "data/top",
        "a b",
        "#no",
        "keep/x.bak.keep",
    ] {
        fs::create_dir_all(data.join(file).parent().unwrap()).unwrap();
        fs::write(data.join(file), "").unwrap();
    }
    let patterns = "*.bak\r\n# a comment\n; another\n\n/top\ncache/\n- e/f\n./keep\n/data/top\n";
    fs::write(&list, patterns).unwrap();
    // With the slash its contents are sent, without it the directory itself.
    for slash in ["/", ""] {
        let source = format!("{}{slash}", data.display());
        let script = format!(
            "inotifywait -m {source}\nrsync -a --delete --exclude-from={} {source} /backup/\n",
            list.display()
        );
        fs::write(at("sync.sh"), script).unwrap();
        let (code, out, err) = import(&arguments(&at("sync.sh")));
        assert_eq!(code, exit::GOOD, "{err}");
        assert!(
            out.contains("delete: mirror"),
            "all of it is known: {err}\n{out}"
        );
        let target = at(&format!("target{}", slash.len()));
        let sent = std::process::Command::new("rsync")
            .args(["-a", &format!("--exclude-from={}", list.display()), &source])
            .arg(&target)
            .output()
            .unwrap();
        assert!(sent.status.success(), "{sent:?}");
        let theirs = match slash {
            "/" => found(&target),
            _ => found(&target.join("data")),
        };
        let file = SourceFile {
            name: "made".into(),
            text: out.clone(),
        };
        let (manifests, problems) = manifest::load(&[file]);
        let compiled = plan::compile(&manifests, &Default::default(), &HostFacts::default());
        let plan = compiled.plan.unwrap_or_else(|| panic!("{problems:?}"));
        let source = plan.sources.values().next().unwrap();
        let filter = Filter::compile(&source.filter).unwrap();
        let all = found(&data);
        // What lies in a directory that is left out is left out.
        let decided = |path: &str| {
            let whole = Path::new(path);
            let mut above = whole
                .ancestors()
                .filter(|part| !part.as_os_str().is_empty());
            above.all(|part| {
                let is_dir = data.join(part).is_dir();
                filter
                    .decide(part.as_os_str().as_encoded_bytes(), is_dir)
                    .verdict
                    != Verdict::Excluded
            })
        };
        let ours: BTreeSet<String> = all.iter().filter(|path| decided(path)).cloned().collect();
        assert_eq!(ours, theirs, "{out}\n{err}");
        assert!(ours.len() > 5 && ours.len() < all.len());
    }
}

#[test]
fn a_file_of_patterns_that_cannot_be_taken_over_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (list, script) = (folder.path().join("list"), folder.path().join("sync.sh"));
    let made = |name: &str| {
        let text = format!("inotifywait -m /a\nrsync -a --delete --exclude-from={name} /a/ h::m\n");
        fs::write(&script, text).unwrap();
        import(&arguments(&script))
    };
    let of = |patterns: &str, mode: u32| {
        let _ = fs::remove_file(&list);
        fs::write(&list, patterns).unwrap();
        fs::set_permissions(&list, fs::Permissions::from_mode(mode)).unwrap();
        made(list.to_str().unwrap())
    };
    let (_, out, _) = of("a\n", 0o644);
    assert!(
        out.contains("delete: mirror") && out.contains("exclude: [\"a\"]"),
        "{out}"
    );
    for (patterns, said) in [
        ("a\n+ b\n", "line 2: `+ b`"),
        ("!\n", "line 1"),
        ("a\n{b,c}\n", "line 2"),
        (" a\n", "line 1"),
    ] {
        let (code, out, err) = of(patterns, 0o644);
        assert_eq!(code, exit::GOOD);
        assert!(
            out.contains("delete: never") && !out.contains("exclude:"),
            "{patterns}: {out}"
        );
        assert!(
            err.contains("decide: ") && err.contains(said),
            "{patterns}: {err}"
        );
    }
    // What others may not read is nothing that is shown.
    let (_, out, err) = of("hunter2\n", 0o600);
    assert!(
        out.contains("delete: never") && !(out + &err).contains("hunter2"),
        "{err}"
    );
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    for name in [
        "list",
        "/nowhere/list",
        fifo.to_str().unwrap(),
        folder.path().to_str().unwrap(),
    ] {
        let (_, out, err) = made(name);
        assert!(
            out.contains("delete: never") && err.contains("decide: "),
            "{name}: {err}"
        );
    }
}
