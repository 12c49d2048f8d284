//! What the documents call by its name is there: metrics, alerts, files, tests, benchmarks, variables, and keys of a manifest.

use std::process::Command;

use heliostat::diagnostic::Code;
use heliostat::manifest::keys_named;
use heliostat::service::metrics::table::METRICS;

use super::documents::pages;
use super::*;

/// Every page, with its text; beside those of `docs` the ones that stand alone.
fn texts() -> Vec<(String, String)> {
    let alone = ["SECURITY.md", "benches/README.md"].map(str::to_owned);
    let all = pages().into_iter().chain(alone);
    all.map(|page| {
        let text = read(&page).text;
        (page, text)
    })
    .collect()
}

/// Words of these letters that begin so, and go on.
fn words<'a>(text: &'a str, begin: &str, letter: impl Fn(char) -> bool) -> Vec<&'a str> {
    let words = text.split(|c: char| !letter(c));
    words
        .filter(|word| word.len() > begin.len() && word.starts_with(begin))
        .collect()
}

/// Texts between backticks in the prose of a page.
fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, part) in text.split("\n```").enumerate() {
        if at % 2 == 0 {
            found.extend(part.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Complaints about all pages by a rule that also counts what it looked at; it must have looked at this many.
fn holds(least: usize, rule: impl Fn(&str) -> (usize, Vec<String>)) {
    let (mut looked, mut complaints) = (0, Vec::new());
    for (page, text) in texts() {
        let (count, wrong) = rule(&text);
        looked += count;
        complaints.extend(wrong.into_iter().map(|wrong| format!("{page}: {wrong}")));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(looked >= least, "only {looked} were found");
}

fn missing<'a>(names: Vec<&'a str>, there: impl Fn(&'a str) -> bool) -> (usize, Vec<String>) {
    let wrong = names.iter().filter(|name| !there(name));
    (
        names.len(),
        wrong.map(|name| format!("no `{name}`")).collect(),
    )
}

fn metrics(text: &str) -> (usize, Vec<String>) {
    let all: BTreeSet<String> = METRICS.iter().map(|metric| metric.full_name()).collect();
    let letter = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = words(text, "heliostat_", letter);
    found.extend(words(text, "process_", letter));
    missing(found, |name| name.ends_with('_') || all.contains(name))
}

fn alerts(text: &str) -> (usize, Vec<String>) {
    let rules = read("examples/prometheus/heliostat.rules.yml").text;
    let found = words(text, "Heliostat", |c| c.is_ascii_alphanumeric());
    missing(found, |name| rules.contains(&format!("alert: {name}\n")))
}

/// Folders of the repository whose files are named from its root.
const FOLDERS: [&str; 8] = [
    "benches/",
    "docs/",
    "examples/",
    "fuzz/",
    "packaging/",
    "schemas/",
    "src/",
    "tests/",
];

fn files(text: &str) -> (usize, Vec<String>) {
    let words = quoted(text).into_iter().flat_map(str::split_whitespace);
    let names = words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    missing(names.collect(), |name| {
        let name = name.trim_end_matches(&[',', ';', '…'][..]);
        match name.split_once('*') {
            None => root().join(name).exists(),
            Some((before, _)) => some_begins(&root().join(before)),
        }
    })
}

/// Whether there is a file whose path goes on from this one.
fn some_begins(path: &Path) -> bool {
    let begin = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.any(|name| name.starts_with(begin))
}

/// Where the package puts what is in these folders.
const INSTALLED: [(&str, &str); 3] = [
    (
        "/usr/share/doc/heliostat/systemd/",
        "packaging/systemd/drop-ins/",
    ),
    ("/usr/share/doc/heliostat/examples/", "examples/"),
    ("/usr/share/doc/heliostat/docs/", "docs/"),
];

/// Files of the package, and the name of the package itself, in prose and in blocks.
fn installed(text: &str) -> (usize, Vec<String>) {
    let letter = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let packages =
        words(text, "heliostat_", letter)
            .into_iter()
            .chain(words(text, "heliostat-", letter));
    let versions = packages.filter(|name| name[10..].starts_with(|c: char| c.is_ascii_digit()));
    let files = words(text, "/usr/share/doc/heliostat/", letter);
    missing(files.into_iter().chain(versions).collect(), |name| {
        let place = INSTALLED
            .iter()
            .find_map(|(to, from)| Some(root().join(from).join(name.strip_prefix(to)?)));
        match place {
            Some(place) => place.exists(),
            None => {
                name[10..].starts_with(env!("CARGO_PKG_VERSION"))
                    || INSTALLED
                        .iter()
                        .any(|(to, _)| to.trim_end_matches('/') == name)
            }
        }
    })
}

/// Tests by their paths, of `tests` and of `src`. `…::name` is in the module of the one before it.
fn tests(text: &str) -> (usize, Vec<String>) {
    let folders = ["tests", "src"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let rooms: Vec<String> = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let (mut looked, mut wrong, mut module) = (0, Vec::new(), String::new());
    for name in quoted(text) {
        let name = match name.strip_prefix("…::") {
            Some(last) => format!("{module}::{last}"),
            None => name.to_owned(),
        };
        let room = name.split("::").next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
        if !name.contains("::")
            || !name.chars().all(plain)
            || !rooms.iter().any(|known| known == room)
        {
            continue;
        }
        looked += 1;
        if let Some((before, _)) = name.rsplit_once("::") {
            before.clone_into(&mut module);
        }
        if !is_test(&name) {
            wrong.push(format!("no test `{name}`"));
        }
    }
    (looked, wrong)
}

/// A test function, or a module of tests.
fn is_test(name: &str) -> bool {
    let file = |path: &str| fs::read_to_string(root().join(path)).ok();
    // A module in a file of its own; in `src` also one at the end of the file that it tests.
    let text = |module: &str| {
        let path = module.replace("::", "/");
        let inside = path.strip_suffix("/tests");
        let inside = inside.map(|path| [format!("src/{path}.rs"), format!("src/{path}/mod.rs")]);
        let own = ["tests", "src"]
            .map(|root| [format!("{root}/{path}.rs"), format!("{root}/{path}/mod.rs")]);
        let mut all = own.into_iter().chain(inside).flatten();
        all.find_map(|path| {
            file(&path).filter(|text| {
                text.contains("#[test]")
                    || text.contains("#[tokio::test")
                    || text.contains("\nmod ")
            })
        })
    };
    if text(name).is_some() {
        return true;
    }
    let Some((module, function)) = name.rsplit_once("::") else {
        return false;
    };
    text(module).is_some_and(|text| text.contains(&format!("fn {function}() {{")))
}

fn benchmarks(text: &str) -> (usize, Vec<String>) {
    let manifest = read("Cargo.toml").text;
    let rest = text.split("--bench ").skip(1);
    let names = rest.map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        &rest[..end.unwrap_or(rest.len())]
    });
    missing(names.collect(), |name| {
        manifest.contains(&format!("name = \"{name}\""))
    })
}

/// All sources in one text.
fn sources() -> String {
    let mut open = ["src", "tests", "benches", "fuzz", "packaging", "examples"]
        .map(|name| root().join(name))
        .to_vec();
    let mut all = String::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                open.extend((name != "target" && name != "corpus").then_some(path));
            } else if name.ends_with(".rs") || name.ends_with(".sh") {
                all += &fs::read_to_string(path).unwrap();
            }
        }
    }
    all
}

