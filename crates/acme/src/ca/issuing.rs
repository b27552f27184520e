//! From an accepted request to a certificate on record.

use jamul_pki::{Certificate, Csr};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::authority::{self, Authority, AuthorityError, Leaf};
use super::journal::JournalError;
use super::ledger::Ledger;
use super::records::{CertificateRecord, OrderId, OrderPhase, OrderRecord, Record};
use super::resource::{BaseUrl, Resource};
use super::settings::CaSettings;
use crate::encoding;
use crate::problem::{Problem, ProblemType};
use crate::wire::renewal_identifier;

/// Makes the certificate of a processing order. Another order is left alone, so doing it twice issues once.
///
/// Certificate and order are committed together: after a crash both are there, or the order is still processing.
///
/// # Errors
/// [`JournalError`]; nothing has changed then, and it may be tried again.
pub(super) fn issue(
    ledger: &mut Ledger,
    authority: &Authority,
    rules: &Rules<'_>,
    order: &OrderId,
    now: Timestamp,
) -> Result<(), JournalError> {
    let Some(order) = ledger.objects().order(order).cloned() else { return Ok(()) };
    let csr = match &order.phase {
        OrderPhase::Processing { csr } => csr.clone(),
        OrderPhase::Open | OrderPhase::Issued | OrderPhase::Failed(_) => return Ok(()),
    };
    let records = match chain(&csr, &order, authority, rules, ledger, now) {
        Ok(chain) => match certificate_record(&chain, &order) {
            Some(certificate) => vec![
                Record::Certificate(certificate),
                Record::Order(OrderRecord { phase: OrderPhase::Issued, ..order }),
            ],
            None => vec![failed(order)],
        },
        Err(error) => {
            tracing::error!(order = %order.id, %error, "cannot make a certificate");
            vec![failed(order)]
        }
    };
    ledger.commit(records, now)
}

/// Gives up a processing order for a reason that its client is to see.
///
/// # Errors
/// [`JournalError`]; nothing has changed then.
pub(super) fn refuse(
    ledger: &mut Ledger,
    order: &OrderId,
    problem: Problem,
    now: Timestamp,
) -> Result<(), JournalError> {
    let Some(order) = ledger.objects().order(order).cloned() else { return Ok(()) };
    match &order.phase {
        OrderPhase::Processing { .. } => {
            let phase = OrderPhase::Failed(Box::new(problem));
            ledger.commit(vec![Record::Order(OrderRecord { phase, ..order })], now)
        }
        OrderPhase::Open | OrderPhase::Issued | OrderPhase::Failed(_) => Ok(()),
    }
}

/// What a certificate has to follow.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) settings: &'a CaSettings,
    pub(super) base: &'a BaseUrl,
}

fn chain(
    csr: &str,
    order: &OrderRecord,
    authority: &Authority,
    rules: &Rules<'_>,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<Vec<Certificate>, AuthorityError> {
    let der = encoding::decode(csr).map_err(|_| AuthorityError::StoredRequest)?;
    let csr = Csr::from_der(&der).map_err(|_| AuthorityError::StoredRequest)?;
    let begin = order.validity.not_before.unwrap_or(now);
    let end = order.validity.not_after.unwrap_or(begin + order.profile.validity(rules.settings));
    let leaf = Leaf {
        public_key: csr.public_key(),
        sans: authority::sans(&order.identifiers),
        not_before: begin,
        not_after: end,
    };
    let is_taken = |serial: &[u8]| ledger.objects().has_serial(serial);
    let crl = |mark: &str| rules.base.of(&Resource::RevocationList(mark.to_owned()));
    authority.issue(&leaf, &is_taken, Some(&crl), now)
}

fn certificate_record(chain: &[Certificate], order: &OrderRecord) -> Option<CertificateRecord> {
    let leaf = chain.first()?;
    Some(CertificateRecord {
        order: order.id.clone(),
        account: order.account.clone(),
        identifiers: order.identifiers.clone(),
        chain: Certificate::chain_to_pem(chain).ok()?,
        fingerprint: fingerprint(leaf.der()),
        renewal: renewal_identifier(leaf).unwrap_or_default(),
        serial: leaf.serial_hex(),
        not_after: leaf.not_after(),
        revoked: None,
    })
}

fn failed(order: OrderRecord) -> Record {
    let problem = Problem::new(ProblemType::ServerInternal, "the CA could not make the certificate");
    Record::Order(OrderRecord { phase: OrderPhase::Failed(Box::new(problem)), ..order })
}

/// How a certificate is found again by what a client sends.
pub(super) fn fingerprint(der: &[u8]) -> String {
    encoding::encode(Sha256::digest(der))
}
