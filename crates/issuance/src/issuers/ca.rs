//! The ca issuer: signs with a key pair in a Secret.

use jamul_api::core::Secret;
use jamul_api::issuer::CaIssuer;
use jamul_api::{CertificateRequest, names};
use jamul_pki::{Authority, Certificate, CertificateTemplate, Csr, PrivateKey, Serial, Usage};
use jiff::{SignedDuration, Timestamp};

use crate::issuers::Outcome;
use crate::note::Note;
use crate::{duration, keys, secret};

/// cert-manager's default lifetime, where `spec.duration` is not set.
pub(crate) const DEFAULT_DURATION: SignedDuration = SignedDuration::from_hours(2160);

/// Reads the CA's chain and key.
///
/// # Errors
/// What is missing or wrong; the issuer is not ready.
pub fn key_pair(name: &str, secret: Option<&Secret>) -> Result<(Vec<Certificate>, PrivateKey), Note> {
    let refuse = |message: String| Note::warning("ErrInvalidKeyPair", message);
    let secret = secret.ok_or_else(|| {
        Note::warning(
            "ErrGetKeyPair",
            format!("Error getting keypair for CA issuer: Secret {name:?} not found"),
        )
    })?;
    let pem = secret.data.as_ref().and_then(|data| data.get(names::TLS_CRT));
    let pem = pem.ok_or_else(|| refuse(format!("Secret {name:?} has no {}", names::TLS_CRT)))?;
    let chain = Certificate::chain_from_pem(&String::from_utf8_lossy(&pem.0))
        .map_err(|error| refuse(format!("Secret {name:?}: {} cannot be read: {error}", names::TLS_CRT)))?;
    let key = secret::key(secret).ok_or_else(|| refuse(format!("Secret {name:?} has no private key")))?;
    let Some(ca) = chain.first() else { return Err(refuse(format!("Secret {name:?} holds no certificate"))) };
    if !ca.is_ca() {
        return Err(refuse(format!(
            "the certificate in Secret {name:?} is not a CA; expected basic constraints CA:TRUE"
        )));
    }
    if !may_sign(ca) {
        return Err(refuse(format!(
            "the certificate in Secret {name:?} may not sign certificates; expected key usage \"cert sign\""
        )));
    }
    if *ca.public_key() != key.public_key() {
        return Err(refuse(format!("the key in Secret {name:?} does not fit its certificate")));
    }
    Ok((chain, key))
}

/// Without a key usage extension a CA may do everything (RFC 5280 section 4.2.1.3).
fn may_sign(ca: &Certificate) -> bool {
    let usages = ca.usages();
    usages.contains(&Usage::CertSign) || !usages.iter().any(|usage| usage.is_key_usage())
}

/// Whether the issuer can sign now: [`key_pair`], and the CA has not ended.
///
/// # Errors
/// What is missing or wrong; the issuer is not ready.
pub fn verify(name: &str, secret: Option<&Secret>, now: Timestamp) -> Result<Timestamp, Note> {
    let (chain, _) = key_pair(name, secret)?;
    let ends = chain.first().map(Certificate::not_after).unwrap_or_default();
    if ends <= now {
        let message =
            format!("the CA certificate in Secret {name:?} ended at {ends}; expected one that is valid");
        return Err(Note::warning("ErrInvalidKeyPair", message));
    }
    Ok(ends)
}

/// Signs `request` with the key pair in `ca_secret`; never beyond the CA's own end.
#[must_use]
pub fn sign(
    request: &CertificateRequest,
    issuer: &CaIssuer,
    ca_secret: Option<&Secret>,
    now: Timestamp,
) -> Outcome {
    let name = issuer.secret_name.as_str();
    let (chain, key) = match key_pair(name, ca_secret) {
        Ok(pair) => pair,
        Err(note) => return Outcome::Pending(note),
    };
    let Some(ca) = chain.first() else {
        return Outcome::Pending(Note::warning("SecretInvalidData", "no certificate"));
    };
    if ca.not_after() <= now {
        // Refused, not waiting: nothing tells a request that its CA was renewed; its Certificate asks again.
        let message = format!(
            "the CA certificate in Secret {name:?} ended at {}; expected one that is valid",
            ca.not_after()
        );
        return Outcome::Refused(Note::warning("SigningError", message));
    }
    let signed = Csr::from_pem(&String::from_utf8_lossy(&request.spec.request.0))
        .map_err(|error| error.to_string())
        .and_then(|csr| Ok((template(request, &csr, now)?, csr)))
        .and_then(|(mut template, csr)| {
            template.not_after = template.not_after.min(ca.not_after());
            template.crl_distribution_points.clone_from(&issuer.crl_distribution_points);
            template.ocsp_servers.clone_from(&issuer.ocsp_servers);
            template.issuing_certificate_urls.clone_from(&issuer.issuing_certificate_urls);
            let more: Vec<_> = csr.name_constraints().cloned().into_iter().collect();
            let authority = Authority { certificate: ca, key: &key };
            template.sign_by_with(&authority, &more).map_err(|error| error.to_string())
        });
    match signed {
        Ok(leaf) => {
            let between = chain.iter().filter(|certificate| !certificate.is_self_signed()).cloned();
            let issued: Vec<Certificate> = std::iter::once(leaf).chain(between).collect();
            let root = root(ca_secret);
            let known = chain.last().unwrap_or(ca);
            let top = if known.is_self_signed() { known } else { root.as_ref().unwrap_or(known) };
            match (Certificate::chain_to_pem(&issued), top.to_pem()) {
                (Ok(chain), Ok(top)) => Outcome::Issued { chain, ca: Some(top) },
                (Err(error), _) | (_, Err(error)) => {
                    Outcome::Refused(Note::warning("SigningError", error.to_string()))
                }
            }
        }
        Err(error) => Outcome::Refused(Note::warning("SigningError", error)),
    }
}

/// The root that the CA's own issuer named in `ca.crt`, for a CA whose chain ends below it.
fn root(ca_secret: Option<&Secret>) -> Option<Certificate> {
    let pem = ca_secret?.data.as_ref()?.get(names::CA_CRT)?;
    let chain = Certificate::chain_from_pem(&String::from_utf8_lossy(&pem.0)).ok()?;
    chain.into_iter().find(Certificate::is_self_signed)
}

/// The certificate that a request asks for, valid from `now`.
pub(super) fn template(
    request: &CertificateRequest,
    csr: &Csr,
    now: Timestamp,
) -> Result<CertificateTemplate, String> {
    let lifetime = match &request.spec.duration {
        Some(text) => duration::parse(text).map_err(|error| format!("spec.duration: {error}"))?,
        None => DEFAULT_DURATION,
    };
    let not_after = now.checked_add(lifetime).map_err(|error| format!("spec.duration: {error}"))?;
    Ok(CertificateTemplate {
        serial: Serial::random().map_err(|error| error.to_string())?,
        subject: csr.subject().clone(),
        sans: csr.sans().to_vec(),
        usages: keys::usages(&request.spec.usages, request.spec.is_ca)?,
        is_ca: request.spec.is_ca,
        path_len: None,
        not_before: now,
        not_after,
        public_key: csr.public_key().clone(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
