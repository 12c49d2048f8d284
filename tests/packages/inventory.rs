//! What is inside the binary, as the lists of it say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{at, run, said};

fn made(what: &str) -> String {
    let script = at("packaging/inventory.py");
    let output = run("python3", &[script.to_str().unwrap(), what]);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The published schema; the licences' names, which it takes from another file, are put in its place, and signatures, of
/// which there are none, are left open.
fn schema() -> jsonschema::Validator {
    let mut schema: Value =
        serde_json::from_str(include_str!("../schemas/cyclonedx-1.5.json")).unwrap();
    let spdx: Value = serde_json::from_str(include_str!("../schemas/cyclonedx-spdx.json")).unwrap();
    closed(&mut schema, &spdx);
    schema.as_object_mut().unwrap().remove("$id");
    jsonschema::draft7::new(&schema).unwrap()
}

fn closed(schema: &mut Value, spdx: &Value) {
    let reference = schema
        .get("$ref")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if reference.starts_with("spdx.schema.json") {
        *schema = json!({"enum": spdx["enum"]});
    } else if reference.starts_with("jsf-0.82.schema.json") {
        *schema = json!(true);
    }
    match schema {
        Value::Object(all) => all.values_mut().for_each(|value| closed(value, spdx)),
        Value::Array(all) => all.iter_mut().for_each(|value| closed(value, spdx)),
        _ => {}
    }
}

#[test]
fn the_bill_of_materials_is_what_the_schema_asks_and_names_everything() {
    let bill: Value = serde_json::from_str(&made("sbom")).unwrap();
    let schema = schema();
    let errors: Vec<String> = schema
        .iter_errors(&bill)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut wrong = bill.clone();
    wrong["components"][0]["type"] = json!("thing");
    assert!(!schema.is_valid(&wrong), "the schema looks");

    assert_eq!(bill["metadata"]["component"]["name"], "heliostat");
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    for name in [
        "tokio",
        "rusqlite",
        "libsqlite3-sys",
        "sqlite",
        "notify",
        "axum",
        "jiff",
    ] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    for name in ["proptest", "insta", "jsonschema", "divan", "cc"] {
        assert!(!names.contains(name), "{name} is not in the binary");
    }
    let references: BTreeSet<&str> = components
        .iter()
        .map(|component| component["bom-ref"].as_str().unwrap())
        .collect();
    assert_eq!(references.len(), components.len());
    for node in bill["dependencies"].as_array().unwrap() {
        for on in node["dependsOn"].as_array().unwrap() {
            assert!(references.contains(on.as_str().unwrap()), "{on}");
        }
    }
    let hashed = |component: &&Value| {
        component["name"] == "sqlite" || component["hashes"][0]["content"].is_string()
    };
    assert!(components.iter().all(|component| hashed(&component)));
    // It can be made again, and compared.
    assert_eq!(made("sbom"), made("sbom"));
}

#[test]
fn every_crate_comes_with_a_licence_text() {
    let text = made("licences");
    let bill: Value = serde_json::from_str(&made("sbom")).unwrap();
    for component in bill["components"].as_array().unwrap() {
        let name = format!(
            "{} {}",
            component["name"].as_str().unwrap(),
            component["version"].as_str().unwrap()
        );
        // Once in the list, and once above its text.
        assert!(text.matches(&name).count() >= 2, "{name}");
    }
    for words in [
        "Permission is hereby granted, free of charge",
        "Apache License",
        "May you do good and not evil",
    ] {
        assert!(text.contains(words), "{words}");
    }
}
