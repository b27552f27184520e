//! The end of an issuance: what the issuer answered is in the Secret, or the wait begins.

use jamul_api::condition::{self, Condition};
use jamul_api::{CertificateRequest, Object, names};
use jamul_pki::{Certificate as X509, PrivateKey};

use super::{PlanError, Planner, Step, csr};
use crate::note::Note;
use crate::outputs::OutputError;
use crate::target::{self, TargetError};
use crate::{fallback, policy, temporary};

impl Planner<'_> {
    /// What came of the request.
    pub(super) fn observe(
        &mut self,
        request: &CertificateRequest,
        key: &PrivateKey,
        revision: i64,
    ) -> Result<(), PlanError> {
        let conditions =
            request.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        for refusal in ["Denied", "InvalidRequest"] {
            if let Some(condition) =
                condition::find(conditions, refusal).filter(|condition| condition.is_true())
            {
                self.fail(&condition.reason, &condition.message);
                return Ok(());
            }
        }
        let ready = condition::find(conditions, "Ready");
        match ready.map(|ready| (ready.reason.as_str(), ready.message.as_str())) {
            Some((reason @ ("Failed" | "Denied"), message)) => self.fail(reason, message),
            Some(("Issued", _)) => self.issued(request, key, revision)?,
            Some((_, message)) => self.wait(request, key, message)?,
            None => self.wait(request, key, "it does not answer")?,
        }
        Ok(())
    }

    /// While the issuer does not answer: another one after a while, and a certificate of our own if it is wanted.
    fn wait(
        &mut self,
        request: &CertificateRequest,
        key: &PrivateKey,
        message: &str,
    ) -> Result<(), PlanError> {
        let certificate = self.inputs.certificate;
        let began = condition::find(&self.status.conditions, "Issuing")
            .and_then(|issuing| issuing.last_transition_time.as_ref())
            .and_then(|began| began.0.checked_add(fallback::PATIENCE).ok());
        if let Some(until) = began.filter(|_| fallback::issuers(certificate).len() > 1) {
            if self.inputs.now >= until {
                let issuer = &request.spec.issuer_ref;
                let message =
                    format!("{} {:?} did not answer in time: {message}", issuer.kind(), issuer.name);
                self.fail("IssuerUnreachable", &message);
                return Ok(());
            }
            self.wake = Some(until);
        }
        if certificate.annotation(names::TEMPORARY_CERTIFICATE) == Some("true") {
            self.bridge(request, key)?;
        }
        Ok(())
    }

    /// Puts a temporary certificate into a Secret that has none for this key and would serve nobody.
    fn bridge(&mut self, request: &CertificateRequest, key: &PrivateKey) -> Result<(), PlanError> {
        let certificate = self.inputs.certificate;
        let serves = policy::key_pair(certificate, self.secret.as_ref());
        let is_served =
            self.secret.as_ref().is_some_and(|secret| secret.annotation(names::ISSUER_NAME).is_some());
        if serves.is_ok_and(|pair| is_served || pair.key.public_key() == key.public_key()) {
            return Ok(());
        }
        let Some(csr) = csr(request) else { return Ok(()) };
        let signed =
            temporary::sign(certificate, &csr, self.now.0).and_then(|leaf| Ok((leaf.to_pem()?, leaf)));
        let (pem, leaf) = match signed {
            Ok(signed) => signed,
            Err(error) => {
                self.announce(Note::warning("TemporaryCertificate", error.to_string()));
                return Ok(());
            }
        };
        let stored = target::temporary(certificate, &[leaf], &pem, key, self.secret.as_ref())?;
        self.steps.push(Step::StoreSecret(stored.clone()));
        self.secret = Some(stored);
        self.announce(Note::normal("Issuing", "Issued temporary certificate"));
        Ok(())
    }

    fn issued(
        &mut self,
        request: &CertificateRequest,
        key: &PrivateKey,
        revision: i64,
    ) -> Result<(), PlanError> {
        let pem = request.status.as_ref().and_then(|status| status.certificate.as_ref());
        let pem = pem.map(|pem| String::from_utf8_lossy(&pem.0).into_owned()).unwrap_or_default();
        let chain = match X509::chain_from_pem(&pem) {
            Ok(chain) => chain,
            Err(error) => {
                self.fail("InvalidCertificate", &format!("issued certificate cannot be read: {error}"));
                return Ok(());
            }
        };
        let Some(leaf) = chain.first() else {
            self.fail("InvalidCertificate", "the issuer answered without a certificate");
            return Ok(());
        };
        if *leaf.public_key() != key.public_key() {
            self.fail("InvalidCertificate", "issued certificate is for another key");
            return Ok(());
        }
        if leaf.not_after() <= self.inputs.now {
            self.fail("InvalidCertificate", &format!("issued certificate ended at {}", leaf.not_after()));
            return Ok(());
        }
        let certificate = self.inputs.certificate;
        let existing = self.inputs.secret;
        let around = self.surroundings();
        let target = match target::issued(certificate, request, &chain, &pem, key, existing, &around) {
            Ok(target) => target,
            Err(TargetError::Output(error @ OutputError::NoPassword { .. })) => {
                self.no_password(&error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.steps.push(Step::StoreSecret(target.clone()));
        self.secret = Some(target);
        self.status.revision = Some(revision);
        self.status.failed_issuance_attempts = None;
        self.status.last_failure_time = None;
        // It was about the certificate that goes.
        self.status.acme = None;
        condition::remove(&mut self.status.conditions, "Issuing");
        self.announce(Note::normal("Issuing", "The certificate has been successfully issued"));
        self.forget_next_key();
        Ok(())
    }

    /// Ends the issuance; what is in the Secret stays.
    pub(super) fn fail(&mut self, reason: &str, message: &str) {
        let attempts = self.status.failed_issuance_attempts.unwrap_or(0).saturating_add(1);
        self.status.failed_issuance_attempts = Some(attempts);
        self.status.last_failure_time = Some(self.now.clone());
        let until = self.inputs.backoff.until(self.inputs.certificate, self.now.0, attempts);
        let until = until.unwrap_or(self.now.0);
        self.wake = Some(until);
        let message = format!(
            "The certificate request has failed to complete and will be retried at {until}: {message}"
        );
        self.set_condition(Condition::new("Issuing", false, reason, message.clone()));
        self.announce(Note::warning(reason, message));
    }
}
