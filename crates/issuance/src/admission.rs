//! What cert-manager's webhook says about an object before it is written, in its words.
//!
//! Pure. One answer needs to be asked for first: whether somebody may approve or deny a request ([`Approval`]), which
//! an API server knows.

mod acme;
mod approval;
mod issuer;
mod problem;
mod question;
mod request;

use jamul_api::admission::{AdmissionRequest, Decision};
use jamul_api::certificate::CertificateSpec;
use jamul_api::issuer::IssuerSpec;
use jamul_api::names;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use approval::Approval;
use problem::{problem, refusal};
use question::is_same;

use crate::validate::{self, Problem};

/// API group of Order and Challenge.
const ACME_GROUP: &str = "acme.cert-manager.io";

/// What comes of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// This.
    Decided(Decision),
    /// It may be written if its author may approve.
    IfApproved(Approval),
}

/// Whether the object of a question may be written. Kinds that are not ours may; so may what only takes an object
/// further on its way out, and what leaves the spec of an object as it is (an object that was there before this webhook
/// must not be stuck).
#[must_use]
pub fn validate(question: &AdmissionRequest) -> Judgement {
    let object = &question.object;
    if object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return Judgement::Decided(Decision::default());
    }
    let problems = match (question.kind.group.as_str(), question.kind.kind.as_str()) {
        (names::CERT_MANAGER_GROUP, "CertificateRequest") => {
            let problems = request::problems(question);
            if problems.is_empty()
                && let Some(approval) = approval::of(question)
            {
                return Judgement::IfApproved(approval);
            }
            problems
        }
        (ACME_GROUP, "Order") => acme::order(question),
        (ACME_GROUP, "Challenge") => acme::challenge(question),
        _ if is_same(question, "/spec") => Vec::new(),
        (names::CERT_MANAGER_GROUP, "Certificate") => {
            of_spec(object, |spec: &CertificateSpec| validate::certificate(spec))
        }
        (names::CERT_MANAGER_GROUP, "Issuer" | "ClusterIssuer") => {
            of_spec(object, |spec: &IssuerSpec| issuer::problems(spec))
        }
        _ => Vec::new(),
    };
    Judgement::Decided(refusal(&problems).unwrap_or_default())
}

/// What is written in place of the object of a question: a new CertificateRequest names who made it.
#[must_use]
pub fn mutate(question: &AdmissionRequest) -> Decision {
    let kind = (question.kind.group.as_str(), question.kind.kind.as_str());
    if kind != (names::CERT_MANAGER_GROUP, "CertificateRequest") || question.operation != "CREATE" {
        return Decision::default();
    }
    Decision { patch: request::with_author(question), ..Decision::default() }
}

fn of_spec<S: DeserializeOwned>(object: &Value, problems: impl FnOnce(&S) -> Vec<Problem>) -> Vec<Problem> {
    match serde_json::from_value(object.get("spec").cloned().unwrap_or_default()) {
        Ok(spec) => problems(&spec),
        Err(error) => vec![problem("spec", format!("Invalid value: cannot be read: {error}"))],
    }
}

#[cfg(test)]
mod tests;
