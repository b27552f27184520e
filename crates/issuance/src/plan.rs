//! What brings a Certificate nearer to its spec: trigger, key manager, request manager, issuing, readiness
//! and revision manager of cert-manager in one decision.
//!
//! The order of the steps is what makes a crash harmless: the next key is stored before the request exists,
//! the target Secret is written whole before the status says so, and the next key goes only after that.

mod issuing;
mod next_key;
mod outcome;
mod trigger;
mod upkeep;

use std::sync::Arc;

use jamul_api::certificate::{Certificate, CertificateStatus};
use jamul_api::condition::{self, Condition};
use jamul_api::core::{Secret, Time};
use jamul_api::issuer::IssuerRef;
use jamul_api::{CertificateRequest, Object, ObjectKey, names};
use jamul_pki::{Csr, KeyAlgorithm, KeyError};
use jiff::Timestamp;

use crate::ari::{self, News};
pub use crate::backoff::Backoff;
use crate::fallback;
use crate::note::Note;
use crate::outputs::{OutputError, Passwords};
use crate::policy::{self, Violation};
use crate::target::{SecretOwner, Surroundings, TargetError};
pub use issuing::request_name;

/// Why an issuance fails before anybody is asked; it may begin anew as soon as the spec is another.
const INVALID_SPEC: &str = "InvalidSpec";

/// What was observed.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The Certificate.
    pub certificate: &'a Certificate,
    /// Its `spec.secretName`.
    pub secret: Option<&'a Secret>,
    /// The Secret of [`crate::secret::next_key_name`].
    pub next_key: Option<&'a Secret>,
    /// The requests that it controls.
    pub requests: &'a [Arc<CertificateRequest>],
    /// Whether this Certificate, among all that name the Secret, may write it.
    pub is_secret_owner: bool,
    /// The passwords of its keystores.
    pub passwords: &'a Passwords,
    /// Who the target Secret belongs to.
    pub owner: SecretOwner,
    /// What the ACME server of the issuer said of the certificate in the Secret, since the last plan.
    pub renewal_info: Option<&'a News>,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Wall time.
    pub now: Timestamp,
}

/// What to do, in this order, and when to look again if nothing changes before.
#[derive(Debug, Default)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// When time alone will change the plan.
    pub wake: Option<Timestamp>,
}

/// One step.
#[derive(Debug)]
pub enum Step {
    /// Generate a key of this kind, and keep it as [`crate::secret::next_key`] says. This takes seconds for large
    /// RSA keys; the plan goes on when that Secret is there.
    MakeNextKey(KeyAlgorithm),
    /// Keep the key of the issuance under way: one that was there.
    StoreNextKey(Secret),
    /// Forget it.
    DeleteSecret(ObjectKey),
    /// Ask the issuer.
    CreateRequest(CertificateRequest),
    /// Forget a request that does not fit or is too old.
    DeleteRequest(ObjectKey),
    /// Publish key and chain.
    StoreSecret(Secret),
    /// Say where it stands.
    SetStatus(CertificateStatus),
    /// Tell about it.
    Announce(Note),
}

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The key could not be written.
    #[error("cannot write a private key as PEM")]
    EncodeKey(#[source] KeyError),
    /// A keystore could not be written.
    #[error(transparent)]
    Keystore(OutputError),
}

impl From<TargetError> for PlanError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Key(error) => Self::EncodeKey(error),
            TargetError::Output(error) => Self::Keystore(error),
        }
    }
}

/// Decides the next steps. Performing them and planning again converges.
///
/// # Errors
/// [`PlanError`] if a key cannot be written; a spec that cannot be satisfied is a condition.
pub fn plan(inputs: &Inputs<'_>) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(inputs);
    planner.learn();
    planner.trigger();
    if !planner.is_issuing() {
        planner.tidy();
        planner.keep_secret()?;
    } else if inputs.is_secret_owner {
        // Somebody may have set Issuing on a Certificate that must not write the Secret: it waits.
        planner.issue()?;
    }
    planner.readiness();
    Ok(planner.finish())
}

struct Planner<'a> {
    inputs: &'a Inputs<'a>,
    status: CertificateStatus,
    steps: Vec<Step>,
    /// What only a stored status makes safe: done after it.
    afterwards: Vec<Step>,
    wake: Option<Timestamp>,
    /// Whether this plan began the issuance.
    is_new: bool,
    /// The target Secret as it will be after the steps.
    secret: Option<Secret>,
    now: Time,
}

impl<'a> Planner<'a> {
    fn new(inputs: &'a Inputs<'a>) -> Self {
        let now = Timestamp::from_second(inputs.now.as_second()).unwrap_or(inputs.now);
        Self {
            inputs,
            status: inputs.certificate.status.clone().unwrap_or_default(),
            steps: Vec::new(),
            afterwards: Vec::new(),
            wake: None,
            is_new: false,
            secret: inputs.secret.cloned(),
            now: Time(now),
        }
    }

    /// Takes over what the ACME server said.
    fn learn(&mut self) {
        let Some(news) = self.inputs.renewal_info else { return };
        self.status.acme = ari::learned(self.inputs.certificate, news);
        let known = ari::status(self.inputs.certificate).map(|status| status.last_error.as_str());
        match news {
            News::Failure { reason, .. } if known != Some(reason) => {
                self.announce(Note::warning("ARIError", reason.clone()));
            }
            News::Failure { .. } | News::Answer { .. } | News::Unsupported => {}
        }
    }

    fn is_issuing(&self) -> bool {
        condition::find(&self.status.conditions, "Issuing").is_some_and(Condition::is_true)
    }

    fn revision(&self) -> i64 {
        self.status.revision.unwrap_or(0)
    }

    fn request(&self, revision: i64) -> Option<&'a Arc<CertificateRequest>> {
        self.inputs.requests.iter().find(|request| revision_of(request) == Some(revision))
    }

    fn surroundings(&self) -> Surroundings<'a> {
        Surroundings { passwords: self.inputs.passwords, owner: self.inputs.owner }
    }

    /// Whom this issuance asks.
    fn issuer(&self) -> IssuerRef {
        fallback::next(self.inputs.certificate, self.status.failed_issuance_attempts.unwrap_or(0))
    }

    fn set_condition(&mut self, mut condition: Condition) {
        condition.observed_generation = self.inputs.certificate.metadata.generation;
        condition::set(&mut self.status.conditions, condition, &self.now);
    }

    fn announce(&mut self, note: Note) {
        self.steps.push(Step::Announce(note));
    }

    fn violation(&self) -> Option<Violation> {
        let current = self.request(self.revision()).map(AsRef::as_ref);
        let acme = self.status.acme.as_ref();
        policy::check(self.inputs.certificate, self.secret.as_ref(), current, acme, self.inputs.now)
    }

    fn finish(mut self) -> Plan {
        if self.inputs.certificate.status.as_ref() != Some(&self.status) {
            self.steps.push(Step::SetStatus(self.status));
        }
        self.steps.append(&mut self.afterwards);
        Plan { steps: self.steps, wake: self.wake }
    }
}

fn revision_of(request: &CertificateRequest) -> Option<i64> {
    request.annotation(names::CERTIFICATE_REVISION)?.parse().ok()
}

fn csr(request: &CertificateRequest) -> Option<Csr> {
    Csr::from_pem(std::str::from_utf8(&request.spec.request.0).ok()?).ok()
}

#[cfg(test)]
mod tests;
