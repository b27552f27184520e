//! The resources of RFC 8555 section 7.1 as both sides read and write them.
//!
//! Unknown fields are ignored and unknown challenge types kept, as section 7.5.1 asks; statuses are closed sets.

mod renewal;
mod requests;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::identifier::Identifier;
pub use renewal::{RenewalInfo, SuggestedWindow, renewal_identifier};
pub use requests::{
    AccountUpdate, AuthorizationUpdate, Finalize, KeyChange, NewAccount, NewAuthorization, NewOrder,
    RevocationReason, RevokeCertificate,
};

use crate::problem::Problem;

/// Where a CA's operations are (section 7.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Gives a nonce to `HEAD` and `GET`.
    pub new_nonce: String,
    /// Registers and finds accounts.
    pub new_account: String,
    /// Takes orders.
    pub new_order: String,
    /// Takes authorizations before there is an order (section 7.4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_authz: Option<String>,
    /// Revokes certificates.
    pub revoke_cert: String,
    /// Rolls an account's key over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_change: Option<String>,
    /// Suggests when to renew (RFC 9773).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_info: Option<String>,
    /// What the CA says about itself.
    #[serde(default)]
    pub meta: Meta,
}

/// What a CA says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The terms an account agrees to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_of_service: Option<String>,
    /// Where people read about the CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// The names CAA records may authorize it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caa_identities: Vec<String>,
    /// Whether registration needs an external account binding.
    pub external_account_required: bool,
    /// Profiles by name, each with its description.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, String>,
}

/// An account as the CA shows it (section 7.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Whether it may be used.
    pub status: AccountStatus,
    /// URLs to reach the owner.
    #[serde(default)]
    pub contact: Vec<String>,
    /// Whether the terms were agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_of_service_agreed: Option<bool>,
    /// The list of its orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<String>,
}

/// Section 7.1.6, account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// May be used.
    Valid,
    /// Given up by its owner.
    Deactivated,
    /// Taken away by the CA.
    Revoked,
}

/// A page of an account's orders (section 7.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// URLs of orders.
    pub orders: Vec<String>,
}

/// An order (section 7.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// How far it is.
    pub status: OrderStatus,
    /// When the CA forgets it.
    #[serde(default, with = "instant", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What the certificate shall cover, in any order.
    pub identifiers: Vec<Identifier>,
    /// When its validity shall begin.
    #[serde(default, with = "instant", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When its validity shall end.
    #[serde(default, with = "instant", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Why it is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// URLs of the authorizations, not necessarily in the identifiers' order.
    pub authorizations: Vec<String>,
    /// Where the CSR goes once it is ready.
    pub finalize: String,
    /// Where the certificate is once it is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The profile it is issued by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The CertID of the certificate it renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// Section 7.1.6, order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Authorizations are missing.
    Pending,
    /// It may be finalized.
    Ready,
    /// The certificate is being issued.
    Processing,
    /// The certificate can be fetched.
    Valid,
    /// It failed; only a new order helps.
    Invalid,
}

/// The proof that an account controls an identifier (section 7.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// The identifier, without `*.`.
    pub identifier: Identifier,
    /// How far it is.
    pub status: AuthorizationStatus,
    /// When it ends.
    #[serde(default, with = "instant", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The ways to prove it; any one suffices.
    pub challenges: Vec<Challenge>,
    /// Whether it was asked for by a wildcard.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wildcard: bool,
}

/// Section 7.1.6, authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizationStatus {
    /// No challenge is decided.
    Pending,
    /// Proven.
    Valid,
    /// A challenge failed.
    Invalid,
    /// Given up by the client.
    Deactivated,
    /// Past its time.
    Expired,
    /// Taken back by the CA.
    Revoked,
}

/// One way to prove control (section 7.1.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Which way.
    #[serde(rename = "type")]
    pub kind: ChallengeType,
    /// Where the client says that it is ready.
    pub url: String,
    /// How far it is.
    pub status: ChallengeStatus,
    /// The random part of the key authorization; some types have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When the CA saw the proof.
    #[serde(default, with = "instant", skip_serializing_if = "Option::is_none")]
    pub validated: Option<Timestamp>,
    /// Why it is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// The challenge types we know, and any other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ChallengeType {
    /// A file on port 80 (section 8.3).
    Http01,
    /// A TXT record (section 8.4).
    Dns01,
    /// A certificate on port 443 (RFC 8737).
    TlsAlpn01,
    /// A type we cannot answer.
    Other(String),
}

impl From<String> for ChallengeType {
    fn from(name: String) -> Self {
        match name.as_str() {
            "http-01" => Self::Http01,
            "dns-01" => Self::Dns01,
            "tls-alpn-01" => Self::TlsAlpn01,
            _ => Self::Other(name),
        }
    }
}

impl From<ChallengeType> for String {
    fn from(kind: ChallengeType) -> Self {
        kind.to_string()
    }
}

impl fmt::Display for ChallengeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Other(name) => name,
        })
    }
}

/// Section 7.1.6, challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChallengeStatus {
    /// The client has not said that it is ready.
    Pending,
    /// The CA is looking, or will look again.
    Processing,
    /// Proven.
    Valid,
    /// Failed for good.
    Invalid,
}

/// A status is shown as it stands on the wire.
macro_rules! show_status {
    ($($status:ident { $($variant:ident = $name:literal),* })*) => {
        $(impl fmt::Display for $status {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $name),* })
            }
        })*
    };
}

show_status! {
    AccountStatus { Valid = "valid", Deactivated = "deactivated", Revoked = "revoked" }
    OrderStatus {
        Pending = "pending", Ready = "ready", Processing = "processing", Valid = "valid", Invalid = "invalid"
    }
    AuthorizationStatus {
        Pending = "pending", Valid = "valid", Invalid = "invalid", Deactivated = "deactivated", Expired = "expired",
        Revoked = "revoked"
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// RFC 3339 times, absent or present.
pub(crate) mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        // Some CAs send an empty string or the zero time for "none"; the zero time parses.
        text.filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|error| de::Error::custom(format!("time {text:?}: {error}"))))
            .transpose()
    }
}
