//! What becomes of an object when somebody writes it: what the API server would make of it, purely.
//!
//! Works on JSON because it is the same for all kinds: `status` belongs to [`status`], everything else but
//! the server's own metadata to [`apply`].

use jamul_api::Object;
use jamul_api::core::Time;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// Metadata that a store assigns; what a writer says there does not count.
const ASSIGNED: [&str; 7] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "selfLink",
];

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Nothing assigned is taken from it.
    Controller,
    /// A user's file: a `creationTimestamp` written there is the object's age.
    Manifest,
}

/// What a new version of an object gets.
pub(crate) struct Fresh {
    pub(crate) now: Time,
    pub(crate) version: u64,
}

/// `wanted` over `existing`: its status is kept, its generation counts changes of `spec`. `None` when nothing
/// differs.
pub(crate) fn apply<K: Object>(
    existing: Option<&K>,
    wanted: &K,
    writer: Writer,
    fresh: &Fresh,
) -> Result<Option<K>, StoreError> {
    let mut merged = json(wanted)?;
    let old = existing.map(json).transpose()?;
    merged.remove("status");
    if let Some(status) = old.as_ref().and_then(|old| old.get("status")) {
        merged.insert("status".to_owned(), status.clone());
    }
    let written_age = match writer {
        Writer::Controller => None,
        Writer::Manifest => wanted.metadata().creation_timestamp.clone(),
    };
    let age = written_age
        .or_else(|| existing.and_then(|existing| existing.metadata().creation_timestamp.clone()))
        .unwrap_or_else(|| fresh.now.clone());
    let spec_differs = old.as_ref().is_none_or(|old| old.get("spec") != merged.get("spec"));
    let has_spec = merged.contains_key("spec");
    let mut object: K = typed(wanted, merged)?;
    let metadata = object.metadata_mut();
    metadata.managed_fields = None;
    metadata.self_link = None;
    metadata.deletion_timestamp = None;
    metadata.creation_timestamp = Some(age);
    metadata.uid = existing
        .and_then(|existing| existing.metadata().uid.clone())
        .or_else(|| Some(uid::<K>(&wanted.key().to_string(), fresh)));
    let generation = existing.and_then(|existing| existing.metadata().generation);
    metadata.generation = match (has_spec, spec_differs) {
        (false, _) => None,
        (true, true) => Some(generation.unwrap_or(0) + 1),
        (true, false) => generation.or(Some(1)),
    };
    metadata.resource_version = existing.and_then(|existing| existing.metadata().resource_version.clone());
    if existing == Some(&object) {
        return Ok(None);
    }
    object.metadata_mut().resource_version = Some(fresh.version.to_string());
    Ok(Some(object))
}

/// `existing` with the status of `reported`. `None` when it has that status already; a conflict if `reported` was read
/// before the last write, whose conditions would be lost.
pub(crate) fn status<K: Object>(existing: &K, reported: &K, fresh: &Fresh) -> Result<Option<K>, StoreError> {
    let seen = &reported.metadata().resource_version;
    if seen.is_some() && *seen != existing.metadata().resource_version {
        return Err(StoreError::Conflict { kind: K::KIND, key: existing.key().to_string() });
    }
    let mut merged = json(existing)?;
    match json(reported)?.remove("status") {
        Some(status) => merged.insert("status".to_owned(), status),
        None => merged.remove("status"),
    };
    let mut object: K = typed(existing, merged)?;
    if object == *existing {
        return Ok(None);
    }
    object.metadata_mut().resource_version = Some(fresh.version.to_string());
    Ok(Some(object))
}

/// What a writer says of an object: all but status and assigned metadata.
pub(crate) fn written<K: Object>(object: &K) -> Result<Map<String, Value>, StoreError> {
    let mut content = json(object)?;
    content.remove("status");
    if let Some(Value::Object(metadata)) = content.get_mut("metadata") {
        metadata.retain(|name, _| !ASSIGNED.contains(&name.as_str()));
    }
    Ok(content)
}

/// The JSON merge patch (RFC 7396) that makes `wanted` of `known`; `None` when they are the same.
pub(crate) fn difference(known: &Value, wanted: &Value) -> Option<Value> {
    if known == wanted {
        return None;
    }
    let (Value::Object(known), Value::Object(wanted)) = (known, wanted) else { return Some(wanted.clone()) };
    let gone = known.keys().filter(|name| !wanted.contains_key(*name));
    let gone = gone.map(|name| (name.clone(), Value::Null));
    let changed = wanted.iter().filter_map(|(name, value)| {
        let patch = match known.get(name) {
            Some(before) => difference(before, value)?,
            None => value.clone(),
        };
        Some((name.clone(), patch))
    });
    Some(Value::Object(gone.chain(changed).collect()))
}

/// A hash over what a writer decides: all but status and assigned metadata.
pub(crate) fn content_hash<K: Object>(object: &K) -> Result<String, StoreError> {
    let content = written(object)?;
    Ok(hex(&Sha256::digest(Value::Object(content).to_string())))
}

/// The object as JSON with the `apiVersion` and `kind` that our own types leave out.
pub(crate) fn json<K: Object>(object: &K) -> Result<Map<String, Value>, StoreError> {
    let value = serde_json::to_value(object).map_err(|source| shape(object, source))?;
    let mut map = match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    map.insert("apiVersion".to_owned(), K::API_VERSION.into());
    map.insert("kind".to_owned(), K::KIND.into());
    Ok(map)
}

fn typed<K: Object>(object: &K, map: Map<String, Value>) -> Result<K, StoreError> {
    serde_json::from_value(Value::Object(map)).map_err(|source| shape(object, source))
}

fn shape<K: Object>(object: &K, source: serde_json::Error) -> StoreError {
    StoreError::Shape { kind: K::KIND, key: object.key().to_string(), source }
}

/// In the form of a UUID (RFC 9562, version 8): no two objects of a store have kind, key, time and version in
/// common.
fn uid<K: Object>(key: &str, fresh: &Fresh) -> String {
    let digest =
        Sha256::digest(format!("{}/{} {key} {} {}", K::API_VERSION, K::KIND, fresh.now.0, fresh.version));
    let digits = hex(&digest);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_names_what_changed_and_what_is_gone() {
        let known = json!({ "a": 1, "b": { "c": 1, "d": [1] }, "e": "gone" });
        let wanted = json!({ "a": 1, "b": { "c": 2, "d": [1, 2] }, "f": true });
        let patch = json!({ "b": { "c": 2, "d": [1, 2] }, "e": null, "f": true });
        assert_eq!(difference(&known, &wanted), Some(patch));
        assert_eq!(difference(&known, &known), None);
        assert_eq!(difference(&Value::Null, &json!({ "a": 1 })), Some(json!({ "a": 1 })));
    }
}
