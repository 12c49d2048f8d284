//! The compiler: what was written becomes what will happen, or everything that is wrong with it.
//!
//! One source at a time is lowered ([`source`], [`route`]); then the sources are held against each other ([`names`],
//! [`overlap`], [`feeding`]). Every error is collected; a plan is handed out only where there is none. It knows manifests,
//! patterns and schedules; it must not know the disk, the network, the clock or the environment. What needs the host
//! (symlinks, mounts, two modules on one directory) is the work of the run-time guards.

mod advice;
mod collector;
mod feeding;
mod lints;
mod location;
mod names;
mod overlap;
mod path;
mod route;
mod rules;
mod source;
mod substitute;
mod target;
#[cfg(test)]
pub(super) mod tests;
mod timing;

use std::collections::BTreeMap;

use serde::Serialize;

use self::collector::Collector;
use self::source::Lowered;
use super::Plan;
use crate::diagnostic::{Diagnostic, Severity, Sources};
use crate::manifest::{self, Manifest};

/// What the compiler needs to know of the host that the plan is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostFacts {
    /// For `hosts` and `${host}`.
    pub name: String,
    /// For `${labels.X}`; a manifest's own win.
    pub labels: BTreeMap<String, String>,
}

/// What came of compiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// There is one unless a diagnostic is an error.
    pub plan: Option<Plan>,
    /// By file and place.
    pub diagnostics: Vec<Diagnostic>,
}

/// The plan of one host. `texts` are the files that the manifests came from: they give rules their lines and
/// diagnostics their exact places.
///
/// Sources of other hosts are checked too, and held against those of this one; a set of manifests that is wrong on one
/// host is wrong.
pub fn compile(manifests: &[Manifest], texts: &Sources, host: &HostFacts) -> Compiled {
    let (lowered, mut out) = lower(manifests, texts, Some(host));
    lints::host(host, &lowered, &mut out);
    let diagnostics = told(manifests, out);
    let valid = diagnostics
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    let sources = lowered
        .into_iter()
        .filter(|lowered| lowered.runs_here)
        .map(Lowered::planned);
    let plan = valid.then(|| Plan {
        sources: sources.map(|plan| (plan.name.clone(), plan)).collect(),
    });
    Compiled { plan, diagnostics }
}

/// What is wrong with the manifests, whichever host they are for: a pure function of the files.
pub fn check(manifests: &[Manifest], texts: &Sources) -> Vec<Diagnostic> {
    told(manifests, lower(manifests, texts, None).1)
}

/// As [`check`], with what can be run and is better done otherwise.
pub fn review(manifests: &[Manifest], texts: &Sources) -> Vec<Diagnostic> {
    let (lowered, mut out) = lower(manifests, texts, None);
    advice::check(&lowered, &mut out);
    told(manifests, out)
}

/// What was found, without what is allowed, and no more than is read.
fn told(manifests: &[Manifest], out: Collector<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = out.finish();
    manifest::allowed(manifests, &mut diagnostics);
    manifest::readable(diagnostics)
}

fn lower<'a>(
    manifests: &'a [Manifest],
    texts: &'a Sources,
    host: Option<&'a HostFacts>,
) -> (Vec<Lowered<'a>>, Collector<'a>) {
    let mut out = Collector::new(manifests, texts);
    names::check(manifests, &mut out);
    let mut lowered = Vec::new();
    for manifest in manifests {
        for source in &manifest.sources {
            lowered.push(source::lower(manifest, source, host, &mut out));
        }
    }
    let claims = location::claims(&lowered);
    overlap::check(&lowered, &claims, &mut out);
    feeding::check(&lowered, &claims, &mut out);
    lints::max_delete(&lowered, &mut out);
    (lowered, out)
}
