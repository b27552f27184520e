//! What is wrong with a Certificate's spec: the checks of cert-manager's webhook, with its words, and the way out.
//!
//! On a folder nobody refuses an object before it is there; so the same list ends an issuance before anybody is
//! asked for a certificate.

mod found;
mod outputs;
mod times;

use jamul_api::certificate::{CertificateSpec, X509Subject};
use jamul_api::issuer::IssuerRef;
use jamul_api::names::CERT_MANAGER_GROUP;

use found::Found;
pub use found::Problem;

use crate::keys;

/// RFC 5280 appendix A.1, ub-common-name.
const LONGEST_COMMON_NAME: usize = 64;

/// All that is wrong with a spec, in the order of its fields.
#[must_use]
pub fn certificate(spec: &CertificateSpec) -> Vec<Problem> {
    let mut found = Found::default();
    target(&mut found, spec);
    names(&mut found, spec);
    subject(&mut found, spec);
    times::times(&mut found, spec);
    times::renewal(&mut found, spec.renewal.as_ref());
    key(&mut found, spec);
    constraints(&mut found, spec);
    outputs::template(&mut found, spec.secret_template.as_ref());
    outputs::outputs(&mut found, spec);
    found.0
}

fn target(found: &mut Found, spec: &CertificateSpec) {
    if spec.secret_name.is_empty() {
        found.add("spec.secretName", "Required value: must be specified");
    } else if !is_subdomain(&spec.secret_name) {
        let message = "expected lower case letters, digits, \"-\" and \".\", as Secrets are named";
        found.add("spec.secretName", format!("Invalid value: {:?}: {message}", spec.secret_name));
    }
    issuer(found, "spec.issuerRef", &spec.issuer_ref);
    if spec.revision_history_limit.is_some_and(|limit| limit < 1) {
        let limit = spec.revision_history_limit.unwrap_or_default();
        found.add("spec.revisionHistoryLimit", format!("Invalid value: {limit}: must not be less than 1"));
    }
}

fn issuer(found: &mut Found, field: &str, issuer: &IssuerRef) {
    if issuer.name.is_empty() {
        found.add(format!("{field}.name"), "Required value: must be specified");
    }
    if issuer.group() == CERT_MANAGER_GROUP && !["Issuer", "ClusterIssuer"].contains(&issuer.kind()) {
        let hint = "must be one of Issuer or ClusterIssuer (an issuer of another kind needs its group too)";
        found.add(format!("{field}.kind"), format!("Invalid value: {:?}: {hint}", issuer.kind));
    }
}

fn names(found: &mut Found, spec: &CertificateSpec) {
    let has_name = !spec.common_name.is_empty()
        || keys::literal_common_name(spec).is_some()
        || [&spec.dns_names, &spec.ip_addresses, &spec.uris, &spec.email_addresses]
            .iter()
            .any(|names| !names.is_empty())
        || !spec.other_names.is_empty();
    if !has_name {
        let message = "at least one of commonName (from the commonName field or from a literalSubject), \
                       dnsNames, uris, ipAddresses, emailAddresses or otherNames must be set";
        found.add("spec", format!("Invalid value: \"\": {message}"));
    }
    if spec.common_name.len() > LONGEST_COMMON_NAME {
        let message = format!("must have at most {LONGEST_COMMON_NAME} bytes; dnsNames may be longer");
        found.add("spec.commonName", format!("Too long: {:?}: {message}", spec.common_name));
    }
    for (index, address) in spec.ip_addresses.iter().enumerate() {
        if address.parse::<std::net::IpAddr>().is_err() {
            let message = format!("Invalid value: {address:?}: invalid IP address");
            found.add(format!("spec.ipAddresses[{index}]"), message);
        }
    }
    for (index, address) in spec.email_addresses.iter().enumerate() {
        if !is_mailbox(address) {
            let message =
                format!("Invalid value: {address:?}: expected a bare address such as me@example.com");
            found.add(format!("spec.emailAddresses[{index}]"), message);
        }
    }
    for (index, other) in spec.other_names.iter().enumerate() {
        if !jamul_pki::is_oid(&other.oid) {
            let message = format!("Invalid value: {:?}: oid syntax invalid", other.oid);
            found.add(format!("spec.otherNames[{index}].oid"), message);
        }
        if other.utf8_value.is_empty() {
            let message = "Required value: must be set to a valid non-empty UTF8 string";
            found.add(format!("spec.otherNames[{index}].utf8Value"), message);
        }
    }
}

fn subject(found: &mut Found, spec: &CertificateSpec) {
    if spec.literal_subject.is_empty() {
        return;
    }
    if !spec.common_name.is_empty() || spec.subject.as_ref().is_some_and(|s| *s != X509Subject::default()) {
        let message = "Invalid value: when providing a literalSubject, commonName and subject must be empty";
        found.add("spec.literalSubject", message);
    }
    if let Err(error) = keys::literal(spec) {
        found.add("spec.literalSubject", error);
    }
}

fn key(found: &mut Found, spec: &CertificateSpec) {
    let options = spec.private_key.clone().unwrap_or_default();
    match keys::algorithm(spec) {
        Err((field, message)) => found.add(field, message),
        Ok(algorithm) => {
            if let Err(message) = keys::signature_algorithm(spec, algorithm) {
                found.add("spec.signatureAlgorithm", message);
            }
        }
    }
    for (field, value, expected) in [
        ("spec.privateKey.encoding", &options.encoding, ["PKCS1", "PKCS8"]),
        ("spec.privateKey.rotationPolicy", &options.rotation_policy, ["Never", "Always"]),
    ] {
        if !value.is_empty() && !expected.contains(&value.as_str()) {
            let [one, two] = expected;
            found.add(field, format!("Unsupported value: {value:?}: supported values: {one:?}, {two:?}"));
        }
    }
    for (index, usage) in spec.usages.iter().enumerate() {
        if jamul_pki::Usage::parse(usage).is_err() {
            let message =
                format!("Invalid value: {usage:?}: unknown keyusage; expected such as \"server auth\"");
            found.add(format!("spec.usages[{index}]"), message);
        }
    }
}

fn constraints(found: &mut Found, spec: &CertificateSpec) {
    let Some(constraints) = &spec.name_constraints else { return };
    let field = "spec.nameConstraints";
    if !spec.is_ca {
        found.add(field, "Invalid value: isCA must be true when nameConstraints is set");
    }
    match keys::name_constraints(constraints) {
        Err(message) => found.add(field, message),
        Ok((permitted, excluded)) if permitted.is_empty() && excluded.is_empty() => {
            found.add(field, "Invalid value: either permitted or excluded must be set");
        }
        Ok(_) => {}
    }
}

/// RFC 1123, as Kubernetes names objects.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(is_inner)
        })
}

fn is_mailbox(address: &str) -> bool {
    let has_blank = address.chars().any(|c| c.is_whitespace() || "<>(),;:\"".contains(c));
    let halves = address.rsplit_once('@');
    !has_blank
        && halves.is_some_and(|(user, host)| !user.is_empty() && !user.contains('@') && !host.is_empty())
}

#[cfg(test)]
mod tests;
