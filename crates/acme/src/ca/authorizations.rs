//! Authorizations and their challenges (RFC 8555 section 7.5).

use http::StatusCode;

use super::context::{Context, missing};
use super::ordering::check_identifier;
use super::orders::AuthorizationEvent;
use super::records::{AuthorizationId, AuthorizationRecord, AuthorizationState, Record};
use super::reply::{Handled, Refusal, Reply, refuse};
use super::request::Verified;
use super::resource::Resource;
use crate::problem::ProblemType;
use crate::wire::{
    Authorization, AuthorizationStatus, AuthorizationUpdate, Challenge, ChallengeStatus, ChallengeType,
    NewAuthorization,
};

impl Context<'_> {
    /// Authorizes a name before there is an order for it (section 7.4.1). A proof that holds is given again.
    pub(super) fn new_authorization(&mut self, verified: &Verified) -> Handled {
        let account = verified.account()?.clone();
        let request: NewAuthorization = verified.json()?;
        let identifier = check_identifier(&request.identifier, self.authority)?;
        if identifier.is_wildcard() {
            let detail = format!("{identifier} is a wildcard, which only an order can ask for");
            return refuse(ProblemType::RejectedIdentifier, detail);
        }
        let known = self.objects().latest_authorization(&account.id, &identifier);
        let known = known.filter(|known| match known.status(self.now) {
            AuthorizationStatus::Pending | AuthorizationStatus::Valid => true,
            AuthorizationStatus::Invalid
            | AuthorizationStatus::Deactivated
            | AuthorizationStatus::Expired
            | AuthorizationStatus::Revoked => false,
        });
        let record = match known.cloned() {
            Some(known) => known,
            None => {
                self.check_failures(&account, std::slice::from_ref(&identifier))?;
                let record = self.draft_authorization(&account, &identifier);
                self.commit(vec![Record::Authorization(record.clone())])?;
                record
            }
        };
        let url = self.url(&Resource::Authorization(record.id.clone()));
        Ok(Reply::json(StatusCode::CREATED, &self.authorization_object(&record)).at(&url))
    }

    fn authorization_object(&self, record: &AuthorizationRecord) -> Authorization {
        let challenges = record.challenges();
        Authorization {
            identifier: record.identifier.without_star(),
            status: record.status(self.now),
            expires: Some(record.expires),
            challenges: challenges.iter().map(|kind| self.challenge_object(record, kind)).collect(),
            wildcard: record.identifier.is_wildcard(),
        }
    }

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
        let object = self.authorization_object(&record);
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
