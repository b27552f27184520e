//! Whether a certificate request may be granted (RFC 8555 section 7.4).

use std::collections::BTreeSet;

use jamul_pki::{Csr, KeyAlgorithm, San};

use super::reply::{Refusal, refuse};
use crate::encoding;
use crate::identifier::Identifier;
use crate::jose::Jwk;
use crate::problem::ProblemType;

/// The request behind base64url text, if it asks for exactly `ordered`, for a good key that is not the account's.
///
/// # Errors
/// `badCSR` with the reason; `malformed` when the text is not base64url.
pub(super) fn check(text: &str, ordered: &[Identifier], account_key: &Jwk) -> Result<Csr, Refusal> {
    let der = match encoding::decode(text) {
        Ok(der) => der,
        Err(error) => return refuse(ProblemType::Malformed, format!("csr is not base64url: {error}")),
    };
    let csr = match Csr::from_der(&der) {
        Ok(csr) => csr,
        Err(error) => return bad(with_source(&error)),
    };
    check_names(&csr, ordered)?;
    check_key(&csr, account_key)?;
    if csr.is_ca() {
        return bad("the request asks for a CA certificate");
    }
    // There is no OCSP here to staple, so such a certificate would be refused by those who understand it.
    if contains(&der, MUST_STAPLE) {
        return bad("the request asks for OCSP must-staple, and this CA has no OCSP");
    }
    Ok(csr)
}

fn check_names(csr: &Csr, ordered: &[Identifier]) -> Result<(), Refusal> {
    let mut requested = BTreeSet::new();
    for san in csr.sans() {
        match san {
            San::Dns(name) => requested.insert(Identifier::Dns(name.to_ascii_lowercase())),
            San::Ip(address) => requested.insert(Identifier::Ip(address.to_canonical())),
            San::Uri(_) | San::Email(_) | San::Other { .. } => {
                return bad(format!("the name {san} is neither dns nor ip"));
            }
        };
    }
    if let Some(name) = csr.subject().common_name.clone() {
        requested.insert(Identifier::from_host(&name));
    }
    let ordered: BTreeSet<_> = ordered.iter().cloned().collect();
    if requested == ordered {
        return Ok(());
    }
    let missing = list(ordered.difference(&requested));
    let surplus = list(requested.difference(&ordered));
    bad(format!("the names differ from the order's: missing {missing}, not ordered {surplus}"))
}

fn check_key(csr: &Csr, account_key: &Jwk) -> Result<(), Refusal> {
    match csr.public_key().algorithm() {
        KeyAlgorithm::Rsa { bits } if !RSA_BITS.contains(&bits) => {
            let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
            bad(format!("the RSA key has {bits} bits; it must have {least} to {most}"))
        }
        _ if Jwk::from_public_key(csr.public_key()).is_ok_and(|key| key == *account_key) => {
            bad("the key is the account's own; a certificate needs another one")
        }
        _ => Ok(()),
    }
}

fn bad<T>(detail: impl Into<String>) -> Result<T, Refusal> {
    refuse(ProblemType::BadCsr, detail)
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn list<'a>(identifiers: impl Iterator<Item = &'a Identifier>) -> String {
    let names: Vec<String> = identifiers.map(Identifier::to_string).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The DER of the object identifier of the TLS feature extension (RFC 7633), of which must-staple is the only use.
const MUST_STAPLE: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x18];

const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
