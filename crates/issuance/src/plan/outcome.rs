//! The end of an issuance: what the issuer answered is in the Secret, or the wait begins.

use jamul_api::CertificateRequest;
use jamul_api::condition::{self, Condition};
use jamul_pki::{Certificate as X509, PrivateKey};

use super::{PlanError, Planner, Step};
use crate::note::Note;
use crate::secret;

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
        let Some(ready) = condition::find(conditions, "Ready") else { return Ok(()) };
        match ready.reason.as_str() {
            "Failed" | "Denied" => self.fail(&ready.reason, &ready.message),
            "Issued" => self.issued(request, key, revision)?,
            _ => {}
        }
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
        let target = secret::target(certificate, request, &chain, &pem, key, self.inputs.secret)
            .map_err(PlanError::EncodeKey)?;
        self.steps.push(Step::StoreSecret(target.clone()));
        self.secret = Some(target);
        self.status.revision = Some(revision);
        self.status.failed_issuance_attempts = None;
        self.status.last_failure_time = None;
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
