//! What objects say about themselves, a gauge for each fact.

use std::sync::Arc;

use jamul_api::acme::State;
use jamul_api::condition::{self, Condition};
use jamul_api::core::Time;
use jamul_api::{Certificate, Challenge, ClusterIssuer, Issuer, Object};
use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{Error, GaugeVec, Opts};

/// What a condition may be; one series for each.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];
const CERTIFICATE: [&str; 5] = ["name", "namespace", "issuer_name", "issuer_kind", "issuer_group"];
/// What a challenge may be; `None` before the CA was asked.
const STATES: [Option<State>; 8] = [
    Some(State::Ready),
    Some(State::Valid),
    Some(State::Errored),
    Some(State::Expired),
    Some(State::Invalid),
    Some(State::Processing),
    Some(State::Pending),
    None,
];

pub(super) type Boxed = Box<dyn Collector>;

fn gauge(name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
    GaugeVec::new(Opts::new(name, help), labels)
}

pub(super) fn certificates(certificates: &[Arc<Certificate>]) -> Result<Vec<Boxed>, Error> {
    let [name, namespace, issuer_name, issuer_kind, issuer_group] = CERTIFICATE;
    let ready = gauge(
        "certmanager_certificate_ready_status",
        "The ready status of the certificate.",
        &[name, namespace, "condition", issuer_name, issuer_kind, issuer_group],
    )?;
    let times = [
        (
            "certmanager_certificate_expiration_timestamp_seconds",
            "The timestamp after which the certificate expires, expressed in Unix Epoch Time.",
        ),
        (
            "certmanager_certificate_not_after_timestamp_seconds",
            "The timestamp after which the certificate is invalid, expressed in Unix Epoch Time.",
        ),
        (
            "certmanager_certificate_not_before_timestamp_seconds",
            "The timestamp before which the certificate is invalid, expressed in Unix Epoch Time.",
        ),
        (
            "certmanager_certificate_renewal_timestamp_seconds",
            "The timestamp after which the certificate should be renewed, expressed in Unix Epoch Time.",
        ),
    ];
    let times = times.map(|(name, help)| gauge(name, help, &CERTIFICATE));
    let [expiration, not_after, not_before, renewal] = times;
    let (expiration, not_after, not_before, renewal) = (expiration?, not_after?, not_before?, renewal?);
    for certificate in certificates {
        let key = certificate.key();
        let issuer = &certificate.spec.issuer_ref;
        let (kind, group) = (issuer.kind(), issuer.group());
        let status = certificate.status.as_ref();
        let found = status.and_then(|status| condition::find(&status.conditions, "Ready"));
        for condition in STATUSES {
            let labels = [&key.name, &key.namespace, condition, &issuer.name, kind, group];
            ready.with_label_values(&labels).set(is(found, condition));
        }
        let labels = [&key.name, &key.namespace, issuer.name.as_str(), kind, group];
        let time = |time: Option<&Time>| time.map_or(0.0, |time| seconds(time.0));
        let end = time(status.and_then(|status| status.not_after.as_ref()));
        expiration.with_label_values(&labels).set(end);
        not_after.with_label_values(&labels).set(end);
        let begin = time(status.and_then(|status| status.not_before.as_ref()));
        not_before.with_label_values(&labels).set(begin);
        let planned = time(status.and_then(|status| status.renewal_time.as_ref()));
        renewal.with_label_values(&labels).set(planned);
    }
    Ok(vec![
        Box::new(ready),
        Box::new(expiration),
        Box::new(not_after),
        Box::new(not_before),
        Box::new(renewal),
    ])
}

pub(super) fn issuers(issuers: &[Arc<Issuer>]) -> Result<Boxed, Error> {
    let labels = ["name", "namespace", "condition"];
    let ready = gauge("certmanager_issuer_ready_status", "The ready status of the issuer.", &labels)?;
    for issuer in issuers {
        let key = issuer.key();
        let found = issuer.status.as_ref().and_then(|status| condition::find(&status.conditions, "Ready"));
        for condition in STATUSES {
            ready.with_label_values(&[&key.name, &key.namespace, condition]).set(is(found, condition));
        }
    }
    Ok(Box::new(ready))
}

pub(super) fn cluster_issuers(issuers: &[Arc<ClusterIssuer>]) -> Result<Boxed, Error> {
    let help = "The ready status of the cluster issuer.";
    let ready = gauge("certmanager_clusterissuer_ready_status", help, &["name", "condition"])?;
    for issuer in issuers {
        let found = issuer.status.as_ref().and_then(|status| condition::find(&status.conditions, "Ready"));
        for condition in STATUSES {
            ready.with_label_values(&[issuer.key().name.as_str(), condition]).set(is(found, condition));
        }
    }
    Ok(Box::new(ready))
}

pub(super) fn challenges(challenges: &[Arc<Challenge>]) -> Result<Boxed, Error> {
    let labels = ["status", "domain", "reason", "processing", "name", "namespace", "type"];
    let help = "The status of certificate challenges";
    let status = gauge("certmanager_certificate_challenge_status", help, &labels)?;
    for challenge in challenges {
        let key = challenge.key();
        let found = challenge.status.state;
        let processing = challenge.status.processing.to_string();
        let spec = &challenge.spec;
        let reason = &challenge.status.reason;
        for state in STATES {
            let name = state.map_or("", State::name);
            let values = [name, &spec.dns_name, reason, &processing, &key.name, &key.namespace, &spec.type_];
            status.with_label_values(&values).set(if state == found { 1.0 } else { 0.0 });
        }
    }
    Ok(Box::new(status))
}

/// 1 for the status that a condition has; one that is missing is Unknown.
fn is(found: Option<&Condition>, status: &str) -> f64 {
    let found = found.map_or("Unknown", |condition| condition.status.as_str());
    if found == status { 1.0 } else { 0.0 }
}

pub(super) fn seconds(at: Timestamp) -> f64 {
    // Whole seconds of this millennium are exact in 53 bits.
    at.as_second() as f64
}
