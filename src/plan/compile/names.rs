//! Names: a source's is its identity, and unique over all files.

use std::collections::BTreeMap;

use super::collector::Collector;
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Manifest, Source};

pub(super) fn check(manifests: &[Manifest], out: &mut Collector<'_>) {
    let mut seen: BTreeMap<&str, &Source> = BTreeMap::new();
    for source in manifests.iter().flat_map(|manifest| &manifest.sources) {
        let name = &source.name;
        match seen.get(name.value.as_str()) {
            None => {
                seen.insert(&name.value, source);
            }
            Some(first) => out.push(
                Diagnostic::new(
                    Code::DuplicateSource,
                    format!("the source `{}` is defined twice", name.value),
                )
                .primary(&name.at, "defined again here")
                .secondary(&first.name.at, "first defined here")
                .help("names are unique over all files: rename one of them"),
            ),
        }
    }
}
