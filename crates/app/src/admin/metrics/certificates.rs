//! What metrics tell of certificates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jamul_pki::{Certificate, KeyAlgorithm};
use jamul_routing::{CertEntry, HostPattern, Snapshot};

/// What was read of certificates, by fingerprint, so that a scrape reads each once.
#[derive(Debug, Default)]
pub(crate) struct Certificates(Mutex<HashMap<[u8; 32], Arc<Facts>>>);

/// What the labels say of a certificate.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) identifier: String,
    pub(super) organization: String,
    pub(super) common_name: String,
    pub(super) serial: String,
    pub(super) algorithm: &'static str,
}

impl Certificates {
    /// Every certificate of `snapshot` with its host; forgets others.
    pub(super) fn of(&self, snapshot: &Snapshot) -> Vec<(String, Arc<CertEntry>, Arc<Facts>)> {
        let default = snapshot.certs.find(None).map(|entry| (&HostPattern::Any, entry));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut still = HashMap::new();
        let listed = snapshot.certs.iter().chain(default).map(|(pattern, entry)| {
            let read = || known.remove(&entry.fingerprint).unwrap_or_else(|| Arc::new(Facts::of(entry)));
            let facts = Arc::clone(still.entry(entry.fingerprint).or_insert_with(read));
            // ingress-nginx's name of the server for everybody else.
            let host = if *pattern == HostPattern::Any { "_".to_owned() } else { pattern.to_string() };
            (host, Arc::clone(entry), facts)
        });
        let listed = listed.collect();
        *known = still;
        listed
    }
}

impl Facts {
    fn of(entry: &CertEntry) -> Self {
        let Some(leaf) = entry.chain.first().and_then(|der| Certificate::from_der(der).ok()) else {
            return Self::default();
        };
        let serial = decimal(leaf.serial());
        let issuer = leaf.issuer();
        Self {
            identifier: format!("{}-{serial}", issuer.serial_number.as_deref().unwrap_or_default()),
            organization: issuer.organizations.first().cloned().unwrap_or_default(),
            common_name: leaf.issuer_common_name().unwrap_or_default().to_owned(),
            serial,
            // As Go writes them.
            algorithm: match leaf.public_key().algorithm() {
                KeyAlgorithm::Rsa { bits: _ } => "RSA",
                KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => "ECDSA",
                KeyAlgorithm::Ed25519 => "Ed25519",
            },
        }
    }
}

/// A big-endian number in decimal digits.
fn decimal(bytes: &[u8]) -> String {
    // Nine digits each, the lowest first.
    let mut limbs: Vec<u32> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            let value = u64::from(*limb) * 256 + carry;
            *limb = u32::try_from(value % LIMB).unwrap_or_default();
            carry = value / LIMB;
        }
        if carry > 0 {
            limbs.push(u32::try_from(carry).unwrap_or_default());
        }
    }
    let mut digits = limbs.pop().unwrap_or_default().to_string();
    digits.extend(limbs.iter().rev().map(|limb| format!("{limb:09}")));
    digits
}

const LIMB: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_written_in_decimal_digits() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[0, 255]), "255");
        assert_eq!(decimal(&[0x3b, 0x9a, 0xca, 0x00]), "1000000000");
        assert_eq!(decimal(&[0xff; 16]), u128::MAX.to_string());
        assert_eq!(decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), (1_u128 << 64).to_string());
    }
}
