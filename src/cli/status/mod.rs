//! `status`: the table, once or live.

mod picture;
mod screen;
mod watch;

use std::io::{self, Write};

use clap::Args;

use super::client::{ClientArgs, Format, query};
use super::exit;
use crate::engine::status::{RouteStatus, State};
use crate::plan::{RouteName, SourceName, TargetName};
use crate::service::Failure;
use crate::service::naming::no_such_route;
use crate::service::protocol::{StatusAnswer, selector};

/// The flags of `status`.
#[derive(Debug, Args)]
#[command(
    after_help = "With `--watch` on a terminal the picture is redrawn in place each second until `q` is pressed. Where the output is no \
                  terminal, it is printed anew whenever a route's state has changed; with `--format json` as a line."
)]
pub struct StatusArgs {
    /// SOURCE or SOURCE/TARGET; all where none is given
    pub route: Option<String>,
    /// Stay, and show every change
    #[arg(long)]
    pub watch: bool,
    /// Exit by health: 0 all in sync or on the way, 1 something fails, 6 something is held or paused
    #[arg(long)]
    pub check: bool,
    /// List the paths that are not on the target, each with its reason: those that fail and those that are pending; and what a held route would delete
    #[arg(long)]
    pub paths: bool,
    /// How to reach the service
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Prints the picture.
pub fn run(
    args: &StatusArgs,
    colour: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if let Err(error) = selector(args.route.as_deref()) {
        return args.client.wrong(&error, out, err);
    }
    let answer = args
        .client
        .get(&path(args))
        .and_then(|answer| chosen(args, answer));
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return args.client.failed(&failure, out, err),
    };
    let answer = match args.watch {
        true => match watch::run(args, answer, colour, out)? {
            Ok(last) => last,
            Err(failure) => return args.client.failed(&failure, out, err),
        },
        false => {
            match args.client.format {
                Format::Json => args.client.json(&answer, out)?,
                Format::Human => picture::print(&answer, colour, args.paths, out)?,
            }
            answer
        }
    };
    Ok(if args.check {
        health(&answer.status.routes)
    } else {
        exit::GOOD
    })
}

/// What is asked of the service.
fn path(args: &StatusArgs) -> String {
    // Else all of them, so that one which is not there can be told from its likes.
    let paths = args.paths.then(|| "true".to_owned());
    let route = args.route.clone().filter(|_| args.paths);
    query("/v1/status", &[("paths", paths), ("route", route)])
}

/// The part of the picture that was asked for.
fn chosen(args: &StatusArgs, mut answer: StatusAnswer) -> Result<StatusAnswer, Failure> {
    let Some(asked) = &args.route else {
        return Ok(answer);
    };
    let selector = selector(Some(asked)).map_err(Failure::Setup)?;
    let meant = |route: &RouteStatus| {
        let (source, target) = route.route.split_once('/').unwrap_or((&route.route, ""));
        selector.matches(&RouteName {
            source: SourceName(source.to_owned()),
            target: TargetName(target.to_owned()),
        })
    };
    let routes = &mut answer.status.routes;
    if !routes.iter().any(meant) {
        let known = routes.iter().map(|route| route.route.as_str());
        return Err(Failure::Refused(no_such_route(asked, known)));
    }
    routes.retain(meant);
    let source = |name: &str| selector.concerns(&SourceName(name.to_owned()));
    answer.status.sources.retain(|status| source(&status.name));
    Ok(answer)
}

/// The exit code that says how the routes are.
pub fn health(routes: &[RouteStatus]) -> u8 {
    let bad = |state| matches!(state, State::Failing | State::Retrying | State::Waiting);
    if routes.iter().any(|route| bad(route.state)) {
        exit::NEGATIVE
    } else if routes
        .iter()
        .any(|route| matches!(route.state, State::Held | State::Paused))
    {
        exit::HELD
    } else {
        exit::GOOD
    }
}
