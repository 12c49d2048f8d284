//! `run --dry-run`: what one pass over every route would send and delete.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::Failure;
use super::runtime::{self, Options};
use crate::engine::{DeleteLeave, Job, TransferId, Work};
use crate::plan::Compare;
use crate::transfer;

/// What one pass over a route would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutePreview {
    /// `source/target`.
    pub route: String,
    /// Entries that would be sent or changed, escaped.
    pub send: Vec<String>,
    /// Entries that would be deleted, escaped.
    pub delete: Vec<String>,
    /// Why the deletions would wait for an operator, if so.
    pub held: Option<String>,
    /// Why nothing would be done, if so.
    pub trouble: Option<String>,
}

impl RoutePreview {
    /// For people: a line a path, `+` sent, `-` deleted, and a closing line.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(trouble) = &self.trouble {
            return writeln!(out, "{}: {trouble}", self.route);
        }
        for path in &self.send {
            writeln!(out, "{} + {path}", self.route)?;
        }
        for path in &self.delete {
            writeln!(out, "{} - {path}", self.route)?;
        }
        let held = self
            .held
            .as_ref()
            .map(|held| format!("; {held}"))
            .unwrap_or_default();
        let (send, delete) = (self.send.len(), self.delete.len());
        writeln!(
            out,
            "{}: would send {send} and delete {delete}{held}",
            self.route
        )
    }
}

/// Looks at every route in turn; changes nothing, on no side.
pub fn run(options: Options) -> Result<Vec<RoutePreview>, Failure> {
    runtime::block_on(async {
        // The service may run meanwhile, so its state directory is left alone.
        let scratch = tempfile::Builder::new().prefix("heliostat-").tempdir();
        let scratch = scratch.map_err(|error| {
            Failure::Setup(format!("cannot create a temporary directory: {error}"))
        })?;
        let at = scratch.path().to_path_buf();
        let context = runtime::context(&options, at.clone(), at.display().to_string()).await?;
        let mut previews = Vec::new();
        for (source, route) in options.plan.routes() {
            let job = Job {
                id: TransferId(0),
                source: Arc::new(source.clone()),
                route: Arc::new(route.clone()),
                work: Work::Pass(Compare::Quick),
                deletes: DeleteLeave::default(),
                root: None,
                mounts: Vec::new(),
                bandwidth: options.limits.bandwidth,
                sweep: false,
                trigger: "preview",
                owes: false,
            };
            let (found, trouble) = match transfer::preview(job, &context).await {
                Ok(found) => (found, None),
                Err(trouble) => (transfer::Preview::default(), Some(trouble)),
            };
            previews.push(RoutePreview {
                route: route.name.to_string(),
                send: found.send.iter().map(ToString::to_string).collect(),
                delete: found.delete.iter().map(ToString::to_string).collect(),
                held: found.held,
                trouble,
            });
        }
        transfer::close(&context).await;
        Ok(previews)
    })
}
