//! `Order` and `Challenge` of `acme.cert-manager.io/v1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::{ByteString, NamespaceResourceScope, ObjectMeta, Time};
use crate::issuer::{IssuerRef, Solver};
use crate::object::resource;
use crate::schema;

/// An ACME order (RFC 8555 section 7.1.3) and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Order {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What is ordered.
    pub spec: OrderSpec,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OrderStatus>,
}
resource!(Order, "acme.cert-manager.io", "orders", NamespaceResourceScope);

/// What is ordered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["request", "issuerRef"]))]
pub struct OrderSpec {
    /// PEM or DER of the request.
    #[schemars(schema_with = "schema::bytes")]
    pub request: ByteString,
    /// Whose account orders.
    pub issuer_ref: IssuerRef,
    /// Subject common name; also among the names.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub common_name: String,
    /// DNS identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// IP identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// Requested lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Certificate profile.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
}

/// State of an order or challenge, as upstream spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for authorizations.
    Pending,
    /// All authorizations are valid; may be finalized.
    Ready,
    /// The CA works on it.
    Processing,
    /// Done.
    Valid,
    /// An authorization failed.
    Invalid,
    /// Too late.
    Expired,
    /// The server refused a request.
    Errored,
}

impl State {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Errored => "errored",
        }
    }

    /// Whether it will never change again.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Valid | Self::Invalid | Self::Expired | Self::Errored => true,
            Self::Pending | Self::Ready | Self::Processing => false,
        }
    }
}

/// Where an order stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OrderStatus {
    /// Order URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Finalize URL.
    #[serde(rename = "finalizeURL", skip_serializing_if = "String::is_empty")]
    pub finalize_url: String,
    /// One per identifier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorizations: Vec<AcmeAuthorization>,
    /// PEM chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::bytes")]
    pub certificate: Option<ByteString>,
    /// State.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub failure_time: Option<Time>,
}

/// One authorization of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AcmeAuthorization {
    /// Authorization URL.
    pub url: String,
    /// The name without `*.`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identifier: String,
    /// Whether it is for the wildcard.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wildcard: bool,
    /// State when the order was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_state: Option<State>,
    /// What the CA offers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<AcmeChallenge>,
}

/// One challenge that a CA offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AcmeChallenge {
    /// Challenge URL.
    pub url: String,
    /// Token.
    pub token: String,
    /// `http-01`, `dns-01`, ...
    #[serde(rename = "type")]
    pub type_: String,
}

/// One name to prove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Challenge {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What is to be proved.
    pub spec: ChallengeSpec,
    /// Where it stands.
    #[serde(default)]
    pub status: ChallengeStatus,
}
resource!(Challenge, "acme.cert-manager.io", "challenges", NamespaceResourceScope);

/// What is to be proved; never changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["url", "authorizationURL", "dnsName", "type", "token", "key", "solver", "issuerRef"]))]
pub struct ChallengeSpec {
    /// Challenge URL.
    pub url: String,
    /// Authorization URL.
    #[serde(rename = "authorizationURL")]
    pub authorization_url: String,
    /// The name without `*.`.
    pub dns_name: String,
    /// Whether it is for the wildcard.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wildcard: bool,
    /// `HTTP-01` or `DNS-01`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Token.
    pub token: String,
    /// HTTP-01: the key authorization.
    pub key: String,
    /// How.
    pub solver: Solver,
    /// Whose account.
    pub issuer_ref: IssuerRef,
}

/// Where a challenge stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChallengeStatus {
    /// Under way.
    pub processing: bool,
    /// The answer is being served.
    pub presented: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub presented_at: Option<Time>,
    /// Why it waits or failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// State at the CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}
