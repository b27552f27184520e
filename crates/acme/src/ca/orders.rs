//! How orders and authorizations move on (RFC 8555 section 7.1.6). Pure: records, events and the time in, records and
//! statuses out.

use jiff::Timestamp;

use super::records::{AuthorizationRecord, AuthorizationState, OrderPhase, OrderRecord};
use crate::problem::{Problem, ProblemType};
use crate::wire::{AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, OrderStatus};

/// What happens to an authorization.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AuthorizationEvent {
    /// The client says that the proof for this challenge is in place.
    Accepted(ChallengeType),
    /// The proof was seen; it holds until then.
    Proved {
        /// When the authorization ends.
        expires: Timestamp,
    },
    /// Something else was seen, or nothing.
    Refuted(Problem),
    /// The client gives it up.
    Deactivated,
}

impl AuthorizationRecord {
    /// The record after `event`; one that does not fit the state changes nothing, so late news do no harm.
    pub(super) fn step(mut self, event: AuthorizationEvent, now: Timestamp) -> Self {
        use AuthorizationEvent as Event;
        use AuthorizationState as State;
        self.state = match (self.state, event) {
            (State::Pending, Event::Accepted(method)) => State::Validating(method),
            (State::Validating(method), Event::Proved { expires }) => {
                self.expires = expires;
                State::Valid { method, validated: now }
            }
            (State::Validating(method), Event::Refuted(problem)) => {
                State::Invalid { method, problem: Box::new(problem) }
            }
            (State::Pending | State::Validating(_) | State::Valid { .. }, Event::Deactivated) => {
                State::Deactivated
            }
            (
                state @ (State::Pending
                | State::Validating(_)
                | State::Valid { .. }
                | State::Invalid { .. }
                | State::Deactivated),
                Event::Accepted(_) | Event::Proved { .. } | Event::Refuted(_) | Event::Deactivated,
            ) => state,
        };
        self
    }

    /// The status at `now`. A pending one whose time passed is invalid, a valid one expired.
    pub(super) fn status(&self, now: Timestamp) -> AuthorizationStatus {
        let is_over = now >= self.expires;
        match &self.state {
            AuthorizationState::Pending | AuthorizationState::Validating(_) if is_over => {
                AuthorizationStatus::Invalid
            }
            AuthorizationState::Pending | AuthorizationState::Validating(_) => AuthorizationStatus::Pending,
            AuthorizationState::Valid { .. } if is_over => AuthorizationStatus::Expired,
            AuthorizationState::Valid { .. } => AuthorizationStatus::Valid,
            AuthorizationState::Invalid { .. } => AuthorizationStatus::Invalid,
            AuthorizationState::Deactivated => AuthorizationStatus::Deactivated,
        }
    }

    /// The status of one of its challenges. After one was tried the others have no part in it (section 7.1.4).
    pub(super) fn challenge_status(&self, kind: &ChallengeType) -> ChallengeStatus {
        match &self.state {
            AuthorizationState::Validating(method) if method == kind => ChallengeStatus::Processing,
            AuthorizationState::Valid { method, .. } if method == kind => ChallengeStatus::Valid,
            AuthorizationState::Invalid { method, .. } if method == kind => ChallengeStatus::Invalid,
            AuthorizationState::Pending
            | AuthorizationState::Validating(_)
            | AuthorizationState::Valid { .. }
            | AuthorizationState::Invalid { .. }
            | AuthorizationState::Deactivated => ChallengeStatus::Pending,
        }
    }

    /// How it was proved.
    pub(super) fn method(&self) -> Option<&ChallengeType> {
        match &self.state {
            AuthorizationState::Valid { method, .. } => Some(method),
            AuthorizationState::Pending
            | AuthorizationState::Validating(_)
            | AuthorizationState::Invalid { .. }
            | AuthorizationState::Deactivated => None,
        }
    }

    /// The challenges to show: all that are offered while it is open, the one that decided it afterwards.
    pub(super) fn challenges(&self) -> Vec<ChallengeType> {
        match &self.state {
            AuthorizationState::Pending | AuthorizationState::Deactivated => offered(&self.identifier),
            AuthorizationState::Validating(method)
            | AuthorizationState::Valid { method, .. }
            | AuthorizationState::Invalid { method, .. } => vec![method.clone()],
        }
    }
}

/// The ways in which a name can be proved here.
pub(super) fn offered(identifier: &Identifier) -> Vec<ChallengeType> {
    match identifier {
        // What is served under a name says nothing about the names below it (section 8.3).
        Identifier::Dns(name) if name.starts_with("*.") => vec![ChallengeType::Dns01],
        Identifier::Dns(_) => vec![ChallengeType::Http01, ChallengeType::TlsAlpn01, ChallengeType::Dns01],
        // RFC 8738 section 7: an address has no zone to write into.
        Identifier::Ip(_) => vec![ChallengeType::Http01, ChallengeType::TlsAlpn01],
        Identifier::Other { .. } => Vec::new(),
    }
}

/// The status of an order, with the reason when it is invalid.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid(Problem),
}

impl Standing {
    /// The status on the wire.
    pub(super) fn status(&self) -> OrderStatus {
        match self {
            Self::Pending => OrderStatus::Pending,
            Self::Ready => OrderStatus::Ready,
            Self::Processing => OrderStatus::Processing,
            Self::Valid => OrderStatus::Valid,
            Self::Invalid(_) => OrderStatus::Invalid,
        }
    }
}

