//! `status --watch`: the picture, redrawn in place on a terminal, or printed anew where it has changed.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::screen::Screen;
use super::{StatusArgs, chosen, path, picture};
use crate::cli::client::{Format, query};
use crate::cli::instant::shown;
use crate::service::Failure;
use crate::service::client;
use crate::service::protocol::StatusAnswer;

/// On a terminal the picture is taken so often, as ages are shown in seconds; and so is it where the service does not say when
/// something is different.
const EVERY: Duration = Duration::from_secs(1);
/// Where it does, the picture is taken so often all the same.
const ANYWAY: Duration = Duration::from_secs(30);
/// Between two tries to have it said.
const AGAIN: Duration = Duration::from_secs(10);

/// The last picture, or why there is none any more.
type Last = Result<StatusAnswer, Failure>;

/// Shows every change until it is ended. Where the service goes away it is waited for: it may be restarted.
pub fn run(
    args: &StatusArgs,
    first: StatusAnswer,
    colour: bool,
    out: &mut dyn Write,
) -> io::Result<Last> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let live = args.client.format == Format::Human && io::stdout().is_terminal();
    runtime.block_on(async {
        match live {
            true => redrawn(args, first, colour, out).await,
            false => printed(args, first, colour, out).await,
        }
    })
}

/// What the service says of changes.
struct Signs<'a> {
    args: &'a StatusArgs,
    open: Option<mpsc::Receiver<()>>,
    tried: Instant,
}

impl<'a> Signs<'a> {
    fn new(args: &'a StatusArgs) -> Signs<'a> {
        let (open, tried) = (Some(Signs::listen(args)), Instant::now());
        Signs { args, open, tried }
    }

    fn listen(args: &StatusArgs) -> mpsc::Receiver<()> {
        let path = query("/v1/events", &[("route", args.route.clone())]);
        client::signs(&args.client.socket, &path)
    }

    /// When the picture is worth another look.
    async fn next(&mut self) {
        if let Some(open) = &mut self.open {
            match tokio::time::timeout(ANYWAY, open.recv()).await {
                Ok(Some(())) | Err(_) => return,
                // It has ended, or is of a version that says nothing.
                Ok(None) => self.open = None,
            }
        }
        // Before it waits: who waits for something else as well may never come to the end of it.
        if self.tried.elapsed() >= AGAIN {
            *self = Signs::new(self.args);
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn take(args: &StatusArgs) -> Last {
    let answer = client::look(&args.client.socket, &path(args)).await?;
    chosen(args, answer)
}

/// A picture a change.
async fn printed(
    args: &StatusArgs,
    mut last: StatusAnswer,
    colour: bool,
    out: &mut dyn Write,
) -> io::Result<Last> {
    let mut told = None;
    let mut lost = false;
    let mut signs = Signs::new(args);
    loop {
        let now = gist(&last);
        if told.as_ref() != Some(&now) {
            match args.client.format {
                Format::Json => {
                    serde_json::to_writer(&mut *out, &last)?;
                    writeln!(out)?;
                }
                Format::Human => {
                    let before = if told.is_some() { "\n" } else { "" };
                    writeln!(out, "{before}{}", shown(Timestamp::now()))?;
                    picture::print(&last, colour, args.paths, out)?;
                }
            }
            out.flush()?;
            told = Some(now);
        }
        signs.next().await;
        match take(args).await {
            Ok(answer) => (last, lost) = (answer, false),
            Err(Failure::NotReachable(reason)) => {
                if !std::mem::replace(&mut lost, true) {
                    say_lost(&reason)?;
                }
                // What is shown is not true any more.
                told = None;
            }
            Err(failure) => return Ok(Err(failure)),
        }
    }
}

/// To those who read along; the results are on the other stream.
fn say_lost(reason: &str) -> io::Result<()> {
    writeln!(io::stderr(), "waiting for the service: {reason}")
}

/// What counts as a change: not ages, counts and times, which are others each second.
fn gist(answer: &StatusAnswer) -> Vec<String> {
    let routes = answer.status.routes.iter().map(|route| {
        let hold = route.hold.as_ref().map(|hold| &hold.id);
        let (name, state, code) = (&route.route, route.state.word(), &route.code);
        let until = route.paused.as_ref().map(|pause| pause.until);
        format!(
            "{name} {state} {code:?} {hold:?} {until:?} {}",
            route.failing_count
        )
    });
    let sources = answer.status.sources.iter().map(|source| {
        let (name, ready, waiting) = (&source.name, source.ready, &source.waiting);
        format!("{name} {ready} {waiting:?} {:?}", source.mechanism)
    });
    let generation = answer.status.generation.to_string();
    let banners = picture::banners(answer);
    sources
        .chain(routes)
        .chain([generation])
        .chain(banners)
        .collect()
}

/// In place, until `q`, Ctrl-C or a signal.
async fn redrawn(
    args: &StatusArgs,
    first: StatusAnswer,
    colour: bool,
    out: &mut dyn Write,
) -> io::Result<Last> {
    let mut ends = Ends::new()?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut screen = Screen::enter(out)?;
    let mut keys = Keys::new(screen.has_keys());
    let (mut last, mut trouble) = (first, None);
    let mut signs = Signs::new(args);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        screen.show(&drawn(args, &last, trouble.as_deref(), colour)?)?;
        tokio::select! {
            () = ends.next() => return Ok(Ok(last)),
            () = keys.end() => return Ok(Ok(last)),
            _ = resized.recv() => continue,
            _ = ticks.tick() => {}
            () = signs.next() => {}
        }
        // A service that does not answer holds up neither keys nor signals.
        let taken = tokio::select! {
            taken = take(args) => taken,
            () = ends.next() => return Ok(Ok(last)),
            () = keys.end() => return Ok(Ok(last)),
        };
        match taken {
            Ok(answer) => (last, trouble) = (answer, None),
            Err(Failure::NotReachable(reason)) => trouble = Some(reason),
            Err(failure) => return Ok(Err(failure)),
        }
    }
}

fn drawn(
    args: &StatusArgs,
    last: &StatusAnswer,
    trouble: Option<&str>,
    colour: bool,
) -> io::Result<String> {
    let mut text = Vec::new();
    if let Some(reason) = trouble {
        writeln!(text, "! this is how it was: {reason}")?;
    }
    picture::print(last, colour, args.paths, &mut text)?;
    writeln!(text, "\nq ends")?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The signals that end it.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> io::Result<Ends> {
        Ok(Ends([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The keyboard, where there is one.
struct Keys(Option<mpsc::Receiver<u8>>);

impl Keys {
    fn new(there: bool) -> Keys {
        Keys(there.then(|| {
            let (sender, keys) = mpsc::channel(1);
            // It waits for a key for as long as the process lives, which is not longer than the picture is shown.
            std::thread::spawn(move || {
                for key in io::stdin().lock().bytes().map_while(Result::ok) {
                    if sender.blocking_send(key).is_err() {
                        break;
                    }
                }
            });
            keys
        }))
    }

    /// A key was pressed that ends it, or the terminal is gone.
    async fn end(&mut self) {
        let Some(keys) = &mut self.0 else {
            return std::future::pending().await;
        };
        // Ctrl-C and Ctrl-D.
        while !matches!(keys.recv().await, None | Some(b'q' | b'Q' | 3 | 4)) {}
    }
}
