//! What to do with a CertificateRequest (cert-manager's approver and signer controllers).

use jamul_api::condition::{self, Condition};
use jamul_api::core::{ByteString, Time};
use jamul_api::issuer::{IssuerSpec, IssuerStatus};
use jamul_api::names;
use jamul_api::request::{CertificateRequest, CertificateRequestStatus};
use jiff::Timestamp;

use crate::issuer::{self, IssuerKind};
use crate::note::Note;

/// Who approves requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// All of them, as cert-manager's own approver does.
    #[default]
    Automatic,
    /// Somebody else, such as approver-policy or a person.
    ByOthers,
}

/// The next step for a request.
#[derive(Debug, PartialEq)]
pub enum RequestStep {
    /// Set this status: it is approved now, waits, or failed.
    SetStatus(Box<CertificateRequestStatus>, Option<Note>),
    /// Sign it.
    Sign(IssuerKind),
    /// Nothing before somebody approves it; worth an event.
    Wait(Note),
    /// Nothing: it is final, or another controller's.
    Rest,
}

/// Decides about a request whose issuer was looked up (`None` = there is no such object).
#[must_use]
pub fn step(
    request: &CertificateRequest,
    issuer: Option<(&IssuerSpec, Option<&IssuerStatus>)>,
    approval: Approval,
    now: Timestamp,
) -> RequestStep {
    let reference = &request.spec.issuer_ref;
    let conditions = request.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_true = |type_: &str| condition::find(conditions, type_).is_some_and(Condition::is_true);
    let ready = condition::find(conditions, "Ready").map(|ready| ready.reason.as_str());
    if matches!(ready, Some("Issued" | "Failed" | "Denied")) || is_true("InvalidRequest") {
        return RequestStep::Rest;
    }
    if is_true("Denied") {
        return set(
            failed_as(request, "Denied", "The CertificateRequest was denied by an approval controller", now),
            None,
        );
    }
    if !is_true("Approved") && approval == Approval::ByOthers {
        if reference.group() != names::CERT_MANAGER_GROUP {
            return RequestStep::Rest;
        }
        let message = "Not signing CertificateRequest until it is Approved";
        return RequestStep::Wait(Note::normal("WaitingForApproval", message));
    }
    if !is_true("Approved") {
        let message = "Certificate request has been approved by cert-manager.io";
        let mut status = request.status.clone().unwrap_or_default();
        let approved = Condition::new("Approved", true, "cert-manager.io", message);
        condition::set(&mut status.conditions, approved, &Time(now));
        return set(status, Some(Note::normal("cert-manager.io", message)));
    }
    if reference.group() != names::CERT_MANAGER_GROUP {
        return RequestStep::Rest;
    }
    let Some((spec, status)) = issuer else {
        let message = format!("Referenced {} {:?} not found", reference.kind(), reference.name);
        return wait(request, "IssuerNotFound", message, now);
    };
    let kind = match issuer::validate(spec) {
        Ok(kind) => kind,
        Err(note) => return wait(request, "IssuerTypeMissing", note.message, now),
    };
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    if !condition::find(conditions, "Ready").is_some_and(Condition::is_true) {
        let message = format!("Referenced {} {:?} is not ready yet", reference.kind(), reference.name);
        return wait(request, "IssuerNotReady", message, now);
    }
    RequestStep::Sign(kind)
}

/// Status of a request that was signed.
#[must_use]
pub fn issued(
    request: &CertificateRequest,
    chain_pem: String,
    ca_pem: Option<String>,
    now: Timestamp,
) -> CertificateRequestStatus {
    let mut status = request.status.clone().unwrap_or_default();
    status.certificate = Some(ByteString(chain_pem.into_bytes()));
    status.ca = ca_pem.map(|pem| ByteString(pem.into_bytes()));
    let ready = Condition::new("Ready", true, "Issued", "Certificate fetched from issuer successfully");
    condition::set(&mut status.conditions, ready, &Time(now));
    status
}

/// Status of a request that waits.
#[must_use]
pub fn pending(
    request: &CertificateRequest,
    message: impl Into<String>,
    now: Timestamp,
) -> CertificateRequestStatus {
    let mut status = request.status.clone().unwrap_or_default();
    condition::set(&mut status.conditions, Condition::new("Ready", false, "Pending", message), &Time(now));
    status
}

/// Status of a request that will never be signed.
#[must_use]
pub fn failed(
    request: &CertificateRequest,
    message: impl Into<String>,
    now: Timestamp,
) -> CertificateRequestStatus {
    failed_as(request, "Failed", message, now)
}

fn failed_as(
    request: &CertificateRequest,
    reason: &str,
    message: impl Into<String>,
    now: Timestamp,
) -> CertificateRequestStatus {
    let mut status = request.status.clone().unwrap_or_default();
    condition::set(&mut status.conditions, Condition::new("Ready", false, reason, message), &Time(now));
    status.failure_time = Some(Time(now));
    status
}

fn wait(request: &CertificateRequest, reason: &str, message: String, now: Timestamp) -> RequestStep {
    let status = pending(request, message.clone(), now);
    if request.status.as_ref() == Some(&status) {
        return RequestStep::Rest;
    }
    set(status, Some(Note::normal(reason, message)))
}

fn set(status: CertificateRequestStatus, note: Option<Note>) -> RequestStep {
    RequestStep::SetStatus(Box::new(status), note)
}

#[cfg(test)]
mod tests;
