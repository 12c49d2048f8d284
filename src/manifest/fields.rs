//! A mapping's keys: each is taken by whoever knows it, and what is left over is an error.

use super::reading::{Near, Reading, Scalar, is_secret_key, near, nearest, scalar};
use super::yaml::{Key, Kind, Node};
use crate::diagnostic::{Code, Diagnostic, Place};

/// The fields of a mapping.
pub(super) struct Fields<'n> {
    /// For messages: `a source`.
    what: &'static str,
    left: Vec<(&'n Key, &'n Node)>,
    asked: Vec<&'static str>,
    given: Vec<&'static str>,
}

/// A field that was given.
#[derive(Clone, Copy)]
pub(super) struct Field<'n> {
    pub(super) key: &'n Key,
    pub(super) node: &'n Node,
}

impl<'n> Fields<'n> {
    /// The fields of a node that must be a mapping.
    pub(super) fn of(
        reading: &mut Reading<'_>,
        key: &str,
        what: &'static str,
        node: &'n Node,
    ) -> Option<Fields<'n>> {
        match &node.kind {
            Kind::Mapping(entries) if entries.is_empty() => reading.empty(key, &node.at),
            Kind::Mapping(entries) => {
                let left = entries.iter().map(|(key, value)| (key, value)).collect();
                Some(Fields {
                    what,
                    left,
                    asked: Vec::new(),
                    given: Vec::new(),
                })
            }
            Kind::Broken => None,
            _ if matches!(scalar(node), Scalar::Null) => reading.empty(key, &node.at),
            _ => reading.wrong_type(key, "a mapping", node),
        }
    }

    /// The field of this name, if it was given.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'n>> {
        self.asked.push(name);
        let index = self.left.iter().position(|(key, _)| key.text == name)?;
        let (key, node) = self.left.remove(index);
        self.given.push(name);
        Some(Field { key, node })
    }

    /// As [`Fields::take`], and reads its value.
    pub(super) fn read<T>(
        &mut self,
        reading: &mut Reading<'_>,
        name: &'static str,
        read: impl FnOnce(&mut Reading<'_>, &str, &'n Node) -> Option<T>,
    ) -> Option<T> {
        let field = self.take(name)?;
        read(reading, name, field.node)
    }

    /// Reports a field that has no default and was not given.
    pub(super) fn missing(&self, reading: &mut Reading<'_>, name: &str, at: &Place) {
        let message = format!("missing field `{name}`");
        reading.wrong(
            Code::MissingField,
            at,
            message,
            format!("{} needs `{name}`", self.what),
        );
    }

    /// For the test that holds the keys against the schema's.
    #[cfg(test)]
    fn recorded(&self) {
        tests::ASKED.with_borrow_mut(|all| {
            let document = if self.asked.contains(&"stateDir") {
                " of an agent"
            } else {
                ""
            };
            let keys = all.entry(format!("{}{document}", self.what)).or_default();
            keys.extend(self.asked.iter().map(|key| (*key).to_owned()));
        });
    }

    /// Reports what nobody asked for. `elsewhere` names fields that belong to another place, with that place.
    pub(super) fn finish(self, reading: &mut Reading<'_>, elsewhere: &[(&str, &str)]) {
        /// Searching for what was meant takes time, and nobody reads more.
        const MAX_SUGGESTIONS: usize = 200;
        #[cfg(test)]
        self.recorded();
        let mut meant: Vec<Option<Near<'_>>> = Vec::new();
        for (index, (key, _)) in self.left.iter().enumerate() {
            let known_elsewhere = elsewhere.iter().any(|(name, _)| *name == key.text);
            meant.push(match index < MAX_SUGGESTIONS && !known_elsewhere {
                true => near(&key.text, self.asked.iter().copied()),
                false => None,
            });
        }
        for (index, (key, node)) in self.left.iter().enumerate() {
            let near = meant.get(index).and_then(Option::as_ref);
            let suggestion = match near {
                Some(near) if self.given.contains(&near.word) => {
                    Some(format!("did you mean `{}`? It is given already", near.word))
                }
                Some(near) => Some(format!("did you mean `{}`?", near.word)),
                None if index < MAX_SUGGESTIONS => self.belongs(&key.text, elsewhere),
                None => None,
            };
            let diagnostic = self.unknown(key, node, suggestion);
            // A key that is there already, or that two are taken for, cannot be written again.
            let free = |near: &&Near<'_>| {
                let same = meant
                    .iter()
                    .flatten()
                    .filter(|other| other.word == near.word);
                !self.given.contains(&near.word) && same.count() == 1
            };
            reading.report(match near.filter(free) {
                Some(near) if diagnostic.code == Code::UnknownField => {
                    diagnostic.mend(&key.at, near.word, near.certain)
                }
                _ => diagnostic,
            });
        }
    }

    /// Where a key belongs that is not one of these.
    fn belongs(&self, key: &str, elsewhere: &[(&str, &str)]) -> Option<String> {
        if let Some((_, place)) = elsewhere.iter().find(|(name, _)| *name == key) {
            return Some(format!("belongs to {place}"));
        }
        let near = nearest(key, elsewhere.iter().map(|(name, _)| *name))?;
        let (name, place) = elsewhere.iter().find(|(name, _)| *name == near)?;
        Some(format!("did you mean `{name}`, which belongs to {place}?"))
    }

    fn unknown(&self, key: &Key, node: &Node, suggestion: Option<String>) -> Diagnostic {
        if is_secret_key(&key.text) && !matches!(node.kind, Kind::Mapping(_) | Kind::Sequence(_)) {
            return Diagnostic::new(Code::InlinePassword, "a password is written in the manifest")
                .primary(&key.at, "name where it is kept instead")
                .mask(node.at.clone())
                .help("write `passwordFile: /etc/heliostat/secrets/NAME`, and change it: it was readable here");
        }
        let label = suggestion.unwrap_or_else(|| format!("{} has no such field", self.what));
        Diagnostic::new(Code::UnknownField, format!("unknown field `{}`", key.text))
            .primary(&key.at, label)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use crate::manifest::{SourceFile, agent_schema, load, load_agent, schema};

    thread_local! {
        /// What was asked for of each kind of mapping.
        pub static ASKED: RefCell<BTreeMap<String, BTreeSet<String>>> = RefCell::default();
    }

    /// Every kind of mapping that there is in a manifest.
    const MANIFEST: &str = "
apiVersion: heliostat/v1
kind: Manifest
metadata: {name: a}
defaults: {source: {rescan: {every: 12h}}, target: {retry: {initial: 1s}}}
sources:
  a:
    path: /a
    guard: {marker: m}
    debounce: {quiet: 5ms}
    targets:
      far: {url: 'ssh://h/a', ssh: {jump: b}, sync: {every: 1h}, windows: [{allow: '22:00-05:00'}], hooks: {after: {run: [/b]}}}
      near: {url: 'file:///b', guard: {requireMount: true}}
";

    /// And in an agent file.
    const AGENT: &str = "
apiVersion: heliostat/v1
kind: Agent
limits: {transfers: 2}
rsync: {path: /r}
access: {read: [adm]}
http: {listen: '127.0.0.1:9'}
metrics: {textfile: /a.prom}
heartbeat: {success: 'https://h/'}
";

    /// The keys of every kind of mapping in a schema, with its name.
    fn described(schema: &str) -> BTreeMap<BTreeSet<String>, String> {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let definitions = schema["definitions"].as_object().unwrap();
        let all = definitions.iter().map(|(name, part)| (name.as_str(), part));
        let keys = |(name, part): (&str, &Value)| {
            let keys = part.get("properties")?.as_object()?.keys().cloned();
            Some((keys.collect(), name.to_owned()))
        };
        all.chain([("document", &schema)])
            .filter_map(keys)
            .collect()
    }

    #[test]
    fn the_loader_asks_for_the_keys_that_the_schemas_have_and_no_others() {
        let file = |text: &str| SourceFile {
            name: "one.yaml".into(),
            text: text.into(),
        };
        ASKED.take();
        let (manifests, problems) = load(&[file(MANIFEST)]);
        assert!(manifests.len() == 1 && problems.is_empty(), "{problems:?}");
        let (agent, problems) = load_agent(&file(AGENT));
        assert!(agent.is_some() && problems.is_empty(), "{problems:?}");
        let asked = ASKED.take();
        let mut described: BTreeMap<_, _> = [schema(), agent_schema()]
            .iter()
            .flat_map(|schema| described(schema))
            .collect();
        assert!(asked.len() >= 24, "{:?}", asked.keys());
        for (what, keys) in &asked {
            let name = described.remove(keys);
            assert!(
                name.is_some(),
                "no schema has just the keys of {what}: {keys:?}; left: {described:?}"
            );
        }
        assert!(described.is_empty(), "nothing asks for {described:?}");
    }
}
