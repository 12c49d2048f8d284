//! Every key of the manifest with what there is to say about it, read off the schema: one source for editors, for
//! `heliostat explain KEY` and for the reference in `docs/`.

use serde_json::Value;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As `sources.*.targets.*.maxDelete`, in which `*` stands for a name and `[]` for an item of a list.
    pub path: String,
    /// What it means.
    pub description: String,
    /// What it takes: a kind of value, or the words.
    pub takes: String,
    /// Holds where it is not given, as YAML.
    pub default: Option<String>,
    /// As YAML.
    pub examples: Vec<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Words with what each means, where it takes one of a set.
    pub words: Vec<(String, String)>,
}

/// The keys of the manifest, in the order of their paths.
pub fn keys() -> Vec<Key> {
    of(&super::schema(), "")
}

/// The keys of the agent file, each path after `agent.`, so that it is known of which file it is.
pub fn agent_keys() -> Vec<Key> {
    of(&super::agent_schema(), "agent")
}

fn of(schema: &str, path: &str) -> Vec<Key> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let mut found = Vec::new();
    let walk = Walk { root: &schema };
    walk.properties(&schema, path, &mut found);
    found
}

/// The keys that a user may mean by a text: a whole path with names in place of `*`, or the end of one.
pub fn keys_named(text: &str) -> Vec<Key> {
    let wanted: Vec<&str> = text
        .split('.')
        .map(|part| part.trim_end_matches("[]"))
        .filter(|part| !part.is_empty())
        .collect();
    let fits = |path: &str| {
        let parts: Vec<&str> = path
            .split('.')
            .map(|part| part.trim_end_matches("[]"))
            .collect();
        let Some(start) = parts.len().checked_sub(wanted.len()) else {
            return false;
        };
        let same = |(part, want): (&&str, &&str)| part == want || *part == "*";
        !wanted.is_empty()
            && parts[start..].iter().zip(&wanted).all(same)
            && parts.last().is_some_and(|last| wanted.last() == Some(last))
    };
    let all = keys().into_iter().chain(agent_keys());
    all.filter(|key| fits(&key.path)).collect()
}

struct Walk<'a> {
    root: &'a Value,
}

impl<'a> Walk<'a> {
    fn properties(&self, schema: &'a Value, path: &str, found: &mut Vec<Key>) {
        let below = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        for part in self.parts(schema) {
            let required = part.get("required").and_then(Value::as_array);
            let properties = part.get("properties").and_then(Value::as_object);
            for (key, value) in properties.into_iter().flatten() {
                let required =
                    required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(key)));
                let path = below(key);
                found.push(self.key(path.clone(), value, required));
                self.properties(value, &path, found);
            }
            if let Some(named @ Value::Object(_)) = part.get("additionalProperties") {
                self.properties(named, &below("*"), found);
            }
            if let Some(items) = part.get("items") {
                self.properties(items, &format!("{path}[]"), found);
            }
        }
    }

    /// The schema itself and whatever it is put together from.
    fn parts(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut parts = vec![schema];
        if let Some(name) = schema.get("$ref").and_then(Value::as_str)
            && let Some(to) = self.root.pointer(name.trim_start_matches('#'))
        {
            parts.extend(self.parts(to));
        }
        for list in ["allOf", "anyOf", "oneOf"] {
            let all = schema.get(list).and_then(Value::as_array);
            for part in all.into_iter().flatten() {
                parts.extend(self.parts(part));
            }
        }
        parts
    }

    fn key(&self, path: String, schema: &'a Value, required: bool) -> Key {
        let parts = self.parts(schema);
        let first = |field: &str| parts.iter().find_map(|part| part.get(field));
        let described = |value: &Value| {
            let text = value.get("description").and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        Key {
            path,
            description: described(schema),
            takes: self.takes(schema),
            default: schema.get("default").map(yaml),
            examples: first("examples")
                .and_then(Value::as_array)
                .map(|all| all.iter().map(yaml).collect())
                .unwrap_or_default(),
            required,
            words: parts
                .iter()
                .filter_map(|part| Some((part.get("const")?.as_str()?.to_owned(), described(part))))
                .collect(),
        }
    }

    /// A few words on what a value may be.
    fn takes(&self, schema: &'a Value) -> String {
        let parts = self.parts(schema);
        let mut kinds: Vec<String> = Vec::new();
        let mut add = |kind: String| {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        };
        for part in &parts {
            if let Some(word) = part.get("const") {
                add(format!("`{}`", yaml(word)));
                continue;
            }
            if let Some(words) = part.get("enum").and_then(Value::as_array) {
                words
                    .iter()
                    .for_each(|word| add(format!("`{}`", yaml(word))));
                continue;
            }
            match part.get("type").and_then(Value::as_str) {
                Some("object") if part.get("properties").is_some() => add("a mapping".to_owned()),
                Some("object") => add("a mapping from names".to_owned()),
                Some("array") => {
                    let of = part.get("items").map(|items| self.takes(items));
                    add(format!("a list of: {}", of.unwrap_or_default()));
                }
                Some("string") => add("a text".to_owned()),
                Some("integer") => add("a whole number".to_owned()),
                Some("boolean") => add("`true` or `false`".to_owned()),
                _ => {}
            }
        }
        kinds.join(", ")
    }
}

/// As it would be written in a manifest.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(text)
            if text.starts_with(['*', '"', '%', '@', '[', '{'])
                || text.contains(": ")
                || text.contains(',') =>
        {
            format!("\"{text}\"")
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(yaml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{key}: {}", yaml(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_end_and_by_names_in_its_path() {
        let paths = |text: &str| -> Vec<String> {
            keys_named(text).into_iter().map(|key| key.path).collect()
        };
        let all = paths("maxDelete");
        assert_eq!(
            all,
            ["defaults.target.maxDelete", "sources.*.targets.*.maxDelete"]
        );
        assert_eq!(paths("targets.*.maxDelete"), all[1..]);
        assert_eq!(paths("sources.website.targets.web98.maxDelete"), all[1..]);
        assert_eq!(paths("windows.deny").len(), 2);
        assert_eq!(paths("agent.rsync.path"), ["agent.rsync.path"]);
        assert_eq!(paths("watchManifests"), ["agent.watchManifests"]);
        assert_eq!(paths("nonsense"), [""; 0]);
        assert_eq!(paths(""), [""; 0]);
    }

    #[test]
    fn what_is_said_is_said_of_the_key() {
        let key = |path: &str| keys().into_iter().find(|key| key.path == path).unwrap();
        let delete = key("sources.*.targets.*.delete");
        assert_eq!(delete.takes, "`never`, `propagate`, `mirror`");
        assert_eq!(delete.default.as_deref(), Some("never"));
        assert_eq!(delete.words.len(), 3);
        assert!(key("sources.*.path").required);
        assert_eq!(
            key("sources.*.include").default.as_deref(),
            Some("[\"**\"]")
        );
    }
}
