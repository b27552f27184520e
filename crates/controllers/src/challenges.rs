//! Challenges: the answer is served by every worker, then the CA is asked to look.

use std::time::Duration;

use jamul_acme::client::{ClientError, Session};
use jamul_acme::wire::{AuthorizationStatus, ChallengeStatus as WireChallengeStatus};
use jamul_api::acme::{ChallengeStatus, State};
use jamul_api::core::Time;
use jamul_api::{Challenge, Object, ObjectKey, Order};
use jamul_issuance::Note;
use jamul_routing::Host;
use jamul_routing::challenges::HTTP01_PREFIX;
use jiff::{SignedDuration, Timestamp};

use crate::accounts::{AccountError, from_client, session};
use crate::context::Context;
use crate::runner::{self, Retry, owner_key, trigger};

/// Waits between looks at an authorization or order: quick ones first, since most CAs need less than a second.
pub(crate) const POLLS: [Duration; 9] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(5),
];
/// How long a new Snapshot may take to carry the answer.
const PRESENT_TIMEOUT: Duration = Duration::from_secs(10);
/// When a challenge that the CA has not decided is looked at again.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(10);

pub(crate) async fn run(context: &Context) {
    let triggers = |inbox: runner::Inbox| async move {
        trigger::<Challenge>(&context.store, &inbox, |challenge, _| vec![challenge.key()]).await;
    };
    runner::run("challenges", context.clock, runner::REMOTE, triggers, |key| reconcile(context, key)).await;
}

async fn reconcile(context: &Context, key: ObjectKey) -> Result<Option<Timestamp>, Retry> {
    let Some(challenge) = context.store.get::<Challenge>(&key) else { return Ok(None) };
    if challenge.status.state.is_some_and(State::is_final) {
        return Ok(None);
    }
    let mut status = challenge.status.clone();
    // A Challenge that none of our Orders made could misuse an issuer's account: it is refused.
    let order = owner_key("Order", &*challenge).and_then(|key| context.store.get::<Order>(&key));
    if !order.is_some_and(|order| challenge.is_controlled_by(&*order)) {
        status.state = Some(State::Errored);
        status.reason =
            "the challenge is not controlled by an Order; expected one that Jamul made".to_owned();
        save(context, &challenge, status).await?;
        return Ok(None);
    }
    if !status.presented {
        present(context, &challenge).await?;
        status.processing = true;
        status.presented = true;
        status.presented_at = Some(Time(context.now()));
        context.announce(
            &*challenge,
            &Note::normal("Presented", "Presented challenge using HTTP-01 challenge mechanism"),
        );
        save(context, &challenge, status).await?;
        return Ok(Some(context.now()));
    }
    let (session, _) = session(context, &challenge.spec.issuer_ref, &key.namespace).await?;
    match prove(&session, &challenge).await {
        Ok(None) => return Ok(context.now().checked_add(NEXT_LOOK).ok()),
        Ok(Some((state, reason))) => {
            status.state = Some(state);
            status.reason = reason;
        }
        Err(error) => match from_client(&error) {
            AccountError::Away { message, after } => return Err(Retry::Later { message, after }),
            AccountError::Store(error) => return Err(error.into()),
            AccountError::Refused(message) => {
                status.state = Some(State::Errored);
                status.reason = message;
            }
            AccountError::Key(note) => {
                status.state = Some(State::Errored);
                status.reason = note.message;
            }
        },
    }
    status.processing = false;
    let note = match status.state {
        Some(State::Valid) => Note::normal(
            "DomainVerified",
            format!("Domain {:?} verified with \"HTTP-01\" validation", challenge.spec.dns_name),
        ),
        _ => Note::warning("Failed", status.reason.clone()),
    };
    save(context, &challenge, status).await?;
    context.announce(&*challenge, &note);
    Ok(None)
}

async fn save(context: &Context, challenge: &Challenge, status: ChallengeStatus) -> Result<(), Retry> {
    context.store.set_status(&Challenge { status, ..challenge.clone() }).await?;
    Ok(())
}

/// Waits until the Snapshot that is being served carries the answer.
async fn present(context: &Context, challenge: &Challenge) -> Result<(), Retry> {
    let spec = &challenge.spec;
    let name =
        if spec.dns_name.contains(':') { format!("[{}]", spec.dns_name) } else { spec.dns_name.clone() };
    let host = Host::parse(&name)
        .ok_or_else(|| Retry::Later { message: format!("{name:?} is no host name"), after: None })?;
    let path = format!("{HTTP01_PREFIX}{}", spec.token);
    let mut published = context.live.published.subscribe();
    let served =
        published.wait_for(|_| context.live.snapshot.load().challenges.find(&host, &path) == Some(&spec.key));
    match tokio::time::timeout(PRESENT_TIMEOUT, served).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Retry::Later {
            message: format!("the answer for {name:?} is not being served yet"),
            after: None,
        }),
    }
}

/// Asks the CA to look, and waits for what it found. `None` = not decided yet.
async fn prove(session: &Session, challenge: &Challenge) -> Result<Option<(State, String)>, ClientError> {
    let mut accepted = false;
    for wait in POLLS {
        let authorization = session.authorization(&challenge.spec.authorization_url).await?.object;
        let ours = authorization.challenges.iter().find(|candidate| candidate.url == challenge.spec.url);
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => {
                return Ok(Some((State::Valid, "Successfully authorized domain".to_owned())));
            }
            AuthorizationStatus::Invalid
            | AuthorizationStatus::Deactivated
            | AuthorizationStatus::Expired
            | AuthorizationStatus::Revoked => {
                let problem = ours.and_then(|challenge| challenge.error.as_ref()).map(ToString::to_string);
                let reason = format!(
                    "Error accepting authorization for {:?}: {}",
                    challenge.spec.dns_name,
                    problem.unwrap_or_else(|| "the CA gave no reason".to_owned())
                );
                return Ok(Some((state_of(authorization.status), reason)));
            }
        }
        if !accepted && ours.is_none_or(|challenge| challenge.status == WireChallengeStatus::Pending) {
            session.accept(&challenge.spec.url).await?;
        }
        accepted = true;
        tokio::time::sleep(wait).await;
    }
    Ok(None)
}

/// An authorization's status in cert-manager's words.
pub(crate) fn state_of(status: AuthorizationStatus) -> State {
    match status {
        AuthorizationStatus::Pending => State::Pending,
        AuthorizationStatus::Valid => State::Valid,
        AuthorizationStatus::Invalid | AuthorizationStatus::Deactivated | AuthorizationStatus::Revoked => {
            State::Invalid
        }
        AuthorizationStatus::Expired => State::Expired,
    }
}
