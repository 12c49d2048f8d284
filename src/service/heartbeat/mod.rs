//! Heartbeats: what somebody outside hears, so that he notices when he hears nothing.
//!
//! Every `every` the status is judged, and `success` or `fail` is asked for; `start` once. A request is bounded in time and
//! holds nothing up: the next one comes at its time. What is not delivered is said once, until something is again; the url's
//! path may be a secret, so only the host is named. Redirects are not followed, and no proxy is looked for: what is in the
//! environment of a service is nobody's decision. It must not know how status is drawn; called by `runtime`.

mod deliver;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::engine::status::{RouteStatus, State, Status};
use crate::manifest::{BeatUrl, Heartbeat, WebUrl};
use crate::service::http::Server;
use crate::service::metrics::Tally;

/// A beat has been delivered within this, or is not waited for.
const DELIVER_WITHIN: Duration = Duration::from_secs(10);
/// An engine that has not answered within this is not well.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The first one comes this soon after the start at the latest.
const FIRST_WITHIN: Duration = Duration::from_secs(60);
/// A file that holds a url is shorter.
const FILE_MAX: u64 = 4 << 10;

/// As long as it lives, it beats.
#[derive(Debug)]
pub struct Beating(tokio::task::JoinHandle<()>);

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Beats from now on.
pub fn beat(settings: Heartbeat, server: Server, tally: Tally) -> Beating {
    Beating(tokio::spawn(async move {
        let mut voice = Voice {
            tally,
            broken: false,
        };
        voice.say("start", settings.start.as_ref()).await;
        let every = Duration::from_millis(settings.every_ms);
        let lag = Duration::from_millis(settings.lag_ms);
        let first = Instant::now() + every.min(FIRST_WITHIN);
        let mut turns = tokio::time::interval_at(first, every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let picture = tokio::time::timeout(ANSWER_WITHIN, server.picture()).await;
            let well = match &picture {
                Ok(Ok(status)) => is_well(status, lag),
                Ok(Err(_)) | Err(_) => false,
            };
            match well {
                true => voice.say("success", settings.success.as_ref()).await,
                false => voice.say("fail", settings.fail.as_ref()).await,
            }
        }
    }))
}

/// Whether nothing wants to be looked at. What is on its way, or tried again, is well until it lags. What an operator has paused
/// lags because it is meant to, but is as it would be without.
fn is_well(status: &Status, lag: Duration) -> bool {
    let wrong = |route: &RouteStatus| {
        let late = route.lag_seconds.unwrap_or(0.0) > lag.as_secs_f64();
        let state = route.without_pause.unwrap_or(route.state);
        let ails = matches!(state, State::Held | State::Failing | State::Waiting);
        ails || late && route.without_pause.is_none()
    };
    !status.routes.iter().any(wrong)
}

struct Voice {
    tally: Tally,
    broken: bool,
}

impl Voice {
    async fn say(&mut self, kind: &'static str, url: Option<&BeatUrl>) {
        let Some(url) = url.cloned() else {
            return;
        };
        let said = async {
            let url = tokio::task::spawn_blocking(move || resolve(&url)).await;
            let url = url.map_err(|error| error.to_string())??;
            let at = url.host.clone();
            let done = deliver::deliver(url).await;
            done.map_err(|error| format!("`{at}`: {error}"))
        };
        let said = match tokio::time::timeout(DELIVER_WITHIN, said).await {
            Ok(said) => said,
            Err(_) => Err(format!("no answer within {DELIVER_WITHIN:?}")),
        };
        self.tally.heartbeat(kind, said.is_ok());
        match said {
            Ok(()) if self.broken => {
                tracing::info!(kind, "heartbeats are delivered again");
                self.broken = false;
            }
            Ok(()) => {}
            Err(error) if !self.broken => {
                tracing::warn!(kind, "a heartbeat was not delivered: {error}");
                self.broken = true;
            }
            Err(_) => {}
        }
    }
}

/// The url, from its file where it stands in one: read each time, so that another one is taken without a restart.
fn resolve(url: &BeatUrl) -> Result<WebUrl, String> {
    match url {
        BeatUrl::Inline(text) => WebUrl::parse(text).map_err(str::to_owned),
        BeatUrl::File(path) => {
            let fail = |act: &str| format!("cannot use the url in `{path}`: {act}");
            let file = fs::File::open(path).map_err(|error| fail(&error.to_string()))?;
            let meta = file.metadata().map_err(|error| fail(&error.to_string()))?;
            if !meta.is_file() {
                return Err(fail("it is no file"));
            }
            if meta.permissions().mode() & 0o004 != 0 {
                return Err(fail("everybody can read it: chmod o-r"));
            }
            let mut text = String::new();
            let read = file.take(FILE_MAX).read_to_string(&mut text);
            read.map_err(|error| fail(&error.to_string()))?;
            WebUrl::parse(text.trim()).map_err(fail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, lag_seconds: Option<f64>) -> Status {
        let route = RouteStatus {
            lag_seconds,
            ..RouteStatus::bare(state)
        };
        Status {
            generation: 1,
            sources: Vec::new(),
            routes: vec![route],
        }
    }

    #[test]
    fn what_is_on_its_way_is_well_until_it_lags() {
        let lag = Duration::from_secs(60);
        for (state, seconds, well) in [
            (State::InSync, None, true),
            (State::NotCompared, None, true),
            (State::Starting, Some(59.0), true),
            (State::Starting, Some(61.0), false),
            (State::Retrying, Some(59.0), true),
            (State::Retrying, Some(61.0), false),
            (State::Pending, Some(61.0), false),
            (State::Sending, Some(1.0), true),
            (State::Held, None, false),
            (State::Failing, None, false),
            (State::Waiting, None, false),
        ] {
            assert_eq!(
                is_well(&status(state, seconds), lag),
                well,
                "{state:?} {seconds:?}"
            );
        }
    }

    #[test]
    fn a_pause_is_well_while_what_is_beneath_it_is() {
        let lag = Duration::from_secs(60);
        for (beneath, well) in [
            (State::Pending, true),
            (State::Retrying, true),
            (State::InSync, true),
            (State::Held, false),
            (State::Failing, false),
            (State::Waiting, false),
        ] {
            let mut status = status(State::Paused, Some(9000.0));
            status.routes[0].without_pause = Some(beneath);
            assert_eq!(is_well(&status, lag), well, "{beneath:?}");
        }
    }

    #[test]
    fn a_url_in_a_file_is_read_and_is_nobody_elses() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("url");
        fs::write(&path, "https://hc.example/secret\n").unwrap();
        let url = BeatUrl::File(path.display().to_string());
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(resolve(&url).unwrap_err().contains("chmod"));
        mode(0o640);
        assert_eq!(resolve(&url).unwrap().path, "/secret");
        fs::write(&path, "no secret://is shown").unwrap();
        let error = resolve(&url).unwrap_err();
        assert!(!error.contains("secret:"), "{error}");
    }
}
