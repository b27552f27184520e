//! What a client sends inside a JWS (RFC 8555 sections 7.3 to 7.6).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountStatus, AuthorizationStatus, Identifier};
use crate::jose::{FlattenedJws, Jwk};

/// Asks for an account (section 7.3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAccount {
    /// Whom to tell about trouble.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<String>,
    /// Whether the user agrees to the terms.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terms_of_service_agreed: bool,
    /// Find the account, never create one (section 7.3.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_return_existing: bool,
    /// The binding to an account elsewhere (section 7.3.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_account_binding: Option<FlattenedJws>,
}

/// Changes an account (sections 7.3.2 and 7.3.6).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AccountUpdate {
    /// The new contacts; absent means unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Vec<String>>,
    /// `deactivated` closes the account for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AccountStatus>,
}

/// Orders a certificate (section 7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// The names.
    pub identifiers: Vec<Identifier>,
    /// The beginning of validity. Public CAs refuse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The end of validity. Public CAs refuse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The profile (draft-ietf-acme-profiles).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The identifier of the certificate this one replaces (RFC 9773 section 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// Asks for an authorization before there is an order (section 7.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAuthorization {
    /// The name; no wildcard.
    pub identifier: Identifier,
}

/// Hands in the certificate request (section 7.4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finalize {
    /// base64url of the DER of the PKCS#10 request.
    pub csr: String,
}

/// Changes an authorization: `deactivated` is the only status allowed (section 7.5.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationUpdate {
    /// The new status.
    pub status: AuthorizationStatus,
}

/// Revokes a certificate (section 7.6).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RevokeCertificate {
    /// base64url of the DER of the certificate.
    pub certificate: String,
    /// Why: a CRLReason of RFC 5280 section 5.3.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<u8>,
}

/// The reasons a subscriber may give, a subset of RFC 5280 section 5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevocationReason {
    /// No reason given.
    Unspecified,
    /// The private key is known to others.
    KeyCompromise,
    /// The subject's details changed.
    AffiliationChanged,
    /// A newer certificate took its place.
    Superseded,
    /// The service is gone.
    CessationOfOperation,
}

impl RevocationReason {
    /// The number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }

    /// The reason with this number, if a subscriber may give it.
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Unspecified,
            Self::KeyCompromise,
            Self::AffiliationChanged,
            Self::Superseded,
            Self::CessationOfOperation,
        ]
        .into_iter()
        .find(|reason| reason.code() == code)
    }
}

/// The inner payload of a key change (section 7.3.5).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyChange {
    /// The account's URL.
    pub account: String,
    /// The key to be replaced.
    pub old_key: Jwk,
}
