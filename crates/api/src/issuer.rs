//! `Issuer` and `ClusterIssuer` of `cert-manager.io/v1`.

pub mod vault;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::core::{ByteString, ClusterResourceScope, NamespaceResourceScope, ObjectMeta};
use crate::object::resource;
use crate::schema;
pub use crate::secret_key::SecretKeySelector;
use crate::solver::{Dns01, Http01};
use vault::VaultIssuer;

/// Refers to an issuer. Empty `kind` means Issuer, empty `group` cert-manager.io; both stay as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["name"]))]
pub struct IssuerRef {
    /// Name of the issuer.
    pub name: String,
    /// `Issuer` or `ClusterIssuer`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
}

impl IssuerRef {
    /// `kind` with its default.
    #[must_use]
    pub fn kind(&self) -> &str {
        if self.kind.is_empty() { "Issuer" } else { &self.kind }
    }

    /// `group` with its default.
    #[must_use]
    pub fn group(&self) -> &str {
        if self.group.is_empty() { crate::names::CERT_MANAGER_GROUP } else { &self.group }
    }

    /// Whether both name the same issuer, with defaults applied.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.name == other.name && self.kind() == other.kind() && self.group() == other.group()
    }
}

/// Signs certificates of its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Issuer {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// How it signs.
    pub spec: IssuerSpec,
    /// Whether it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<IssuerStatus>,
}
resource!(Issuer, "cert-manager.io", "issuers", NamespaceResourceScope);

/// Signs certificates of every namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterIssuer {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// How it signs.
    pub spec: IssuerSpec,
    /// Whether it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<IssuerStatus>,
}
resource!(ClusterIssuer, "cert-manager.io", "clusterissuers", ClusterResourceScope);

/// How an issuer signs: exactly one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IssuerSpec {
    /// By an ACME server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeIssuer>,
    /// With a key pair in a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaIssuer>,
    /// With the certificate's own key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_signed: Option<SelfSignedIssuer>,
    /// By HashiCorp Vault, or OpenBao.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultIssuer>,
    /// Other issuer types (venafi), kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// `spec.acme`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["server", "privateKeySecretRef"]))]
pub struct AcmeIssuer {
    /// Directory URL.
    pub server: String,
    /// Contact.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The account key; key default `tls.key`.
    pub private_key_secret_ref: SecretKeySelector,
    /// Common name of the topmost issuer of the chain to prefer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preferred_chain: String,
    /// PEM trust anchors for the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes")]
    pub ca_bundle: Option<ByteString>,
    /// Do not verify the server.
    #[serde(rename = "skipTLSVerify", skip_serializing_if = "std::ops::Not::not")]
    pub skip_tls_verify: bool,
    /// Vouches for the account (RFC 8555 section 7.3.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_account_binding: Option<ExternalAccountBinding>,
    /// Ask for `spec.duration` in the order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enable_duration_feature: bool,
    /// A missing account key is an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_account_key_generation: bool,
    /// Certificate profile.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// `ARI` (default): renewals follow what the server suggests (RFC 9773); `None`: they do not.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = ["ARI", "None"]))]
    pub renewal_information_source: String,
    /// How names are proved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub solvers: Vec<Solver>,
    /// Fields not interpreted yet.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A key that the operator of an ACME server handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["keyID", "keySecretRef"]))]
pub struct ExternalAccountBinding {
    /// Which key.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// The key, base64url without padding.
    pub key_secret_ref: SecretKeySelector,
    /// Without effect: it is always HS256.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_algorithm: String,
}

/// One way to prove names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Solver {
    /// Which names it is for; none = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<SolverSelector>,
    /// HTTP-01; Jamul answers on its own port, whatever class or pod template is written inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Http01>")]
    pub http01: Option<serde_json::Value>,
    /// How long to wait instead of looking whether the answer is seen, before the CA is asked to look: for example `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_instead_of_self_check: Option<String>,
    /// DNS-01.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Dns01>")]
    pub dns01: Option<serde_json::Value>,
}

/// Which names a solver is for; all parts that are set must match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SolverSelector {
    /// Labels of the Order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Exact names, `*.` included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// Zones, longest wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_zones: Vec<String>,
}

/// `spec.ca`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["secretName"]))]
pub struct CaIssuer {
    /// Secret with `tls.crt` and `tls.key` of the CA.
    pub secret_name: String,
    /// CRL URLs for issued certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crl_distribution_points: Vec<String>,
    /// OCSP responders for issued certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ocsp_servers: Vec<String>,
    /// Where issued certificates say that the CA's certificate is.
    #[serde(rename = "issuingCertificateURLs", skip_serializing_if = "Vec::is_empty")]
    pub issuing_certificate_urls: Vec<String>,
}

/// `spec.selfSigned`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SelfSignedIssuer {
    /// CRL URLs for issued certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crl_distribution_points: Vec<String>,
}

/// Whether an issuer can sign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IssuerStatus {
    /// `Ready`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// State of the ACME account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeIssuerStatus>,
}

/// State of an ACME account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AcmeIssuerStatus {
    /// Account URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// The contact that the server knows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_registered_email: String,
    /// base64(SHA-256) of the account key that the server knows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_private_key_hash: String,
}
