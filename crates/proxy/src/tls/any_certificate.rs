//! Peers whose certificate is not judged in the handshake, and the one check that remains there.

use std::sync::Arc;

use jamul_pki::Certificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use webpki::RawPublicKeyEntity;

/// Believes every server, but still checks that the peer holds the key of what it shows.
///
/// Who uses it says why nothing is lost: what the peer says is not believed because of its name.
#[derive(Debug)]
pub struct AnyCertificate(pub Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key_12(&self.0, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key_13(&self.0, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether `dss` signs `message` with the key of `certificate`, in TLS 1.2.
pub(super) fn holds_key_12(
    provider: &CryptoProvider,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let known = &provider.signature_verification_algorithms;
    verify_tls12_signature(message, certificate, dss, known).or_else(|error| {
        let spki = key_of_version_1(certificate, error)?;
        let bad = |error| Error::InvalidCertificate(error);
        let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| bad(CertificateError::BadEncoding))?;
        let algorithms = known.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let (_, algorithms) = algorithms.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let signs = |with: &&dyn SignatureVerificationAlgorithm| {
            key.verify_signature(*with, message, dss.signature()).is_ok()
        };
        let is_valid = algorithms.iter().any(signs);
        if is_valid {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(bad(CertificateError::BadSignature))
        }
    })
}

/// The same in TLS 1.3.
pub(super) fn holds_key_13(
    provider: &CryptoProvider,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let known = &provider.signature_verification_algorithms;
    verify_tls13_signature(message, certificate, dss, known).or_else(|error| {
        let spki = key_of_version_1(certificate, error)?;
        verify_tls13_signature_with_raw_key(message, &spki, dss, known)
    })
}

/// The key of a certificate that rustls could not read, which reads X.509 version 3 only.
fn key_of_version_1(
    certificate: &CertificateDer<'_>,
    error: Error,
) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => Err(error),
        Error::InvalidCertificate(_) => {
            let read = Certificate::from_der(certificate).map_err(|_| error)?;
            Ok(SubjectPublicKeyInfoDer::from(read.public_key().spki_der().to_vec()))
        }
        _ => Err(error),
    }
}
