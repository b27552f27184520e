//! `spec.vault`: an issuer that asks HashiCorp Vault, or OpenBao, which speaks the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::ByteString;
use crate::schema;
use crate::secret_key::SecretKeySelector;

/// `spec.vault`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["server", "path", "auth"]))]
pub struct VaultIssuer {
    /// How to get a token: exactly one way.
    pub auth: VaultAuth,
    /// URL of the server.
    pub server: String,
    /// The name that the server's certificate is for, where it is another than that of the URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    /// Where the PKI backend signs, such as `pki/sign/my-role`.
    pub path: String,
    /// Namespace of Vault Enterprise, or of OpenBao.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// PEM trust anchors for the server; not with `caBundleSecretRef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes")]
    pub ca_bundle: Option<ByteString>,
    /// A Secret with trust anchors for the server; key default `ca.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle_secret_ref: Option<SecretKeySelector>,
    /// The certificate of the client, where the server asks for one; key default `tls.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<SecretKeySelector>,
    /// Its key; key default `tls.key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key_secret_ref: Option<SecretKeySelector>,
}

/// `spec.vault.auth`: exactly one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VaultAuth {
    /// A Secret with a token; key default `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
    /// AppRole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_role: Option<VaultAppRole>,
    /// By a TLS client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<VaultClientCertificate>,
    /// By a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetes>,
    /// By an AWS role; not interpreted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::anything")]
    pub aws: Option<serde_json::Value>,
}

/// `spec.vault.auth.appRole`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["path", "roleId", "secretRef"]))]
pub struct VaultAppRole {
    /// Where the backend is mounted, such as `approle`.
    pub path: String,
    /// Which role.
    pub role_id: String,
    /// The secret id of the role.
    pub secret_ref: SecretKeySelector,
}

/// `spec.vault.auth.clientCertificate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VaultClientCertificate {
    /// Where the backend is mounted; default `/v1/auth/cert`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_path: String,
    /// Which role; any that fits if it is empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A Secret of type `kubernetes.io/tls`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_name: String,
}

/// `spec.vault.auth.kubernetes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["role"]))]
pub struct VaultKubernetes {
    /// Where the backend is mounted; default `/v1/auth/kubernetes`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_path: String,
    /// Which role.
    pub role: String,
    /// A Secret with a token of a service account; key default `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// A service account for which a token is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
}

/// A service account for which a token is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ServiceAccountRef {
    /// In the namespace of the issuer's Secrets.
    pub name: String,
    /// Audiences beside the issuer's own, `vault://NAMESPACE/NAME`, or `vault://NAME` of a ClusterIssuer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
}
