//! rsync's real messages in a file, each run with what follows from it; and that something follows from every run.
//!
//! `HELIOSTAT_UPDATE=1` writes what follows anew: read the difference.

use super::*;

/// A run: `== KIND STEP LEAVE CODE`, what was said, and `=> ` what follows.
const FILE: &str = "tests/transfer/messages.txt";

fn corpus() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    std::fs::read_to_string(path).unwrap()
}

struct Run {
    head: String,
    said: String,
    follows: Vec<String>,
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("== ") {
            runs.push(Run {
                head: head.to_string(),
                said: String::new(),
                follows: Vec::new(),
            });
        } else if let Some(run) = runs.last_mut() {
            if let Some(follows) = line.strip_prefix("=> ") {
                run.follows.push(follows.to_string());
            } else if !line.is_empty() && !line.starts_with("# ") {
                run.said.push_str(line);
                run.said.push('\n');
            }
        }
    }
    runs
}

fn target(kind: &str) -> Target {
    match kind {
        "daemon" => daemon("", None),
        "ssh" => ssh(),
        other => panic!("no such kind: {other}"),
    }
}

/// `pass`, `list:a,b` (sent), `gone:a,b` (removed), `tree:d`, `listing:d`.
fn step(word: &str) -> Step {
    let (what, names) = word.split_once(':').unwrap_or((word, ""));
    let tree = Act::Reconcile {
        trust: false,
        delete: true,
    };
    let (act, recurse) = match what {
        "pass" | "tree" => (tree, true),
        "list" => (Act::Send, true),
        "gone" => (Act::Remove, true),
        "listing" => (Act::Listing, false),
        other => panic!("no such step: {other}"),
    };
    Step {
        entries: names.split(',').map(|name| entry(name, act)).collect(),
        recurse,
        delete: true,
        pass: (what == "pass").then_some(Compare::Quick),
        ..Step::default()
    }
}

fn leave(word: &str) -> Leave {
    match word {
        "never" => Leave::Never,
        "none" => Leave::None,
        "one" => Leave::One,
        "counted" => Leave::Counted(100),
        "count" => Leave::Count,
        other => panic!("no such leave: {other}"),
    }
}

fn follows(head: &str, said: &str) -> Vec<String> {
    let words: Vec<&str> = head.split(' ').collect();
    let [kind, shape, leaving, code] = words[..] else {
        panic!("not four words: {head}")
    };
    let code = (code != "signal").then(|| code.parse().unwrap());
    let judged = judged(target(kind), &step(shape), leave(leaving), code, said);
    let mut lines = match &judged.verdict {
        Verdict::Done => vec!["done".to_string()],
        Verdict::Retry(trouble) => vec![format!("retry {}: {}", trouble.code, trouble.message)],
        Verdict::Permanent(trouble) => {
            vec![format!("permanent {}: {}", trouble.code, trouble.message)]
        }
        other => panic!("judged {other:?}"),
    };
    if judged.verdict != Verdict::Done {
        return lines;
    }
    if judged.wants_deletions {
        lines.push("wants deletions".to_string());
    }
    for failed in &judged.failed {
        lines.push(format!("failed {}: {}", failed.path, failed.reason));
    }
    lines.extend(judged.again.iter().map(|path| format!("again {path}")));
    for note in &judged.notes {
        lines.push(format!("note {}: {}", note.path, note.text));
    }
    lines
}

#[test]
fn every_message_is_taken_for_what_it_means() {
    let text = corpus();
    let all = runs(&text);
    assert!(all.len() >= 60, "only {} runs", all.len());
    if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
        let mut fresh = String::new();
        let (mut at, mut written) = (0, 0);
        for line in text.lines().filter(|line| !line.starts_with("=> ")) {
            if line.is_empty() && at > written {
                let run = &all[at - 1];
                written = at;
                for line in follows(&run.head, &run.said) {
                    fresh.push_str(&format!("=> {line}\n"));
                }
            }
            at += usize::from(line.starts_with("== "));
            fresh.push_str(line);
            fresh.push('\n');
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        std::fs::write(path, fresh).unwrap();
        return;
    }
    for run in all {
        assert_eq!(
            follows(&run.head, &run.said),
            run.follows,
            "{}\n{}",
            run.head,
            run.said
        );
    }
}