#[test]
fn every_metric_and_alert_that_is_named_exists() {
    holds(40, metrics);
    holds(19, alerts);
    assert_eq!(metrics("`heliostat_route_colour`").1.len(), 1);
    assert_eq!(alerts("HeliostatBored").1.len(), 1);
}

#[test]
fn every_file_test_and_benchmark_that_is_named_exists() {
    holds(20, files);
    holds(4, installed);
    holds(20, tests);
    holds(10, benchmarks);
    assert_eq!(files("`src/nothing.rs`").1.len(), 1);
    assert_eq!(
        installed("/usr/share/doc/heliostat/examples/no.yaml heliostat_0.0.9-1_amd64.deb")
            .1
            .len(),
        2
    );
    assert_eq!(tests("`e2e::hooks::nothing`, `e2e::nowhere`").1.len(), 2);
    assert_eq!(tests("`e2e::hooks`, `…::nothing`").1.len(), 1);
    let inside = "`engine::backoff::tests`, `engine::backoff::tests::nothing`, `cli::reference::tests::every_command_and_flag_is_in_it`";
    assert_eq!(
        tests(inside),
        (
            3,
            vec!["no test `engine::backoff::tests::nothing`".to_owned()]
        )
    );
    assert_eq!(benchmarks("cargo bench --bench nothing").1.len(), 1);
}

