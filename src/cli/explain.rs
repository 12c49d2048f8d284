//! `explain`: what a diagnostic or a key of the manifest means, and how to mend it. Offline.

use std::io::{self, Write};

use clap::Args;

use super::exit;
use crate::diagnostic::{Code, Entry, LINTS, Lint, REGISTRY, Severity, Within, example};
use crate::manifest::{Key, agent_keys, keys, keys_named};

/// The flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A diagnostic's code as `H0105`, a lint's name, a key as `maxDelete` or `targets.*.maxDelete`; `lints` and `keys` list them; all codes are listed where nothing is given
    #[arg(value_name = "CODE|LINT|KEY")]
    pub code: Option<String>,
}

/// Prints an explanation, or a list.
pub fn run(args: &ExplainArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let Some(asked) = &args.code else {
        for entry in REGISTRY {
            writeln!(out, "{}  {}", entry.id, entry.title)?;
        }
        return Ok(exit::GOOD);
    };
    match asked.as_str() {
        "lints" => out.write_all(lints().as_bytes())?,
        "keys" => out.write_all(paths().as_bytes())?,
        asked => {
            let code = Code::from_id(asked).or(Lint::named(asked).map(|lint| lint.code));
            let found = keys_named(asked);
            match (code, found.as_slice()) {
                (Some(code), _) => out.write_all(explained(code.entry()).as_bytes())?,
                (None, []) => {
                    writeln!(err, "error: {}", unknown(asked))?;
                    return Ok(exit::USAGE);
                }
                (None, found) => out.write_all(described(found).as_bytes())?,
            }
        }
    }
    Ok(exit::GOOD)
}

/// Cause, example, and what mends it.
fn explained(entry: &Entry) -> String {
    let mut text = format!("{}: {}\n\n{}\n", entry.id, entry.title, entry.explanation);
    if let Some(example) = example(entry.code) {
        let place = match example.within {
            Within::File => "a file",
            Within::Document => "a manifest",
            Within::Source => "a source",
            Within::Target => "a target",
        };
        text.push_str(&format!(
            "\nWrong, in {place}:\n\n{}\nRight:\n\n{}",
            indented(example.wrong),
            indented(example.right)
        ));
    }
    if let Some(lint) = entry.code.lint() {
        let how = match lint.allowable() {
            true => format!(
                "Where it is meant: `metadata: {{allow: {{{}: \"why\"}}}}`.",
                lint.name
            ),
            false => "It is an error, and cannot be allowed.".to_owned(),
        };
        text.push_str(&format!("\nLint `{}`. {how}\n", lint.name));
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The table of lints.
fn lints() -> String {
    let width = LINTS.iter().map(|lint| lint.name.len()).max().unwrap_or(0);
    let row = |lint: &Lint| {
        let entry = lint.code.entry();
        let level = match entry.severity {
            Severity::Error => "error  ",
            Severity::Warning => "warning",
        };
        format!(
            "{}  {level}  {:width$}  {}\n",
            entry.id, lint.name, entry.title
        )
    };
    LINTS.iter().map(row).collect()
}

fn paths() -> String {
    let all = keys().into_iter().chain(agent_keys());
    all.map(|key| format!("{}\n", key.path)).collect()
}

/// Keys that mean the same in several places are described once.
fn described(found: &[Key]) -> String {
    let mut text = String::new();
    let mut left: Vec<&Key> = found.iter().collect();
    while let Some(first) = left.first().copied() {
        let same = |key: &&Key| key.description == first.description && key.takes == first.takes;
        if !text.is_empty() {
            text.push('\n');
        }
        for key in left.iter().copied().filter(|key| same(key)) {
            text.push_str(&format!("{}\n", key.path));
        }
        text.push_str(&format!("\n{}\n\n", first.description));
        text.push_str(&format!("takes    {}\n", first.takes));
        let default = match (&first.default, first.required) {
            (Some(default), _) => default.as_str(),
            (None, true) => "none: it must be given",
            (None, false) => "none",
        };
        text.push_str(&format!("default  {default}\n"));
        if !first.examples.is_empty() {
            text.push_str(&format!("example  {}\n", first.examples.join("   or   ")));
        }
        for (word, meaning) in &first.words {
            text.push_str(&format!("  {word}: {meaning}\n"));
        }
        left.retain(|key| !same(key));
    }
    text
}

fn unknown(asked: &str) -> String {
    let shown = asked.escape_default();
    let last = asked.rsplit('.').next().unwrap_or_default();
    let all = [keys(), agent_keys()].concat();
    let names = all.iter().filter_map(|key| key.path.rsplit('.').next());
    let names = names.chain(LINTS.iter().map(|lint| lint.name));
    let near = names
        .map(|name| (strsim::normalized_damerau_levenshtein(name, last), name))
        .filter(|(alike, _)| *alike >= 0.7 && last.len() < 100)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match near {
        Some((_, name)) => format!("nothing is called `{shown}`: did you mean `{name}`?"),
        None => format!(
            "nothing is called `{shown}`: `heliostat explain` lists the codes, `explain lints` and `explain keys` the rest"
        ),
    }
}
