//! CertificateRequests: what they ask for, who asks, and what stays as it was.

use jamul_api::admission::{AdmissionRequest, UserInfo};
use jamul_api::condition::{self, Condition};
use jamul_api::core::ByteString;
use jamul_api::request::CertificateRequestSpec;
use jamul_pki::{Csr, Usage};
use serde_json::{Map, Value, json};

use super::problem::problem;
use super::question::{is_same, typed};
use crate::validate::Problem;

/// The fields of `spec` that say who made it.
const AUTHOR: [&str; 4] = ["username", "uid", "groups", "extra"];
/// Annotations with these prefixes stay as they were made.
const FIXED_ANNOTATIONS: [&str; 2] = ["cert-manager.io", "acme.cert-manager.io"];

pub(super) fn problems(question: &AdmissionRequest) -> Vec<Problem> {
    let Some(request) = typed(&question.object) else {
        return vec![problem("spec", "Invalid value: this is no CertificateRequest")];
    };
    let mut found = Vec::new();
    if question.operation == "UPDATE" {
        found.extend(annotations(question));
        if !is_same(question, "/spec") {
            found.push(problem("spec", "Forbidden: cannot change spec after creation"));
        }
    } else {
        found.extend(spec(&request.spec));
        found.extend(author(question));
    }
    let conditions = request.status.map(|status| status.conditions).unwrap_or_default();
    let before = typed(&question.old_object).and_then(|before| before.status);
    found.extend(approvals(&before.map(|status| status.conditions).unwrap_or_default(), &conditions));
    found
}

fn spec(spec: &CertificateRequestSpec) -> Vec<Problem> {
    let mut found = Vec::new();
    let kind = spec.issuer_ref.kind.as_str();
    if spec.issuer_ref.name.is_empty() {
        found.push(problem("spec.issuerRef.name", "Required value: must be specified"));
    }
    if spec.issuer_ref.group() == jamul_api::names::CERT_MANAGER_GROUP
        && !["", "Issuer", "ClusterIssuer"].contains(&kind)
    {
        let message = format!("Invalid value: {kind:?}: must be one of Issuer or ClusterIssuer");
        found.push(problem("spec.issuerRef.kind", message));
    }
    if spec.request.0.is_empty() {
        found.push(problem("spec.request", "Required value: must be specified"));
        return found;
    }
    let csr = match Csr::from_pem(&String::from_utf8_lossy(&spec.request.0)) {
        Ok(csr) => csr,
        Err(error) => {
            let message = format!("Invalid value: failed to decode csr: {error}");
            found.push(problem("spec.request", message));
            return found;
        }
    };
    if csr.is_ca() && !spec.is_ca {
        let message = "Invalid value: encoded CSR error: it asks for a CA certificate, and isCA is false";
        found.push(problem("spec.request", message));
    }
    let wanted: Result<Vec<Usage>, _> = spec.usages.iter().map(|usage| Usage::parse(usage)).collect();
    match wanted {
        Err(error) => found.push(problem("spec.usages", format!("Invalid value: {error}"))),
        Ok(wanted) => found.extend(usages(&csr, wanted, spec.is_ca)),
    }
    found
}

/// Usages in the request itself, where it has any, are those that are asked for beside it.
fn usages(csr: &Csr, mut wanted: Vec<Usage>, is_ca: bool) -> Option<Problem> {
    if wanted.is_empty() || csr.usages().is_empty() {
        return None;
    }
    if is_ca {
        wanted.push(Usage::CertSign);
    }
    let bits = |usages: &[Usage]| {
        // Two names of some bits are one usage.
        let mut bits: Vec<Usage> = usages.iter().map(|usage| same(*usage)).collect();
        bits.sort_unstable();
        bits.dedup();
        bits
    };
    let mut asked = csr.usages().to_vec();
    if is_ca {
        asked.push(Usage::CertSign);
    }
    (bits(&asked) != bits(&wanted)).then(|| {
        let message = "Invalid value: encoded CSR error: its key usages do not match specified usages, these should \
                       match if both are set";
        problem("spec.request", message)
    })
}

fn same(usage: Usage) -> Usage {
    match usage {
        Usage::Signing => Usage::DigitalSignature,
        Usage::SMime => Usage::EmailProtection,
        other => other,
    }
}

/// Whoever makes a request cannot say that it was somebody else.
fn author(question: &AdmissionRequest) -> Vec<Problem> {
    let truth = fields(&question.user_info);
    let is_wrong = |name: &&&str| {
        let written = question.object.pointer(&format!("/spec/{name}"));
        written.is_some_and(|written| !is_nothing(written) && Some(written) != truth.get(**name))
    };
    let wrong = AUTHOR.iter().filter(is_wrong);
    wrong
        .map(|name| {
            problem(
                format!("spec.{name}"),
                format!("Forbidden: {name} identity must be that of the requester"),
            )
        })
        .collect()
}

/// The patch that writes the author into a new request.
pub(super) fn with_author(question: &AdmissionRequest) -> Option<ByteString> {
    let spec = question.object.get("spec")?.as_object()?;
    let fields = fields(&question.user_info);
    let operations: Vec<Value> = AUTHOR
        .iter()
        .filter_map(|name| match (fields.get(*name), spec.contains_key(*name)) {
            (Some(value), _) => Some(json!({ "op": "add", "path": format!("/spec/{name}"), "value": value })),
            // What somebody else wrote there is refused by the validation, which comes later.
            (None, _) => None,
        })
        .collect();
    Some(ByteString(Value::Array(operations).to_string().into_bytes()))
}

/// As they are written in a spec; without those that have nothing.
fn fields(user: &UserInfo) -> Map<String, Value> {
    let all =
        json!({ "username": user.username, "uid": user.uid, "groups": user.groups, "extra": user.extra });
    let all = match all {
        Value::Object(all) => all,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    all.into_iter().filter(|(_, value)| !is_nothing(value)).collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn annotations(question: &AdmissionRequest) -> Vec<Problem> {
    let of = |object: &Value| {
        object.pointer("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let (before, after) = (of(&question.old_object), of(&question.object));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let is_fixed = |name: &&String| FIXED_ANNOTATIONS.iter().any(|prefix| name.starts_with(prefix));
    let changed = names.filter(is_fixed).filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| {
            let field = format!("metadata.annotations.{name}");
            problem(field, "Forbidden: cannot change cert-manager annotation after creation")
        })
        .collect()
}

/// Approved and Denied are said once, and not both.
fn approvals(before: &[Condition], after: &[Condition]) -> Vec<Problem> {
    let mut found = Vec::new();
    for type_ in ["Approved", "Denied"] {
        let field = "status.conditions";
        match (condition::find(before, type_), condition::find(after, type_)) {
            (Some(before), after) if Some(before) != after => {
                let message = format!("Forbidden: '{type_}' condition may not be modified once set");
                found.push(problem(field, message));
            }
            (None, Some(after)) if !after.is_true() => {
                let message = format!("Invalid value: {:?}: {type_:?} condition must be true", after.status);
                found.push(problem(field, message));
            }
            (_, _) => {}
        }
    }
    if condition::find(after, "Approved").is_some() && condition::find(after, "Denied").is_some() {
        let message = "Forbidden: both 'Denied' and 'Approved' conditions cannot coexist";
        found.push(problem("status.conditions", message));
    }
    found
}
