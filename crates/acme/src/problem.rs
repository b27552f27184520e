//! Problem documents (RFC 7807) with the error types of RFC 8555 section 6.7.

use std::fmt::{self, Display};
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::identifier::Identifier;

/// Why a CA refused a request, or why an order or challenge became invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The error's type; absent means `about:blank` (RFC 7807 section 3.1).
    #[serde(default, rename = "type")]
    pub kind: ProblemType,
    /// A sentence for a person.
    #[serde(default)]
    pub detail: String,
    /// The HTTP status that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// A URL with more, for instance where new terms are to be agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Of a subproblem: the identifier it is about (RFC 8555 section 6.7.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// One problem for each identifier it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<Self>,
    /// With `badSignatureAlgorithm`: what the CA would accept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// When it passes by itself: becomes the header `Retry-After`, not part of the document.
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
}

impl Problem {
    /// A problem with the status its type usually has.
    #[must_use]
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let status = Some(kind.status());
        let (instance, identifier, subproblems, algorithms) = (None, None, Vec::new(), Vec::new());
        let retry_after = None;
        Self {
            kind,
            detail: detail.into(),
            status,
            instance,
            identifier,
            subproblems,
            algorithms,
            retry_after,
        }
    }

    /// The same problem, about one identifier.
    #[must_use]
    pub fn about(mut self, identifier: Identifier) -> Self {
        self.identifier = Some(identifier);
        self
    }

    /// The same problem with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self
    }

    /// The same problem, which passes by itself after `wait`.
    #[must_use]
    pub(crate) fn passing_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The HTTP status that goes with it; the type's usual one if none is given.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let status = self.status.unwrap_or_else(|| self.kind.status());
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.short_name(), self.detail)?;
        for subproblem in &self.subproblems {
            let named = subproblem.identifier.as_ref().map(|i| format!("{i}: ")).unwrap_or_default();
            write!(f, "; {named}{}: {}", subproblem.kind.short_name(), subproblem.detail)?;
        }
        Ok(())
    }
}

/// Defines the closed part of [`ProblemType`] together with its names and usual statuses.
macro_rules! problem_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)*) => {
        /// The registered error types; a client treats them as hints, since CAs differ in their use.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum ProblemType {
            $($(#[$doc])* $variant,)*
            /// Any other URI, `about:blank` among them.
            Other(String),
        }

        impl ProblemType {
            /// The name without the URN prefix of ACME.
            #[must_use]
            pub fn short_name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(uri) => uri,
                }
            }

            /// The HTTP status the CA side sends with it.
            #[must_use]
            pub fn status(&self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                    Self::Other(_) => 500,
                }
            }
        }

        impl From<String> for ProblemType {
            fn from(uri: String) -> Self {
                match uri.strip_prefix(URN) {
                    $(Some($name) => Self::$variant,)*
                    Some(_) | None => Self::Other(uri),
                }
            }
        }
    };
}

problem_types! {
    /// The account is not known; a client registers again.
    AccountDoesNotExist = "accountDoesNotExist", 400;
    /// The certificate to be replaced already was (RFC 9773 section 7.4).
    AlreadyReplaced = "alreadyReplaced", 409;
    /// The certificate is revoked already.
    AlreadyRevoked = "alreadyRevoked", 400;
    /// The request for the certificate is not acceptable.
    BadCsr = "badCSR", 400;
    /// The nonce is used, old or not the CA's: retry with the one of the answer.
    BadNonce = "badNonce", 400;
    /// The key is of a kind or size the CA does not support.
    BadPublicKey = "badPublicKey", 400;
    /// The reason code is not allowed.
    BadRevocationReason = "badRevocationReason", 400;
    /// The JWS is signed with an algorithm the CA does not support.
    BadSignatureAlgorithm = "badSignatureAlgorithm", 400;
    /// CAA records forbid issuance.
    Caa = "caa", 403;
    /// Several problems, each in `subproblems`.
    Compound = "compound", 400;
    /// The CA could not connect to the validation target.
    Connection = "connection", 400;
    /// A DNS query failed during validation.
    Dns = "dns", 400;
    /// Registration needs an external account binding.
    ExternalAccountRequired = "externalAccountRequired", 403;
    /// The answer to a challenge was wrong.
    IncorrectResponse = "incorrectResponse", 403;
    /// A contact URL is invalid.
    InvalidContact = "invalidContact", 400;
    /// The profile is not offered.
    InvalidProfile = "invalidProfile", 400;
    /// The request message is malformed.
    Malformed = "malformed", 400;
    /// The order is not ready to be finalized.
    OrderNotReady = "orderNotReady", 403;
    /// A rate limit is exceeded.
    RateLimited = "rateLimited", 429;
    /// The CA will not issue for the identifier.
    RejectedIdentifier = "rejectedIdentifier", 400;
    /// The fault is the CA's.
    ServerInternal = "serverInternal", 500;
    /// A TLS error during validation.
    Tls = "tls", 400;
    /// The client may not do that.
    Unauthorized = "unauthorized", 403;
    /// The contact URL's scheme is not supported.
    UnsupportedContact = "unsupportedContact", 400;
    /// The identifier's type is not supported.
    UnsupportedIdentifier = "unsupportedIdentifier", 400;
    /// Somebody has to visit the `instance` URL.
    UserActionRequired = "userActionRequired", 403;
}

impl Default for ProblemType {
    fn default() -> Self {
        Self::Other("about:blank".to_owned())
    }
}

impl From<ProblemType> for String {
    fn from(kind: ProblemType) -> Self {
        match kind {
            ProblemType::Other(uri) => uri,
            ref known => format!("{URN}{}", known.short_name()),
        }
    }
}

/// Media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The namespace of ACME's error types (RFC 8555 section 9.7.4).
const URN: &str = "urn:ietf:params:acme:error:";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn known_types_lose_their_prefix_and_unknown_ones_survive() {
        let problem: Problem =
            serde_json::from_str(r#"{"type":"urn:ietf:params:acme:error:badNonce","detail":"x","extra":1}"#)
                .unwrap();
        assert_eq!(problem.kind, ProblemType::BadNonce);
        let other: Problem = serde_json::from_str(r#"{"type":"https://ca.test/paused"}"#).unwrap();
        assert_eq!(String::from(other.kind), "https://ca.test/paused");
        let blank: Problem = serde_json::from_str("{}").unwrap();
        assert_eq!(blank.kind.short_name(), "about:blank");
    }

    #[test]
    fn the_message_names_each_identifier() {
        let mut problem = Problem::new(ProblemType::RejectedIdentifier, "1 of 2 names refused");
        let about = Identifier::from_host("a.test");
        problem.subproblems.push(Problem::new(ProblemType::Caa, "forbidden").about(about));
        assert_eq!(problem.to_string(), "rejectedIdentifier: 1 of 2 names refused; a.test: caa: forbidden");
    }
}
