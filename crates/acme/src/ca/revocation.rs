//! Revocation (RFC 8555 section 7.6).

use http::StatusCode;
use jamul_pki::{Certificate, RevocationListTemplate};
use jiff::SignedDuration;

use super::authority;
use super::context::{Context, missing};
use super::issuing::fingerprint;
use super::records::{AccountRecord, CertificateRecord, Record, Revocation};
use super::reply::{Handled, Refusal, Reply, internal, refuse};
use super::request::{Signer, Verified};
use crate::encoding;
use crate::jose::Jwk;
use crate::problem::{Problem, ProblemType};
use crate::wire::{AuthorizationStatus, RevocationReason, RevokeCertificate};

impl Context<'_> {
    pub(super) fn revoke(&mut self, verified: &Verified) -> Handled {
        let request: RevokeCertificate = verified.json()?;
        let reason = check_reason(request.reason)?;
        let der = encoding::decode(&request.certificate).map_err(|error| {
            let detail = format!("certificate is not base64url: {error}");
            Box::new(Problem::new(ProblemType::Malformed, detail))
        })?;
        let Some(record) = self.objects().certificate_by_fingerprint(&fingerprint(&der)).cloned() else {
            return missing("certificate issued here");
        };
        let may_revoke = match verified.signer() {
            Signer::Account(account) => self.may_revoke(account, &record),
            Signer::Key(key) => is_certificate_key(key, &der),
        };
        if !may_revoke {
            let detail =
                "neither the account of the certificate, nor one that proved all its names, nor its key";
            return refuse(ProblemType::Unauthorized, format!("signed by {detail}"));
        }
        if record.revoked.is_some() {
            return refuse(ProblemType::AlreadyRevoked, "the certificate is revoked already");
        }
        let revoked = Some(Revocation { at: self.now, reason });
        self.commit(vec![Record::Certificate(CertificateRecord { revoked, ..record })])?;
        Ok(Reply::empty(StatusCode::OK))
    }

    /// The list of what the intermediate with this mark issued and was revoked (RFC 5280 section 5).
    pub(super) fn revocation_list(&self, mark: &str) -> Handled {
        let Some(issuer) = self.authority.key_identifier(mark) else { return missing("list") };
        let issuer = format!("{}.", encoding::encode(issuer));
        let mut listed = Vec::new();
        for (record, revocation) in self.objects().revoked() {
            if !record.renewal.starts_with(&issuer) || record.not_after <= self.now {
                continue;
            }
            let leaf = Certificate::from_pem(&record.chain).map_err(|error| internal(&error))?;
            listed.push(authority::revoked(leaf.serial(), revocation.at, revocation.reason.code()));
        }
        let list = RevocationListTemplate {
            // It grows with time, and no two lists are made within a millisecond that differ.
            number: u64::try_from(self.now.as_millisecond()).unwrap_or(0),
            this_update: self.now,
            next_update: self.now + LIST_LIFETIME,
            revoked: &listed,
        };
        match self.authority.revocation_list(mark, &list).map_err(|error| internal(&error))? {
            Some(der) => Ok(Reply::binary("application/pkix-crl", der)),
            None => missing("list"),
        }
    }

    fn may_revoke(&self, account: &AccountRecord, record: &CertificateRecord) -> bool {
        account.id == record.account
            || record.identifiers.iter().all(|identifier| {
                self.objects()
                    .latest_authorization(&account.id, identifier)
                    .is_some_and(|proof| proof.status(self.now) == AuthorizationStatus::Valid)
            })
    }
}

fn is_certificate_key(key: &Jwk, der: &[u8]) -> bool {
    let certificate = Certificate::from_der(der).ok();
    let certified = certificate.and_then(|found| Jwk::from_public_key(found.public_key()).ok());
    certified.as_ref() == Some(key)
}

fn check_reason(code: Option<u8>) -> Result<RevocationReason, Refusal> {
    match RevocationReason::from_code(code.unwrap_or(0)) {
        Some(reason) => Ok(reason),
        None => {
            let detail =
                format!("reason {code:?} cannot be given by a subscriber; there are 0, 1, 3, 4 and 5");
            refuse(ProblemType::BadRevocationReason, detail)
        }
    }
}

/// Who has a list may believe it this long.
const LIST_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
