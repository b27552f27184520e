#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jamul_api::core::ByteString;
use jamul_api::issuer::SelfSignedIssuer;

use super::*;
use crate::issuers::self_signed;
use crate::testing::{at, ca_secret, certificate, key, pair, request};

const NOW: &str = "2026-01-01T00:00:00Z";

fn long_ca() -> Secret {
    ca_secret(at("2025-01-01T00:00:00Z"), at("2035-01-01T00:00:00Z"))
}

fn from(secret_name: &str) -> CaIssuer {
    CaIssuer { secret_name: secret_name.to_owned(), ..CaIssuer::default() }
}

fn chains(outcome: Outcome) -> (Vec<Certificate>, Certificate) {
    let Outcome::Issued { chain, ca } = outcome else { panic!("{outcome:?}") };
    (Certificate::chain_from_pem(&chain).unwrap(), Certificate::from_pem(&ca.unwrap()).unwrap())
}

#[test]
fn the_ca_signs_what_was_asked_for_and_leaves_the_root_out_of_the_chain() {
    let key = key();
    let mut wanted = certificate(&["web.example"]);
    wanted.spec.duration = Some("144h".to_owned());
    let (chain, ca) = chains(sign(&request(&wanted, &key), &from("ca-pair"), Some(&long_ca()), at(NOW)));
    let [leaf] = chain.as_slice() else { panic!("{chain:?}") };
    assert!(leaf.is_issued_by(&ca) && ca.is_self_signed());
    assert_eq!(*leaf.public_key(), key.public_key());
    assert_eq!(leaf.dns_names().collect::<Vec<_>>(), ["web.example"]);
    assert_eq!((leaf.not_before(), leaf.not_after()), (at(NOW), at("2026-01-07T00:00:00Z")));
    assert!(!leaf.is_ca());
}

#[test]
fn no_certificate_outlives_its_ca_and_an_ended_ca_signs_nothing() {
    let request = request(&certificate(&["web.example"]), &key());
    let ca = ca_secret(at("2025-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
    let (chain, _) = chains(sign(&request, &from("ca-pair"), Some(&ca), at(NOW)));
    assert_eq!(chain[0].not_after(), at("2026-02-01T00:00:00Z"));
    let outcome = sign(&request, &from("ca-pair"), Some(&ca), at("2026-02-01T00:00:00Z"));
    let Outcome::Refused(note) = &outcome else { panic!("{outcome:?}") };
    assert!(note.message.contains("ca-pair"), "{note:?}");
}

#[test]
fn an_intermediate_is_sent_along_and_its_root_becomes_ca_crt() {
    let middle_key = key();
    let mut middle = certificate(&[]);
    middle.spec.common_name = "Shop Intermediate".to_owned();
    middle.spec.is_ca = true;
    let (chain, root) =
        chains(sign(&request(&middle, &middle_key), &from("ca-pair"), Some(&long_ca()), at(NOW)));
    let mut secret = pair("middle", &Certificate::chain_to_pem(&chain).unwrap(), &middle_key);
    let pem = root.to_pem().unwrap().into_bytes();
    secret.data.as_mut().unwrap().insert(names::CA_CRT.to_owned(), ByteString(pem));

    let leaf = request(&certificate(&["web.example"]), &key());
    let (chain, ca) = chains(sign(&leaf, &from("middle"), Some(&secret), at(NOW)));
    let [leaf, between] = chain.as_slice() else { panic!("{chain:?}") };
    assert!(leaf.is_issued_by(between) && between.is_issued_by(&ca));
    assert_eq!(ca.der(), root.der());
}

#[test]
fn a_ca_secret_that_is_missing_or_wrong_waits_and_a_bad_request_is_refused() {
    let good = request(&certificate(&["web.example"]), &key());
    let (chain, _) = chains(sign(&good, &from("ca-pair"), Some(&long_ca()), at(NOW)));
    let leaf = chain[0].to_pem().unwrap();
    let mut other_key = long_ca();
    other_key.data.as_mut().unwrap().extend(pair("x", "", &key()).data.unwrap().remove_entry(names::TLS_KEY));
    for secret in [None, Some(Secret::default()), Some(pair("leaf", &leaf, &key())), Some(other_key)] {
        let outcome = sign(&good, &from("ca-pair"), secret.as_ref(), at(NOW));
        assert!(
            matches!(&outcome, Outcome::Pending(note) if note.message.contains("ca-pair")),
            "{outcome:?}"
        );
    }
    let mut bad = good;
    bad.spec.request = ByteString(b"nonsense".to_vec());
    let outcome = sign(&bad, &from("ca-pair"), Some(&long_ca()), at(NOW));
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

#[test]
fn a_self_signed_certificate_is_signed_with_the_key_that_its_request_names() {
    let key = key();
    let mut request = request(&certificate(&["web.example"]), &key);
    let named = [(names::PRIVATE_KEY_SECRET_NAME.to_owned(), "web-next-key".to_owned())];
    let secret = pair("web-next-key", "", &key);
    assert!(
        matches!(
            self_signed::sign(&request, &SelfSignedIssuer::default(), Some(&secret), at(NOW)),
            Outcome::Refused(_)
        ),
        "no name"
    );
    request.metadata.annotations = Some(named.into());
    assert!(
        matches!(
            self_signed::sign(&request, &SelfSignedIssuer::default(), None, at(NOW)),
            Outcome::Pending(_)
        ),
        "no Secret yet"
    );
    let other = pair("web-next-key", "", &super::tests::key());
    assert!(
        matches!(
            self_signed::sign(&request, &SelfSignedIssuer::default(), Some(&other), at(NOW)),
            Outcome::Refused(_)
        ),
        "another key"
    );
    let (chain, ca) =
        chains(self_signed::sign(&request, &SelfSignedIssuer::default(), Some(&secret), at(NOW)));
    assert_eq!((chain.len(), chain[0].der()), (1, ca.der()));
    assert_eq!(*ca.public_key(), key.public_key());
    assert_eq!(ca.not_after(), at("2026-04-01T00:00:00Z"));
}
