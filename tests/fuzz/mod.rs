//! Everything that reads what others wrote is fed with mutations of what the repository has of it, by seed.
//!
//! `HELIOSTAT_FUZZ` says for how many seconds of processor time each (it stops at a count before, so that a seed is a run),
//! `HELIOSTAT_SEED` with which seed. `fuzz/` feeds the same functions without an end, guided by coverage.

mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use targets::{TARGETS, Target};

/// The largest input.
const BYTES_MAX: usize = 64 << 10;

/// Without `HELIOSTAT_FUZZ`: processor time of one of them.
const SECONDS: u64 = 2;

/// At most so many inputs for each of those seconds…
const RATE_MAX: u64 = 1000;

/// …and of those that wait for a disk more than they reckon.
const RATE_DISK_MAX: u64 = 100;

/// What an input may take, by what this machine takes for [`TURNS`]: some six seconds where that takes 20 ms.
const SLOW_FACTOR: u32 = 300;

/// Turns of a loop that does next to nothing, unoptimised as the tests are: how fast the machine is.
const TURNS: u64 = 1_000_000;

/// Processor time of this thread: what others do on the machine is not in it.
fn spent() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn texts(directory: &Path, found: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            texts(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(fs::read(path).unwrap());
        }
    }
}

/// What stands between quotes in a test's source.
fn quoted(source: &str) -> impl Iterator<Item = Vec<u8>> {
    let plain = source.replace("\\\"", "\u{1}").replace("\\n", "\n");
    let literals: Vec<_> = plain
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|text| text.replace('\u{1}', "\"").into_bytes())
        .collect();
    literals.into_iter()
}

/// What is mutated.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let owned = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match name {
        "manifest" => {
            let mut found = Vec::new();
            texts(&root.join("examples"), &mut found);
            texts(&root.join("tests/manifests"), &mut found);
            found
        }
        "filters" => owned(&[
            "**\n**\0a/b\0c",
            "/cache/\n**\n*.tmp\nsrc/**/*.rs\0src/a/b.rs\0cache/x\0x.tmp",
            "{a,b,{c,d}}/**/x?[!a-c]\n/foo/**/bar\n[[:alpha:]]*\\*\nfoo/\0foo/bar\0foo/x/bar",
            "!x\n#y\n**/**/z/**\n[]]\n[^]a]\\",
        ]),
        "cron" => owned(&[
            "*/5 * * * *",
            "17 3 * * 1-5\nAmerica/New_York",
            "0 0 29 2 *",
            "0,15,30-45/5 */2 1,15 jan-mar MON,fri\nAustralia/Lord_Howe",
            "@daily",
            "30 2 31 * 7\nEurope/Berlin",
            "@reboot",
        ]),
        "rsync_output" => quoted(include_str!("../../src/transfer/rsync/tests.rs"))
            .filter(|text| !text.is_empty())
            .map(|text| [b"\x40", &text[..]].concat())
            .collect(),
        "ledger" => targets::ledger::corpus(),
        "survey_row" => targets::survey_row::corpus(),
        _ => owned(&[
            r#"{"route": "site/copy"}"#,
            r#"{"route": null, "checksum": true}"#,
            r#"{"route": "site", "timeoutSeconds": 1e3}"#,
            r#"{"route": "site/copy", "id": "8faff479"}"#,
        ]),
    }
}

/// Bytes and words that have meant something to somebody.
const SEEDS: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r",
    b"\xff",
    b"\"",
    b"\\#0",
    b"{",
    b"}",
    b"[",
    b"]",
    b"*",
    b"**/",
    b",",
    b"|",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!",
    b"---\n",
    b"\t",
    b"  ",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"0x",
    b"\xe2\x80\xae",
    b"{a,b}",
    b"@",
    b"/",
    b"../",
    b"#",
    b"%",
    b"${host}",
    b"$",
];

