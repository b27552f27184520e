#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::pbe::{Purpose, derive_pkcs12};
use super::*;
use crate::algorithm::KeyAlgorithm;
use crate::key::PrivateKey;
use crate::subject::Subject;
use crate::template::{Authority, CertificateTemplate, Serial};

const PASSWORD: &str = "changeit";

struct Files {
    key: PrivateKey,
    leaf: Certificate,
    root: Certificate,
}

fn template(name: &str, key: &PrivateKey, is_ca: bool) -> CertificateTemplate {
    CertificateTemplate {
        serial: Serial::random().unwrap(),
        subject: Subject::with_common_name(name),
        sans: Vec::new(),
        usages: Vec::new(),
        is_ca,
        path_len: None,
        not_before: jiff::Timestamp::from_second(1_700_000_000).unwrap(),
        not_after: jiff::Timestamp::from_second(2_000_000_000).unwrap(),
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    }
}

fn files() -> Files {
    let generate = || PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let (key, root_key) = (generate(), generate());
    let root = template("Root", &root_key, true).self_sign(&root_key).unwrap();
    let authority = Authority { certificate: &root, key: &root_key };
    let leaf = template("leaf", &key, false).sign_by(&authority).unwrap();
    Files { key, leaf, root }
}

/// What a program says about a file; `None` if the machine does not have it.
fn said(program: &str, arguments: &[&str], file: &[u8]) -> Option<String> {
    let name = format!("jamul-keystore-{}-{}", std::process::id(), arguments.len());
    let path = std::env::temp_dir().join(format!("{name}-{}", file.len()));
    std::fs::write(&path, file).unwrap();
    let arguments: Vec<_> =
        arguments.iter().map(|text| if *text == "FILE" { path.to_str().unwrap() } else { text }).collect();
    let output = Command::new(program).args(arguments).output();
    std::fs::remove_file(Path::new(&path)).unwrap();
    let output = output.ok()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
    Some(text.into_owned())
}

const KEYTOOL: [&str; 6] = ["-list", "-v", "-storepass", PASSWORD, "-keystore", "FILE"];

#[test]
fn java_reads_key_chain_and_authority_from_a_jks_file() {
    let Files { key, leaf, root } = files();
    let (chain, authorities) = ([leaf.clone()], [root]);
    let entry = KeystoreEntry { key: &key, chain: &chain, authorities: &authorities };
    let file = jks_keystore(&entry, "Certificate", PASSWORD, leaf.not_before()).unwrap();
    if let Some(text) = said("keytool", &KEYTOOL, &file) {
        for part in
            ["Alias name: certificate", "PrivateKeyEntry", "Alias name: ca", "trustedCertEntry", "CN=leaf"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let file = jks_truststore(&authorities, PASSWORD, leaf.not_before()).unwrap();
    if let Some(text) = said("keytool", &KEYTOOL, &file) {
        assert!(text.contains("trustedCertEntry") && text.contains("1 entry"), "{text}");
    }
}

#[test]
fn openssl_and_java_read_the_pkcs12_files_of_the_profiles() {
    let Files { key, leaf, root } = files();
    let (chain, authorities) = ([leaf], [root]);
    let entry = KeystoreEntry { key: &key, chain: &chain, authorities: &authorities };
    for (profile, legacy, mark) in [
        (Pkcs12Profile::LegacyRc2, true, "pbeWithSHA1And40BitRC2-CBC"),
        (Pkcs12Profile::LegacyDes, true, "pbeWithSHA1And3-KeyTripleDES-CBC"),
        (Pkcs12Profile::Modern2023, false, "AES-256-CBC"),
    ] {
        let file = pkcs12_keystore(&entry, profile, PASSWORD).unwrap();
        let password = format!("pass:{PASSWORD}");
        let mut arguments = vec!["pkcs12", "-info", "-nodes", "-in", "FILE", "-passin", &password];
        arguments.extend(legacy.then_some("-legacy"));
        if let Some(text) = said("openssl", &arguments, &file) {
            for part in [mark, "BEGIN PRIVATE KEY", "CN = leaf", "CN = Root"] {
                assert!(text.contains(part), "{profile:?} {part}: {text}");
            }
        }
        // Modern2023 needs a Java of 2020 or later, RC2 one that has not removed it: 17 reads all.
        if let Some(text) = said("keytool", &KEYTOOL, &file) {
            assert!(text.contains("PrivateKeyEntry") && text.contains("CN=leaf"), "{profile:?}: {text}");
        }
        let trust = pkcs12_truststore(&authorities, profile, PASSWORD).unwrap();
        if let Some(text) = said("keytool", &KEYTOOL, &trust) {
            assert!(
                text.contains("Alias name: ca") && text.contains("trustedCertEntry"),
                "{profile:?}: {text}"
            );
        }
    }
}

#[test]
fn the_newest_profile_says_pbmac1_and_leaves_the_outer_salt_unused() {
    let Files { key, leaf, root } = files();
    let entry = KeystoreEntry { key: &key, chain: &[leaf], authorities: &[root] };
    let file = pkcs12_keystore(&entry, Pkcs12Profile::Modern2026, PASSWORD).unwrap();
    let found = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    assert!(found(b"NOT USED"));
    assert!(found(&super::tlv::oid("1.2.840.113549.1.5.14")));
}

#[test]
fn keys_from_passwords_are_those_of_other_implementations() {
    // From the tests of OpenSSL and of Bouncy Castle for PKCS#12 with SHA-1.
    let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
    let key = derive_pkcs12(&SHA1_FOR_LEGACY_USE_ONLY, Purpose::Key, "smeg", &salt, 1, 24);
    let expected = "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3";
    assert_eq!(key.iter().map(|octet| format!("{octet:02x}")).collect::<String>(), expected);
    assert_eq!(derive_pkcs12(&SHA256, Purpose::Mac, "a", b"b", 2, 70).len(), 70);
}
