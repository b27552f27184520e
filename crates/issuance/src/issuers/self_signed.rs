//! The selfSigned issuer: the certificate is signed with its own key.

use jamul_api::core::Secret;
use jamul_api::issuer::SelfSignedIssuer;
use jamul_api::{CertificateRequest, Object, names};
use jamul_pki::Csr;
use jiff::Timestamp;

use crate::issuers::Outcome;
use crate::issuers::ca::template;
use crate::note::Note;
use crate::secret;

/// The name of the Secret that holds the key, from the request's annotation.
#[must_use]
pub fn key_secret_name(request: &CertificateRequest) -> Option<&str> {
    request.annotation(names::PRIVATE_KEY_SECRET_NAME).filter(|name| !name.is_empty())
}

/// Signs `request` with the key in `key_secret`.
#[must_use]
pub fn sign(
    request: &CertificateRequest,
    issuer: &SelfSignedIssuer,
    key_secret: Option<&Secret>,
    now: Timestamp,
) -> Outcome {
    let Some(name) = key_secret_name(request) else {
        let message = format!("the request has no annotation {}", names::PRIVATE_KEY_SECRET_NAME);
        return Outcome::Refused(Note::warning("MissingAnnotation", message));
    };
    let Some(key_secret) = key_secret else {
        return Outcome::Pending(Note::normal(
            "MissingSecret",
            format!("Referenced Secret {name:?} not found"),
        ));
    };
    let Some(key) = secret::key(key_secret) else {
        let message = format!("Secret {name:?} holds no private key under {}", names::TLS_KEY);
        return Outcome::Pending(Note::warning("ErrorParsingKey", message));
    };
    let csr = match Csr::from_pem(&String::from_utf8_lossy(&request.spec.request.0)) {
        Ok(csr) => csr,
        Err(error) => return Outcome::Refused(Note::warning("ErrorGenerating", error.to_string())),
    };
    if *csr.public_key() != key.public_key() {
        return Outcome::Refused(Note::warning(
            "ErrorKeyMatch",
            format!("the key in Secret {name:?} is not the request's"),
        ));
    }
    let signed = template(request, &csr, now).and_then(|mut template| {
        template.crl_distribution_points.clone_from(&issuer.crl_distribution_points);
        let more: Vec<_> = csr.name_constraints().cloned().into_iter().collect();
        template
            .self_sign_with(&key, &more)
            .and_then(|certificate| certificate.to_pem())
            .map_err(|error| error.to_string())
    });
    match signed {
        Ok(pem) => Outcome::Issued { chain: pem.clone(), ca: Some(pem) },
        Err(error) => Outcome::Refused(Note::warning("ErrorSigning", error)),
    }
}
