//! What stands for the meaning of a set of manifests: the same for every order of files, documents, keys and sets, for
//! every comment, and for a value that is written out or left to its default.
//!
//! A reviewer compares it with what another machine says of the same files. It is a function of the files alone; the
//! digest of a generation is that of one host's plan.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::render;
use crate::manifest::Manifest;

/// Lists that are sets: their order means nothing.
const SETS: [&str; 7] = [
    "hosts",
    "include",
    "exclude",
    "events",
    "attributes",
    "windows",
    "days",
];

/// In hexadecimal digits.
pub(super) fn digest(manifests: &[Manifest]) -> String {
    let mut sources: Vec<[u8; 32]> = manifests.iter().flat_map(sources).collect();
    sources.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for source in sources {
        hasher.update(&source);
    }
    hasher.finalize().to_hex().to_string()
}

/// Each source with what its document says of all of them. One at a time: what a source means is far longer than it is.
fn sources(manifest: &Manifest) -> impl Iterator<Item = [u8; 32]> {
    manifest.sources.iter().map(|source| {
        let alone = Manifest {
            sources: vec![source.clone()],
            // Why a warning is not shown changes nothing that is done.
            allow: BTreeMap::new(),
            name: manifest.name.clone(),
            labels: manifest.labels.clone(),
            at: manifest.at.clone(),
        };
        let mut value = json!(render::meaning(&alone));
        in_order(&mut value);
        *blake3::hash(value.to_string().as_bytes()).as_bytes()
    })
}

/// Sorts whatever has no order of its own, from the inside out.
fn in_order(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                in_order(field);
                if let Value::Array(items) = field
                    && SETS.contains(&key.as_str())
                {
                    items.sort_by_key(Value::to_string);
                }
            }
            fields.sort_keys();
        }
        Value::Array(items) => items.iter_mut().for_each(in_order),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{SourceFile, load};

    fn of(texts: &[&str]) -> String {
        let files: Vec<SourceFile> = texts
            .iter()
            .enumerate()
            .map(|(number, body)| SourceFile {
                name: number.to_string(),
                text: format!("apiVersion: heliostat/v1\nkind: Manifest\n{body}\n"),
            })
            .collect();
        let (manifests, problems) = load(&files);
        assert_eq!(problems, []);
        digest(&manifests)
    }

    const A: &str = "sources: {a: {path: /a, exclude: [x, y], targets: {t: {url: \"file:///b\", timeout: 60s}, u: {url: \"file:///c\"}}}}";
    const Z: &str = "sources: {z: {path: /z, targets: {t: {url: \"file:///y\"}}}}";

    #[test]
    fn what_means_the_same_has_the_same_digest() {
        let digest = of(&[A, Z]);
        let same = [
            vec![Z, A],
            vec![
                "# said\nsources:\n  z: {targets: {t: {url: 'file:///y'}}, path: /z}\n  a:\n    targets:\n      u: {url: \"file:///c\"}\n      t: {timeout: 1m, url: \"file:///b\"}\n    exclude: [y, x] # why\n    path: /a",
            ],
            vec![
                Z,
                "defaults: {source: {exclude: [x]}}\nsources: {a: {path: /a, exclude: [y], suspend: false, targets: {t: {url: \"file:///b\"}, u: {url: \"file:///c\"}}}}",
            ],
            vec![
                A,
                "metadata: {allow: {shared-target: meant}}\nsources: {z: {path: /z, targets: {t: {url: \"file:///y\"}}}}",
            ],
        ];
        for texts in same {
            assert_eq!(of(&texts), digest, "{texts:#?}");
        }
        assert_eq!(digest.len(), 64);
    }

    #[test]
    fn what_means_something_else_has_another() {
        let digest = of(&[A, Z]);
        let others = [
            vec![A],
            vec![
                A,
                "sources: {z: {path: /zz, targets: {t: {url: \"file:///y\"}}}}",
            ],
            vec![
                A,
                "sources: {zz: {path: /z, targets: {t: {url: \"file:///y\"}}}}",
            ],
            vec![
                A,
                "sources: {z: {path: /z, targets: {t: {url: \"file:///y\", delete: mirror}}}}",
            ],
            vec![
                A,
                "metadata: {labels: {team: web}}\nsources: {z: {path: /z, targets: {t: {url: \"file:///y\"}}}}",
            ],
        ];
        for texts in others {
            assert_ne!(of(&texts), digest, "{texts:#?}");
        }
    }
}
