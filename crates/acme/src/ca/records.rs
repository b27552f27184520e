//! What the CA remembers about each object, as it is stored. How objects move on is in `orders`.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::profiles::Profile;
use super::random;
use crate::jose::Jwk;
use crate::problem::Problem;
use crate::wire::{AccountStatus, ChallengeType, Identifier, RevocationReason};

/// One object, whole, as of some moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Record {
    Account(AccountRecord),
    Order(OrderRecord),
    Authorization(AuthorizationRecord),
    Certificate(CertificateRecord),
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(super) struct $name(String);

        impl $name {
            pub(super) fn random() -> Self {
                Self(random::identifier())
            }

            /// Any text from a URL: whether there is such an object is found out by looking.
            pub(super) fn from_url(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

identifiers! {
    /// Which account.
    AccountId;
    /// Which order, and which certificate: an order has one at most, under the same identifier.
    OrderId;
    /// Which authorization.
    AuthorizationId;
}

/// An account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountRecord {
    pub(super) id: AccountId,
    /// The key that signs for it now.
    pub(super) key: Jwk,
    pub(super) contact: Vec<String>,
    pub(super) status: AccountStatus,
    pub(super) created: Timestamp,
    /// The key identifier of the external account that vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) external_account: Option<String>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderRecord {
    pub(super) id: OrderId,
    pub(super) account: AccountId,
    /// Sorted, without duplicates.
    pub(super) identifiers: Vec<Identifier>,
    /// In the order of `identifiers`.
    pub(super) authorizations: Vec<AuthorizationId>,
    pub(super) validity: RequestedValidity,
    #[serde(default)]
    pub(super) profile: Profile,
    /// The certificate that it renews (RFC 9773 section 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<String>,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) phase: OrderPhase,
}

/// What the client asked for, within what the CA allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestedValidity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_after: Option<Timestamp>,
}

/// How far an order is, as far as it does not follow from its authorizations and the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum OrderPhase {
    /// `pending`, `ready` or, when an authorization failed or time passed, `invalid`.
    Open,
    /// The request was accepted; the certificate is to be made.
    Processing {
        /// base64url of the DER.
        csr: String,
    },
    /// The certificate exists.
    Issued,
    /// The certificate could not be made.
    Failed(Box<Problem>),
}

/// The proof that an account controls a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizationRecord {
    pub(super) id: AuthorizationId,
    pub(super) account: AccountId,
    pub(super) identifier: Identifier,
    /// What the proof contains; the same for all challenges of this authorization.
    pub(super) token: String,
    pub(super) expires: Timestamp,
    pub(super) state: AuthorizationState,
}

impl AuthorizationRecord {
    /// When it was made; of one that is not valid.
    pub(super) fn created(&self) -> Timestamp {
        self.expires - PENDING_AUTHORIZATION_LIFETIME
    }
}

/// A client has this long to prove one name.
pub(super) const PENDING_AUTHORIZATION_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// How far an authorization is, as far as it does not follow from the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum AuthorizationState {
    /// Waits for the client.
    Pending,
    /// The client says that the proof is in place; the CA looks.
    Validating(ChallengeType),
    /// The proof was seen.
    Valid { method: ChallengeType, validated: Timestamp },
    /// Something else was seen.
    Invalid { method: ChallengeType, problem: Box<Problem> },
    /// The client gave it up.
    Deactivated,
}

/// An issued certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateRecord {
    /// The order it was issued for.
    pub(super) order: OrderId,
    pub(super) account: AccountId,
    pub(super) identifiers: Vec<Identifier>,
    /// Leaf and intermediate, PEM.
    pub(super) chain: String,
    /// base64url of the SHA-256 of the leaf's DER.
    pub(super) fingerprint: String,
    /// What it is called in renewal information; empty in records of older versions.
    #[serde(default)]
    pub(super) renewal: String,
    /// Hexadecimal; empty in records of older versions.
    #[serde(default)]
    pub(super) serial: String,
    pub(super) not_after: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<Revocation>,
}

/// When and why a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Revocation {
    pub(super) at: Timestamp,
    pub(super) reason: RevocationReason,
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    pub(crate) fn account(id: &str) -> Record {
        Record::Account(AccountRecord {
            id: AccountId::from_url(id),
            key: Jwk::Rsa { n: format!("n{id}"), e: "AQAB".to_owned() },
            contact: vec!["mailto:a@example.com".to_owned()],
            status: AccountStatus::Valid,
            created: Timestamp::UNIX_EPOCH,
            external_account: None,
        })
    }
}
