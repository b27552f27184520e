//! The certificates of our own webhooks: a CA in a Secret, as cert-manager's webhook keeps it, and what each replica has
//! signed by it for itself.

use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::{ObjectKey, names};
use jamul_pki::{
    Authority, Certificate, CertificateTemplate, KeyAlgorithm, KeyEncoding, KeyError, PrivateKey, San,
    Serial, Subject, Usage, X509Error,
};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::issuers::ca::key_pair;

/// How long the CA holds.
const CA_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long a replica's own certificate holds.
const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A clock may be behind ours.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Why a certificate could not be made.
#[derive(Debug, Error)]
pub enum ServingError {
    /// No key, or it cannot be written.
    #[error("cannot make a private key")]
    Key(#[from] KeyError),
    /// It cannot be put together.
    #[error("cannot make a certificate")]
    Certificate(#[from] X509Error),
}

/// The CA of our webhooks.
#[derive(Clone, Debug)]
pub struct ServingCa {
    certificate: Certificate,
    key: PrivateKey,
}

/// What a replica shows to an API server.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Itself and its CA.
    pub chain: Vec<Certificate>,
    /// Its key.
    pub key: PrivateKey,
    /// When to make the next.
    pub renewal: Timestamp,
}

impl ServingCa {
    /// The CA in `secret`; `None` if there is none that can be used, or a third of its life is left: then the next one
    /// is due.
    #[must_use]
    pub fn of(secret: Option<&Secret>, now: Timestamp) -> Option<Self> {
        let (chain, key) = key_pair("", secret).ok()?;
        let certificate = chain.into_iter().next()?;
        let lifetime = certificate.not_after().duration_since(certificate.not_before());
        let due = certificate.not_before() + lifetime / 3 * 2;
        (now < due).then_some(Self { certificate, key })
    }

    /// The Secret of a new CA.
    ///
    /// # Errors
    /// No key, or no certificate of it.
    pub fn secret(at: &ObjectKey, now: Timestamp) -> Result<Secret, ServingError> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384)?;
        let usages = vec![Usage::DigitalSignature, Usage::KeyEncipherment, Usage::CertSign];
        let subject = Subject::with_common_name("cert-manager-webhook-ca");
        let template = template(subject, Vec::new(), usages, &key, now, CA_LIFETIME)?;
        let certificate = CertificateTemplate { is_ca: true, ..template }.self_sign(&key)?;
        let pem = certificate.to_pem()?;
        let data = [
            (names::CA_CRT, pem.clone()),
            (names::TLS_CRT, pem),
            (names::TLS_KEY, key.to_pem(KeyEncoding::Pkcs8)?),
        ];
        let allowed = (names::ALLOW_DIRECT_INJECTION.to_owned(), "true".to_owned());
        Ok(Secret {
            metadata: ObjectMeta {
                namespace: Some(at.namespace.clone()),
                name: Some(at.name.clone()),
                annotations: Some([allowed].into()),
                ..ObjectMeta::default()
            },
            data: Some(data.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).into()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        })
    }

    /// A certificate for these names or addresses.
    ///
    /// # Errors
    /// No key, or a name that cannot be written.
    pub fn leaf(&self, server: &[String], now: Timestamp) -> Result<Leaf, ServingError> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
        let names = server.iter().map(|name| match name.parse() {
            Ok(address) => San::Ip(address),
            Err(_) => San::Dns(name.clone()),
        });
        let usages = vec![Usage::DigitalSignature, Usage::KeyEncipherment, Usage::ServerAuth];
        let template = template(Subject::default(), names.collect(), usages, &key, now, LEAF_LIFETIME)?;
        let authority = Authority { certificate: &self.certificate, key: &self.key };
        let not_after = template.not_after.min(self.certificate.not_after());
        let leaf = CertificateTemplate { not_after, ..template }.sign_by(&authority)?;
        let renewal = now + not_after.duration_since(now) / 3 * 2;
        Ok(Leaf { chain: vec![leaf, self.certificate.clone()], key, renewal })
    }
}

impl PartialEq for ServingCa {
    fn eq(&self, other: &Self) -> bool {
        self.certificate.der() == other.certificate.der()
    }
}

fn template(
    subject: Subject,
    sans: Vec<San>,
    usages: Vec<Usage>,
    key: &PrivateKey,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<CertificateTemplate, KeyError> {
    Ok(CertificateTemplate {
        serial: Serial::random()?,
        subject,
        sans,
        usages,
        is_ca: false,
        path_len: None,
        not_before: now - SKEW,
        not_after: now + lifetime,
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::testing::at;

    #[test]
    fn a_ca_is_used_for_two_thirds_of_its_life_and_signs_for_names_and_addresses() {
        let key = ObjectKey::new("ingress", "edge-webhook-ca");
        let secret = ServingCa::secret(&key, at("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(ServingCa::of(None, at("2026-01-01T00:00:00Z")), None);
        assert_eq!(ServingCa::of(Some(&secret), at("2026-09-10T00:00:00Z")), None, "the next one is due");
        let now = at("2026-02-01T00:00:00Z");
        let ca = ServingCa::of(Some(&secret), now).unwrap();
        let leaf = ca.leaf(&["edge-webhook.ingress.svc".to_owned(), "127.0.0.1".to_owned()], now).unwrap();
        assert!(
            leaf.chain[0].covers("edge-webhook.ingress.svc") && leaf.chain[0].is_issued_by(&leaf.chain[1])
        );
        assert!(leaf.chain[0].sans().contains(&San::Ip("127.0.0.1".parse().unwrap())));
        assert_eq!(leaf.renewal, at("2026-02-05T16:00:00Z"));
    }
}
