//! Other pods of the same Deployment or DaemonSet.

use jamul_api::ObjectKey;
use kube::api::{GetParams, ListParams};
use kube::core::Request;
use serde_json::Value;

use crate::api_failure::ApiFailure;

use super::api::Api;

/// Labels that differ between pods of one Deployment or DaemonSet.
const OF_A_ROLLOUT: [&str; 3] = ["pod-template-hash", "controller-revision-hash", "pod-template-generation"];

/// How many other pods with the labels of this one are running and not about to end.
pub(super) async fn count(api: &Api, pod: &ObjectKey) -> Result<usize, ApiFailure> {
    let path = Request::new(format!("/api/v1/namespaces/{}/pods", pod.namespace));
    let own: Value = api.ask(path.get(&pod.name, &GetParams::default())?).await?;
    let labels = own.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten().filter(|(name, _)| !OF_A_ROLLOUT.contains(&name.as_str()));
    let selector: Vec<String> =
        labels.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    if selector.is_empty() {
        return Ok(0);
    }
    let found: Value = api.ask(path.list(&ListParams::default().labels(&selector.join(",")))?).await?;
    let pods = found.get("items").and_then(Value::as_array).into_iter().flatten();
    let is_other = |other: &&Value| {
        other.pointer("/metadata/name").and_then(Value::as_str) != Some(&pod.name)
            && other.pointer("/metadata/deletionTimestamp").is_none()
            && other.pointer("/status/phase").and_then(Value::as_str) == Some("Running")
    };
    Ok(pods.filter(is_other).count())
}
