//! What stands for the meaning of a set of manifests: the same for every order of files, documents, keys and sets, for
//! every comment, and for a value that is written out or left to its default.
//!
//! A reviewer compares it with what another machine says of the same files. It is a function of the files alone; the
//! digest of a generation is that of one host's plan.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::render;
use crate::manifest::{Manifest, Source};

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

/// Where the targets of a source go. In a text of JSON it stands nowhere else: within a value its quotes would be escaped,
/// and no mapping but this one is empty.
const TARGETS: &str = "\"targets\":{}";

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

/// Each source with what its document says of all of them. One at a time, and of it one target at a time: what is meant
/// is far longer than what is written.
fn sources(manifest: &Manifest) -> impl Iterator<Item = [u8; 32]> {
    manifest.sources.iter().map(|source| {
        let alone = Manifest {
            sources: vec![Source {
                name: source.name.clone(),
                path: source.path.clone(),
                options: source.options.clone(),
                targets: Vec::new(),
            }],
            // Why a warning is not shown changes nothing that is done.
            allow: BTreeMap::new(),
            name: manifest.name.clone(),
            labels: manifest.labels.clone(),
            at: manifest.at.clone(),
        };
        let text = ordered(json!(render::meaning(&alone)));
        let (before, after) = text
            .split_once(TARGETS)
            .expect("a source without targets has an empty mapping of them");
        let mut targets: Vec<_> = source.targets.iter().collect();
        targets.sort_unstable_by_key(|target| &target.name.value);
        let mut hasher = blake3::Hasher::new();
        hasher.update(before.as_bytes());
        hasher.update(b"\"targets\":{");
        for (at, target) in targets.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let name = json!(target.name.value);
            let meant = ordered(json!(render::meaning_of(source, target)));
            hasher.update(format!("{comma}{name}:{meant}").as_bytes());
        }
        hasher.update(b"}");
        hasher.update(after.as_bytes());
        *hasher.finalize().as_bytes()
    })
}

/// A text that is the same in whichever order the parts were given.
fn ordered(mut value: Value) -> String {
    in_order(&mut value);
    value.to_string()
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
