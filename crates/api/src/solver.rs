//! What stands in the `http01` and `dns01` blocks of an ACME issuer's solvers, with cert-manager's field names.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret_key::SecretKeySelector;

/// HTTP-01. Jamul answers on its own HTTP port, without pods: what is said here about pods, Services and routes is
/// accepted and has no effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Http01 {
    /// Through an Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Http01Ingress>,
    /// Through a Gateway.
    #[serde(rename = "gatewayHTTPRoute", skip_serializing_if = "Option::is_none")]
    pub gateway_http_route: Option<Http01Gateway>,
}

/// Which Ingresses answer: at most one of the three names is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Http01Ingress {
    /// `spec.ingressClassName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// The annotation `kubernetes.io/ingress.class`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// One Ingress, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
}

/// Without effect: this solver needs no route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Http01Gateway {
    /// Labels of the route.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
}

/// DNS-01: exactly one provider is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Dns01 {
    /// `None` (default): the record is written at its own name; `Follow`: where a CNAME leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["None", "Follow"]))]
    pub cname_strategy: Option<String>,
    /// Dynamic update of a name server (RFC 2136).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rfc2136: Option<Rfc2136>,
    /// Cloudflare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudflare: Option<Cloudflare>,
    /// Amazon Route 53.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route53: Option<Route53>,
    /// Google Cloud DNS.
    #[serde(rename = "cloudDNS", skip_serializing_if = "Option::is_none")]
    pub cloud_dns: Option<CloudDns>,
    /// Azure DNS.
    #[serde(rename = "azureDNS", skip_serializing_if = "Option::is_none")]
    pub azure_dns: Option<AzureDns>,
    /// DigitalOcean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digitalocean: Option<DigitalOcean>,
    /// Akamai Edge DNS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub akamai: Option<Akamai>,
    /// An acme-dns server.
    #[serde(rename = "acmeDNS", skip_serializing_if = "Option::is_none")]
    pub acme_dns: Option<AcmeDns>,
    /// A provider behind an aggregated API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// Dynamic update (RFC 2136), signed by TSIG (RFC 8945) if a key is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["nameserver"]))]
pub struct Rfc2136 {
    /// `host[:port]`, an IPv6 address in brackets; port 53 if none.
    pub nameserver: String,
    /// Name of the TSIG key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tsig_key_name: String,
    /// The TSIG key, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsig_secret_secret_ref: Option<SecretKeySelector>,
    /// `HMACMD5` (default), `HMACSHA1`, `HMACSHA256` or `HMACSHA512`, in any case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tsig_algorithm: String,
    /// `UDP` (default) or `TCP`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
}

/// Cloudflare: a token, or an e-mail address with a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Cloudflare {
    /// Of the account, for `apiKeySecretRef`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Global key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<SecretKeySelector>,
    /// Token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_token_secret_ref: Option<SecretKeySelector>,
}

/// Amazon Route 53.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Route53 {
    /// Region for the signature.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// Role to assume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Zone; found by name if none.
    #[serde(rename = "hostedZoneID", skip_serializing_if = "String::is_empty")]
    pub hosted_zone_id: String,
    /// Access key, in the clear.
    #[serde(rename = "accessKeyID", skip_serializing_if = "String::is_empty")]
    pub access_key_id: String,
    /// Access key, in a Secret.
    #[serde(rename = "accessKeyIDSecretRef", skip_serializing_if = "Option::is_none")]
    pub access_key_id_secret_ref: Option<SecretKeySelector>,
    /// Secret key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key_secret_ref: Option<SecretKeySelector>,
}

/// Google Cloud DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["project"]))]
pub struct CloudDns {
    /// Project of the zone.
    pub project: String,
    /// Service account key, JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_secret_ref: Option<SecretKeySelector>,
    /// Zone; found by name if none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hosted_zone_name: String,
}

/// Azure DNS: a service principal or a managed identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["subscriptionID", "resourceGroupName"]))]
pub struct AzureDns {
    /// Subscription of the zone.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: String,
    /// Resource group of the zone.
    pub resource_group_name: String,
    /// Zone; found by name if none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hosted_zone_name: String,
    /// Cloud; `AzurePublicCloud` if none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// `AzurePublicZone` or `AzurePrivateZone`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone_type: String,
    /// Service principal.
    #[serde(rename = "clientID", skip_serializing_if = "String::is_empty")]
    pub client_id: String,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_secret_ref: Option<SecretKeySelector>,
    /// Its tenant.
    #[serde(rename = "tenantID", skip_serializing_if = "String::is_empty")]
    pub tenant_id: String,
    /// Managed identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<ManagedIdentity>,
}

/// A managed identity of Azure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManagedIdentity {
    /// By client.
    #[serde(rename = "clientID", skip_serializing_if = "String::is_empty")]
    pub client_id: String,
    /// By resource.
    #[serde(rename = "resourceID", skip_serializing_if = "String::is_empty")]
    pub resource_id: String,
    /// Its tenant.
    #[serde(rename = "tenantID", skip_serializing_if = "String::is_empty")]
    pub tenant_id: String,
}

/// DigitalOcean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["tokenSecretRef"]))]
pub struct DigitalOcean {
    /// Token.
    pub token_secret_ref: SecretKeySelector,
}

/// Akamai Edge DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = [
    "serviceConsumerDomain", "clientTokenSecretRef", "clientSecretSecretRef", "accessTokenSecretRef"
]))]
pub struct Akamai {
    /// Host of the API.
    pub service_consumer_domain: String,
    /// Client token.
    pub client_token_secret_ref: SecretKeySelector,
    /// Client secret.
    pub client_secret_secret_ref: SecretKeySelector,
    /// Access token.
    pub access_token_secret_ref: SecretKeySelector,
}

/// An acme-dns server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["host", "accountSecretRef"]))]
pub struct AcmeDns {
    /// Its URL.
    pub host: String,
    /// Accounts as JSON, by name.
    pub account_secret_ref: SecretKeySelector,
}

/// A provider behind an aggregated API of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["groupName", "solverName"]))]
pub struct Webhook {
    /// API group.
    pub group_name: String,
    /// Solver in it.
    pub solver_name: String,
    /// Whatever the solver takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::anything")]
    pub config: Option<serde_json::Value>,
}
