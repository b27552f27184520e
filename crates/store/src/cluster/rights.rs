//! What the API server knows of rights and of kinds of objects.

use jamul_api::admission::UserInfo;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::{Value, json};

use crate::api_failure::ApiFailure;

use super::api::Api;

/// A right on one object of a resource.
#[derive(Clone, Debug)]
pub struct Right<'a> {
    /// Who should have it.
    pub user: &'a UserInfo,
    /// Such as `approve`.
    pub verb: &'static str,
    /// Of the resource.
    pub group: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// Of the object.
    pub name: &'a str,
}

/// Whether they have it (SubjectAccessReview).
pub(super) async fn has(api: &Api, right: &Right<'_>) -> Result<bool, ApiFailure> {
    let Right { user, verb, group, resource, name } = right;
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user.username, "uid": user.uid, "groups": user.groups, "extra": user.extra,
            "resourceAttributes":
                { "verb": verb, "group": group, "version": "*", "resource": resource, "name": name },
        },
    });
    let path = Request::new("/apis/authorization.k8s.io/v1/subjectaccessreviews");
    let body = serde_json::to_vec(&review).map_err(kube::Error::SerdeError)?;
    let answer: Value = api.ask(path.create(&PostParams::default(), body)?).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool).unwrap_or(false))
}

/// A kind as the API serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// In paths.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
}

/// How a kind is served in the preferred version of its group; `None` if it is not.
pub(super) async fn served(api: &Api, group: &str, kind: &str) -> Result<Option<ServedKind>, ApiFailure> {
    let get = |path: String| http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError);
    let found = match api.ask::<Value>(get(format!("/apis/{group}"))?).await {
        Ok(found) => found,
        Err(failure) if failure.code() == Some(404) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let version = found.pointer("/preferredVersion/version").and_then(Value::as_str).unwrap_or("v1");
    let listed: Value = api.ask(get(format!("/apis/{group}/{version}"))?).await?;
    let resources = listed.get("resources").and_then(Value::as_array).into_iter().flatten();
    let text = |resource: &Value, name: &str| {
        resource.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    // Subresources have a slash.
    let mut own = resources.filter(|one| text(one, "kind") == kind && !text(one, "name").contains('/'));
    Ok(own.next().map(|resource| ServedKind {
        plural: text(resource, "name"),
        is_namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or(false),
    }))
}
