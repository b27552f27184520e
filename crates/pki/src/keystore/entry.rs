//! What goes into a keystore, and how it is protected.

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

/// `ca`, `ca-1`, `ca-2`, ...
pub(super) fn authority_alias(index: usize) -> String {
    if index == 0 { "ca".to_owned() } else { format!("ca-{index}") }
}

/// Octets that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| KeyError::Crypto("give random octets"))?;
    Ok(octets)
}
