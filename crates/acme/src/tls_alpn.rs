//! The certificate by which a server proves a name in a TLS handshake (RFC 8737).

use jamul_pki::{
    CertificateTemplate, KeyAlgorithm, PrivateKey, RawExtension, San, Serial, Subject, X509Error,
};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::identifier::Identifier;

/// The protocol that only such a handshake speaks (RFC 8737 section 6.2).
pub const PROTOCOL: &[u8] = b"acme-tls/1";

/// A certificate to show, and its key.
#[derive(Clone)]
pub struct ChallengeCertificate {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS#8.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ChallengeCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChallengeCertificate").finish_non_exhaustive()
    }
}

/// The certificate for `key_authorization`: self-signed by a key made for it, for `identifier` alone, with the digest in
/// a critical extension. Nobody looks at its validity, so it needs no clock.
///
/// # Errors
/// The identifier is of a type that has no certificates, or the key cannot be made.
pub fn certificate(
    identifier: &Identifier,
    key_authorization: &str,
) -> Result<ChallengeCertificate, X509Error> {
    let san = match identifier {
        Identifier::Dns(name) => San::Dns(name.clone()),
        Identifier::Ip(address) => San::Ip(*address),
        Identifier::Other { value, .. } => return Err(X509Error::NotAscii { value: value.clone() }),
    };
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let template = CertificateTemplate {
        serial: Serial::random()?,
        subject: Subject::with_common_name("ACME challenge"),
        sans: vec![san],
        usages: Vec::new(),
        is_ca: false,
        path_len: None,
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 79),
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    };
    let digest = RawExtension::acme_identifier(Sha256::digest(key_authorization).into())?;
    let certificate = template.self_sign_with(&key, &[digest])?;
    Ok(ChallengeCertificate { certificate: certificate.der().to_vec(), key: key.pkcs8_der().to_vec() })
}
