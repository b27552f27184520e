use serde_json::json;

use super::*;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/jamul");

#[test]
fn the_image_of_the_old_program_is_named_as_without_effect() {
    let values = json!({ "controller": { "image": { "tag": "v1.12.0" }, "replicaCount": 2 } });
    let notes = without_effect("ingress-nginx", &values).expect("the list is readable");
    assert_eq!(notes.iter().map(|note| note.path.as_str()).collect::<Vec<_>>(), ["controller.image"]);
    assert!(notes.iter().all(|note| note.reason.contains("`image` at the top level")));
}

#[test]
fn empty_and_absent_values_are_not_named() {
    let values = json!({ "dhParam": null, "controller": { "image": {}, "enableMimalloc": false } });
    assert_eq!(without_effect("ingress-nginx", &values).expect("the list is readable"), []);
}

/// What people write where the default is `default`: its kind, or what YAML makes of the same text unquoted.
fn schema_of(default: &Value) -> Map<String, Value> {
    let schema = match default {
        Value::Null => json!({}),
        Value::Bool(_) => json!({ "type": ["boolean", "null"] }),
        Value::Number(_) => json!({ "type": ["integer", "string", "null"] }),
        Value::String(_) => json!({ "type": ["string", "number", "boolean", "null"] }),
        Value::Array(_) => json!({ "type": ["array", "null"] }),
        Value::Object(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), schema_of(value).into())).collect();
            json!({ "type": ["object", "null"], "properties": properties })
        }
    };
    match schema {
        Value::Object(schema) => schema,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

/// Adds a description at `path`, below `schema`.
fn describe(schema: &mut Value, path: &str, text: &str) {
    let mut node = schema;
    for part in path.split('.') {
        node = &mut node["properties"][part];
    }
    node["description"] = text.into();
}

#[test]
fn golden_schema_of_the_values_is_fresh() {
    let defaults = read(&Path::new(CHART).join("values.yaml")).expect("values.yaml is readable");
    let mut schema = Value::from(schema_of(&defaults));
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["type"] = "object".into();
    // One of the few fields whose default does not show all it may be.
    for open in ["hostname", "lifecycle"] {
        schema["properties"]["controller"]["properties"][open] = json!({});
    }
    let lists: BTreeMap<String, BTreeMap<String, String>> =
        serde_saphyr::from_str(WITHOUT_EFFECT).expect("the list is YAML");
    for (chart, below) in [("ingress-nginx", ""), ("cert-manager", "certManager.")] {
        for (path, reason) in &lists[chart] {
            let path = format!("{below}{}", path.trim_end_matches('.'));
            describe(&mut schema, &path, &format!("Taken without effect: {reason}."));
        }
    }
    let file = Path::new(CHART).join("values.schema.json");
    let written = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("JAMUL_BLESS").is_some() {
        std::fs::write(&file, &written).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == written, "charts/jamul/values.schema.json is stale; run this test with JAMUL_BLESS=1");
}
