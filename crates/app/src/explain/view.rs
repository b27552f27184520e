//! What an explanation says, as data: the JSON of `/api/explain` and of `-o json`.

use jamul_proxy::EndpointHealths;
use jamul_routing::explain::Loser;
use jamul_routing::{Host, Route, Snapshot};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admin::api::{self, EndpointView};

/// Who answers a URL, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// As it was read.
    pub(crate) url: String,
    /// In one sentence.
    pub(crate) answer: String,
    /// The host pattern whose rules were searched.
    pub(crate) host: Option<String>,
    /// The path that rules are compared with: decoded, without `//`, `.` and `..`.
    pub(crate) path: String,
    /// The rule that answers.
    pub(crate) route: Option<RouteView>,
    /// What a TLS client is shown; `null` for http.
    pub(crate) certificate: Option<CertificateView>,
    /// In the order in which they see the request.
    pub(crate) filters: Vec<FilterView>,
    /// Of the winner's Ingress, those that are honoured.
    pub(crate) annotations: Vec<AnnotationView>,
    /// Rules that did not get the request, the nearest first.
    pub(crate) losers: Vec<LoserView>,
    /// What is wrong with the Ingresses above.
    pub(crate) diagnostics: Vec<String>,
}

/// A rule with its backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteView {
    pub(crate) path: String,
    pub(crate) path_type: String,
    pub(crate) ingress: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) endpoints: Vec<EndpointView>,
    /// Largest request body in bytes; `null` = unlimited.
    pub(crate) body_limit: Option<u64>,
    /// Seconds until connected, between two writes, between two reads.
    pub(crate) timeouts: [f64; 3],
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateView {
    /// `namespace/name` of its Secret; `null` for the default certificate.
    pub(crate) secret: Option<String>,
    pub(crate) not_after: Option<String>,
}

/// A stage of the request's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FilterView {
    pub(crate) name: String,
    pub(crate) effect: String,
}

/// An annotation with its value and what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnnotationView {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) effect: String,
}

/// A rule that did not get the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoserView {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) path_type: String,
    pub(crate) ingress: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) why: String,
}

impl RouteView {
    pub(super) fn of(route: &Route, snapshot: &Snapshot, healths: &EndpointHealths) -> Self {
        let timeouts = &route.timeouts;
        Self {
            path: route.path.text().to_owned(),
            path_type: route.path.kind().to_owned(),
            ingress: api::ingress(&route.origin),
            service: api::service(&route.origin),
            endpoints: api::endpoints(route, snapshot, healths),
            body_limit: route.body_limit,
            timeouts: [timeouts.connect, timeouts.send, timeouts.read].map(|wait| wait.as_secs_f64()),
        }
    }
}

impl CertificateView {
    /// What clients that ask for `host` are shown.
    pub(super) fn of(host: &Host, snapshot: &Snapshot) -> Self {
        let own = snapshot.certs.own(host);
        let not_after = |seconds| Timestamp::from_second(seconds).ok().map(|time| time.to_string());
        Self {
            secret: own.map(|entry| entry.source.to_string()),
            not_after: own.or(snapshot.certs.find(None)).and_then(|entry| not_after(entry.not_after)),
        }
    }
}

impl LoserView {
    pub(super) fn of(loser: &Loser<'_>) -> Self {
        Self {
            host: loser.host.to_string(),
            path: loser.path.to_owned(),
            path_type: loser.path_type.to_owned(),
            ingress: api::ingress(loser.origin),
            service: api::service(loser.origin),
            why: loser.why.to_string(),
        }
    }
}
