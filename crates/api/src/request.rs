//! `CertificateRequest` of `cert-manager.io/v1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::core::{ByteString, NamespaceResourceScope, ObjectMeta, Time};
use crate::issuer::IssuerRef;
use crate::object::resource;
use crate::schema;

/// One request to an issuer; its spec never changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateRequest {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What is asked for.
    pub spec: CertificateRequestSpec,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CertificateRequestStatus>,
}
resource!(CertificateRequest, "cert-manager.io", "certificaterequests", NamespaceResourceScope);

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["request", "issuerRef"]))]
pub struct CertificateRequestSpec {
    /// PEM of a PKCS#10 request.
    #[schemars(schema_with = "schema::bytes")]
    pub request: ByteString,
    /// Who signs.
    pub issuer_ref: IssuerRef,
    /// Requested lifetime, a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Whether the certificate may sign others.
    #[serde(rename = "isCA", skip_serializing_if = "std::ops::Not::not")]
    pub is_ca: bool,
    /// Key usages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateRequestStatus {
    /// `Ready`, `Approved`, `Denied`, `InvalidRequest`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// PEM chain, leaf first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes")]
    pub certificate: Option<ByteString>,
    /// PEM of the CA, where the issuer knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes")]
    pub ca: Option<ByteString>,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub failure_time: Option<Time>,
}
