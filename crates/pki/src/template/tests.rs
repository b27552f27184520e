#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use super::*;
use crate::{Authority, Csr, KeyAlgorithm, RequestTemplate};

fn template(key: &PrivateKey, name: &str, is_ca: bool) -> CertificateTemplate {
    CertificateTemplate {
        serial: Serial::random().unwrap(),
        subject: Subject { common_name: Some(name.to_owned()), ..Subject::default() },
        sans: if is_ca {
            Vec::new()
        } else {
            vec![San::Dns(name.to_owned()), San::Ip("127.0.0.1".parse().unwrap())]
        },
        usages: vec![Usage::parse(if is_ca { "cert sign" } else { "server auth" }).unwrap()],
        is_ca,
        path_len: None,
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2056-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    }
}

#[test]
fn openssl_verifies_a_leaf_under_a_root_of_every_algorithm() {
    for algorithm in [
        KeyAlgorithm::Rsa { bits: 2048 },
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
        KeyAlgorithm::Ed25519,
    ] {
        let (root_key, leaf_key) = (
            PrivateKey::generate(algorithm).unwrap(),
            PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap(),
        );
        let root = template(&root_key, "root", true).self_sign(&root_key).unwrap();
        let by = Authority { certificate: &root, key: &root_key };
        let leaf = template(&leaf_key, "leaf.example.com", false).sign_by(&by).unwrap();
        assert_eq!(leaf.authority_key_identifier(), root.key_identifier());
        assert!(leaf.is_issued_by(&root) && !root.is_issued_by(&leaf));
        let dir = std::env::temp_dir()
            .join(format!("jamul-pki-{}-{algorithm}", std::process::id()).replace(' ', "-"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("root.pem"), root.to_pem().unwrap()).unwrap();
        std::fs::write(dir.join("leaf.pem"), leaf.to_pem().unwrap()).unwrap();
        let verified = Command::new("openssl")
            .args(["verify", "-x509_strict", "-verify_hostname", "leaf.example.com", "-CAfile"])
            .args([dir.join("root.pem"), dir.join("leaf.pem")])
            .output()
            .expect("openssl runs");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(verified.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&verified.stderr));
    }
}

#[test]
fn a_request_reads_back_and_a_forged_one_is_refused() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = RequestTemplate {
        subject: Subject::default(),
        sans: vec![San::Dns("a.example.com".to_owned())],
        usages: vec![Usage::parse("digital signature").unwrap(), Usage::parse("server auth").unwrap()],
        is_ca: false,
        ..RequestTemplate::default()
    };
    let csr = request.sign(&key).unwrap();
    let read = Csr::from_pem(&csr.to_pem().unwrap()).unwrap();
    assert_eq!((read.sans(), read.public_key()), (request.sans.as_slice(), &key.public_key()));
    let mut forged = csr.der().to_vec();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    Csr::from_der(&forged).unwrap_err();
}

#[test]
fn only_a_ca_with_its_own_key_may_sign() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let other = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let root = template(&key, "root", true).self_sign(&key).unwrap();
    let leaf = template(&key, "leaf", false).self_sign(&key).unwrap();
    template(&other, "x", false).sign_by(&Authority { certificate: &root, key: &other }).unwrap_err();
    template(&other, "x", false).sign_by(&Authority { certificate: &leaf, key: &key }).unwrap_err();
}