/// What may be said beside any exit code: nothing, each run of the file, and what nobody knows.
fn sayings() -> Vec<String> {
    let mut all = vec![
        String::new(),
        "who knows\n".to_string(),
        "rsync: something new\n".to_string(),
        "rsync error: something new (code 99) at main.c(1) [sender=9.9.9]\n".to_string(),
        "rsync warning: something new\n".to_string(),
        "WARNING: something new\n".to_string(),
        "@ERROR: something new\n".to_string(),
        "ERROR: something new\n".to_string(),
        "rsync: [sender] something \"/else/where\" failed: Permission denied (13)\n".to_string(),
        "\u{fffd}\u{1}|||\n".to_string(),
    ];
    all.extend(runs(&corpus()).into_iter().map(|run| run.said));
    all
}

/// Over every exit code, a signal, both kinds and every saying: there is a verdict; only 0, 23, 24 and 25 ever clear marks,
/// and those that say that something is left name it; what is not understood clears nothing.
#[test]
fn every_end_has_a_verdict_and_few_of_them_clear_marks() {
    let sayings = sayings();
    let codes = (0..=255).map(Some).chain([None, Some(-1), Some(256)]);
    let (mut all, mut cleared) = (0, 0);
    for code in codes {
        // What a run was asked for makes no difference where it failed as a whole.
        let partly = matches!(code, Some(0 | 23 | 24 | 25));
        let (leaves, shapes) = if partly {
            let leaves = &["never", "none", "one", "counted", "count"][..];
            (leaves, &["pass", "list:a,b", "listing:d"][..])
        } else {
            (&["counted"][..], &["pass"][..])
        };
        for kind in ["daemon", "ssh"] {
            for leaving in leaves {
                for shape in shapes {
                    for said in &sayings {
                        let found = judged(target(kind), &step(shape), leave(leaving), code, said);
                        all += 1;
                        cleared += u64::from(found.verdict == Verdict::Done);
                        if let Err(wrong) = sound(code, said, &found) {
                            panic!("{wrong}: {kind} {shape} {leaving} {code:?}\n{said}\n{found:?}");
                        }
                    }
                }
            }
        }
    }
    assert!(all > 50_000 && cleared > 100, "{all} {cleared}");
}

fn sound(code: Option<i32>, said: &str, found: &Judged) -> Result<(), &'static str> {
    match &found.verdict {
        Verdict::Retry(trouble) | Verdict::Permanent(trouble) => {
            let plain = |c: char| !c.is_control();
            return if trouble.code.is_empty() || trouble.message.is_empty() {
                Err("nothing is said of why")
            } else if !trouble.message.chars().all(plain) {
                Err("it can speak to a terminal")
            } else {
                Ok(())
            };
        }
        Verdict::Done => {}
        _ => return Err("no verdict of a run"),
    }
    if !matches!(code, Some(0 | 23 | 24 | 25)) {
        return Err("that code clears nothing");
    }
    let left = !(found.failed.is_empty() && found.again.is_empty()) || found.wants_deletions;
    if !left && matches!(code, Some(23 | 24)) {
        return Err("something is left, and not named");
    }
    if code == Some(25) && !said.contains("Deletions stopped") && !found.wants_deletions {
        return Err("deletions were stopped");
    }
    let unknown = ["something new", "who knows", "else/where"];
    if unknown.iter().any(|text| said.contains(text)) {
        return Err("a line that is not understood clears nothing");
    }
    Ok(())
}

/// One strange line among good ones is enough.
#[test]
fn a_line_that_is_not_understood_clears_nothing() {
    for run in runs(&corpus()) {
        let said = format!("{}surprise\n", run.said);
        let found = follows(&run.head, &said);
        assert_ne!(found[0], "done", "{}\n{said}", run.head);
    }
}
