//! What the controller says about itself: configuration, certificates, leadership, Ingresses that lead nowhere.

use std::collections::BTreeSet;

use jamul_proxy::metrics::families::{counter, family, gauge, label};
use jamul_routing::CertEntry;
use prometheus::proto::{LabelPair, MetricFamily, MetricType};

use super::certificates::Facts;
use super::speaker::Speaker;
use crate::admin::state::AdminState;

/// All but those of certificates.
pub(super) fn families(state: &AdminState) -> Vec<MetricFamily> {
    let published = *state.live.published.borrow();
    let generation = state.live.snapshot.load().generation;
    let build = vec![
        label("build", ""),
        label("release", env!("CARGO_PKG_VERSION")),
        label("repository", env!("CARGO_PKG_REPOSITORY")),
    ];
    let now = |name, help, value| family(name, help, MetricType::GAUGE, vec![gauge(Vec::new(), value)]);
    let total = |name, help, value| family(name, help, MetricType::COUNTER, vec![counter(Vec::new(), value)]);
    let claim = |is_so: bool| f64::from(u8::from(is_so));
    let leader = gauge(vec![label("name", &state.speaker.lease)], claim(*state.leads.borrow()));
    let families = [
        family(
            "build_info",
            "A metric with a constant '1' labeled with information about the build.",
            MetricType::GAUGE,
            vec![gauge(build, 1.0)],
        ),
        now("config_hash", "Running configuration hash actually running", generation as f64),
        now(
            "config_last_reload_successful",
            "Whether the last configuration reload attempt was successful",
            claim(published > 0),
        ),
        now(
            "config_last_reload_successful_timestamp_seconds",
            "Timestamp of the last successful configuration reload.",
            state.reloads.last() as f64,
        ),
        total("success", "Cumulative number of Ingress controller reload operations", published as f64),
        total("errors", "Cumulative number of Ingress controller errors during reload operations", 0.0),
        family(
            "leader_election_status",
            "Gauge reporting status of the leader election, 0 indicates follower, 1 indicates leader. 'name' is \
             the string used to identify the lease",
            MetricType::GAUGE,
            vec![leader],
        ),
    ];
    families.into_iter().chain(orphans(state)).collect()
}

/// Ingresses that name a Service that is not there, or that has nobody behind it.
fn orphans(state: &AdminState) -> Option<MetricFamily> {
    let found = state.live.diagnostics();
    let orphans: BTreeSet<(&str, &str)> = found
        .iter()
        .filter_map(|found| {
            let kind = match found.reason {
                "ServiceMissing" => "no-service",
                "NoEndpoints" => "no-endpoint",
                _ => return None,
            };
            Some((found.object.strip_prefix("Ingress ")?, kind))
        })
        .collect();
    let metrics = orphans.into_iter().filter_map(|(key, kind)| {
        let (namespace, name) = key.split_once('/')?;
        Some(gauge(vec![label("ingress", name), label("namespace", namespace), label("type", kind)], 1.0))
    });
    let help = "Gauge reporting status of ingress orphanity, 1 indicates orphaned ingress. 'namespace' is the \
                string used to identify namespace of ingress, 'ingress' for ingress name and 'type' for \
                'no-service' or 'no-endpoint' of orphanity";
    let metrics: Vec<_> = metrics.collect();
    (!metrics.is_empty()).then(|| family("orphan_ingress", help, MetricType::GAUGE, metrics))
}

/// When certificates end and what they are; without the constant labels, as in ingress-nginx.
pub(super) fn certificate_families(state: &AdminState) -> Vec<MetricFamily> {
    let snapshot = state.live.snapshot.load();
    let (mut ends, mut infos) = (Vec::new(), Vec::new());
    for (host, entry, facts) in state.certificates.of(&snapshot) {
        let labels = labels(&state.speaker, &host, &entry, &facts);
        ends.push(gauge(labels.clone(), entry.not_after as f64));
        let more = [
            label("issuer_common_name", &facts.common_name),
            label("issuer_organization", &facts.organization),
            label("public_key_algorithm", facts.algorithm),
            label("serial_number", &facts.serial),
        ];
        infos.push(gauge(labels.into_iter().chain(more).collect(), 1.0));
    }
    let help = "Number of seconds since 1970 to the SSL Certificate expire. An example to check if this certificate \
                will expire in 10 days is: \"nginx_ingress_controller_ssl_expire_time_seconds < (time() + (10 * 24 * \
                3600))\"";
    let families = [
        family("ssl_expire_time_seconds", help, MetricType::GAUGE, ends),
        family(
            "ssl_certificate_info",
            "Hold all labels associated to a certificate",
            MetricType::GAUGE,
            infos,
        ),
    ];
    families.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}

fn labels(speaker: &Speaker, host: &str, entry: &CertEntry, facts: &Facts) -> Vec<LabelPair> {
    let (namespace, name) = entry.source.split_once('/').unwrap_or_default();
    vec![
        label("class", &speaker.class),
        label("host", host),
        label("identifier", &facts.identifier),
        label("namespace", namespace),
        label("secret_name", name),
    ]
}
