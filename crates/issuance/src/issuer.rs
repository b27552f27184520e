//! Kinds of issuers and their readiness.

use jamul_api::condition::{self, Condition};
use jamul_api::core::Time;
use jamul_api::issuer::{IssuerSpec, IssuerStatus};
use jiff::Timestamp;

use crate::note::Note;

/// How an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// By an ACME server.
    Acme,
    /// With a key pair in a Secret.
    Ca,
    /// With the certificate's own key.
    SelfSigned,
}

/// Which of the kinds a spec is.
///
/// # Errors
/// None or several are set, or one that Jamul does not sign for.
pub fn validate(spec: &IssuerSpec) -> Result<IssuerKind, Note> {
    match (&spec.acme, &spec.ca, &spec.self_signed) {
        (Some(acme), None, None) if acme.server.is_empty() => Err(Note::warning(
            "InvalidConfig",
            "spec.acme.server is empty; expected the URL of an ACME directory",
        )),
        (Some(acme), None, None) if acme.private_key_secret_ref.name.is_empty() => {
            let message =
                "spec.acme.privateKeySecretRef.name is empty; expected the name of the account key's Secret";
            Err(Note::warning("InvalidConfig", message))
        }
        (Some(_), None, None) => Ok(IssuerKind::Acme),
        (None, Some(_), None) => Ok(IssuerKind::Ca),
        (None, None, Some(_)) => Ok(IssuerKind::SelfSigned),
        (None, None, None) => {
            let found: Vec<_> = spec.other.keys().map(String::as_str).collect();
            let message = format!("spec has {found:?}; expected exactly one of acme, ca, selfSigned");
            Err(Note::warning("IssuerTypeMissing", message))
        }
        _ => Err(Note::warning(
            "InvalidConfig",
            "spec has several issuer types; expected exactly one of acme, ca, selfSigned",
        )),
    }
}

/// `status` with the Ready condition set.
#[must_use]
pub fn with_ready(
    status: Option<&IssuerStatus>,
    is_ready: bool,
    note: &Note,
    generation: Option<i64>,
    now: Timestamp,
) -> IssuerStatus {
    let mut status = status.cloned().unwrap_or_default();
    let mut ready = Condition::new("Ready", is_ready, note.reason.clone(), note.message.clone());
    ready.observed_generation = generation;
    condition::set(&mut status.conditions, ready, &Time(now));
    status
}
