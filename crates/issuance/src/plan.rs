//! What brings a Certificate nearer to its spec: trigger, key manager, request manager, issuing, readiness
//! and revision manager of cert-manager in one decision.
//!
//! The order of the steps is what makes a crash harmless: the next key is stored before the request exists,
//! the target Secret is written whole before the status says so, and the next key goes only after that.

use std::sync::Arc;

use jamul_api::certificate::{Certificate, CertificateStatus};
use jamul_api::condition::{self, Condition};
use jamul_api::core::{ByteString, ObjectMeta, Secret, Time};
use jamul_api::request::CertificateRequestSpec;
use jamul_api::{CertificateRequest, Object, ObjectKey, names};
use jamul_pki::{Certificate as X509, Csr, KeyError, PrivateKey};
use jiff::{SignedDuration, Timestamp};

use crate::note::Note;
use crate::policy::{self, Violation};
use crate::{keys, secret};

/// Annotations of a Certificate that its requests do not get: they are for the tools that apply files, which
/// would take the requests for their own.
const NOT_COPIED: [&str; 4] =
    ["kubectl.kubernetes.io/", "fluxcd.io/", "argocd.argoproj.io/", "jamul.dev/source"];

/// Why an issuance fails before anybody is asked; it may begin anew as soon as the spec is another.
const INVALID_SPEC: &str = "InvalidSpec";

/// What was observed.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The Certificate.
    pub certificate: &'a Certificate,
    /// Its `spec.secretName`.
    pub secret: Option<&'a Secret>,
    /// The Secret of [`secret::next_key_name`].
    pub next_key: Option<&'a Secret>,
    /// The requests that it controls.
    pub requests: &'a [Arc<CertificateRequest>],
    /// Whether this Certificate, among all that name the Secret, may write it.
    pub is_secret_owner: bool,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Wall time.
    pub now: Timestamp,
}

/// How long to wait after failures: `min`, doubled with each further one, at most `max`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// `--certificate-request-minimum-backoff-duration`, 1 h.
    pub min: SignedDuration,
    /// `--certificate-request-maximum-backoff-duration`, 32 h.
    pub max: SignedDuration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: SignedDuration::from_hours(1), max: SignedDuration::from_hours(32) }
    }
}

