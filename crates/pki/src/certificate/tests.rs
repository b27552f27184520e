#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::{CertificateTemplate, KeyAlgorithm, PrivateKey, Serial};

fn certificate(sans: &[&str], common_name: &str) -> Certificate {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    CertificateTemplate {
        serial: Serial::random().unwrap(),
        subject: Subject { common_name: Some(common_name.to_owned()), ..Subject::default() },
        sans: sans.iter().map(|name| San::Dns((*name).to_owned())).collect(),
        usages: vec![Usage::parse("server auth").unwrap()],
        is_ca: false,
        path_len: None,
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-04-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    }
    .self_sign(&key)
    .unwrap()
}

#[test]
fn a_chain_reads_back_with_text_between_the_blocks_and_crlf() {
    let (one, two) = (certificate(&["a"], "a"), certificate(&["b"], "b"));
    let text = format!("subject=a\n{}\nissuer=x\n{}", one.to_pem().unwrap(), two.to_pem().unwrap());
    let chain = Certificate::chain_from_pem(&text.replace('\n', "\r\n")).unwrap();
    assert_eq!(chain.iter().map(Certificate::der).collect::<Vec<_>>(), [one.der(), two.der()]);
}

#[test]
fn names_are_covered_exactly_or_by_one_label_of_a_wildcard() {
    let leaf = certificate(&["example.com", "*.example.com"], "other.example.org");
    assert!(leaf.covers("example.com") && leaf.covers("a.example.com") && leaf.covers("A.Example.com"));
    assert!(!leaf.covers("a.b.example.com") && !leaf.covers("other.example.org"));
    assert!(certificate(&[], "only.example.com").covers("only.example.com"));
}
