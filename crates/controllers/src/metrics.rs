//! cert-manager's metrics, by its names and labels: what dashboards and alerts of its users ask for. What it has none
//! for is told under names of our own.

mod acme_requests;
mod objects;

use std::sync::Arc;

use jamul_api::certificate::CertificateStatus;
use jamul_api::condition;
use jamul_api::{Certificate, Challenge, ClusterIssuer, Issuer};
use jamul_store::Store;
use jiff::Timestamp;
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Error, Gauge, Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

use acme_requests::AcmeRequests;
pub(crate) use acme_requests::CountedTransport;
use objects::seconds;

/// Upper bounds of the time to issue, in seconds: from a CA of our own to a DNS that spreads slowly.
const TIMES_TO_ISSUE: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

/// Counts the work of the loops, and tells the state of the objects when asked.
#[derive(Debug)]
pub struct ControllerMetrics {
    calls: IntCounterVec,
    errors: IntCounterVec,
    issuances: IntCounterVec,
    time_to_issue: Histogram,
    acme: Arc<AcmeRequests>,
}

impl ControllerMetrics {
    /// All at zero.
    ///
    /// # Errors
    /// A name that Prometheus does not take.
    pub fn new() -> Result<Self, Error> {
        let counter = |name, help, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let issuances = counter(
            "jamul_certificate_issuances_total",
            "Issuances that came to their end, by what it was: issued or failed.",
            "result",
        )?;
        for result in ["issued", "failed"] {
            issuances.with_label_values(&[result]).inc_by(0);
        }
        let times = HistogramOpts::new(
            "jamul_certificate_time_to_issue_seconds",
            "From the condition Issuing to the certificate in its Secret.",
        );
        Ok(Self {
            calls: counter(
                "certmanager_controller_sync_call_count",
                "The number of sync() calls made by a controller.",
                "controller",
            )?,
            errors: counter(
                "certmanager_controller_sync_error_count",
                "The number of errors encountered during controller sync().",
                "controller",
            )?,
            issuances,
            time_to_issue: Histogram::with_opts(times.buckets(TIMES_TO_ISSUE.to_vec()))?,
            acme: Arc::new(AcmeRequests::new()?),
        })
    }

    /// A loop begins to work on a key.
    pub(crate) fn called(&self, controller: &str) {
        self.calls.with_label_values(&[controller]).inc();
    }

    /// It did not go well.
    pub(crate) fn failed(&self, controller: &str) {
        self.errors.with_label_values(&[controller]).inc();
    }

    /// A Certificate's status changes: an issuance may have come to its end.
    pub(crate) fn moved(
        &self,
        before: Option<&CertificateStatus>,
        after: &CertificateStatus,
        now: Timestamp,
    ) {
        let revision = before.and_then(|status| status.revision).unwrap_or(0);
        if after.revision.unwrap_or(0) > revision {
            self.issuances.with_label_values(&["issued"]).inc();
            let issuing = before.and_then(|status| condition::find(&status.conditions, "Issuing"));
            let began = issuing.filter(|issuing| issuing.is_true());
            if let Some(began) = began.and_then(|issuing| issuing.last_transition_time.as_ref()) {
                self.time_to_issue.observe(now.duration_since(began.0).as_secs_f64().max(0.0));
            }
        }
        let failures = |status: &CertificateStatus| status.failed_issuance_attempts.unwrap_or(0);
        if failures(after) > before.map_or(0, failures) {
            self.issuances.with_label_values(&["failed"]).inc();
        }
    }

    /// All families, of what `store` holds now.
    ///
    /// # Errors
    /// A name that Prometheus does not take, or one that occurs twice.
    pub fn gather(&self, store: &Store, now: Timestamp) -> Result<Vec<MetricFamily>, Error> {
        let registry = Registry::new();
        registry.register(Box::new(self.calls.clone()))?;
        registry.register(Box::new(self.errors.clone()))?;
        registry.register(Box::new(self.issuances.clone()))?;
        registry.register(Box::new(self.time_to_issue.clone()))?;
        registry.register(self.acme.counts())?;
        let clock = Counter::new(
            "certmanager_clock_time_seconds",
            "DEPRECATED: use clock_time_seconds_gauge instead. The clock time given in seconds (from \
             1970/01/01 UTC).",
        )?;
        clock.inc_by(seconds(now));
        registry.register(Box::new(clock))?;
        let clock = Gauge::new(
            "certmanager_clock_time_seconds_gauge",
            "The clock time given in seconds (from 1970/01/01 UTC).",
        )?;
        clock.set(seconds(now));
        registry.register(Box::new(clock))?;
        for collector in objects::certificates(&store.list::<Certificate>())? {
            registry.register(collector)?;
        }
        registry.register(objects::issuers(&store.list::<Issuer>())?)?;
        registry.register(objects::cluster_issuers(&store.list::<ClusterIssuer>())?)?;
        registry.register(objects::challenges(&store.list::<Challenge>())?)?;
        let mut families = registry.gather();
        families.extend(self.acme.durations());
        Ok(families)
    }

