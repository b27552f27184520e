//! When to renew (RFC 9773): what the CA suggests, and which order takes the place of which certificate.

use http::StatusCode;
use jamul_pki::Certificate;
use jiff::{SignedDuration, Timestamp};

use super::context::{Context, missing, owned};
use super::records::{AccountRecord, CertificateRecord};
use super::reply::{Handled, Refusal, Reply, internal, refuse};
use crate::problem::ProblemType;
use crate::wire::{Identifier, RenewalInfo, SuggestedWindow};

impl Context<'_> {
    /// The window of one certificate (section 4). Everybody may ask.
    pub(super) fn renewal_info(&self, renewal: &str) -> Handled {
        let Some(record) = self.objects().certificate_by_renewal(renewal) else {
            return missing("certificate issued here");
        };
        let window = match record.revoked {
            // In the past: at once (section 4.2).
            Some(_) => SuggestedWindow {
                start: self.now - SignedDuration::from_hours(1),
                end: self.now - SignedDuration::from_mins(30),
            },
            None => window(record).ok_or_else(|| internal(&fmt_error()))?,
        };
        let info = RenewalInfo { suggested_window: window, explanation_url: None };
        Ok(Reply::json(StatusCode::OK, &info).with(http::header::RETRY_AFTER, LOOK_AGAIN))
    }

    /// Whether an order for `identifiers` may replace the certificate (section 5).
    pub(super) fn check_replaced(
        &self,
        renewal: &str,
        account: &AccountRecord,
        identifiers: &[Identifier],
    ) -> Result<(), Refusal> {
        let Some(record) = self.objects().certificate_by_renewal(renewal) else {
            return missing("certificate to be replaced");
        };
        owned(record, &record.account, account)?;
        if !identifiers.iter().any(|identifier| record.identifiers.contains(identifier)) {
            let detail = "the order has no name in common with the certificate that it replaces";
            return refuse(ProblemType::Malformed, detail);
        }
        match self.objects().replacement(renewal, self.now) {
            // The same order again is found and given again.
            Some(order) if order.account != account.id || order.identifiers != identifiers => {
                let detail = format!("the certificate is replaced already, by order {}", order.id);
                refuse(ProblemType::AlreadyReplaced, detail)
            }
            Some(order) if self.objects().certificate(&order.id).is_some() => {
                let detail = format!("the certificate was replaced already, by order {}", order.id);
                refuse(ProblemType::AlreadyReplaced, detail)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Around two thirds of the lifetime, half of it for those of less than ten days; a fiftieth of it wide.
fn window(record: &CertificateRecord) -> Option<SuggestedWindow> {
    let leaf = Certificate::from_pem(&record.chain).ok()?;
    let lifetime = leaf.not_after().duration_since(leaf.not_before());
    let ideal = match lifetime < SignedDuration::from_hours(10 * 24) {
        true => lifetime / 2,
        false => lifetime / 3 * 2,
    };
    let at = |span| -> Option<Timestamp> { leaf.not_before().checked_add(span).ok() };
    Some(SuggestedWindow { start: at(ideal - lifetime / 100)?, end: at(ideal + lifetime / 100)? })
}

fn fmt_error() -> std::io::Error {
    std::io::Error::other("a stored certificate cannot be read")
}

/// Seconds between two looks (section 4.3).
const LOOK_AGAIN: &str = "21600";
