//! Orders and Challenges: what is fixed once it is there.

use jamul_api::admission::AdmissionRequest;
use serde_json::Value;

use super::problem::problem;
use super::question::is_same;
use crate::validate::Problem;

/// Parts of an Order that are told once and never again differently.
const FIXED: [&str; 5] =
    ["spec.request", "status.url", "status.finalizeURL", "status.certificate", "status.authorizations"];

pub(super) fn order(question: &AdmissionRequest) -> Vec<Problem> {
    if question.operation != "UPDATE" {
        return Vec::new();
    }
    let is_changed = |field: &&&str| {
        let pointer = format!("/{}", field.replace('.', "/"));
        let before = question.old_object.pointer(&pointer);
        before.is_some_and(|before| !is_empty(before)) && !is_same(question, &pointer)
    };
    FIXED
        .iter()
        .filter(is_changed)
        .map(|field| problem(*field, "Forbidden: field is immutable once set"))
        .collect()
}

pub(super) fn challenge(question: &AdmissionRequest) -> Vec<Problem> {
    if question.operation != "UPDATE" || is_same(question, "/spec") {
        return Vec::new();
    }
    vec![problem("spec", "Forbidden: challenge spec is immutable after creation")]
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
