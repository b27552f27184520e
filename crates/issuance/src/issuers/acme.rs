//! The acme issuer answers a request with an Order.

use std::collections::BTreeSet;

use jamul_api::acme::{Order, OrderSpec};
use jamul_api::core::ObjectMeta;
use jamul_api::issuer::AcmeIssuer;
use jamul_api::{CertificateRequest, Object};
use jamul_pki::{Csr, San};

use crate::note::Note;

/// The Order for a request: its name follows from the request and its names, so that a crash never orders twice.
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
            San::Uri(_) | San::Email(_) => {
                let message = "the request has URIs or e-mail addresses; expected only DNS names and IP addresses for ACME";
                return Err(Note::warning("InvalidOrder", message));
            }
        }
    }
    let common_name = csr.subject().common_name.clone().unwrap_or_default();
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
    let name = format!("{}-{}", base.trim_end_matches('-'), hash(&spec));
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

/// FNV-1 (32 bit) over the spec, as cert-manager names Orders.
fn hash(spec: &OrderSpec) -> u32 {
    let text = serde_json::to_string(spec).unwrap_or_default();
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte))
}