#[test]
fn every_variable_that_is_named_is_read_or_set_somewhere() {
    let sources = sources();
    let rule = |text: &str| {
        let found = words(text, "HELIOSTAT_", |c| c.is_ascii_uppercase() || c == '_');
        missing(found, |name| sources.contains(name))
    };
    holds(30, rule);
    // Put together, or this file would be a source of it.
    assert_eq!(rule(&["HELIOSTAT", "NOTHING"].join("_")).1.len(), 1);
}

/// Flags by themselves: of this program, of its benchmark, of rsync, or of those that are named.
fn flags(text: &str) -> (usize, Vec<String>) {
    const OTHERS: [&str; 4] = ["--cap-add", "--event", "--init", "--sdnotify"];
    let rsync = Command::new("rsync").arg("--help").output().unwrap();
    let rsync = String::from_utf8_lossy(&rsync.stdout).into_owned();
    let ours = read("docs/commands.md").text;
    let benchmark = read("benches/compare/settings.rs").text;
    let alone = quoted(text)
        .into_iter()
        .filter(|quote| quote.starts_with("--"));
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let found = alone.filter_map(|quote| quote.split(|c| !letter(c)).next());
    missing(found.filter(|flag| flag.len() > 2).collect(), |flag| {
        let has = |text: &str| words(text, "--", letter).contains(&flag);
        has(&ours)
            || has(&rsync)
            || benchmark.contains(&format!("pub {}:", &flag[2..]))
            || OTHERS.contains(&flag)
    })
}

fn codes(text: &str) -> (usize, Vec<String>) {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let code = |word: &&str| {
        word.len() == 5
            && word.starts_with('H')
            && word[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    missing(words.filter(code).collect(), |name| {
        Code::from_id(name).is_some()
    })
}

#[test]
fn every_flag_and_code_that_is_named_exists() {
    holds(30, flags);
    holds(150, codes);
    assert_eq!(flags("`--no-such-flag`, `--state-dir DIR`").1.len(), 1);
    assert_eq!(codes("`explain H9999`").1.len(), 1);
}

/// What the log says, as the runbook quotes it.
const SAID: [&str; 4] = [
    "cannot serve HTTP",
    "looking at it anew",
    "a heartbeat was not delivered",
    "cannot write metrics",
];

#[test]
fn what_the_runbook_looks_for_in_the_log_is_said() {
    let (runbook, sources) = (read("docs/runbook.md").text, sources());
    for said in SAID {
        assert!(runbook.contains(&format!("`{said}`")), "{said}");
        // Where it is said, and here.
        assert!(sources.matches(said).count() > 1, "{said}");
    }
}

/// Keys as `guard.marker` and `maxDelete`: with a dot behind a key that has others below it, or with a capital inside.
fn keys(text: &str) -> (usize, Vec<String>) {
    const BELOW: [&str; 12] = [
        "access",
        "debounce",
        "defaults",
        "guard",
        "heartbeat",
        "hooks",
        "http",
        "limits",
        "metrics",
        "rescan",
        "retry",
        "ssh",
    ];
    // Of answers over HTTP, of Kubernetes, of lsyncd, and as inotifywait calls them. Values are in the schema.
    const OTHERS: [&str; 6] = [
        "excludeFrom",
        "formatVersion",
        "timedOut",
        "subPath",
        "movedFrom",
        "movedTo",
    ];
    let schema = manifest::schema();
    let is_key = |word: &&str| {
        let plain = word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        let dotted = word
            .split_once('.')
            .is_some_and(|(first, rest)| BELOW.contains(&first) && !rest.is_empty());
        let first = word.starts_with(|c: char| c.is_ascii_lowercase());
        let camel = first && word.contains(|c: char| c.is_ascii_uppercase()) && !word.contains('.');
        plain
            && (dotted || camel)
            && !OTHERS.contains(word)
            && !schema.contains(&format!("\"{word}\""))
    };
    let words = quoted(text)
        .into_iter()
        .map(|word| word.split(':').next().unwrap_or_default());
    missing(words.filter(is_key).collect(), |name| {
        !keys_named(name).is_empty()
    })
}

#[test]
fn every_key_that_is_named_exists() {
    holds(30, keys);
    assert_eq!(keys("`maxDeletes`, `guard.marks: x`").1.len(), 2);
}
