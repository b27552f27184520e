//! Whether an issuance begins.

use jamul_api::CertificateRequest;
use jamul_api::condition::{self, Condition};
use jiff::Timestamp;

use super::{INVALID_SPEC, Planner, csr};
use crate::note::Note;
use crate::{policy, validate};

impl Planner<'_> {
    /// Starts an issuance if the policy asks for one and no back-off forbids it.
    pub(super) fn trigger(&mut self) {
        if self.is_issuing() || !self.inputs.is_secret_owner {
            return;
        }
        let Some(violation) = self.violation() else { return };
        if let Some(until) = self.backoff_end()
            && self.inputs.now < until
        {
            self.wake = Some(until);
            return;
        }
        let problems = validate::certificate(&self.inputs.certificate.spec);
        if !problems.is_empty() {
            return self.refuse(&problems);
        }
        self.set_condition(Condition::new("Issuing", true, violation.reason, violation.message.clone()));
        self.announce(Note::normal("Issuing", violation.message));
        self.is_new = true;
    }

    /// A spec that no webhook let through: nobody is asked until it is another.
    fn refuse(&mut self, problems: &[validate::Problem]) {
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        self.fail(INVALID_SPEC, &text);
    }

    /// When the back-off ends; a spec that changed since the failure ends it at once.
    fn backoff_end(&self) -> Option<Timestamp> {
        self.status.last_failure_time.as_ref()?;
        if let Some(request) = self.request(self.revision() + 1)
            && !self.fits_spec(request)
        {
            return None;
        }
        let spec = &self.inputs.certificate.spec;
        let issuing = condition::find(&self.status.conditions, "Issuing");
        let is_refused = issuing.is_some_and(|issuing| issuing.reason == INVALID_SPEC)
            && self.request(self.revision() + 1).is_none();
        if is_refused && validate::certificate(spec).is_empty() {
            return None;
        }
        self.inputs.backoff.next_attempt(self.inputs.certificate)
    }

    /// Whether a request asks for what the spec says now.
    pub(super) fn fits_spec(&self, request: &CertificateRequest) -> bool {
        csr(request)
            .is_some_and(|csr| policy::changed_fields(self.inputs.certificate, request, &csr).is_empty())
    }
}