/// Another text, made of one or two of the corpus.
fn mutated(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.u32(1..6) {
        let at = random.usize(..=text.len());
        let end = random.usize(at..=text.len().min(at + 40));
        match random.u32(..8) {
            0 if !text.is_empty() => {
                let at = at.min(text.len() - 1);
                text[at] ^= 1 << random.u32(..8);
            }
            1 => drop(text.drain(at..end)),
            2 | 3 => {
                let word = SEEDS[random.usize(..SEEDS.len())];
                text.splice(at..at, word.iter().copied());
            }
            4 => {
                let piece = text[at..end].to_vec();
                let to = random.usize(..=text.len());
                text.splice(to..to, piece);
            }
            5 => {
                let other = &corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                text.truncate(at);
                text.extend_from_slice(&other[from..]);
            }
            // A piece over and over: what is quadratic in it shows.
            6 if random.u32(..6) == 0 => {
                let mut piece = text[at..end].to_vec();
                if random.bool() || piece.is_empty() {
                    piece = SEEDS[random.usize(..SEEDS.len())].to_vec();
                }
                let times = random.usize(..BYTES_MAX) / piece.len();
                text.splice(at..at, piece.repeat(times));
            }
            _ => text.truncate(at.max(1)),
        }
        text.truncate(BYTES_MAX);
    }
    text
}

/// Processor time that it takes; panics are passed on, with the input in a file.
fn feed(name: &str, target: Target, input: &[u8]) -> Duration {
    let before = spent();
    let fed = catch_unwind(|| target(input));
    let took = spent() - before;
    if let Err(panic) = fed {
        eprintln!("\n{name} panicked at: {}\n", saved(name, input));
        std::panic::resume_unwind(panic);
    }
    took
}

/// Keeps an input for whoever looks into it.
fn saved(name: &str, input: &[u8]) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    fs::create_dir_all(&directory).unwrap();
    let at = directory.join(format!("{name}-{:.12}", blake3::hash(input).to_hex()));
    fs::write(&at, input).unwrap();
    at.display().to_string()
}

fn fuzz(name: &str) {
    let knob = |name: &str, otherwise| {
        let value = std::env::var(name).ok();
        value.map_or(otherwise, |value| value.parse::<u64>().unwrap())
    };
    let (_, target) = *TARGETS.iter().find(|(of, _)| *of == name).unwrap();
    let (seed, seconds) = (knob("HELIOSTAT_SEED", 1), knob("HELIOSTAT_FUZZ", SECONDS));
    let corpus = corpus(name);
    assert!(corpus.len() > 3, "{name} has nothing to mutate");
    for text in &corpus {
        feed(name, target, text);
    }
    let begin = spent();
    let _ = (0..TURNS).fold(seed, |sum, turn| std::hint::black_box(sum ^ turn));
    let slow = (spent() - begin).max(Duration::from_millis(10)) * SLOW_FACTOR;
    let mut random = fastrand::Rng::with_seed(seed);
    let (begin, mut inputs, mut slowest) = (spent(), 0, Duration::ZERO);
    let rate = if name == "ledger" {
        RATE_DISK_MAX
    } else {
        RATE_MAX
    };
    while inputs < seconds * rate && spent() - begin < Duration::from_secs(seconds) {
        let input = mutated(&corpus, &mut random);
        let took = feed(name, target, &input);
        assert!(
            took <= slow,
            "{name} took {took:?} of {slow:?} for {} bytes: {}",
            input.len(),
            saved(name, &input)
        );
        slowest = slowest.max(took);
        inputs += 1;
    }
    eprintln!("figure: fuzzed {name} {inputs} inputs, the slowest {slowest:.0?} of processor time");
}

#[test]
fn any_manifest_is_read() {
    fuzz("manifest");
}

#[test]
fn any_filters_are_compiled() {
    fuzz("filters");
}

#[test]
fn any_crontab_is_read() {
    fuzz("cron");
}

#[test]
fn any_output_of_rsync_is_judged() {
    fuzz("rsync_output");
}

#[test]
fn any_control_request_is_read() {
    fuzz("control");
}

#[test]
fn any_file_in_the_ledgers_place_is_borne() {
    fuzz("ledger");
}

#[test]
fn any_row_is_held_against_its_directory() {
    fuzz("survey_row");
}

/// Every function has its wrapper, and every wrapper its function.
#[test]
fn each_has_its_target_for_cargo_fuzz() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let listed = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let text = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("::{name}(")), "{name}");
        assert!(listed.contains(&format!("name = \"{name}\"")), "{name}");
    }
    let wrappers = fs::read_dir(root.join("fuzz_targets")).unwrap().count();
    assert_eq!(wrappers, TARGETS.len());
}
