//! The acme issuer answers a request with an Order.

use std::collections::BTreeSet;

use jamul_api::acme::{Order, OrderSpec};
use jamul_api::core::ObjectMeta;
use jamul_api::issuer::AcmeIssuer;
use jamul_api::{CertificateRequest, Object};
use jamul_pki::{Csr, San};

use crate::fnv;
use crate::note::Note;

/// The Order for a request: its name follows from the request and its names, so that a crash never orders
/// twice.
///
/// # Errors
/// The request cannot be read, or its common name is not among its names.
pub fn order_for(request: &CertificateRequest, issuer: &AcmeIssuer) -> Result<Order, Note> {
    let csr = Csr::from_pem(&String::from_utf8_lossy(&request.spec.request.0))
        .map_err(|error| Note::warning("RequestParsingError", error.to_string()))?;
    let (mut dns, mut ips) = (BTreeSet::new(), BTreeSet::new());
    for san in csr.sans() {
        match san {
            San::Dns(name) => _ = dns.insert(name.to_ascii_lowercase()),
            San::Ip(address) => _ = ips.insert(address.to_string()),
            San::Uri(_) | San::Email(_) | San::Other { .. } => {
                let message =
                    "the request has URIs, e-mail addresses or other names; expected DNS names and IPs only";
                return Err(Note::warning("InvalidOrder", message));
            }
        }
    }
    let common_name = csr.subject().common_name.clone().unwrap_or_default().to_ascii_lowercase();
    if !common_name.is_empty() && !dns.contains(&common_name) && !ips.contains(&common_name) {
        let message = format!(
            "The CSR PEM requests a commonName that is not present in the list of names: {common_name:?}"
        );
        return Err(Note::warning("InvalidOrder", message));
    }
    let spec = OrderSpec {
        request: request.spec.request.clone(),
        issuer_ref: request.spec.issuer_ref.clone(),
        common_name,
        dns_names: dns.into_iter().collect(),
        ip_addresses: ips.into_iter().collect(),
        duration: request.spec.duration.clone().filter(|_| issuer.enable_duration_feature),
        profile: issuer.profile.clone(),
    };
    let base: String = request.metadata.name.as_deref().unwrap_or_default().chars().take(52).collect();
    let name = format!(
        "{}-{}",
        base.trim_end_matches('-'),
        fnv::hash(&serde_json::to_string(&spec).unwrap_or_default())
    );
    Ok(Order {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: request.metadata.namespace.clone(),
            labels: request.metadata.labels.clone(),
            annotations: request.metadata.annotations.clone(),
            owner_references: Some(vec![request.owner_reference()]),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::testing::{certificate, key, request};

    #[test]
    fn an_order_has_each_name_once_in_lower_case_and_is_named_the_same_each_time() {
        let mut wanted = certificate(&["b.example", "A.example", "a.example"]);
        wanted.spec.ip_addresses = vec!["192.0.2.1".to_owned()];
        wanted.spec.duration = Some("144h".to_owned());
        let request = request(&wanted, &key());
        let order = order_for(&request, &AcmeIssuer::default()).unwrap();
        assert_eq!(order.spec.dns_names, ["a.example", "b.example"]);
        assert_eq!(order.spec.ip_addresses, ["192.0.2.1"]);
        assert_eq!(order.spec.duration, None, "only with enableDurationFeature");
        assert!(order.is_controlled_by(&request));
        assert_eq!(order_for(&request, &AcmeIssuer::default()).unwrap(), order);
        let with_duration = AcmeIssuer { enable_duration_feature: true, ..AcmeIssuer::default() };
        assert_eq!(order_for(&request, &with_duration).unwrap().spec.duration.as_deref(), Some("144h"));
    }

    #[test]
    fn what_acme_cannot_certify_is_refused() {
        let mut foreign = certificate(&["a.example"]);
        foreign.spec.common_name = "other.example".to_owned();
        let mut mail = certificate(&["a.example"]);
        mail.spec.email_addresses = vec!["me@a.example".to_owned()];
        for wanted in [foreign, mail] {
            let note = order_for(&request(&wanted, &key()), &AcmeIssuer::default()).unwrap_err();
            assert_eq!(note.reason, "InvalidOrder");
        }
        let mut upper = certificate(&["A.example"]);
        upper.spec.common_name = "A.example".to_owned();
        assert!(order_for(&request(&upper, &key()), &AcmeIssuer::default()).is_ok());
    }
}
