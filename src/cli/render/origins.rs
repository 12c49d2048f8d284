//! Where each value of an effective manifest comes from, and the lines of the YAML with that.

use std::collections::BTreeMap;

use crate::diagnostic::{Place, Sources};
use crate::manifest::Spanned;
use crate::service::reading::Line;

/// Where each key's value comes from, by the key's path.
pub(super) struct Origins<'a> {
    pub(super) sources: &'a Sources,
    pub(super) of: BTreeMap<Vec<String>, String>,
    /// Of the mapping that is being filled.
    pub(super) path: Vec<String>,
}

impl Origins<'_> {
    /// The written value, or the default; notes which.
    pub(super) fn pick<T: Clone>(
        &mut self,
        key: &str,
        written: Option<&Spanned<T>>,
        default: T,
    ) -> T {
        self.note(key, written.map(|written| &written.at));
        written.map_or(default, |written| written.value.clone())
    }

    /// The written value, if there is one.
    pub(super) fn given<T: Clone>(&mut self, key: &str, written: Option<&Spanned<T>>) -> Option<T> {
        let written = written?;
        self.note(key, Some(&written.at));
        Some(written.value.clone())
    }

    /// Notes where a list comes from, and each of its items: those of `defaults` may stand elsewhere.
    pub(super) fn items<T>(&mut self, key: &str, items: &[Spanned<T>]) {
        let Some(first) = items.first() else { return };
        self.note(key, Some(&first.at));
        self.within(key, |origins| {
            for (nth, item) in items.iter().enumerate() {
                origins.note(&nth.to_string(), Some(&item.at));
            }
        });
    }

    pub(super) fn note(&mut self, key: &str, at: Option<&Place>) {
        let origin = match at {
            None => "default".to_owned(),
            Some(at) => format!(
                "{}:{}",
                at.file,
                self.sources.position(&at.file, at.span.start).line
            ),
        };
        let mut path = self.path.clone();
        path.push(key.to_owned());
        self.of.insert(path, origin);
    }

    pub(super) fn within<T>(&mut self, key: &str, fill: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let filled = fill(self);
        self.path.pop();
        filled
    }

    /// The YAML's lines, each with its origin: at each line of a key whose origin is known, and of an item that comes from elsewhere than
    /// its list begins. Relies on what serde_yaml writes: block style, two blanks a level, one key or item a line.
    pub(super) fn beside(&self, yaml: &str) -> Vec<Line> {
        let mut out = Vec::new();
        let mut path: Vec<(usize, String)> = Vec::new();
        let mut nth = 0;
        for line in yaml.lines() {
            let content = line.trim_start();
            let indent = line.len() - content.len();
            let mut origin = None;
            if let Some((key, _)) = content
                .split_once(':')
                .filter(|_| !content.starts_with("- "))
            {
                path.retain(|(level, _)| *level < indent);
                path.push((indent, key.trim_matches(['"', '\'']).to_owned()));
                nth = 0;
                let keys: Vec<String> = path.iter().map(|(_, key)| key.clone()).collect();
                origin = self.of.get(&keys);
            } else if content.starts_with("- ") {
                let mut keys: Vec<String> = path.iter().map(|(_, key)| key.clone()).collect();
                let list = self.of.get(&keys);
                keys.push(nth.to_string());
                nth += 1;
                origin = self.of.get(&keys).filter(|origin| Some(*origin) != list);
            }
            out.push(Line {
                text: line.to_owned(),
                origin: origin.cloned(),
            });
        }
        out
    }
}
