//! What the controller says about itself: configuration, certificates, leadership, Ingresses that lead nowhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jamul_pki::{Certificate, KeyAlgorithm};
use jamul_proxy::metrics::families::{counter, family, gauge, label};
use jamul_routing::{CertEntry, HostPattern, Snapshot};
use prometheus::proto::{LabelPair, MetricFamily, MetricType};

use super::Speaker;
use crate::admin::state::AdminState;

/// What was read of certificates, by fingerprint, so that a scrape reads each once.
#[derive(Debug, Default)]
pub(crate) struct Certificates(Mutex<HashMap<[u8; 32], Arc<Facts>>>);

/// What the labels say of a certificate.
#[derive(Debug, Default)]
struct Facts {
    identifier: String,
    organization: String,
    common_name: String,
    serial: String,
    algorithm: &'static str,
}

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

impl Certificates {
    /// Every certificate of `snapshot` with its host; forgets others.
    fn of(&self, snapshot: &Snapshot) -> Vec<(String, Arc<CertEntry>, Arc<Facts>)> {
        let default = snapshot.certs.find(None).map(|entry| (&HostPattern::Any, entry));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut still = HashMap::new();
        let listed = snapshot.certs.iter().chain(default).map(|(pattern, entry)| {
            let read = || known.remove(&entry.fingerprint).unwrap_or_else(|| Arc::new(Facts::of(entry)));
            let facts = Arc::clone(still.entry(entry.fingerprint).or_insert_with(read));
            // ingress-nginx's name of the server for everybody else.
            let host = if *pattern == HostPattern::Any { "_".to_owned() } else { pattern.to_string() };
            (host, Arc::clone(entry), facts)
        });
        let listed = listed.collect();
        *known = still;
        listed
    }
}

impl Facts {
    fn of(entry: &CertEntry) -> Self {
        let Some(leaf) = entry.chain.first().and_then(|der| Certificate::from_der(der).ok()) else {
            return Self::default();
        };
        let serial = decimal(leaf.serial());
        let issuer = leaf.issuer();
        Self {
            identifier: format!("{}-{serial}", issuer.serial_number.as_deref().unwrap_or_default()),
            organization: issuer.organizations.first().cloned().unwrap_or_default(),
            common_name: leaf.issuer_common_name().unwrap_or_default().to_owned(),
            serial,
            // As Go writes them.
            algorithm: match leaf.public_key().algorithm() {
                KeyAlgorithm::Rsa { bits: _ } => "RSA",
                KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => "ECDSA",
                KeyAlgorithm::Ed25519 => "Ed25519",
            },
        }
    }
}

/// A big-endian number in decimal digits.
fn decimal(bytes: &[u8]) -> String {
    // Nine digits each, the lowest first.
    let mut limbs: Vec<u32> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            let value = u64::from(*limb) * 256 + carry;
            *limb = u32::try_from(value % LIMB).unwrap_or_default();
            carry = value / LIMB;
        }
        if carry > 0 {
            limbs.push(u32::try_from(carry).unwrap_or_default());
        }
    }
    let mut digits = limbs.pop().unwrap_or_default().to_string();
    digits.extend(limbs.iter().rev().map(|limb| format!("{limb:09}")));
    digits
}

const LIMB: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_written_in_decimal_digits() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0, 255]), "255");
        assert_eq!(decimal(&[0x3b, 0x9a, 0xca, 0x00]), "1000000000");
        assert_eq!(decimal(&[0xff; 16]), u128::MAX.to_string());
        assert_eq!(decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), (1_u128 << 64).to_string());
    }
}
