//! Keystores for programs that do not read PEM: JKS, and PKCS#12 (RFC 7292).

mod entry;
mod jks;
mod pbe;
mod pkcs12;
mod tlv;

use crate::certificate::Certificate;
use crate::error::KeyError;
pub use entry::{KeystoreEntry, Pkcs12Profile};

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

#[cfg(test)]
mod tests;