impl Backoff {
    /// The wait after `attempts` failures in a row.
    #[must_use]
    pub fn after(&self, attempts: i32) -> SignedDuration {
        let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
        let factor = 2_i32.checked_pow(doublings).unwrap_or(i32::MAX);
        self.min.checked_mul(factor).unwrap_or(self.max).min(self.max).max(self.min)
    }
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
    /// Keep the key of the issuance under way.
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
    /// The key could not be generated.
    #[error("cannot generate a private key")]
    GenerateKey(#[source] KeyError),
    /// The key could not be written.
    #[error("cannot write a private key as PEM")]
    EncodeKey(#[source] KeyError),
}

/// Decides the next steps. Performing them and planning again converges.
///
/// # Errors
/// [`PlanError`] if the machine cannot make keys; a spec that cannot be satisfied is a condition.
pub fn plan(inputs: &Inputs<'_>) -> Result<Plan, PlanError> {
    let mut planner = Planner::new(inputs);
    planner.trigger();
    if !planner.is_issuing() {
        planner.tidy();
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

    fn is_issuing(&self) -> bool {
        condition::find(&self.status.conditions, "Issuing").is_some_and(Condition::is_true)
    }

    fn revision(&self) -> i64 {
        self.status.revision.unwrap_or(0)
    }

    fn request(&self, revision: i64) -> Option<&'a Arc<CertificateRequest>> {
        self.inputs.requests.iter().find(|request| revision_of(request) == Some(revision))
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
        policy::check(self.inputs.certificate, self.secret.as_ref(), current, self.inputs.now)
    }

    /// Starts an issuance if the policy asks for one and no back-off forbids it.
    fn trigger(&mut self) {
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
        self.set_condition(Condition::new("Issuing", true, violation.reason, violation.message.clone()));
        self.announce(Note::normal("Issuing", violation.message));
        self.is_new = true;
    }

    /// When the back-off ends; a spec that changed since the failure ends it at once.
    fn backoff_end(&self) -> Option<Timestamp> {
        let failed = self.status.last_failure_time.as_ref()?;
        if let Some(request) = self.request(self.revision() + 1)
            && !self.fits_spec(request)
        {
            return None;
        }
        let spec = &self.inputs.certificate.spec;
        let issuing = condition::find(&self.status.conditions, "Issuing");
        let is_refused = issuing.is_some_and(|issuing| issuing.reason == INVALID_SPEC)
            && self.request(self.revision() + 1).is_none();
        if is_refused && keys::algorithm(spec).is_ok() && keys::template(spec).is_ok() {
            return None;
        }
        failed
            .0
            .checked_add(self.inputs.backoff.after(self.status.failed_issuance_attempts.unwrap_or(1)))
            .ok()
    }

    fn fits_spec(&self, request: &CertificateRequest) -> bool {
        csr(request).is_some_and(|csr| {
            policy::changed_fields(&self.inputs.certificate.spec, request, &csr).is_empty()
        })
    }

    /// While issuing: the next key, the request, and what came of it.
    fn issue(&mut self) -> Result<(), PlanError> {
        let next = self.revision() + 1;
        let request = self.request(next).filter(|request| !self.is_stale(request));
        if request.is_none()
            && let Some(stale) = self.request(next)
        {
            self.steps.push(Step::DeleteRequest(stale.key()));
        }
        let key = match self.next_key() {
            Some(key) => key,
            None => match self.make_key()? {
                Some(key) => key,
                None => return Ok(()),
            },
        };
        self.status.next_private_key_secret_name = Some(secret::next_key_name(self.inputs.certificate));
        match request {
            Some(request) if self.fits_key(request, &key) && self.fits_spec(request) => {
                self.observe(request, &key, next)?;
            }
            Some(request) => {
                self.steps.push(Step::DeleteRequest(request.key()));
                self.create_request(next, &key);
            }
            None => self.create_request(next, &key),
        }
        Ok(())
    }

    /// A request that came to its end before this issuance began, and was not good enough then: it failed, or
    /// what was issued could not be used.
    fn is_stale(&self, request: &CertificateRequest) -> bool {
        let Some(status) = &request.status else { return false };
        let began =
            condition::find(&self.status.conditions, "Issuing").and_then(|c| c.last_transition_time.clone());
        if began.zip(status.failure_time.clone()).is_some_and(|(began, failed)| failed < began) {
            return true;
        }
        if !self.is_new {
            return false;
        }
        let ends = ["Denied", "InvalidRequest", "Ready"];
        let ended = ends.iter().filter_map(|type_| condition::find(&status.conditions, type_));
        let ended =
            ended.filter(|condition| condition.is_true()).filter_map(|c| c.last_transition_time.as_ref());
        // Not after the failure that this issuance follows; in whole seconds, as a stored time keeps it.
        let failed = self.status.last_failure_time.as_ref().map(|failed| failed.0.as_second());
        failed.zip(ended.map(|time| time.0.as_second()).min()).is_some_and(|(failed, ended)| ended <= failed)
    }

    fn fits_key(&self, request: &CertificateRequest, key: &PrivateKey) -> bool {
        csr(request).is_some_and(|csr| *csr.public_key() == key.public_key())
    }

    fn next_key(&self) -> Option<PrivateKey> {
        let key = secret::key(self.inputs.next_key?)?;
        (Ok(key.algorithm()) == keys::algorithm(&self.inputs.certificate.spec)).then_some(key)
    }

    fn make_key(&mut self) -> Result<Option<PrivateKey>, PlanError> {
        let certificate = self.inputs.certificate;
        let algorithm = match keys::algorithm(&certificate.spec) {
            Ok(algorithm) => algorithm,
            Err(message) => {
                self.fail(INVALID_SPEC, &message);
                return Ok(None);
            }
        };
        let reused = if keys::is_reused(&certificate.spec) {
            self.secret.as_ref().and_then(secret::key)
        } else {
            None
        };
        let key = match reused {
            Some(key) if key.algorithm() == algorithm => {
                self.announce(Note::normal(
                    "Reused",
                    "Reusing private key stored in existing Secret resource",
                ));
                key
            }
            Some(_) => {
                let message = "User intervention required: existing private key in Secret does not match \
                               requirements on Certificate resource; rotationPolicy Never forbids a new one";
                let issuing = condition::find(&self.status.conditions, "Issuing");
                if issuing.is_none_or(|issuing| issuing.reason != "CannotRegenerateKey") {
                    self.set_condition(Condition::new("Issuing", true, "CannotRegenerateKey", message));
                    self.announce(Note::warning("CannotRegenerateKey", message));
                }
                return Ok(None);
            }
            None => {
                let key = PrivateKey::generate(algorithm).map_err(PlanError::GenerateKey)?;
                self.announce(Note::normal(
                    "Generated",
                    "Stored new private key in temporary Secret resource",
                ));
                key
            }
        };
        let stored = secret::next_key(certificate, &key).map_err(PlanError::EncodeKey)?;
        self.steps.push(Step::StoreNextKey(stored));
        Ok(Some(key))
    }

    fn create_request(&mut self, revision: i64, key: &PrivateKey) {
        let certificate = self.inputs.certificate;
        if let Err(message) = keys::template(&certificate.spec) {
            return self.fail(INVALID_SPEC, &message);
        }
        let pem = match keys::request(certificate, key) {
            Ok(pem) => pem,
            Err(message) => return self.fail("RequestFailed", &message),
        };
        let name = format!("{}-{revision}", certificate.metadata.name.as_deref().unwrap_or_default());
        let mut annotations = certificate.metadata.annotations.clone().unwrap_or_default();
        annotations.retain(|key, _| !NOT_COPIED.iter().any(|prefix| key.starts_with(prefix)));
        for (annotation, value) in [
            (names::CERTIFICATE_NAME, certificate.metadata.name.clone().unwrap_or_default()),
            (names::CERTIFICATE_REVISION, revision.to_string()),
            (names::PRIVATE_KEY_SECRET_NAME, secret::next_key_name(certificate)),
        ] {
            annotations.insert(annotation.to_owned(), value);
        }
        let request = CertificateRequest {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: certificate.metadata.namespace.clone(),
                labels: certificate.metadata.labels.clone(),
                annotations: Some(annotations),
                owner_references: Some(vec![certificate.owner_reference()]),
                ..ObjectMeta::default()
            },
            spec: CertificateRequestSpec {
                request: ByteString(pem.into_bytes()),
                issuer_ref: certificate.spec.issuer_ref.clone(),
                duration: certificate.spec.duration.clone(),
                is_ca: certificate.spec.is_ca,
                usages: certificate.spec.usages.clone(),
            },
            status: None,
        };
        self.steps.push(Step::CreateRequest(request));
        let message = format!("Created new CertificateRequest resource {name:?}");
        self.announce(Note::normal("Requested", message));
    }

    /// What came of the request.
    fn observe(
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
    fn fail(&mut self, reason: &str, message: &str) {
        let attempts = self.status.failed_issuance_attempts.unwrap_or(0).saturating_add(1);
        self.status.failed_issuance_attempts = Some(attempts);
        self.status.last_failure_time = Some(self.now.clone());
        let until = self.now.0.checked_add(self.inputs.backoff.after(attempts)).unwrap_or(self.now.0);
        self.wake = Some(until);
        let message = format!(
            "The certificate request has failed to complete and will be retried at {until}: {message}"
        );
        self.set_condition(Condition::new("Issuing", false, reason, message.clone()));
        self.announce(Note::warning(reason, message));
    }

    /// While not issuing: no next key, no old requests.
    fn tidy(&mut self) {
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

    fn forget_next_key(&mut self) {
        self.status.next_private_key_secret_name = None;
        if let Some(next_key) = self.inputs.next_key {
            // A crash between the two must not find an issuance under way without its key.
            self.afterwards.push(Step::DeleteSecret(next_key.key()));
        }
    }

    /// The Ready condition, the validity and the renewal time, from what the Secret holds after the steps.
    fn readiness(&mut self) {
        let certificate = self.inputs.certificate;
        let violation = self.violation().filter(|violation| !violation.is_renewal());
        let validity =
            policy::key_pair(certificate, self.secret.as_ref()).ok().and_then(|pair| pair.validity());
        self.status.not_before = validity.map(|(not_before, _)| Time(not_before));
        self.status.not_after = validity.map(|(_, not_after)| Time(not_after));
        let renewal = validity.map(|(from, to)| policy::renewal_time(from, to, &certificate.spec));
        self.status.renewal_time = renewal.map(Time);
        let expired = validity.is_some_and(|(_, not_after)| not_after <= self.inputs.now);
        let ready = match violation {
            Some(violation) => Condition::new("Ready", false, violation.reason, violation.message),
            None if expired => Condition::new("Ready", false, "Expired", "Certificate has expired"),
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
