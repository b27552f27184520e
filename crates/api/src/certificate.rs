//! `Certificate` of `cert-manager.io/v1`.

mod constraints;
mod outputs;
mod renewal;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::core::{NamespaceResourceScope, ObjectMeta, Time};
use crate::issuer::IssuerRef;
use crate::object::resource;
use crate::schema;

pub use constraints::{NameConstraintItem, NameConstraints, OtherName};
pub use outputs::{AdditionalOutputFormat, CertificateKeystores, JksKeystore, Pkcs12Keystore};
pub use renewal::{CertificateAcmeStatus, RenewalInfoStatus, RenewalWindow, SuggestedWindow};

/// A certificate that a user wants to have in a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Certificate {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: CertificateSpec,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CertificateStatus>,
}
resource!(Certificate, "cert-manager.io", "certificates", NamespaceResourceScope);

/// What is wanted; fields and defaults as cert-manager documents them. Durations are Go duration strings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["secretName", "issuerRef"]))]
pub struct CertificateSpec {
    /// Where key and chain go, same namespace.
    pub secret_name: String,
    /// Who signs.
    pub issuer_ref: IssuerRef,
    /// Subject common name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub common_name: String,
    /// DNS names, wildcards allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// IP addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// URIs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// E-mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// Names of other kinds, by their OID.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<OtherName>,
    /// The whole subject as text (RFC 4514), instead of `commonName` and `subject`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub literal_subject: String,
    /// Attributes of the subject besides the common name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<X509Subject>,
    /// Requested lifetime; default 2160h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Renew this long before the end; default a third of the actual lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<String>,
    /// The same in percent of the lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_before_percentage: Option<i32>,
    /// Whether and when it is renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<CertificateRenewal>,
    /// Keystores to write into the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keystores: Option<CertificateKeystores>,
    /// Further forms of key and chain to write into the Secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_output_formats: Vec<AdditionalOutputFormat>,
    /// Limits for what a CA signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_constraints: Option<NameConstraints>,
    /// How the request is signed; default by the size of the key.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = [
        "SHA256WithRSA", "SHA384WithRSA", "SHA512WithRSA",
        "ECDSAWithSHA256", "ECDSAWithSHA384", "ECDSAWithSHA512", "PureEd25519"
    ]))]
    pub signature_algorithm: String,
    /// Labels and annotations for the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_template: Option<SecretTemplate>,
    /// Whether the certificate may sign others.
    #[serde(rename = "isCA", skip_serializing_if = "std::ops::Not::not")]
    pub is_ca: bool,
    /// Key usages; default digital signature and key encipherment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<String>,
    /// Key options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<CertificatePrivateKey>,
    /// Put the usages into the request; default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode_usages_in_request: Option<bool>,
    /// How many CertificateRequests are kept; default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Fields of newer versions or not interpreted yet, kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// `spec.renewal`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CertificateRenewal {
    /// `RenewBefore` (default), or `Disabled`: time alone never renews it.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = ["RenewBefore", "Disabled"]))]
    pub policy: String,
    /// When it may be renewed by time; none = always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RenewalWindow>,
    /// Fields not interpreted, kept as they are.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// Attributes of a distinguished name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct X509Subject {
    /// O
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// C
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// OU
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizational_units: Vec<String>,
    /// L
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub localities: Vec<String>,
    /// ST
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provinces: Vec<String>,
    /// STREET
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub street_addresses: Vec<String>,
    /// postalCode
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub postal_codes: Vec<String>,
    /// serialNumber
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serial_number: String,
}

/// Metadata for the Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretTemplate {
    /// Annotations to keep on the Secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels to keep on the Secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Key options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificatePrivateKey {
    /// `RSA` (default), `ECDSA` or `Ed25519`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = ["RSA", "ECDSA", "Ed25519"]))]
    pub algorithm: String,
    /// `PKCS1` (default) or `PKCS8`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = ["PKCS1", "PKCS8"]))]
    pub encoding: String,
    /// Bits; RSA 2048, ECDSA 256 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// `Always` (default) or `Never`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = ["Never", "Always"]))]
    pub rotation_policy: String,
}

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateStatus {
    /// `Ready` and `Issuing`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Start of the certificate in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub not_before: Option<Time>,
    /// End of the certificate in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub not_after: Option<Time>,
    /// When it will be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub renewal_time: Option<Time>,
    /// Revision of the issued request, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The Secret with the key of an issuance under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_private_key_secret_name: Option<String>,
    /// When the last issuance failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub last_failure_time: Option<Time>,
    /// How often in a row it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_issuance_attempts: Option<i32>,
    /// What the ACME server says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<CertificateAcmeStatus>,
}
