//! PKCS#12 files (RFC 7292), laid out as cert-manager's.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::hmac;

use super::entry::{KeystoreEntry, Pkcs12Profile, authority_alias, random};
use super::pbe::{Cipher, ITERATIONS, Purpose, derive_pkcs12, pbkdf2, pbkdf2_parameters};
use super::tlv::{SET, bmp_string, explicit, integer, null, octets, oid, sequence, tlv};
use crate::certificate::Certificate;
use crate::error::KeyError;

const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const X509: &str = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
/// Java takes a certificate without a key as trusted only with this attribute.
const JAVA_TRUSTED: &str = "2.16.840.1.113894.746875.1.1";
const ANY_USAGE: &str = "2.5.29.37.0";

pub(super) fn keystore(
    entry: &KeystoreEntry<'_>,
    profile: Pkcs12Profile,
    password: &str,
) -> Result<Vec<u8>, KeyError> {
    // What makes key and certificate one entry for those who read the file.
    let first = entry.chain.first().map(Certificate::der).unwrap_or_default();
    let id = octets(digest(&SHA1_FOR_LEGACY_USE_ONLY, first).as_ref());
    let id = attribute(LOCAL_KEY_ID, &id);
    let (certificates, keys) = profile.ciphers();
    let mut bags = Vec::new();
    for (index, certificate) in entry.chain.iter().enumerate() {
        bags.push(certificate_bag(certificate, if index == 0 { std::slice::from_ref(&id) } else { &[] }));
    }
    let others = entry.authorities.iter().filter(|authority| !entry.chain.contains(authority));
    bags.extend(others.map(|authority| certificate_bag(authority, &[])));
    let (algorithm, encrypted) = keys.encrypt(entry.key.pkcs8_der(), password)?;
    let key = bag(SHROUDED_KEY_BAG, &sequence(&[algorithm, octets(&encrypted)]), &[id]);
    let safes = [encrypted_safe(&bags, certificates, password)?, content(DATA, &octets(&sequence(&[key])))];
    file(&sequence(&safes), profile, password)
}

pub(super) fn truststore(
    authorities: &[Certificate],
    profile: Pkcs12Profile,
    password: &str,
) -> Result<Vec<u8>, KeyError> {
    let bags = authorities.iter().enumerate().map(|(index, authority)| {
        let name = attribute(FRIENDLY_NAME, &bmp_string(&authority_alias(index)));
        certificate_bag(authority, &[name, attribute(JAVA_TRUSTED, &oid(ANY_USAGE))])
    });
    let (certificates, _) = profile.ciphers();
    let safe = encrypted_safe(&bags.collect::<Vec<_>>(), certificates, password)?;
    file(&sequence(&[safe]), profile, password)
}

impl Pkcs12Profile {
    /// Of the certificates, and of the key.
    fn ciphers(self) -> (Cipher, Cipher) {
        match self {
            Self::LegacyRc2 => (Cipher::Rc2, Cipher::TripleDes),
            Self::LegacyDes => (Cipher::TripleDes, Cipher::TripleDes),
            Self::Modern2023 | Self::Modern2026 => (Cipher::Aes256, Cipher::Aes256),
        }
    }

    /// MacData over the authenticated safe.
    fn mac(self, safe: &[u8], password: &str) -> Result<Vec<u8>, KeyError> {
        let info = |algorithm: Vec<u8>, mac: hmac::Tag| sequence(&[algorithm, octets(mac.as_ref())]);
        let sign = |with, key: &[u8]| hmac::sign(&hmac::Key::new(with, key), safe);
        Ok(match self {
            Self::LegacyRc2 | Self::LegacyDes => {
                let salt: [u8; 8] = random()?;
                let key = derive_pkcs12(&SHA1_FOR_LEGACY_USE_ONLY, Purpose::Mac, password, &salt, 1, 20);
                let mac = sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
                let algorithm = sequence(&[oid("1.3.14.3.2.26"), null()]);
                // One round is the default, which DER leaves out.
                sequence(&[info(algorithm, mac), octets(&salt)])
            }
            Self::Modern2023 => {
                let salt: [u8; 16] = random()?;
                let key = derive_pkcs12(&SHA256, Purpose::Mac, password, &salt, ITERATIONS, 32);
                let algorithm = sequence(&[oid("2.16.840.1.101.3.4.2.1"), null()]);
                let mac = sign(hmac::HMAC_SHA256, &key);
                sequence(&[info(algorithm, mac), octets(&salt), integer(ITERATIONS)])
            }
            Self::Modern2026 => {
                let salt: [u8; 16] = random()?;
                let derivation =
                    sequence(&[oid("1.2.840.113549.1.5.12"), pbkdf2_parameters(&salt, Some(32))]);
                let scheme = sequence(&[oid("1.2.840.113549.2.9"), null()]);
                let algorithm = sequence(&[oid("1.2.840.113549.1.5.14"), sequence(&[derivation, scheme])]);
                let mac = sign(hmac::HMAC_SHA256, &pbkdf2(password, &salt));
                // RFC 9579 section 5: salt and rounds out here are not used.
                sequence(&[info(algorithm, mac), octets(b"NOT USED")])
            }
        })
    }
}

fn file(safe: &[u8], profile: Pkcs12Profile, password: &str) -> Result<Vec<u8>, KeyError> {
    Ok(sequence(&[integer(3), content(DATA, &octets(safe)), profile.mac(safe, password)?]))
}

fn encrypted_safe(bags: &[Vec<u8>], cipher: Cipher, password: &str) -> Result<Vec<u8>, KeyError> {
    let (algorithm, encrypted) = cipher.encrypt(&sequence(bags), password)?;
    let info = sequence(&[oid(DATA), algorithm, tlv(0x80, &encrypted)]);
    Ok(content(ENCRYPTED_DATA, &sequence(&[integer(0), info])))
}

fn content(kind: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[oid(kind), explicit(value)])
}

fn certificate_bag(certificate: &Certificate, attributes: &[Vec<u8>]) -> Vec<u8> {
    bag(CERTIFICATE_BAG, &content(X509, &octets(certificate.der())), attributes)
}

fn bag(kind: &str, value: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = vec![oid(kind), explicit(value)];
    if !attributes.is_empty() {
        // The elements of a SET OF are ordered (X.690 section 11.6).
        let mut attributes = attributes.to_vec();
        attributes.sort();
        parts.push(tlv(SET, &attributes.concat()));
    }
    sequence(&parts)
}

fn attribute(kind: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[oid(kind), tlv(SET, value)])
}
