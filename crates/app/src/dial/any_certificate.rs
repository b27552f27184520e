//! The verifier that lets everybody in. Private to its parent, which says who may have it.

use std::sync::Arc;

use jamul_pki::{Certificate, PublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};

/// Believes everybody, but still checks that the peer holds the key of what it shows.
///
/// The key is read by ourselves: the library refuses certificates with a critical extension that it does not know, of
/// which RFC 8737 prescribes one, and those of X.509 version 1.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = public_key(cert)?;
        let mut known = self.0.signature_verification_algorithms.mapping.iter();
        let algorithms = known.find(|(scheme, _)| *scheme == dss.scheme).map_or(&[][..], |(_, found)| *found);
        // The scheme does not say on which curve the key is.
        let is_signed = algorithms.iter().any(|algorithm| {
            algorithm.verify_signature(key.subject_public_key(), message, dss.signature()).is_ok()
        });
        match is_signed {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(public_key(cert)?.spki_der().to_vec());
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn public_key(certificate: &CertificateDer<'_>) -> Result<PublicKey, rustls::Error> {
    let certificate = Certificate::from_der(certificate);
    certificate.map(|found| found.public_key().clone()).map_err(|_| CertificateError::BadEncoding.into())
}
