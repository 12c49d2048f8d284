//! The compiler: what was written becomes what will happen, or everything that is wrong with it.
//!
//! One source at a time is lowered ([`source`], [`route`]); then the sources are held against each other ([`names`],
//! [`overlap`], [`feeding`]). Every error is collected; a plan is handed out only where there is none. It knows manifests,
//! patterns and schedules; it must not know the disk, the network, the clock or the environment. What needs the host
//! (symlinks, mounts, two modules on one directory) is the work of the run-time guards.

mod advice;
mod collector;
mod feeding;
mod hooks;
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
pub use self::collector::Counted;
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

/// Makes the plans of one host after the other from the same manifests. What does not depend on the host is done once:
/// with three hundred hosts, each of which has its own sources, the others' are not compiled for each of them.
pub struct Compiler<'a> {
    manifests: &'a [Manifest],
    out: Collector<'a>,
}

impl<'a> Compiler<'a> {
    /// `texts` are the files that the manifests came from: they give rules their lines and diagnostics their exact places.
    pub fn new(manifests: &'a [Manifest], texts: &'a Sources) -> Compiler<'a> {
        Compiler {
            manifests,
            out: Collector::new(manifests, texts),
        }
    }

    /// The plan of one host.
    ///
    /// Sources of other hosts are checked too, and held against those of this one; a set of manifests that is wrong on
    /// one host is wrong.
    pub fn compile(&mut self, host: &HostFacts) -> Compiled {
        let lowered = self.lower(Some(host));
        lints::host(host, &lowered, &mut self.out);
        let diagnostics = self.told();
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

    /// What was done so far.
    pub fn counted(&self) -> Counted {
        self.out.counted
    }

    fn lower<'h>(&mut self, host: Option<&'h HostFacts>) -> Vec<Lowered<'h>>
    where
        'a: 'h,
    {
        let (manifests, out) = (self.manifests, &mut self.out);
        names::check(manifests, out);
        let mut lowered = Vec::new();
        for manifest in manifests {
            for source in &manifest.sources {
                lowered.push(source::lower(manifest, source, host, out));
            }
        }
        let claims = location::claims(&lowered);
        overlap::check(&lowered, &claims, out);
        feeding::check(&lowered, &claims, out);
        lints::max_delete(&lowered, out);
        lowered
    }

    /// What was found, without what is allowed, and no more than is read.
    fn told(&mut self) -> Vec<Diagnostic> {
        let mut diagnostics = self.out.finish();
        manifest::allowed(self.manifests, &mut diagnostics);
        manifest::readable(diagnostics)
    }
}

/// The plan of one host, as a [`Compiler`] makes it.
pub fn compile(manifests: &[Manifest], texts: &Sources, host: &HostFacts) -> Compiled {
    Compiler::new(manifests, texts).compile(host)
}

/// What is wrong with the manifests, whichever host they are for: a pure function of the files.
pub fn check(manifests: &[Manifest], texts: &Sources) -> Vec<Diagnostic> {
    let mut compiler = Compiler::new(manifests, texts);
    compiler.lower(None);
    compiler.told()
}

/// As [`check`], with what can be run and is better done otherwise.
pub fn review(manifests: &[Manifest], texts: &Sources) -> Vec<Diagnostic> {
    let mut compiler = Compiler::new(manifests, texts);
    let lowered = compiler.lower(None);
    advice::check(&lowered, &mut compiler.out);
    compiler.told()
}
