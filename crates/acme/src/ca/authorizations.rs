//! Authorizations and their challenges (RFC 8555 section 7.5).

use http::StatusCode;

use super::context::{Context, missing};
use super::orders::AuthorizationEvent;
use super::records::{AuthorizationId, AuthorizationRecord, AuthorizationState, Record};
use super::reply::{Handled, Refusal, Reply, refuse};
use super::request::Verified;
use super::resource::Resource;
use crate::problem::ProblemType;
use crate::wire::{
    Authorization, AuthorizationStatus, AuthorizationUpdate, Challenge, ChallengeStatus, ChallengeType,
};

impl Context<'_> {
    /// Reads an authorization, or gives it up (section 7.5.2).
    pub(super) fn read_authorization(&mut self, id: &AuthorizationId, verified: &Verified) -> Handled {
        let mut record = self.authorization(id, verified.account()?)?;
        if verified.payload().is_some() {
            let update: AuthorizationUpdate = verified.json()?;
            if update.status != AuthorizationStatus::Deactivated {
                let detail = format!("an authorization can be deactivated, not made {}", update.status);
                return refuse(ProblemType::Malformed, detail);
            }
            record = record.step(AuthorizationEvent::Deactivated, self.now);
            self.commit(vec![Record::Authorization(record.clone())])?;
        }
        let challenges = record.challenges();
        let object = Authorization {
            identifier: record.identifier.without_star(),
            status: record.status(self.now),
            expires: Some(record.expires),
            challenges: challenges.iter().map(|kind| self.challenge_object(&record, kind)).collect(),
            wildcard: record.identifier.is_wildcard(),
        };
        Ok(hinted(Reply::json(StatusCode::OK, &object), &record))
    }

    /// Reads a challenge, or begins its validation (section 7.5.1). Saying twice that the proof is in place is harmless.
    pub(super) fn challenge(
        &mut self,
        id: &AuthorizationId,
        kind: &ChallengeType,
        verified: &Verified,
    ) -> Handled {
        let account = verified.account()?;
        let mut record = self.authorization(id, account)?;
        if !record.challenges().contains(kind) {
            return missing("challenge");
        }
        if verified.payload().is_some() {
            verified.json::<serde_json::Map<String, serde_json::Value>>()?;
            record = self.accept(record, kind)?;
        }
        let up = self.url(&Resource::Authorization(id.clone()));
        let reply = Reply::json(StatusCode::OK, &self.challenge_object(&record, kind)).linked(&up, "up");
        Ok(hinted(reply, &record))
    }

    fn accept(
        &mut self,
        record: AuthorizationRecord,
        kind: &ChallengeType,
    ) -> Result<AuthorizationRecord, Refusal> {
        match (&record.state, record.status(self.now)) {
            (AuthorizationState::Pending, AuthorizationStatus::Pending) => {}
            (AuthorizationState::Pending, _) => {
                let detail = format!("the authorization expired at {}; order again", record.expires);
                return refuse(ProblemType::Malformed, detail);
            }
            (
                AuthorizationState::Validating(_)
                | AuthorizationState::Valid { .. }
                | AuthorizationState::Invalid { .. }
                | AuthorizationState::Deactivated,
                _,
            ) => return Ok(record),
        }
        let record = record.step(AuthorizationEvent::Accepted(kind.clone()), self.now);
        self.commit(vec![Record::Authorization(record.clone())])?;
        self.jobs.add_validation(record.id.clone());
        Ok(record)
    }

    fn challenge_object(&self, record: &AuthorizationRecord, kind: &ChallengeType) -> Challenge {
        let status = record.challenge_status(kind);
        let (validated, error) = match (&record.state, status) {
            (AuthorizationState::Valid { validated, .. }, ChallengeStatus::Valid) => (Some(*validated), None),
            (AuthorizationState::Invalid { problem, .. }, ChallengeStatus::Invalid) => {
                (None, Some(problem.as_ref().clone()))
            }
            (
                AuthorizationState::Pending
                | AuthorizationState::Validating(_)
                | AuthorizationState::Valid { .. }
                | AuthorizationState::Invalid { .. }
                | AuthorizationState::Deactivated,
                _,
            ) => (None, None),
        };
        Challenge {
            kind: kind.clone(),
            url: self.url(&Resource::Challenge(record.id.clone(), kind.clone())),
            status,
            validated,
            token: Some(record.token.clone()),
            error,
        }
    }
}

/// While the CA looks, the client is told to ask again soon.
fn hinted(reply: Reply, record: &AuthorizationRecord) -> Reply {
    match record.state {
        AuthorizationState::Validating(_) => reply.retry_soon(),
        AuthorizationState::Pending
        | AuthorizationState::Valid { .. }
        | AuthorizationState::Invalid { .. }
        | AuthorizationState::Deactivated => reply,
    }
}
