//! CustomResourceDefinitions of cert-manager's kinds, as `jamul crds` prints them and the chart installs them.
//!
//! The schemas come from the types of this crate and their documentation. They take whatever cert-manager's own
//! definitions take: nothing is required or enumerated that is not there too, nothing is defaulted (an object stays
//! what its user wrote), and unknown fields, for instance of newer versions, are kept. What a field holds is judged
//! where it is used, with a message that can say more than a schema.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::acme::{ChallengeSpec, ChallengeStatus, OrderSpec, OrderStatus};
use crate::certificate::{CertificateSpec, CertificateStatus};
use crate::core::Resource;
use crate::issuer::{IssuerSpec, IssuerStatus};
use crate::object::Object;
use crate::request::{CertificateRequestSpec, CertificateRequestStatus};
use crate::{Certificate, CertificateRequest, Challenge, ClusterIssuer, Issuer, Order};

/// All six definitions, ready to be applied.
#[must_use]
pub fn crds() -> Vec<Value> {
    vec![
        definition::<Certificate, CertificateSpec, CertificateStatus>(&Outline {
            about: "A certificate that is wanted in a Secret, and kept valid there.",
            short_names: &["cert", "certs"],
            categories: &["cert-manager"],
            columns: &[READY, Column("Secret", ".spec.secretName", 0), ISSUER_WIDE, MESSAGE, EXPIRATION, AGE],
            refers_to_issuer: true,
        }),
        definition::<CertificateRequest, CertificateRequestSpec, CertificateRequestStatus>(&Outline {
            about: "One request to an issuer to sign a certificate.",
            short_names: &["cr", "crs"],
            categories: &["cert-manager"],
            columns: &[
                Column("Approved", r#".status.conditions[?(@.type == "Approved")].status"#, 0),
                Column("Denied", r#".status.conditions[?(@.type == "Denied")].status"#, 0),
                READY,
                Column("Issuer", ".spec.issuerRef.name", 0),
                Column("Requester", ".spec.username", 0),
                MESSAGE,
                AGE,
            ],
            refers_to_issuer: true,
        }),
        definition::<Issuer, IssuerSpec, IssuerStatus>(&Outline {
            about: "Signs certificates of its own namespace.",
            short_names: &["iss"],
            categories: &["cert-manager"],
            columns: &[READY, MESSAGE, AGE],
            refers_to_issuer: false,
        }),
        definition::<ClusterIssuer, IssuerSpec, IssuerStatus>(&Outline {
            about: "Signs certificates of every namespace.",
            short_names: &["ciss"],
            categories: &["cert-manager"],
            columns: &[READY, MESSAGE, AGE],
            refers_to_issuer: false,
        }),
        definition::<Order, OrderSpec, OrderStatus>(&Outline {
            about: "An order at an ACME server (RFC 8555 section 7.1.3).",
            short_names: &[],
            categories: &["cert-manager", "cert-manager-acme"],
            columns: &[STATE, ISSUER_WIDE, REASON, AGE],
            refers_to_issuer: true,
        }),
        definition::<Challenge, ChallengeSpec, ChallengeStatus>(&Outline {
            about: "The proof of one name for an Order.",
            short_names: &[],
            categories: &["cert-manager", "cert-manager-acme"],
            columns: &[STATE, Column("Domain", ".spec.dnsName", 0), REASON, AGE],
            refers_to_issuer: true,
        }),
    ]
}

/// What a definition holds besides its schema: how people name, group and list the objects.
struct Outline {
    about: &'static str,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    columns: &'static [Column],
    /// Whether `spec.issuerRef` can be used in field selectors.
    refers_to_issuer: bool,
}

/// A column of `kubectl get`: its name, where its value is, and 1 if it shows only with `-o wide`.
struct Column(&'static str, &'static str, i32);

const READY: Column = Column("Ready", r#".status.conditions[?(@.type == "Ready")].status"#, 0);
const MESSAGE: Column = Column("Status", r#".status.conditions[?(@.type == "Ready")].message"#, 1);
const ISSUER_WIDE: Column = Column("Issuer", ".spec.issuerRef.name", 1);
const EXPIRATION: Column = Column("Expiration", ".status.notAfter", 1);
const STATE: Column = Column("State", ".status.state", 0);
const REASON: Column = Column("Reason", ".status.reason", 1);
const AGE: Column = Column("Age", ".metadata.creationTimestamp", 0);

fn definition<K: Object + Resource, Spec: JsonSchema, Status: JsonSchema>(outline: &Outline) -> Value {
    let schema = json!({
        "description": outline.about,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": structural::<Spec>(),
            "status": structural::<Status>(),
        },
    });
    let mut version = json!({
        "name": K::VERSION,
        "served": true,
        "storage": true,
        "subresources": { "status": {} },
        "additionalPrinterColumns": outline.columns.iter().map(Column::printed).collect::<Vec<_>>(),
        "schema": { "openAPIV3Schema": schema },
    });
    if outline.refers_to_issuer {
        version["selectableFields"] = ["group", "kind", "name"]
            .map(|field| json!({ "jsonPath": format!(".spec.issuerRef.{field}") }))
            .into();
    }
    let mut names = json!({
        "kind": K::KIND,
        "listKind": format!("{}List", K::KIND),
        "plural": K::URL_PATH_SEGMENT,
        "singular": K::KIND.to_lowercase(),
        "categories": outline.categories,
    });
    if !outline.short_names.is_empty() {
        names["shortNames"] = json!(outline.short_names);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", K::URL_PATH_SEGMENT, K::GROUP),
            "labels": { "app.kubernetes.io/name": "jamul", "app.kubernetes.io/component": "crds" },
        },
        "spec": {
            "group": K::GROUP,
            "names": names,
            "scope": if K::NAMESPACED { "Namespaced" } else { "Cluster" },
            "versions": [version],
        },
    })
}

impl Column {
    fn printed(&self) -> Value {
        let Self(name, path, priority) = self;
        let is_date = path.ends_with("Timestamp") || path.ends_with("notAfter");
        let kind = if is_date { "date" } else { "string" };
        let mut column = json!({ "name": name, "type": kind, "jsonPath": path });
        if *priority > 0 {
            column["priority"] = json!(priority);
        }
        column
    }
}

/// The schema of `T` in the form that an API server takes (structural, nothing by reference).
fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = Value::from(settings.into_generator().into_root_schema_for::<T>());
    rewrite(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.remove("components");
    }
    schema
}

