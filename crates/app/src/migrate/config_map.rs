//! Keys of ingress-nginx's ConfigMap, judged by the registry of settings.

use jamul_api::ObjectKey;
use jamul_routing::annotation::Support;
use jamul_routing::{Globals, settings, snippet};
use serde_json::Value;

use super::documents::Document;
use super::report::{self, Finding, Kind, Verdict};
use crate::get::columns::text;

/// What becomes of each key, if this is the controller's ConfigMap.
pub(super) fn of_config_map(document: &Document, object: &Value) -> Vec<Finding> {
    if !is_controllers(object) {
        return Vec::new();
    }
    data(object).map(|(key, value)| of_key(document, "", key, value)).collect()
}

/// The name of `document` if it is the controller's ConfigMap and sets something.
pub(super) fn key(document: &Document) -> Option<ObjectKey> {
    let object = document.content.as_ref().ok()?;
    let is_one = text(object, "/kind") == "ConfigMap"
        && is_controllers(object)
        && data(object).any(|(key, _)| settings::group(key).is_some());
    let namespace = match text(object, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    is_one.then(|| ObjectKey::new(namespace, text(object, "/metadata/name")))
}

fn is_controllers(object: &Value) -> bool {
    let is_named = text(object, "/metadata/name").contains("nginx");
    let is_labelled =
        object.pointer("/metadata/labels").is_some_and(|labels| labels.to_string().contains("ingress-nginx"));
    is_named || is_labelled || data(object).filter(|(key, _)| settings::group(key).is_some()).count() > 1
}

fn data(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.get("data").and_then(Value::as_object).into_iter().flatten()
}

/// One key; `prefix` stands before it in the report.
pub(super) fn of_key(document: &Document, prefix: &str, key: &str, value: &Value) -> Finding {
    let (verdict, advice) = judge(key, &report::whole(value));
    let key = format!("{prefix}{key}");
    Finding::new(document, Kind::ConfigMapKey, &key, &report::short(value), verdict, advice)
}

fn judge(key: &str, value: &str) -> (Verdict, String) {
    let Some(group) = settings::group(key) else {
        return match settings::did_you_mean(key) {
            Some(near) => {
                (Verdict::Refused, format!("not known to ingress-nginx either; did you mean {near}?"))
            }
            None => (Verdict::WithoutEffect, "not known to ingress-nginx either; take it away".to_owned()),
        };
    };
    match group.support {
        Support::Honoured => match objection(key, value) {
            Some(objection) => (Verdict::Refused, objection),
            None => (Verdict::Honoured, "nothing to do; name the ConfigMap with --configmap".to_owned()),
        },
        Support::WithoutEffect => (Verdict::WithoutEffect, group.about.to_owned()),
        Support::Refused => (Verdict::Refused, group.about.to_owned()),
    }
}

/// What a run would say against the value.
fn objection(key: &str, value: &str) -> Option<String> {
    if let Some((_, context)) = snippet::SETTINGS.into_iter().find(|(name, _)| *name == key) {
        let refusal = snippet::check(value, context).err()?;
        return Some(format!("{refusal}; it would close all routes: write it as docs/snippets.md lists"));
    }
    let (_, invalid) = Globals::compile(|name| (name == key).then(|| value.to_owned()));
    let invalid = invalid.into_iter().find(|invalid| invalid.key == key)?;
    Some(format!("not valid, and the default would be used; expected {}", invalid.expected))
}
