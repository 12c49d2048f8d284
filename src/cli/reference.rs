//! `docs/commands.md`: the reference of the command line, from the same definition as its help and the man pages.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::Cli;
use super::exit;

const INTRODUCTION: &str = "# The commands

`heliostat <command> [PATH…]`. This page is made from what `heliostat <command> --help` and the man pages (`heliostat man`) say.

Results go to stdout, talk and logs to stderr. With `--format json` there is one document, also for errors, with `formatVersion`
(`tap` and `status --watch` print one a line). `SOURCE/TARGET` is a route as `status` names it, `SOURCE` alone all of its routes.
Durations are written with their units: `250ms`, `30s`, `5m`, `1h30m`, `2d`.

## Exit codes

";

/// What each exit code means, everywhere.
const EXITS: [(u8, &str); 8] = [
    (exit::GOOD, "good"),
    (
        exit::NEGATIVE,
        "a negative result: invalid, failing, excluded, refused",
    ),
    (exit::USAGE, "usage, or unreadable input"),
    (exit::CHANGES, "changes, only where these were asked for"),
    (exit::NOT_REACHABLE, "the service is not reachable"),
    (exit::TIMED_OUT, "timed out"),
    (exit::HELD, "held, or paused"),
    (exit::NO_MANIFEST, "no valid manifest to start with"),
];

/// The page.
pub fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = INTRODUCTION.to_owned();
    text.push_str("| status | means |\n| --- | --- |\n");
    for (code, meaning) in EXITS {
        row(&mut text, &[&code.to_string(), meaning]);
    }
    text.push_str("\n## Commands\n\n| command | does |\n| --- | --- |\n");
    for sub in command.get_subcommands() {
        let name = sub.get_name();
        let about = said(sub.get_about());
        row(&mut text, &[&format!("[`{name}`](#{name})"), &about]);
    }
    for sub in command.get_subcommands() {
        section(&mut text, sub);
    }
    text
}

fn section(text: &mut String, command: &Command) {
    let name = command.get_name();
    let _ = write!(text, "\n## {name}\n\n{}.\n\n", said(command.get_about()));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let _ = write!(text, "```text\n{usage}\n```\n\n");
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "color"))
        .collect();
    if !own.is_empty() {
        text.push_str("| argument | is |\n| --- | --- |\n");
    }
    for arg in own {
        row(text, &[&format!("`{}`", spelled(arg)), &meaning(arg)]);
    }
    if let Some(more) = command.get_after_help() {
        let _ = write!(text, "\n{}\n", said(Some(more)));
    }
}

/// As it is written on a command line.
fn spelled(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default();
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    let takes = arg.get_action().takes_values();
    let value = values.join(" ");
    match (arg.get_short(), arg.get_long()) {
        (_, None) => match arg.is_required_set() {
            true => value,
            false => format!("[{value}]"),
        },
        (short, Some(long)) => {
            let short = short.map_or(String::new(), |short| format!("-{short}, "));
            match takes {
                true => format!("{short}--{long} {value}"),
                false => format!("{short}--{long}"),
            }
        }
    }
}

fn meaning(arg: &Arg) -> String {
    let mut text = said(arg.get_help());
    if arg.get_action().takes_values() {
        let words = arg.get_possible_values();
        let words: Vec<String> = words
            .iter()
            .filter(|word| !word.is_hide_set())
            .map(|word| format!("`{}`", word.get_name()))
            .collect();
        if !words.is_empty() {
            let _ = write!(text, "; {}", words.join(", "));
        }
        let defaults = arg.get_default_values().iter();
        let defaults: Vec<String> = defaults
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        if !defaults.is_empty() {
            let _ = write!(text, " (default {})", defaults.join(", "));
        }
    }
    text
}

fn said(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn row(text: &mut String, cells: &[&str]) {
    let cells = cells
        .iter()
        .map(|cell| cell.replace('|', "\\|").replace('\n', " "));
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_in_the_documentation_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
        if std::env::var_os("HELIOSTAT_UPDATE").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/commands.md is another: HELIOSTAT_UPDATE=1 writes it"
        );
    }

    #[test]
    fn every_command_and_flag_is_in_it() {
        let page = page();
        let mut command = Cli::command();
        command.build();
        for sub in command.get_subcommands() {
            assert!(page.contains(&format!("\n## {}\n", sub.get_name())));
            for long in sub.get_arguments().filter_map(Arg::get_long) {
                let common = matches!(long, "help" | "color");
                assert!(common || page.contains(&format!("--{long}")), "{long}");
            }
        }
    }
}
