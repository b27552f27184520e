#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::algorithm::KeyAlgorithm;
use crate::name::Subject;

const START: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn template(key: &PrivateKey) -> CertificateTemplate {
    CertificateTemplate::new(Serial::random().unwrap(), key.public_key(), at(START), at(START + 90 * DAY))
}

fn named(name: &str) -> Name {
    Subject::with_common_name(name).to_name().unwrap()
}

fn root(key: &PrivateKey) -> Certificate {
    CertificateTemplate { subject: named("root"), is_ca: true, ..template(key) }.self_sign(key).unwrap()
}

/// The critical flag of each extension, in order
fn extensions(certificate: &Certificate) -> Vec<(ObjectIdentifier, bool)> {
    let certificate = <x509_cert::Certificate as der::Decode<'_>>::from_der(certificate.der()).unwrap();
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    extensions.iter().map(|extension| (extension.extn_id, extension.critical)).collect()
}

#[test]
fn a_signed_certificate_says_what_its_template_said() {
    let (root_key, leaf_key) = (key(), key());
    let root = root(&root_key);
    let wanted = CertificateTemplate {
        subject: named("a.example"),
        sans: vec![
            San::Dns("a.example".into()),
            San::Ip("2001:db8::1".parse().unwrap()),
            San::Uri("spiffe://a.example/b".into()),
            San::Email("a@example.com".into()),
        ],
        usages: vec![Usage::DigitalSignature, Usage::ServerAuth],
        ..template(&leaf_key)
    };
    let leaf = wanted.sign_by(&Authority { certificate: &root, key: &root_key }).unwrap();
    assert_eq!((leaf.serial(), leaf.public_key()), (&wanted.serial, &wanted.public_key));
    assert_eq!((leaf.subject_name(), leaf.issuer_name()), (&wanted.subject, root.subject_name()));
    assert_eq!((leaf.sans(), leaf.usages()), (&wanted.sans[..], &wanted.usages[..]));
    assert_eq!((leaf.not_before(), leaf.not_after()), (wanted.not_before, wanted.not_after));
    assert_eq!(leaf.authority_key_identifier(), Some(&root.key_identifier()[..]));
    assert_eq!(leaf.key_identifier(), leaf_key.public_key().key_identifier());
    assert!(!leaf.is_ca() && leaf.is_issued_by(&root) && !leaf.is_self_signed());
    assert!(root.is_ca() && root.is_self_signed() && root.usages() == [Usage::CertSign]);
}

#[test]
fn a_leaf_has_the_extensions_of_its_template_and_no_other() {
    let leaf_key = key();
    let bare = template(&leaf_key).self_sign(&leaf_key).unwrap();
    let always = [
        (rfc5280::ID_CE_BASIC_CONSTRAINTS, true),
        (rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER, false),
        (rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER, false),
    ];
    assert_eq!(extensions(&bare), always);
    let full = CertificateTemplate {
        usages: vec![Usage::DigitalSignature, Usage::ServerAuth],
        sans: vec![San::Dns("a.example".into())],
        ocsp_servers: vec!["http://a.example/ocsp".into()],
        issuing_certificate_urls: vec!["http://a.example/ca".into()],
        crl_distribution_points: vec!["http://a.example/crl".into()],
        ..template(&leaf_key)
    };
    let mut expected = vec![(rfc5280::ID_CE_KEY_USAGE, true), (rfc5280::ID_CE_EXT_KEY_USAGE, false)];
    expected.extend(always);
    expected.extend([
        (rfc5280::ID_PE_AUTHORITY_INFO_ACCESS, false),
        (rfc5280::ID_CE_SUBJECT_ALT_NAME, true),
        (rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS, false),
    ]);
    assert_eq!(extensions(&full.self_sign(&leaf_key).unwrap()), expected);
    let with_subject = CertificateTemplate { subject: named("a"), ..full }.self_sign(&leaf_key).unwrap();
    assert!(extensions(&with_subject).contains(&(rfc5280::ID_CE_SUBJECT_ALT_NAME, false)));
}

#[test]
fn fractions_of_seconds_are_dropped_and_years_after_2049_kept() {
    let leaf_key = key();
    let half = jiff::SignedDuration::from_millis(500);
    let long = CertificateTemplate {
        not_before: at(START) + half,
        not_after: at(4_000_000_000) + half,
        ..template(&leaf_key)
    };
    let certificate = long.self_sign(&leaf_key).unwrap();
    assert_eq!((certificate.not_before(), certificate.not_after()), (at(START), at(4_000_000_000)));
}

#[test]
fn a_certificate_that_is_no_ca_cannot_sign() {
    let leaf_key = key();
    let leaf = CertificateTemplate { subject: named("leaf"), ..template(&leaf_key) };
    let leaf = leaf.self_sign(&leaf_key).unwrap();
    let error =
        template(&key()).sign_by(&Authority { certificate: &leaf, key: &leaf_key }).unwrap_err().to_string();
    assert_eq!(error, "the issuing certificate (CN=leaf) is not a CA's: basicConstraints must say CA:TRUE");
}

#[test]
fn a_key_that_is_not_the_authoritys_cannot_sign() {
    let (root_key, other) = (key(), key());
    let root = root(&root_key);
    let by_other = template(&other).sign_by(&Authority { certificate: &root, key: &other }).unwrap_err();
    assert_eq!(by_other.to_string(), "the private key does not belong to the certificate \"CN=root\"");
    assert!(matches!(template(&other).self_sign(&root_key), Err(TemplateError::OtherKey { .. })));
}

#[test]
fn impossible_times_and_urls_are_refused_with_their_value() {
    let leaf_key = key();
    let refused = |template: CertificateTemplate| template.self_sign(&leaf_key).unwrap_err().to_string();
    assert_eq!(
        refused(CertificateTemplate { not_after: at(START - 1), ..template(&leaf_key) }),
        "the certificate would end (2027-01-15T07:59:59Z) before it begins (2027-01-15T08:00:00Z)"
    );
    assert_eq!(
        refused(CertificateTemplate { not_before: at(-1), ..template(&leaf_key) }),
        "a certificate cannot hold the time 1969-12-31T23:59:59Z, expected the years 1970 to 9999"
    );
    assert_eq!(
        refused(CertificateTemplate { ocsp_servers: vec!["http://예".into()], ..template(&leaf_key) }),
        "the URL \"http://예\" must be ASCII"
    );
}
