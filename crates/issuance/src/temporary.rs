//! The certificate that serves until the issuer answers (`cert-manager.io/issue-temporary-certificate`).

use jamul_api::Certificate;
use jamul_pki::{
    Authority, Certificate as X509, CertificateTemplate, Csr, KeyAlgorithm, PrivateKey, Serial, Subject,
    Usage, X509Error,
};
use jiff::{SignedDuration, Timestamp};

/// How long such a certificate is good for, like any other that says nothing about it.
const LIFETIME: SignedDuration = crate::issuers::ca::DEFAULT_DURATION;
/// The subject's serial number by which cert-manager knows its temporary certificates.
pub(crate) const MARK: &str = "1234567890";

/// Signs what `csr` asks for by an authority that is forgotten at once.
///
/// # Errors
/// A name that cannot be written; the machine makes no keys.
pub(crate) fn sign(certificate: &Certificate, csr: &Csr, now: Timestamp) -> Result<X509, X509Error> {
    let authority_key = PrivateKey::generate(KeyAlgorithm::EcdsaP521)?;
    let not_after = now.checked_add(LIFETIME).unwrap_or(now);
    let authority = CertificateTemplate {
        serial: Serial::random()?,
        subject: Subject::with_common_name("cert-manager.local"),
        sans: Vec::new(),
        usages: vec![Usage::CertSign],
        is_ca: true,
        path_len: None,
        not_before: now,
        not_after,
        public_key: authority_key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    };
    let signer = authority.self_sign(&authority_key)?;
    let mut subject = csr.subject().clone();
    if subject.literal.is_none() {
        subject.serial_number = Some(MARK.to_owned());
    }
    let leaf = CertificateTemplate {
        serial: Serial::random()?,
        subject,
        sans: csr.sans().to_vec(),
        usages: crate::keys::usages(&certificate.spec.usages, false).unwrap_or_default(),
        is_ca: false,
        public_key: csr.public_key().clone(),
        ..authority
    };
    leaf.sign_by(&Authority { certificate: &signer, key: &authority_key })
}
