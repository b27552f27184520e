//! Keys of ingress-nginx's ConfigMap, judged by the registry of settings.

use jamul_routing::annotation::Support;
use jamul_routing::settings;
use serde_json::Value;

use super::documents::Document;
use super::report::{self, Finding, Kind, Verdict};
use crate::get::columns::text;

/// What becomes of each key, if this is the controller's ConfigMap.
pub(super) fn of_config_map(document: &Document, object: &Value) -> Vec<Finding> {
    let data = || object.get("data").and_then(Value::as_object).into_iter().flatten();
    let is_named = text(object, "/metadata/name").contains("nginx");
    let is_labelled =
        object.pointer("/metadata/labels").is_some_and(|labels| labels.to_string().contains("ingress-nginx"));
    let is_settings =
        is_named || is_labelled || data().filter(|(key, _)| settings::group(key).is_some()).count() > 1;
    if !is_settings {
        return Vec::new();
    }
    data().map(|(key, value)| of_key(document, "", key, &report::short(value))).collect()
}

/// One key; `prefix` stands before it in the report.
pub(super) fn of_key(document: &Document, prefix: &str, key: &str, value: &str) -> Finding {
    let (verdict, advice) = judge(key);
    Finding::new(document, Kind::ConfigMapKey, &format!("{prefix}{key}"), value, verdict, advice)
}

fn judge(key: &str) -> (Verdict, String) {
    let Some(group) = settings::group(key) else {
        return match settings::did_you_mean(key) {
            Some(near) => {
                (Verdict::Refused, format!("not known to ingress-nginx either; did you mean {near}?"))
            }
            None => (Verdict::WithoutEffect, "not known to ingress-nginx either; take it away".to_owned()),
        };
    };
    match group.support {
        Support::Honoured => {
            (Verdict::Honoured, "nothing to do; name the ConfigMap with --configmap".to_owned())
        }
        Support::WithoutEffect => (Verdict::WithoutEffect, group.about.to_owned()),
        Support::Refused => (Verdict::Refused, group.about.to_owned()),
    }
}
