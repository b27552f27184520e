use super::*;

fn schema(kind: &str) -> Value {
    let found = crds().into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind);
    found.map(|crd| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()).unwrap_or_default()
}

/// Every object of a schema, with its path.
fn nodes(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    found.push((path.to_owned(), schema.clone()));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        nodes(property, &format!("{path}.{name}"), found);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            nodes(&schema[inner], &format!("{path}.{inner}"), found);
        }
    }
}

#[test]
fn nothing_is_defaulted_and_unknown_fields_stay() {
    for crd in crds() {
        let mut found = Vec::new();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for part in ["spec", "status"] {
            nodes(&root["properties"][part], part, &mut found);
        }
        for (path, node) in &found {
            let kind = &crd["spec"]["names"]["kind"];
            assert!(node.get("default").is_none(), "{kind} {path} has a default");
            assert!(node.get("$ref").is_none(), "{kind} {path} is by reference");
            let is_object = node["type"] == "object";
            let keeps = node["x-kubernetes-preserve-unknown-fields"] == true;
            assert!(!is_object || keeps || node["additionalProperties"].is_object(), "{kind} {path} prunes");
            assert!(is_object || keeps || node["type"].is_string(), "{kind} {path} has no type: {node}");
        }
        assert!(found.len() > 10, "{crd}");
    }
}

#[test]
fn fields_carry_their_documentation() {
    let secret_name = &schema("Certificate")["properties"]["spec"]["properties"]["secretName"];
    assert_eq!(secret_name["type"], "string");
    assert!(secret_name["description"].as_str().is_some_and(|text| text.contains("key and chain")));
}

#[test]
fn solvers_are_described_to_the_last_field() {
    let acme = &schema("ClusterIssuer")["properties"]["spec"]["properties"]["acme"];
    let solver = &acme["properties"]["solvers"]["items"]["properties"];
    assert_eq!(solver["http01"]["properties"]["ingress"]["properties"]["ingressClassName"]["type"], "string");
    assert_eq!(
        solver["dns01"]["properties"]["rfc2136"]["properties"]["tsigSecretSecretRef"]["required"],
        json!(["name"])
    );
}

#[test]
fn conditions_merge_by_type() {
    let conditions = &schema("Order")["properties"]["status"];
    assert_eq!(conditions["properties"]["state"]["enum"][0], "pending");
    let conditions = &schema("Certificate")["properties"]["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    assert_eq!(conditions["items"]["required"], json!(["type", "status"]));
}
