//! Keystores for programs that do not read PEM: JKS, and PKCS#12 (RFC 7292).

mod jks;
mod pbe;
mod pkcs12;
mod tlv;

use crate::certificate::Certificate;
use crate::error::KeyError;
use crate::key::PrivateKey;

/// A key with its chain, and the certificate of its CA.
#[derive(Clone, Copy, Debug)]
pub struct KeystoreEntry<'a> {
    /// The key.
    pub key: &'a PrivateKey,
    /// Its certificate first.
    pub chain: &'a [Certificate],
    /// The CAs that are trusted.
    pub authorities: &'a [Certificate],
}

/// How a PKCS#12 file is protected: the profiles of cert-manager's `keystores.pkcs12.profile`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pkcs12Profile {
    /// Certificates with 40 bits of RC2, the key with triple DES: the default, readable by everything old.
    #[default]
    LegacyRc2,
    /// Both with triple DES.
    LegacyDes,
    /// AES-256 with keys of PBKDF2-HMAC-SHA-256, MAC with SHA-256.
    Modern2023,
    /// The same with a MAC of PBMAC1 (RFC 9579).
    Modern2026,
}

impl Pkcs12Profile {
    /// Reads cert-manager's name of a profile; empty is the default.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "" | "LegacyRC2" => Some(Self::LegacyRc2),
            "LegacyDES" => Some(Self::LegacyDes),
            "Modern2023" => Some(Self::Modern2023),
            "Modern2026" => Some(Self::Modern2026),
            _ => None,
        }
    }
}

/// A JKS file with the key and its chain under `alias`, and each CA under `ca`, `ca-1`, ...
///
/// # Errors
/// The library gives no random octets.
pub fn jks_keystore(
    entry: &KeystoreEntry<'_>,
    alias: &str,
    password: &str,
    created: jiff::Timestamp,
) -> Result<Vec<u8>, KeyError> {
    jks::write(Some((alias, entry)), entry.authorities, password, created)
}

/// A JKS file with the CAs alone.
///
/// # Errors
/// None in practice; the same as [`jks_keystore`].
pub fn jks_truststore(
    authorities: &[Certificate],
    password: &str,
    created: jiff::Timestamp,
) -> Result<Vec<u8>, KeyError> {
    jks::write(None, authorities, password, created)
}

/// A PKCS#12 file with the key, its chain and the CAs.
///
/// # Errors
/// The library refuses an operation.
pub fn pkcs12_keystore(
    entry: &KeystoreEntry<'_>,
    profile: Pkcs12Profile,
    password: &str,
) -> Result<Vec<u8>, KeyError> {
    pkcs12::keystore(entry, profile, password)
}

/// A PKCS#12 file with the CAs, marked as trusted for Java.
///
/// # Errors
/// The library refuses an operation.
pub fn pkcs12_truststore(
    authorities: &[Certificate],
    profile: Pkcs12Profile,
    password: &str,
) -> Result<Vec<u8>, KeyError> {
    pkcs12::truststore(authorities, profile, password)
}

/// `ca`, `ca-1`, `ca-2`, ...
fn authority_alias(index: usize) -> String {
    if index == 0 { "ca".to_owned() } else { format!("ca-{index}") }
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| KeyError::Crypto("give random octets"))?;
    Ok(octets)
}

#[cfg(test)]
mod tests;
