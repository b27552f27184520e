//! What is left to do beside an issuance: old requests and keys go, and the status tells what the Secret holds.

use jamul_api::Object;
use jamul_api::condition::Condition;
use jamul_api::core::Time;
use jiff::SignedDuration;

use super::{PlanError, Planner, Step, revision_of};
use crate::note::Note;
use crate::outputs::OutputError;
use crate::policy;
use crate::target::{self, TargetError};

/// How long until a missing password is looked for again.
const PASSWORD_WAIT: SignedDuration = SignedDuration::from_mins(1);

impl Planner<'_> {
    /// While not issuing: no next key, no old requests.
    pub(super) fn tidy(&mut self) {
        if self.inputs.next_key.is_some() || self.status.next_private_key_secret_name.is_some() {
            self.forget_next_key();
        }
        let limit = self.inputs.certificate.spec.revision_history_limit.unwrap_or(1).max(1);
        let mut revisions: Vec<_> =
            self.inputs.requests.iter().filter_map(|r| Some((revision_of(r)?, r))).collect();
        revisions.retain(|(revision, _)| *revision <= self.revision());
        revisions.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
        for (_, request) in revisions.into_iter().skip(usize::try_from(limit).unwrap_or(1)) {
            self.steps.push(Step::DeleteRequest(request.key()));
        }
    }

    /// While not issuing: what the spec says of the Secret beside its key pair.
    pub(super) fn keep_secret(&mut self) -> Result<(), PlanError> {
        let Some(secret) = self.secret.as_ref().filter(|_| self.inputs.is_secret_owner) else {
            return Ok(());
        };
        match target::kept(self.inputs.certificate, secret, &self.surroundings()) {
            Ok(None) => {}
            Ok(Some(wanted)) => {
                self.steps.push(Step::StoreSecret(wanted.clone()));
                self.secret = Some(wanted);
            }
            Err(TargetError::Output(error @ OutputError::NoPassword { .. })) => self.no_password(&error),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Nothing tells of the Secret with the password: it is looked for again.
    pub(super) fn no_password(&mut self, error: &OutputError) {
        self.announce(Note::warning("KeystorePasswordSecretNotFound", error.to_string()));
        self.wake = self.inputs.now.checked_add(PASSWORD_WAIT).ok();
    }

    pub(super) fn forget_next_key(&mut self) {
        self.status.next_private_key_secret_name = None;
        if let Some(next_key) = self.inputs.next_key {
            // A crash between the two must not find an issuance under way without its key.
            self.afterwards.push(Step::DeleteSecret(next_key.key()));
        }
    }

    /// The Ready condition, the validity and the renewal time, from what the Secret holds after the steps.
    pub(super) fn readiness(&mut self) {
        let certificate = self.inputs.certificate;
        let violation = self.violation().filter(|violation| !violation.is_renewal());
        let validity =
            policy::key_pair(certificate, self.secret.as_ref()).ok().and_then(|pair| pair.validity());
        self.status.not_before = validity.map(|(not_before, _)| Time(not_before));
        self.status.not_after = validity.map(|(_, not_after)| Time(not_after));
        let planned = validity
            .and_then(|(from, to)| policy::planned_renewal(certificate, self.status.acme.as_ref(), from, to));
        let renewal = planned.as_ref().map(|planned| planned.at);
        let window_problem = planned.and_then(|planned| planned.window_problem);
        self.status.renewal_time = renewal.map(Time);
        let expired = validity.is_some_and(|(_, not_after)| not_after <= self.inputs.now);
        let ready = match violation {
            Some(violation) => Condition::new("Ready", false, violation.reason, violation.message),
            None if expired => Condition::new("Ready", false, "Expired", "Certificate has expired"),
            None if window_problem.is_some() => {
                Condition::new("Ready", false, "WindowError", window_problem.unwrap_or_default())
            }
            None => Condition::new("Ready", true, "Ready", "Certificate is up to date and has not expired"),
        };
        self.set_condition(ready);
        if !self.is_issuing() && self.wake.is_none() {
            self.wake = renewal.filter(|renewal| *renewal > self.inputs.now);
        }
        if let Some((_, not_after)) = validity
            && not_after > self.inputs.now
        {
            self.wake = Some(self.wake.map_or(not_after, |wake| wake.min(not_after)));
        }
    }
}