    /// Of requests to ACME servers.
    pub(crate) fn acme(&self) -> Arc<AcmeRequests> {
        Arc::clone(&self.acme)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use jamul_api::Object as _;
    use jamul_api::condition::Condition;
    use jamul_api::core::Time;
    use jamul_store::{Clock, Memory};
    use prometheus::TextEncoder;

    use super::*;

    #[tokio::test]
    async fn a_certificate_is_told_as_cert_manager_tells_it() {
        let store = Store::Memory(Memory::new(Clock::new(|| Timestamp::UNIX_EPOCH)));
        let mut certificate = Certificate::default();
        certificate.metadata.name = Some("web".to_owned());
        certificate.metadata.namespace = Some("shop".to_owned());
        certificate.spec.issuer_ref.name = "ca".to_owned();
        store.apply(certificate.clone()).await.unwrap();
        let status = certificate.status.get_or_insert_default();
        status.conditions.push(Condition::new("Ready", true, "Ready", ""));
        status.not_after = Some(Time(Timestamp::from_second(1_800_000_000).unwrap()));
        store.set_status(&certificate).await.unwrap();
        let metrics = ControllerMetrics::new().unwrap();
        metrics.called("certificates");
        let families = metrics.gather(&store, Timestamp::from_second(7).unwrap()).unwrap();
        let text = TextEncoder::new().encode_to_string(&families).unwrap();
        let labels = r#"issuer_group="cert-manager.io",issuer_kind="Issuer",issuer_name="ca",name="web",namespace="shop""#;
        for line in [
            format!(r#"certmanager_certificate_ready_status{{condition="True",{labels}}} 1"#),
            format!(r#"certmanager_certificate_ready_status{{condition="Unknown",{labels}}} 0"#),
            format!("certmanager_certificate_expiration_timestamp_seconds{{{labels}}} 1800000000"),
            format!("certmanager_certificate_renewal_timestamp_seconds{{{labels}}} 0"),
            r#"certmanager_controller_sync_call_count{controller="certificates"} 1"#.to_owned(),
            "certmanager_clock_time_seconds 7".to_owned(),
            "certmanager_clock_time_seconds_gauge 7".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    fn status(issuing: Option<bool>, at: i64) -> CertificateStatus {
        let mut status = CertificateStatus::default();
        if let Some(issuing) = issuing {
            let at = Time(Timestamp::from_second(at).unwrap());
            condition::set(&mut status.conditions, Condition::new("Issuing", issuing, "Renewing", ""), &at);
        }
        status
    }

    #[test]
    fn the_time_to_issue_is_counted_once_for_each_revision() {
        let metrics = ControllerMetrics::new().unwrap();
        let begun = status(Some(true), 100);
        let issued = CertificateStatus { revision: Some(1), ..status(None, 0) };
        let failed = CertificateStatus { failed_issuance_attempts: Some(1), ..status(Some(false), 100) };
        let now = Timestamp::from_second(104).unwrap();
        metrics.moved(None, &begun, now);
        metrics.moved(Some(&begun), &issued, now);
        metrics.moved(Some(&issued), &issued, now);
        metrics.moved(Some(&begun), &failed, now);
        assert_eq!(metrics.time_to_issue.get_sample_count(), 1);
        assert!((metrics.time_to_issue.get_sample_sum() - 4.0).abs() < 1e-9);
        let count = |result: &str| metrics.issuances.with_label_values(&[result]).get();
        assert_eq!((count("issued"), count("failed")), (1, 1));
    }

    #[tokio::test]
    async fn a_challenge_has_one_series_for_each_state_and_one_of_them_is_its_own() {
        let store = Store::Memory(Memory::new(Clock::new(|| Timestamp::UNIX_EPOCH)));
        let mut challenge = Challenge::default();
        challenge.metadata.name = Some("web-1".to_owned());
        challenge.metadata.namespace = Some("shop".to_owned());
        challenge.spec.dns_name = "web.example".to_owned();
        challenge.spec.type_ = "HTTP-01".to_owned();
        store.apply(challenge.clone()).await.unwrap();
        challenge.status.state = Some(jamul_api::acme::State::Pending);
        challenge.status.processing = true;
        store.set_status(&challenge).await.unwrap();
        assert_eq!(challenge.key().name, "web-1");
        let families = ControllerMetrics::new().unwrap().gather(&store, Timestamp::UNIX_EPOCH).unwrap();
        let text = TextEncoder::new().encode_to_string(&families).unwrap();
        let found: Vec<&str> = text.lines().filter(|line| line.contains("challenge_status{")).collect();
        assert_eq!(found.len(), 8, "{text}");
        let labels = r#"domain="web.example",name="web-1",namespace="shop",processing="true",reason="",status="pending",type="HTTP-01""#;
        let own = format!("certmanager_certificate_challenge_status{{{labels}}} 1");
        assert_eq!(found.iter().filter(|line| line.ends_with(" 1")).collect::<Vec<_>>(), [&own.as_str()]);
    }
}
