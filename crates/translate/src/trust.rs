//! Secrets that annotations name for TLS: CA certificates, lists of revoked ones, a certificate of our own. What is wrong
//! with one is told as what is expected instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_api::names;
use jamul_pki::{Certificate, PrivateKey, RevocationList, Trust};
use jamul_routing::{Authorities, CertEntry};
use sha2::{Digest, Sha256};

/// CA certificates, in PEM.
const CA_CRT: &str = "ca.crt";
/// Lists of revoked certificates, in PEM.
const CA_CRL: &str = "ca.crl";

/// Reads `ca.crt`, and `ca.crl` if it is there.
///
/// # Errors
/// What is expected instead.
pub(crate) fn authorities(data: &BTreeMap<String, Vec<u8>>) -> Result<Authorities, String> {
    let roots =
        text(data, CA_CRT)?.ok_or_else(|| format!("a Secret with {CA_CRT}, CA certificates in PEM"))?;
    let roots = Certificate::chain_from_pem(roots).map_err(|error| unreadable(CA_CRT, &error))?;
    let lists = match text(data, CA_CRL)? {
        Some(lists) => RevocationList::all_from_pem(lists).map_err(|error| unreadable(CA_CRL, &error))?,
        None => Vec::new(),
    };
    let authorities = Authorities {
        roots: roots.iter().map(|root| root.der().to_vec()).collect(),
        lists: lists.iter().map(|list| list.der().to_vec()).collect(),
    };
    // What does not become trust here would not in a handshake.
    let trust = Trust::from_der(&authorities.roots, &authorities.lists, u8::MAX);
    trust.map_err(|error| unreadable(CA_CRT, &error))?;
    Ok(authorities)
}

/// Reads `tls.crt` and `tls.key`; `source` names the Secret for people. `None` if it has CA certificates only.
///
/// # Errors
/// What is expected instead.
pub(crate) fn key_pair(
    source: &str,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<Arc<CertEntry>>, String> {
    let (chain, key) = match (text(data, names::TLS_CRT)?, text(data, names::TLS_KEY)?) {
        (Some(chain), Some(key)) => (chain, key),
        (None, None) if data.contains_key(CA_CRT) => return Ok(None),
        (_, None) | (None, _) => {
            return Err(format!("a Secret with tls.crt and tls.key, {CA_CRT}, or all three"));
        }
    };
    let chain = Certificate::chain_from_pem(chain).map_err(|error| unreadable(names::TLS_CRT, &error))?;
    let key = PrivateKey::from_pem(key).map_err(|error| unreadable(names::TLS_KEY, &error))?;
    if chain.first().is_none_or(|leaf| *leaf.public_key() != key.public_key()) {
        return Err("a Secret whose tls.key belongs to the certificate in tls.crt".to_owned());
    }
    Ok(Some(Arc::new(cert_entry(&chain, &key, source))))
}

fn text<'a>(data: &'a BTreeMap<String, Vec<u8>>, key: &str) -> Result<Option<&'a str>, String> {
    let Some(value) = data.get(key).filter(|value| !value.is_empty()) else { return Ok(None) };
    std::str::from_utf8(value).map(Some).map_err(|_| format!("a Secret whose {key} is PEM"))
}

fn unreadable(key: &str, error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    format!("a Secret whose {key} can be read ({})", causes.join(": "))
}

/// The entry for a chain (leaf first) and the key that fits it; `source` names it for people.
#[must_use]
pub fn cert_entry(chain: &[Certificate], key: &PrivateKey, source: &str) -> CertEntry {
    let not_after = chain.first().map_or(0, |leaf| leaf.not_after().as_second());
    let chain: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
    let key = key.pkcs8_der().to_vec();
    CertEntry { fingerprint: fingerprint(&chain, &key), chain, key, source: source.into(), not_after }
}

fn fingerprint(chain: &[Vec<u8>], key: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in chain.iter().map(Vec::as_slice).chain([key]) {
        // The length keeps (ab, c) and (a, bc) apart.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
