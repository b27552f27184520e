//! An issuance under way: its key, its request, and what came of it.

use jamul_api::condition;
use jamul_api::core::{ByteString, ObjectMeta};
use jamul_api::request::CertificateRequestSpec;
use jamul_api::{Certificate, CertificateRequest, Object, names};
use jamul_pki::PrivateKey;
use sha2::{Digest, Sha256};

use super::{INVALID_SPEC, PlanError, Planner, Step, csr};
use crate::note::Note;
use crate::{keys, secret};

/// Annotations of a Certificate that its requests do not get: they are for the tools that apply files, which
/// would take the requests for their own.
const NOT_COPIED: [&str; 4] =
    ["kubectl.kubernetes.io/", "fluxcd.io/", "argocd.argoproj.io/", "jamul.dev/source"];

impl Planner<'_> {
    /// While issuing: the next key, the request, and what came of it.
    pub(super) fn issue(&mut self) -> Result<(), PlanError> {
        let next = self.revision() + 1;
        let issuer = self.issuer();
        let request = self
            .request(next)
            .filter(|request| !self.is_stale(request) && request.spec.issuer_ref.same(&issuer));
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

    fn create_request(&mut self, revision: i64, key: &PrivateKey) {
        let certificate = self.inputs.certificate;
        if let Err(message) = keys::template(&certificate.spec) {
            return self.fail(INVALID_SPEC, &message);
        }
        let pem = match keys::request(certificate, key) {
            Ok(pem) => pem,
            Err(message) => return self.fail("RequestFailed", &message),
        };
        let name = request_name(certificate, revision);
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
                issuer_ref: self.issuer(),
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
}

/// The name of a Certificate's request. Names that would be too long keep 168 characters and a hash, as
/// cert-manager's.
#[must_use]
pub fn request_name(certificate: &Certificate, revision: i64) -> String {
    let name = certificate.metadata.name.as_deref().unwrap_or_default();
    if name.len() <= 233 {
        return format!("{name}-{revision}");
    }
    let start: String = name.chars().take(168).collect();
    let hash: String = Sha256::digest(name).iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{start}-{hash}-{revision}")
}
