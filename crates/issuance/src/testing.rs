//! Objects that several tests need.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jamul_api::certificate::{Certificate, CertificatePrivateKey, CertificateSpec};
use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::issuer::IssuerRef;
use jamul_api::names;
use jamul_api::request::{CertificateRequest, CertificateRequestSpec};
use jamul_pki::{CertificateTemplate, KeyAlgorithm, KeyEncoding, PrivateKey, Serial, Subject, Usage};
use jiff::Timestamp;

use crate::keys;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some("shop".to_owned()), name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// Certificate `web` for Secret `web-tls`, from Issuer `ca`, with a P-256 key.
pub(crate) fn certificate(names: &[&str]) -> Certificate {
    let private_key = CertificatePrivateKey { algorithm: "ECDSA".to_owned(), ..Default::default() };
    Certificate {
        metadata: metadata("web"),
        spec: CertificateSpec {
            secret_name: "web-tls".to_owned(),
            issuer_ref: IssuerRef { name: "ca".to_owned(), ..IssuerRef::default() },
            dns_names: names.iter().map(|name| (*name).to_owned()).collect(),
            private_key: Some(private_key),
            ..CertificateSpec::default()
        },
        status: None,
    }
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

/// The Secret `ca-pair` of a self-signed CA.
pub(crate) fn ca_secret(not_before: Timestamp, not_after: Timestamp) -> Secret {
    let key = key();
    let template = CertificateTemplate {
        serial: Serial::random().unwrap(),
        subject: Subject::with_common_name("Shop CA"),
        sans: Vec::new(),
        usages: vec![Usage::CertSign],
        is_ca: true,
        path_len: None,
        not_before,
        not_after,
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    };
    let pem = template.self_sign(&key).unwrap().to_pem().unwrap();
    pair("ca-pair", &pem, &key)
}

pub(crate) fn pair(name: &str, chain: &str, key: &PrivateKey) -> Secret {
    let key = key.to_pem(KeyEncoding::Pkcs8).unwrap();
    let data = [(names::TLS_CRT, chain), (names::TLS_KEY, key.as_str())];
    let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.as_bytes().to_vec())));
    Secret { metadata: metadata(name), data: Some(data.into()), ..Secret::default() }
}

/// The request `web-1` for a Certificate.
pub(crate) fn request(certificate: &Certificate, key: &PrivateKey) -> CertificateRequest {
    let spec = certificate.spec.clone();
    CertificateRequest {
        metadata: metadata("web-1"),
        spec: CertificateRequestSpec {
            request: ByteString(keys::request(certificate, key).unwrap().into_bytes()),
            issuer_ref: spec.issuer_ref,
            duration: spec.duration,
            is_ca: spec.is_ca,
            usages: spec.usages,
        },
        status: None,
    }
}
