//! Advice for whoever writes or reviews manifests: what can be run, and is better done otherwise.
//!
//! It is given where files are judged ([`super::review`]), not where a plan is made of them: a service that starts says
//! what stands in its way, and does not repeat a review at each start.

mod access;
mod budget;
mod times;

use super::collector::Collector;
use super::hooks;
use super::source::Lowered;

/// Everything.
pub(super) fn check(lowered: &[Lowered<'_>], out: &mut Collector<'_>) {
    budget::unbounded(lowered, out);
    access::check(lowered, out);
    times::check(lowered, out);
    hooks::without_timeout(lowered, out);
}
