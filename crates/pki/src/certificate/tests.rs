#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::error::Error as _;

use super::*;
use crate::algorithm::KeyAlgorithm;
use crate::key::PrivateKey;
use crate::template::{Authority, CertificateTemplate};

struct Issued {
    key: PrivateKey,
    template: CertificateTemplate,
}

impl Issued {
    fn new() -> Self {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let end = Timestamp::from_second(1_900_000_000).unwrap();
        let template = CertificateTemplate::new(Serial::random().unwrap(), key.public_key(), start, end);
        Self { key, template }
    }

    fn common_name(mut self, name: &str) -> Self {
        self.template.subject = Subject::with_common_name(name).to_name().unwrap();
        self
    }

    fn sans(mut self, sans: &[&str]) -> Self {
        self.template.sans = sans.iter().map(|host| San::from_host(host)).collect();
        self
    }

    fn ca(mut self) -> Self {
        self.template.is_ca = true;
        self
    }

    fn itself(&self) -> Certificate {
        self.template.self_sign(&self.key).unwrap()
    }
}

#[test]
fn a_wildcard_covers_one_whole_label() {
    let certificate = Issued::new().sans(&["*.Example.com", "exact.test"]).itself();
    for host in ["a.example.com", "A.EXAMPLE.com.", "exact.test"] {
        assert!(certificate.covers(host), "{host}");
    }
    for host in ["example.com", "a.b.example.com", ".example.com", "b.exact.test", "", "com"] {
        assert!(!certificate.covers(host), "{host}");
    }
}

#[test]
fn an_address_is_covered_as_an_address() {
    let certificate = Issued::new().sans(&["10.0.0.1", "::1", "*.0.0.2"]).itself();
    assert!(certificate.covers("10.0.0.1") && certificate.covers("[::1]") && certificate.covers("::1"));
    assert!(!certificate.covers("10.0.0.2"));
}

#[test]
fn the_common_name_counts_only_without_alternative_names() {
    assert!(Issued::new().common_name("a.test").itself().covers("a.test"));
    assert!(!Issued::new().common_name("a.test").sans(&["b.test"]).itself().covers("a.test"));
    let mut email = Issued::new().common_name("a.test");
    email.template.sans = vec![San::Email("a@a.test".into())];
    assert!(!email.itself().covers("a.test"));
}

#[test]
fn only_the_ca_that_signed_is_the_issuer() {
    let (root, namesake) = (Issued::new().common_name("root").ca(), Issued::new().common_name("root").ca());
    let certificate = root.itself();
    let authority = Authority { certificate: &certificate, key: &root.key };
    let leaf = Issued::new().common_name("leaf").template.sign_by(&authority).unwrap();
    assert!(leaf.is_issued_by(&certificate));
    assert!(!leaf.is_issued_by(&namesake.itself()) && !certificate.is_issued_by(&leaf));
}

#[test]
fn a_changed_byte_breaks_the_signature() {
    let certificate = Issued::new().common_name("root").itself();
    let mut der = certificate.der().to_vec();
    let position = der.windows(4).position(|bytes| bytes == b"root").unwrap();
    der[position] = b'b';
    let changed = Certificate::from_der(&der).unwrap();
    assert!(certificate.is_self_signed() && !changed.is_self_signed());
}

#[test]
fn a_chain_comes_back_in_order_from_untidy_text() {
    let chain = [Issued::new().common_name("a").itself(), Issued::new().common_name("b").itself()];
    let text = Certificate::chain_to_pem(&chain);
    assert_eq!(Certificate::chain_from_pem(&text).unwrap(), chain);
    let [a, b] = chain.each_ref().map(Certificate::to_pem);
    let key = Issued::new().key.to_pem(crate::KeyEncoding::Pkcs1);
    let untidy = format!("\r\n# a\n{key}\n  {}\r\nsubject=/CN=b\r\n{}", a.replace('\n', "\r\n   "), b.trim());
    assert_eq!(Certificate::chain_from_pem(&untidy).unwrap(), chain);
    assert_eq!(Certificate::from_pem(&untidy).unwrap(), chain[0]);
}

#[test]
fn a_broken_chain_says_which_certificate_and_why() {
    let good = Issued::new().itself().to_pem();
    let broken = pem::encode(LABEL, b"not DER");
    let error = Certificate::chain_from_pem(&format!("{good}{broken}")).unwrap_err();
    assert_eq!(error.to_string(), "certificate 2 of the chain, counted from 1, cannot be read");
    assert_eq!(
        error.source().unwrap().to_string(),
        "the certificate is not DER as X.509 (RFC 5280) describes it"
    );
    let missing = Certificate::chain_from_pem("\n").unwrap_err();
    assert_eq!(
        missing.source().unwrap().to_string(),
        "expected a PEM block CERTIFICATE, found an empty text"
    );
}

#[test]
fn bytes_after_a_certificate_are_refused() {
    let mut der = Issued::new().itself().der().to_vec();
    der.push(0);
    assert!(matches!(Certificate::from_der(&der), Err(CertificateError::Der(_))));
}
