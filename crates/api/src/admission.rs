//! `AdmissionReview` of `admission.k8s.io/v1`: what an API server asks a webhook, and what it is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::ByteString;

/// The only version that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// A question or an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionReview {
    /// [`API_VERSION`]
    pub api_version: String,
    /// `AdmissionReview`
    pub kind: String,
    /// The question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<AdmissionRequest>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<AdmissionResponse>,
}

impl AdmissionReview {
    /// The answer to the question `uid`.
    #[must_use]
    pub fn answer(uid: String, decision: Decision) -> Self {
        let Decision { refused, warnings, patch } = decision;
        let status = refused.map(|refusal| AdmissionStatus {
            code: refusal.code,
            reason: refusal.reason.to_owned(),
            message: refusal.message,
        });
        let patch_type = patch.as_ref().map(|_| "JSONPatch".to_owned());
        let response =
            AdmissionResponse { uid, allowed: status.is_none(), status, warnings, patch, patch_type };
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "AdmissionReview".to_owned(),
            request: None,
            response: Some(response),
        }
    }
}

/// What is about to be written, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionRequest {
    /// Of this question.
    pub uid: String,
    /// Of the object.
    pub kind: GroupVersionKind,
    /// `status` where only that is written.
    pub sub_resource: String,
    /// Of the object.
    pub name: String,
    /// Of the object.
    pub namespace: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`
    pub operation: String,
    /// Who writes.
    pub user_info: UserInfo,
    /// As it would be.
    pub object: Value,
    /// As it is; null when it is created.
    pub old_object: Value,
}

/// A kind of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Such as `Ingress`.
    pub kind: String,
}

/// Who writes, as the API server authenticated them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// Such as `system:serviceaccount:NAMESPACE:NAME`.
    pub username: String,
    /// Of the account, if it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Groups that they are in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What else the authenticator says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// May it be written?
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionResponse {
    /// That of the request.
    pub uid: String,
    /// Whether it may.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<AdmissionStatus>,
    /// Shown to whoever writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What is written instead: a JSON patch (RFC 6902).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<ByteString>,
    /// `JSONPatch` beside a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<String>,
}

/// A refusal as the API server passes it on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdmissionStatus {
    /// HTTP status.
    pub code: u16,
    /// CamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What a webhook decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Why it may not be written.
    pub refused: Option<Refusal>,
    /// Shown to whoever writes.
    pub warnings: Vec<String>,
    /// A JSON patch.
    pub patch: Option<ByteString>,
}

impl Decision {
    /// It may not be written.
    #[must_use]
    pub fn refuse(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { refused: Some(Refusal { code, reason, message: message.into() }), ..Self::default() }
    }
}

/// Why something may not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub code: u16,
    /// CamelCase word, as in `metav1.Status`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}
