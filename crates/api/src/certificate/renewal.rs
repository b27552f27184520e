//! When to renew: the windows that a user allows, and what an ACME server says (RFC 9773).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::Time;
use crate::schema;

/// One of `spec.renewal.windows`: renewals by time begin in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["cron", "windowDuration"]))]
pub struct RenewalWindow {
    /// When windows begin: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// How long each is open, a Go duration.
    pub window_duration: String,
    /// IANA name of the time zone of `cron`; default UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timezone: String,
}

/// `status.acme`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateAcmeStatus {
    /// Renewal information; none where the server gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ari: Option<RenewalInfoStatus>,
}

/// `status.acme.ari`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RenewalInfoStatus {
    /// When the server would have the certificate renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_window: Option<SuggestedWindow>,
    /// Where people read why.
    #[serde(rename = "explanationURL", skip_serializing_if = "String::is_empty")]
    pub explanation_url: String,
    /// When the server answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub last_checked: Option<Time>,
    /// When it is asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::date_time")]
    pub next_check: Option<Time>,
    /// Why the last question got no answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
}

/// `status.acme.ari.suggestedWindow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuggestedWindow {
    /// The first instant.
    #[schemars(schema_with = "schema::date_time")]
    pub start: Time,
    /// The last instant.
    #[schemars(schema_with = "schema::date_time")]
    pub end: Time,
}
