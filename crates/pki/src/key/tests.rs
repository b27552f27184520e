#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const ALGORITHMS: [KeyAlgorithm; 5] = [
    KeyAlgorithm::Rsa { bits: 2048 },
    KeyAlgorithm::EcdsaP256,
    KeyAlgorithm::EcdsaP384,
    KeyAlgorithm::EcdsaP521,
    KeyAlgorithm::Ed25519,
];

#[test]
fn a_key_reads_back_from_both_encodings() {
    for algorithm in ALGORITHMS {
        let key = PrivateKey::generate(algorithm).unwrap();
        for encoding in [KeyEncoding::Pkcs1, KeyEncoding::Pkcs8] {
            let pem = key.to_pem(encoding).unwrap();
            let read = PrivateKey::from_pem(&pem).unwrap();
            assert_eq!(read.public_key(), key.public_key(), "{algorithm} {encoding:?}");
            assert_eq!(read.algorithm(), algorithm);
        }
    }
}

#[test]
fn the_pem_label_says_the_encoding() {
    let label = |algorithm, encoding| {
        let pem = PrivateKey::generate(algorithm).unwrap().to_pem(encoding).unwrap();
        pem.lines().next().unwrap().to_owned()
    };
    assert_eq!(label(ALGORITHMS[0], KeyEncoding::Pkcs1), "-----BEGIN RSA PRIVATE KEY-----");
    assert_eq!(label(ALGORITHMS[1], KeyEncoding::Pkcs1), "-----BEGIN EC PRIVATE KEY-----");
    assert_eq!(label(ALGORITHMS[4], KeyEncoding::Pkcs1), "-----BEGIN PRIVATE KEY-----");
    assert_eq!(label(ALGORITHMS[1], KeyEncoding::Pkcs8), "-----BEGIN PRIVATE KEY-----");
}

#[test]
fn text_that_is_no_key_is_refused_with_what_was_expected() {
    let error = PrivateKey::from_pem("hello").unwrap_err().to_string();
    assert!(error.contains("PRIVATE KEY"), "{error}");
}
