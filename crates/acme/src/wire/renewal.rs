//! When to renew, as the CA would have it (RFC 9773).

use jamul_pki::Certificate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::encoding;

/// What the CA suggests for one certificate (section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewalInfo {
    /// When to renew.
    pub suggested_window: SuggestedWindow,
    /// Where people read why.
    #[serde(default, rename = "explanationURL", skip_serializing_if = "Option::is_none")]
    pub explanation_url: Option<String>,
}

/// A client renews at a random instant in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestedWindow {
    /// The first instant.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
}

/// What a certificate is called in renewal information and in `replaces` (section 4.1): key identifier of the issuer and
/// serial number. `None` for a certificate that does not name its issuer's key.
pub fn renewal_identifier(certificate: &Certificate) -> Option<String> {
    let issuer = certificate.authority_key_identifier()?;
    // The contents of the INTEGER: with a leading zero where the first bit would make it negative.
    let serial = certificate.serial();
    let padded = match serial.first() {
        Some(first) if *first >= 0x80 => [&[0], serial].concat(),
        Some(_) | None => serial.to_vec(),
    };
    Some(format!("{}.{}", encoding::encode(issuer), encoding::encode(padded)))
}