/// Takes away what an API server refuses or would act upon, and lets every object keep unknown fields.
fn rewrite(schema: &mut Value) {
    let Value::Object(node) = schema else { return };
    unfold_option(node);
    unfold_words(node);
    for key in ["$schema", "title", "default", "nullable"] {
        node.remove(key);
    }
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        properties.values_mut().for_each(rewrite);
    }
    if let Some(items) = node.get_mut("items") {
        rewrite(items);
    }
    // A map says what its values are; every other object may hold more than we know.
    if let Some(values @ Value::Object(_)) = node.get_mut("additionalProperties") {
        rewrite(values);
    } else if node.get("type") == Some(&json!("object")) {
        node.remove("additionalProperties");
        node.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
    }
}

/// `Option<T>`: "T or null" becomes T, and the field's own documentation stays.
fn unfold_option(node: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = node.remove("anyOf") else { return };
    for choice in choices {
        let Value::Object(choice) = choice else { continue };
        if choice.get("enum") != Some(&json!([null])) {
            for (key, value) in choice {
                node.entry(key).or_insert(value);
            }
        }
    }
}

/// An enum of documented words: "this word or that word" becomes a list of words.
fn unfold_words(node: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = node.remove("oneOf") else { return };
    let words: Vec<Value> =
        choices.iter().flat_map(|choice| choice["enum"].as_array().into_iter().flatten().cloned()).collect();
    node.insert("type".to_owned(), json!("string"));
    node.insert("enum".to_owned(), Value::Array(words));
}

#[cfg(test)]
mod tests;
