//! Names of a Certificate that few have: other names, and the limits of a CA.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of `spec.otherNames`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OtherName {
    /// What kind of name, a dotted OID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub oid: String,
    /// The name.
    #[serde(rename = "utf8Value", skip_serializing_if = "String::is_empty")]
    pub utf8_value: String,
}

/// `spec.nameConstraints` of a CA.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NameConstraints {
    /// Whether who does not know the extension must refuse the certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub critical: bool,
    /// What the CA may sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permitted: Option<NameConstraintItem>,
    /// What it may not sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded: Option<NameConstraintItem>,
}

/// Names by kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NameConstraintItem {
    /// Domains with what is below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_domains: Vec<String>,
    /// Networks such as `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_ranges: Vec<String>,
    /// Mailboxes, hosts or domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// Hosts of URIs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uri_domains: Vec<String>,
}
