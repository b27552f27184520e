//! The key of an issuance under way.

use jamul_api::condition::{self, Condition};
use jamul_pki::PrivateKey;

use super::{INVALID_SPEC, PlanError, Planner, Step};
use crate::note::Note;
use crate::{keys, secret};

impl Planner<'_> {
    /// The key that was stored, if it is what the spec asks for.
    pub(super) fn next_key(&self) -> Option<PrivateKey> {
        let key = secret::key(self.inputs.next_key?)?;
        (keys::algorithm(&self.inputs.certificate.spec).is_ok_and(|wanted| key.algorithm() == wanted))
            .then_some(key)
    }

    /// The key to go on with at once: one that may be reused. `None` if there is none yet, or never will be.
    pub(super) fn make_key(&mut self) -> Result<Option<PrivateKey>, PlanError> {
        let certificate = self.inputs.certificate;
        let algorithm = match keys::algorithm(&certificate.spec) {
            Ok(algorithm) => algorithm,
            Err((field, message)) => {
                self.fail(INVALID_SPEC, &format!("{field}: {message}"));
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
                let name = &certificate.spec.secret_name;
                let message = format!("Reusing private key stored in existing Secret resource {name:?}");
                self.announce(Note::normal("Reused", message));
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
                let name = secret::next_key_name(certificate);
                self.steps.push(Step::MakeNextKey(algorithm));
                let message = format!("Stored new private key in temporary Secret resource {name:?}");
                self.announce(Note::normal("Generated", message));
                self.status.next_private_key_secret_name = Some(name);
                return Ok(None);
            }
        };
        let stored = secret::next_key(certificate, &key).map_err(PlanError::EncodeKey)?;
        self.steps.push(Step::StoreNextKey(stored));
        Ok(Some(key))
    }
}
