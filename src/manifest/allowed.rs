//! What a manifest allows: lints that warn, and are meant there.

use super::Manifest;
use crate::diagnostic::Diagnostic;

/// Leaves out what is allowed where it was found. What is an error stays, whatever is said.
pub fn allowed(manifests: &[Manifest], diagnostics: &mut Vec<Diagnostic>) {
    let allows = |diagnostic: &Diagnostic| {
        let Some(lint) = diagnostic.code.lint().filter(|lint| lint.allowable()) else {
            return false;
        };
        let Some(label) = diagnostic.place() else {
            return false;
        };
        let here = manifests.iter().filter(|manifest| {
            *manifest.at.file == *label.file
                && manifest.at.span.start <= label.span.start
                && label.span.start < manifest.at.span.end
        });
        here.into_iter()
            .any(|manifest| manifest.allow.contains_key(lint.name))
    };
    if manifests.iter().any(|manifest| !manifest.allow.is_empty()) {
        diagnostics.retain(|diagnostic| !allows(diagnostic));
    }
}
