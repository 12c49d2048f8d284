//! `history`: past transfers.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::client::{ClientArgs, Format, query};
use super::instant::{instant, shown};
use super::{exit, table};
use crate::engine::status::milliseconds;
use crate::ledger;
use crate::plan::grouped;
use crate::service::Failure;
use crate::service::history::{HistoryAnswer, HistoryQuery, LIMIT_MAX, Transfer, Wanted};
use crate::service::protocol::selector;

/// How a transfer came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Outcome {
    /// Everything is in step.
    Done,
    /// All but some paths.
    Partial,
    /// As a whole; it was tried again.
    Failed,
    /// It waited for an operator or a guard.
    Held,
    /// It was told to end: by a pause, a reload, or the service's end.
    Cancelled,
}

/// The flags of `history`.
#[derive(Debug, Args)]
#[command(
    after_help = "The last 10,000 transfers that ended are kept, and of these what is younger than 30 days. Where the service does \
                  not answer, they are read from its ledger."
)]
pub struct HistoryArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// Ended after: `2h` (ago), `2026-06-01`, `2026-06-01T03:00`, `2026-06-01T03:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<Timestamp>,
    /// Ended before
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<Timestamp>,
    /// Only what came out so; several, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "OUTCOME")]
    pub outcome: Vec<Outcome>,
    /// Only what did not come out well: `partial,failed,held`
    #[arg(long, conflicts_with = "outcome")]
    pub failed: bool,
    /// At most so many, the last ones
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = limit)]
    pub limit: usize,
    /// Where the ledger is, should the service not answer
    #[arg(long, value_name = "PATH", default_value = super::run::STATE_DIR)]
    pub state_dir: PathBuf,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or(format!("give a number from 1 to {LIMIT_MAX}"))
}

/// Shows what was sent.
pub fn run(args: &HistoryArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let asked = HistoryQuery {
        route: args.route.clone(),
        since: args.since,
        until: args.until,
        outcome: outcomes(args),
        limit: Some(args.limit),
    };
    let chosen = match selector(args.route.as_deref()) {
        Ok(chosen) => chosen,
        Err(error) => return args.client.wrong(&error, out, err),
    };
    let wanted = match Wanted::new(chosen, asked.clone()) {
        Ok(wanted) => wanted,
        Err(error) => return args.client.wrong(&error, out, err),
    };
    let path = query(
        "/v1/history",
        &[
            ("route", asked.route),
            ("since", asked.since.map(|at| at.to_string())),
            ("until", asked.until.map(|at| at.to_string())),
            ("outcome", asked.outcome),
            ("limit", asked.limit.map(|limit| limit.to_string())),
        ],
    );
    let answer: HistoryAnswer = match args.client.get(&path) {
        Ok(answer) => answer,
        Err(failure @ Failure::NotReachable(_)) => match ledger::runs_in(&args.state_dir) {
            Ok(runs) => {
                let at = args.state_dir.display();
                writeln!(
                    err,
                    "the service does not answer: read from its ledger in `{at}`"
                )?;
                wanted.of(runs)
            }
            Err(_) => return args.client.failed(&failure, out, err),
        },
        Err(failure) => return args.client.failed(&failure, out, err),
    };
    match args.client.format {
        Format::Json => args.client.json(&answer, out)?,
        Format::Human => show(&answer, out)?,
    }
    Ok(exit::GOOD)
}

fn outcomes(args: &HistoryArgs) -> Option<String> {
    if args.failed {
        return Some("partial,failed,held".to_owned());
    }
    let words = args.outcome.iter().filter_map(|outcome| {
        let value = outcome.to_possible_value()?;
        Some(value.get_name().to_owned())
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join(","))
}

fn show(answer: &HistoryAnswer, out: &mut dyn Write) -> io::Result<()> {
    let header = [
        "WHEN", "ROUTE", "OUTCOME", "TRIGGER", "FILES", "BYTES", "DELETED", "TOOK", "LAG", "REASON",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(answer.transfers.iter().map(row));
    table::print(&rows, &[4, 5, 6, 7, 8], |_, _, _| None, out)?;
    if answer.more > 0 {
        writeln!(out, "and {} more: `--limit`", grouped(answer.more as u64))?;
    }
    Ok(())
}

fn row(transfer: &Transfer) -> [String; 10] {
    let end = &transfer.end;
    [
        shown(transfer.at),
        end.route.clone(),
        end.outcome.clone(),
        end.trigger.clone(),
        grouped(end.files),
        grouped(end.bytes),
        grouped(end.deleted),
        milliseconds(end.took_ms),
        match end.outcome.as_str() {
            // Its changes are still to come.
            "cancelled" => "–".to_owned(),
            _ => milliseconds(end.lag_ms),
        },
        end.reason.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::history::End;

    #[test]
    fn a_table_has_a_line_a_transfer_and_says_what_is_left_out() {
        let transfer = |outcome: &str, reason: Option<&str>| Transfer {
            at: Timestamp::UNIX_EPOCH,
            end: End {
                route: "site/copy".into(),
                trigger: "change".into(),
                outcome: outcome.into(),
                files: 1200,
                bytes: 3,
                deleted: 0,
                took_ms: 12,
                lag_ms: 1500,
                reason: reason.map(str::to_owned),
                failed: Vec::new(),
                failed_count: 0,
            },
        };
        let answer = HistoryAnswer {
            format_version: 1,
            transfers: vec![
                transfer("done", None),
                transfer("failed", Some("noSpace: it is full")),
                transfer("cancelled", Some("paused by me")),
            ],
            more: 7,
        };
        let mut out = Vec::new();
        show(&answer, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("WHEN  ") && lines[0].ends_with("REASON"),
            "{text}"
        );
        assert!(
            lines[1].ends_with("1,200      3        0  12ms  1.5s"),
            "{text}"
        );
        assert!(
            lines[2].ends_with("1,200      3        0  12ms  1.5s  noSpace: it is full"),
            "{text}"
        );
        assert!(
            lines[3].ends_with("1,200      3        0  12ms     –  paused by me"),
            "{text}"
        );
        assert_eq!(lines[4], "and 7 more: `--limit`");
    }
}
