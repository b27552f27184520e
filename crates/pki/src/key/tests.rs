#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const ALL: [KeyAlgorithm; 5] = [
    KeyAlgorithm::Rsa { bits: 2048 },
    KeyAlgorithm::EcdsaP256,
    KeyAlgorithm::EcdsaP384,
    KeyAlgorithm::EcdsaP521,
    KeyAlgorithm::Ed25519,
];

fn every_key() -> impl Iterator<Item = PrivateKey> {
    ALL.into_iter().map(|algorithm| PrivateKey::generate(algorithm).unwrap())
}

fn error(text: &str) -> String {
    PrivateKey::from_pem(text).unwrap_err().to_string()
}

#[test]
fn every_key_comes_back_from_both_encodings() {
    for (key, algorithm) in every_key().zip(ALL) {
        assert_eq!(key.algorithm(), algorithm);
        for encoding in [KeyEncoding::Pkcs1, KeyEncoding::Pkcs8] {
            let read = PrivateKey::from_pem(&key.to_pem(encoding)).unwrap();
            assert_eq!((read.public_key(), read.algorithm()), (key.public_key(), algorithm));
            assert_eq!(read.pkcs8_der(), key.pkcs8_der());
        }
        assert_eq!(PrivateKey::from_pkcs8(key.pkcs8_der()).unwrap().public_key(), key.public_key());
    }
}

#[test]
fn pkcs1_is_the_key_types_own_format_and_ed25519_has_none() {
    let labels: Vec<_> = every_key()
        .map(|key| key.to_pem(KeyEncoding::Pkcs1).lines().next().unwrap().to_owned())
        .collect();
    let expected = ["RSA PRIVATE KEY", "EC PRIVATE KEY", "EC PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"];
    assert_eq!(labels, expected.map(|label| format!("-----BEGIN {label}-----")));
}

#[test]
fn a_signature_verifies_over_its_message_only() {
    for key in every_key() {
        let (algorithm, public) = (key.algorithm().signature_algorithm(), key.public_key());
        let signature = key.sign(b"message").unwrap();
        assert!(public.verify(algorithm, b"message", &signature).is_ok());
        let message = public.verify(algorithm, b"other", &signature).unwrap_err().to_string();
        assert!(message.starts_with("the signature was not made by this key"), "{message}");
    }
}

#[test]
fn a_jws_signature_has_a_fixed_length_and_verifies_as_one() {
    for (key, length) in every_key().zip([256, 64, 96, 132, 64]) {
        let signature = key.sign_jose(b"message").unwrap();
        assert_eq!(signature.len(), length);
        assert!(key.public_key().verify_jose(b"message", &signature).is_ok());
        assert!(key.public_key().verify_jose(b"other", &signature).is_err());
    }
}

#[test]
fn a_public_key_comes_back_from_its_numbers() {
    for key in every_key() {
        let components = key.public_key().components().unwrap();
        assert_eq!(PublicKey::from_components(&components).unwrap(), key.public_key());
    }
}

#[test]
fn numbers_that_are_no_key_are_refused() {
    let refused = |components| PublicKey::from_components(&components).unwrap_err().to_string();
    let off_the_curve = PublicComponents::Ecdsa { curve: Curve::P256, x: vec![1; 32], y: vec![1; 32] };
    assert_eq!(refused(off_the_curve), "the numbers are no ECDSA public key: they do not belong together");
    let short = PublicComponents::Ecdsa { curve: Curve::P384, x: vec![1; 32], y: vec![1; 32] };
    assert!(refused(short).ends_with("x and y must each be as long as a coordinate of the curve"));
    let small = PublicComponents::Rsa { modulus: vec![0xff; 128], exponent: vec![1, 0, 1] };
    assert_eq!(refused(small), "RSA keys of 1024 bits are not supported, expected 2048 to 8192");
}

#[test]
fn a_key_cannot_verify_a_signature_of_another_kind() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let result = key.public_key().verify(SignatureAlgorithm::Rsa(Digest::Sha256), b"", b"");
    assert_eq!(
        result.unwrap_err().to_string(),
        "a signature of RSA with SHA-256 cannot be made by a key (Ed25519)"
    );
}

#[test]
fn the_hash_grows_with_an_rsa_key() {
    let digest = |bits| KeyAlgorithm::Rsa { bits }.signature_algorithm().to_string();
    assert_eq!(
        [2048, 3071, 3072, 4096].map(digest),
        ["RSA with SHA-256", "RSA with SHA-256", "RSA with SHA-384", "RSA with SHA-512"]
    );
}

#[test]
fn a_size_that_cannot_be_generated_is_named() {
    let error = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2560 }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "keys of 2560 bits cannot be generated for RSA, expected 2048, 3072, 4096 or 8192"
    );
}

#[test]
fn what_is_no_plain_key_is_refused_with_what_it_is() {
    let missing = PrivateKey::from_pem(&pem::encode("CERTIFICATE", &[1])).unwrap_err();
    let KeyError::Pem(missing) = missing else { panic!("{missing}") };
    assert_eq!(
        missing.to_string(),
        "expected a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, found CERTIFICATE"
    );
    let encrypted = "the private key is encrypted with a passphrase, expected a plain one; \
                     `openssl pkey -in FILE` writes it so";
    assert_eq!(error(&pem::encode("ENCRYPTED PRIVATE KEY", &[1])), encrypted);
    let headers = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                   DEK-Info: AES-128-CBC,00\n\nAQID\n-----END RSA PRIVATE KEY-----";
    assert_eq!(error(headers), encrypted);
    assert!(error(&pem::encode("PRIVATE KEY", &[0x30, 3, 2, 1, 0])).starts_with("the DER is no private key"));
}

#[test]
fn a_key_of_another_kind_is_refused_by_its_algorithm() {
    // X25519 (RFC 8410): a well-formed key, but none that signs
    let mut der = vec![0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 34, 4, 32];
    der.extend([7; 32]);
    assert_eq!(
        error(&pem::encode("PRIVATE KEY", &der)),
        "keys of algorithm 1.3.101.110 are not supported, expected RSA, ECDSA or Ed25519"
    );
}

#[test]
fn debugging_a_key_shows_its_kind_only() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey { algorithm: EcdsaP256, .. }");
}
