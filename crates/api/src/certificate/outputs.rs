//! What else a Certificate wants in its Secret: keystores and other forms.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKeySelector;

/// `spec.keystores`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateKeystores {
    /// `keystore.jks`, and `truststore.jks` where the CA is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jks: Option<JksKeystore>,
    /// `keystore.p12`, and `truststore.p12` where the CA is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs12: Option<Pkcs12Keystore>,
}

/// `spec.keystores.jks`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["create"]))]
pub struct JksKeystore {
    /// Whether it is wanted.
    pub create: bool,
    /// Name of the key's entry; default `certificate`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
    /// Where the password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeySelector>,
    /// The password itself; exactly one of the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// `spec.keystores.pkcs12`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["create"]))]
pub struct Pkcs12Keystore {
    /// Whether it is wanted.
    pub create: bool,
    /// How it is encrypted; default `LegacyRC2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(extend("enum" = ["LegacyRC2", "LegacyDES", "Modern2023", "Modern2026"]))]
    pub profile: String,
    /// Where the password is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeySelector>,
    /// The password itself; exactly one of the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// One of `spec.additionalOutputFormats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["type"]))]
pub struct AdditionalOutputFormat {
    /// `DER` (the key as `key.der`) or `CombinedPEM` (key and chain as `tls-combined.pem`).
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["DER", "CombinedPEM"]))]
    pub type_: String,
}
