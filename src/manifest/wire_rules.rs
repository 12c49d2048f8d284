//! What the schema says of several keys at once: which options go with which scheme, and which exclude each other.

use serde_json::{Value, json};

/// Patterns of values that may not hold line breaks and other control characters.
pub(super) const ONE_LINE: &str = "^[^\\u0000-\\u001f\\u007f]*$";

/// Of the three ways to name a password one is given.
pub(super) fn one_password() -> Value {
    let keys = ["passwordFile", "passwordCredential", "passwordEnv"];
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let pairs = pairs.map(|(a, b)| json!({"required": [keys[a], keys[b]]}));
    json!({"anyOf": pairs})
}

/// What has no meaning for a scheme is not given with a url of it.
pub(super) fn schemes() -> Value {
    let daemon = ["passwordFile", "passwordCredential", "passwordEnv"];
    let remote = ["compress", "rsyncArgs", "warm"];
    let refused: [(&str, Vec<&str>); 3] = [
        ("^rsync://", vec!["ssh", "guard"]),
        ("^ssh://", [&daemon[..], &["guard"]].concat()),
        ("^file://", [&daemon[..], &remote, &["ssh"]].concat()),
    ];
    let rules = refused.map(|(scheme, keys)| {
        let mut then: serde_json::Map<String, Value> = keys
            .into_iter()
            .map(|key| (key.to_owned(), Value::Bool(false)))
            .collect();
        if scheme != "^file://" {
            // What a far disk has written cannot be waited for.
            then.insert("durability".to_owned(), json!({"not": {"const": "full"}}));
        }
        json!({
            "if": {"properties": {"url": {"pattern": scheme}}, "required": ["url"]},
            "then": {"properties": then},
        })
    });
    json!(rules)
}
