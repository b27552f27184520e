use jamul_api::issuer::{CaIssuer, IssuerRef};
use jamul_api::request::CertificateRequestSpec;

use super::*;
use crate::testing::{at, metadata};

fn request(conditions: Vec<Condition>) -> CertificateRequest {
    let issuer_ref = IssuerRef { name: "ca".to_owned(), ..IssuerRef::default() };
    CertificateRequest {
        metadata: metadata("web-1"),
        spec: CertificateRequestSpec { issuer_ref, ..CertificateRequestSpec::default() },
        status: Some(CertificateRequestStatus { conditions, ..CertificateRequestStatus::default() }),
    }
}

fn approved() -> Condition {
    Condition::new("Approved", true, "cert-manager.io", "")
}

fn ca() -> IssuerSpec {
    IssuerSpec { ca: Some(CaIssuer::default()), ..IssuerSpec::default() }
}

fn issuer_status(is_ready: bool) -> IssuerStatus {
    IssuerStatus { conditions: vec![Condition::new("Ready", is_ready, "x", "")], ..IssuerStatus::default() }
}

fn status_of(step: RequestStep) -> (CertificateRequestStatus, Option<Note>) {
    match step {
        RequestStep::SetStatus(status, note) => (*status, note),
        step @ (RequestStep::Sign(_) | RequestStep::Wait(_) | RequestStep::Rest) => panic!("{step:?}"),
    }
}

#[test]
fn a_request_is_approved_waits_for_its_issuer_and_is_signed_once() {
    let now = at("2026-01-01T00:00:00Z");
    let mut request = CertificateRequest { status: None, ..request(Vec::new()) };
    let take = |request: &mut CertificateRequest, issuer| {
        let (status, note) = status_of(step(request, issuer, Approval::Automatic, now));
        request.status = Some(status);
        note.map(|note| note.reason)
    };
    let spec = ca();
    let (ready, unready) = (issuer_status(true), issuer_status(false));

    let reason = take(&mut request, Some((&spec, Some(&ready))));
    assert_eq!(reason.as_deref(), Some("cert-manager.io"));
    for (issuer, expected) in [
        (None, "IssuerNotFound"),
        (Some((&IssuerSpec::default(), Some(&ready))), "IssuerTypeMissing"),
        (Some((&spec, None)), "IssuerNotReady"),
    ] {
        let reason = take(&mut request, issuer);
        assert_eq!(reason.as_deref(), Some(expected));
        let later = at("2026-01-01T01:00:00Z");
        assert_eq!(
            step(&request, issuer, Approval::Automatic, later),
            RequestStep::Rest,
            "{expected} is said once"
        );
        let conditions =
            request.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        assert_eq!(condition::find(conditions, "Ready").map(|ready| ready.reason.as_str()), Some("Pending"));
    }
    assert_eq!(step(&request, Some((&spec, Some(&unready))), Approval::Automatic, now), RequestStep::Rest);
    assert_eq!(
        step(&request, Some((&spec, Some(&ready))), Approval::Automatic, now),
        RequestStep::Sign(IssuerKind::Ca)
    );

    request.status = Some(issued(&request, "chain".to_owned(), None, now));
    assert_eq!(step(&request, Some((&spec, Some(&ready))), Approval::Automatic, now), RequestStep::Rest);
}

#[test]
fn a_denied_request_ends_with_a_failure_time_and_is_never_approved() {
    let now = at("2026-01-01T00:00:00Z");
    let mut request = request(vec![Condition::new("Denied", true, "Policy", "")]);
    let (status, _) =
        status_of(step(&request, Some((&ca(), Some(&issuer_status(true)))), Approval::Automatic, now));
    assert_eq!(status.failure_time, Some(Time(now)));
    assert_eq!(
        condition::find(&status.conditions, "Ready").map(|ready| ready.reason.as_str()),
        Some("Denied")
    );
    assert_eq!(condition::find(&status.conditions, "Approved"), None);
    request.status = Some(status);
    assert_eq!(step(&request, None, Approval::Automatic, now), RequestStep::Rest);
}

#[test]
fn final_invalid_and_foreign_requests_are_left_alone() {
    let now = at("2026-01-01T00:00:00Z");
    let mut foreign = request(vec![approved()]);
    foreign.spec.issuer_ref.group = "signer.example".to_owned();
    let failed = CertificateRequest {
        status: Some(failed(&request(vec![approved()]), "no", now)),
        ..request(Vec::new())
    };
    let invalid = request(vec![Condition::new("InvalidRequest", true, "x", "")]);
    for request in [foreign, failed, invalid] {
        assert_eq!(
            step(&request, Some((&ca(), Some(&issuer_status(true)))), Approval::Automatic, now),
            RequestStep::Rest
        );
    }
}

#[test]
fn without_the_approver_a_request_waits_for_somebody_to_approve_it() {
    let now = at("2026-01-01T00:00:00Z");
    let (spec, ready) = (ca(), issuer_status(true));
    let issuer = Some((&spec, Some(&ready)));
    let waiting = request(Vec::new());
    let found = step(&waiting, issuer, Approval::ByOthers, now);
    assert!(matches!(&found, RequestStep::Wait(note) if note.reason == "WaitingForApproval"), "{found:?}");
    let signed = step(&request(vec![approved()]), issuer, Approval::ByOthers, now);
    assert_eq!(signed, RequestStep::Sign(IssuerKind::Ca));
    let mut foreign = waiting;
    foreign.spec.issuer_ref.group = "example.com".to_owned();
    assert_eq!(step(&foreign, None, Approval::ByOthers, now), RequestStep::Rest);
    let (status, _) = status_of(step(&foreign, None, Approval::Automatic, now));
    assert_eq!(status.conditions.first().map(|found| found.type_.as_str()), Some("Approved"));
    foreign.status = Some(status);
    assert_eq!(step(&foreign, None, Approval::Automatic, now), RequestStep::Rest, "its own controller signs");
}
