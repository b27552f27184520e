//! Certificates of clients. The handshake asks for one and makes sure that the client holds its key; whether it is
//! believed is judged afterwards, each time, also when a session is resumed: what nginx's users know is an answer, not a
//! handshake that fails.

use std::sync::Arc;

use http::HeaderValue;
use jamul_pki::{Certificate, Peer, Trust, Untrusted, X509Error};
use jamul_routing::{ClientAuth, ClientCertificate, Distrust};
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::any_certificate::{holds_key_12, holds_key_13};

/// Asks clients for a certificate, which they need not have.
#[derive(Debug)]
pub(super) struct Asking {
    provider: Arc<CryptoProvider>,
    /// Of the CA certificates, for browsers that offer a choice.
    subjects: Vec<DistinguishedName>,
}

impl Asking {
    pub(super) fn new(provider: Arc<CryptoProvider>, trust: &Trust) -> Self {
        Self { provider, subjects: trust.subjects().map(DistinguishedName::from).collect() }
    }
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key_12(&self.provider, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key_13(&self.provider, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What makes certificates of clients believed.
///
/// # Errors
/// What of it cannot be read.
pub(super) fn trust(auth: &ClientAuth) -> Result<Trust, X509Error> {
    Trust::from_der(&auth.authorities.roots, &auth.authorities.lists, auth.depth)
}

/// What `chain` (leaf first) says of the client; `None` without a leaf.
pub(super) fn judge(
    trust: &Trust,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Option<ClientCertificate> {
    let leaf = chain.first()?;
    let verified = trust.judge(chain, Peer::Client, now).map_err(distrust);
    let empty = HeaderValue::from_static("");
    Some(match Certificate::from_der(leaf) {
        Ok(read) => ClientCertificate {
            verified,
            subject: HeaderValue::try_from(read.subject_text()).unwrap_or(empty.clone()),
            issuer: HeaderValue::try_from(read.issuer_text()).unwrap_or(empty.clone()),
            escaped_pem: HeaderValue::try_from(escaped(&read.to_pem().unwrap_or_default())).unwrap_or(empty),
        },
        Err(_) => {
            let verified = Err(distrust(Untrusted::Unreadable));
            ClientCertificate { verified, subject: empty.clone(), issuer: empty.clone(), escaped_pem: empty }
        }
    })
}

fn distrust(untrusted: Untrusted) -> Distrust {
    Distrust { reason: untrusted.to_string(), is_of_issuer: untrusted.is_of_issuer() }
}

/// nginx's `$ssl_client_escaped_cert`: all but RFC 3986's unreserved characters is percent-encoded.
fn escaped(pem: &str) -> String {
    let mut escaped = String::with_capacity(pem.len() * 2);
    for byte in pem.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