impl OrderRecord {
    /// Where the order stands at `now`, given its authorizations.
    ///
    /// One failed authorization fails the order; RFC 8555 has no way back. Once the request was accepted, authorizations
    /// and time no longer matter.
    pub(super) fn standing<'a>(
        &self,
        authorizations: impl IntoIterator<Item = &'a AuthorizationRecord>,
        now: Timestamp,
    ) -> Standing {
        match &self.phase {
            OrderPhase::Processing { .. } => return Standing::Processing,
            OrderPhase::Issued => return Standing::Valid,
            OrderPhase::Failed(problem) => return Standing::Invalid(problem.as_ref().clone()),
            OrderPhase::Open => {}
        }
        if now >= self.expires {
            let detail = format!("the order expired at {} before it was finalized", self.expires);
            return Standing::Invalid(Problem::new(ProblemType::Malformed, detail));
        }
        let mut standing = Standing::Ready;
        for authorization in authorizations {
            match authorization.status(now) {
                AuthorizationStatus::Valid => {}
                AuthorizationStatus::Pending => standing = Standing::Pending,
                AuthorizationStatus::Invalid
                | AuthorizationStatus::Deactivated
                | AuthorizationStatus::Expired
                | AuthorizationStatus::Revoked => return Standing::Invalid(failure(authorization)),
            }
        }
        standing
    }
}

fn failure(authorization: &AuthorizationRecord) -> Problem {
    let problem = match &authorization.state {
        AuthorizationState::Invalid { problem, .. } => problem.as_ref().clone(),
        AuthorizationState::Deactivated => {
            Problem::new(ProblemType::Unauthorized, "the authorization was deactivated")
        }
        AuthorizationState::Pending
        | AuthorizationState::Validating(_)
        | AuthorizationState::Valid { .. } => {
            let detail = format!("the authorization expired at {}", authorization.expires);
            Problem::new(ProblemType::Unauthorized, detail)
        }
    };
    problem.about(authorization.identifier.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use jiff::SignedDuration;

    use super::*;
    use crate::ca::profiles::Profile;
    use crate::ca::records::{AccountId, AuthorizationId, OrderId, RequestedValidity};

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn authorization(name: &str) -> AuthorizationRecord {
        AuthorizationRecord {
            id: AuthorizationId::from_url(name),
            account: AccountId::from_url("a"),
            identifier: Identifier::Dns(name.to_owned()),
            token: "t".to_owned(),
            expires: at(1),
            state: AuthorizationState::Pending,
        }
    }

    fn proved(name: &str) -> AuthorizationRecord {
        authorization(name)
            .step(AuthorizationEvent::Accepted(ChallengeType::Http01), at(0))
            .step(AuthorizationEvent::Proved { expires: at(100) }, at(0))
    }

    fn order() -> OrderRecord {
        OrderRecord {
            id: OrderId::from_url("o"),
            account: AccountId::from_url("a"),
            identifiers: Vec::new(),
            authorizations: Vec::new(),
            validity: RequestedValidity::default(),
            profile: Profile::default(),
            replaces: None,
            created: at(0),
            expires: at(24),
            phase: OrderPhase::Open,
        }
    }

    #[test]
    fn an_order_is_ready_when_its_last_name_is_proved() {
        let (one, two) = (proved("one"), authorization("two"));
        assert_eq!(order().standing([&one, &two], at(0)), Standing::Pending);
        assert_eq!(order().standing([&one, &proved("two")], at(0)), Standing::Ready);
    }

    #[test]
    fn a_failed_challenge_fails_the_order_and_names_the_identifier() {
        let failed = authorization("two")
            .step(AuthorizationEvent::Accepted(ChallengeType::Http01), at(0))
            .step(AuthorizationEvent::Refuted(Problem::new(ProblemType::Connection, "refused")), at(0));
        let Standing::Invalid(problem) = order().standing([&proved("one"), &failed], at(0)) else {
            panic!("a failed authorization must fail the order");
        };
        assert_eq!(problem.kind, ProblemType::Connection);
        assert_eq!(problem.identifier, Some(Identifier::Dns("two".to_owned())));
    }

    #[test]
    fn time_ends_pending_authorizations_valid_ones_and_open_orders() {
        assert_eq!(authorization("x").status(at(1)), AuthorizationStatus::Invalid);
        assert_eq!(proved("x").status(at(99)), AuthorizationStatus::Valid);
        assert_eq!(proved("x").status(at(100)), AuthorizationStatus::Expired);
        assert_eq!(order().standing([&proved("x")], at(24)).status(), OrderStatus::Invalid);
        let mut processing = order();
        processing.phase = OrderPhase::Processing { csr: String::new() };
        assert_eq!(processing.standing([], at(24)), Standing::Processing);
    }

    #[test]
    fn late_news_change_nothing() {
        let given_up = proved("x").step(AuthorizationEvent::Deactivated, at(1));
        for event in [
            AuthorizationEvent::Accepted(ChallengeType::Http01),
            AuthorizationEvent::Proved { expires: at(1000) },
            AuthorizationEvent::Refuted(Problem::new(ProblemType::Connection, "")),
        ] {
            assert_eq!(given_up.clone().step(event, at(2)), given_up);
        }
    }
}
