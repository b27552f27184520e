//! Versions and cipher suites in rustls' types.

use std::sync::Arc;

use jamul_routing::{Cipher, TlsVersions};
use rustls::crypto::aws_lc_rs::cipher_suite as suite;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

/// The one implementation of cryptography, with all of its suites.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The same with these suites of TLS 1.2, in this order, beside those of TLS 1.3.
pub(super) fn provider_with(ciphers: Option<&[Cipher]>) -> Arc<CryptoProvider> {
    let Some(ciphers) = ciphers else { return provider() };
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.cipher_suites.extend(ciphers.iter().copied().map(supported));
    Arc::new(provider)
}

/// What rustls calls them.
pub(super) fn versions(versions: TlsVersions) -> Vec<&'static SupportedProtocolVersion> {
    match versions {
        TlsVersions::Both => vec![&version::TLS13, &version::TLS12],
        TlsVersions::Only12 => vec![&version::TLS12],
        TlsVersions::Only13 => vec![&version::TLS13],
    }
}

fn supported(cipher: Cipher) -> SupportedCipherSuite {
    match cipher {
        Cipher::EcdsaAes256 => suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Cipher::EcdsaAes128 => suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Cipher::EcdsaChaCha20 => suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Cipher::RsaAes256 => suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        Cipher::RsaAes128 => suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        Cipher::RsaChaCha20 => suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    }
}
