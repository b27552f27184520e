//! Challenges: the answer is served by every worker, or written into the DNS; then the CA is asked to look.

use std::time::Duration;

use jamul_acme::client::{ClientError, Session};
use jamul_acme::wire::{AuthorizationStatus, ChallengeStatus as WireChallengeStatus};
use jamul_api::acme::{ChallengeStatus, State};
use jamul_api::core::{Secret, Time};
use jamul_api::{Challenge, Object, ObjectKey, Order};
use jamul_issuance::{Note, duration};
use jamul_routing::Host;
use jamul_routing::challenges::HTTP01_PREFIX;
use jiff::{SignedDuration, Timestamp};

use crate::account_error::AccountError;
use crate::accounts::{forget, from_client, session};
use crate::context::Context;
use crate::dns01;
use crate::polling::{POLLS, next_look};
use crate::runner::{self, Limits, Retry, owner_key, trigger};

/// How long a new Snapshot may take to carry the answer.
const PRESENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause between two looks at records that spread.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(10);
/// Pauses after failed tries to take a record away.
const CLEAN_UP_TRIES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::ZERO];

pub(crate) async fn run(context: &Context) {
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<Challenge>(&context.store, &inbox, |challenge, _| vec![challenge.key()]),
            trigger::<Secret>(&context.store, &inbox, |secret, _| waiting_for(context, secret)),
        );
    };
    let limits = Limits { concurrency: context.settings.concurrent_challenges, ..runner::REMOTE };
    runner::run("challenges", context, limits, triggers, |key| reconcile(context, key)).await;
}

/// The Challenges that are not presented and whose solver names this Secret: it may be what they lacked.
fn waiting_for(context: &Context, secret: &Secret) -> Vec<ObjectKey> {
    let changed = secret.key();
    let challenges = context.store.list::<Challenge>();
    let waiting = challenges.iter().filter(|challenge| {
        let is_open = !challenge.status.presented && !challenge.status.state.is_some_and(State::is_final);
        is_open && dns01::uses(context, challenge, &changed)
    });
    waiting.map(|challenge| challenge.key()).collect()
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
    let is_dns = challenge.spec.type_ == "DNS-01";
    if !status.presented {
        if !is_dns {
            present(context, &challenge).await?;
        } else if let Err(reason) = dns01::present(context, &challenge).await {
            return wait_for(context, &challenge, "PresentError", reason).await;
        }
        status.processing = true;
        status.presented = true;
        status.presented_at = Some(Time(context.now()));
        status.reason.clear();
        let message = format!("Presented challenge using {} challenge mechanism", challenge.spec.type_);
        context.announce(&*challenge, &Note::normal("Presented", message));
        save(context, &challenge, status).await?;
        return Ok(Some(context.now()));
    }
    match waited_for(&challenge) {
        // Its user knows how long it takes, and nobody looks.
        Some(until) if context.now() < until => return Ok(Some(until)),
        Some(_) => {}
        None if is_dns => {
            if let Some(unseen) = dns01::unseen(context, &challenge).await {
                return propagating(context, &challenge, unseen).await;
            }
        }
        None => {}
    }
    let (session, _) = session(context, &challenge.spec.issuer_ref, &key.namespace).await?;
    match prove(&session, &challenge).await {
        Ok(Look::Undecided(asked)) => {
            let wait = SignedDuration::try_from(next_look(asked)).unwrap_or(NEXT_LOOK);
            return Ok(context.now().checked_add(wait).ok());
        }
        Ok(Look::Decided(state, reason)) => {
            let (server, name) = (session.client().directory_url(), &challenge.spec.dns_name);
            match state {
                State::Valid => context.domains.verified(server, name),
                State::Invalid => {
                    context.domains.failed(server, name, context.settings.domain_backoff, context.now());
                }
                State::Pending | State::Ready | State::Processing | State::Expired | State::Errored => {}
            }
            status.state = Some(state);
            status.reason = reason;
        }
        Err(error) => match from_client(&error) {
            AccountError::Away { message, after } => return Err(Retry::Later { message, after }),
            AccountError::Store(error) => return Err(error.into()),
            AccountError::Unknown(message) => {
                forget(context, &challenge.spec.issuer_ref, &key.namespace).await?;
                return Err(Retry::Later { message, after: None });
            }
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
    if is_dns {
        tidy(context, &challenge).await;
    }
    let note = match status.state {
        Some(State::Valid) => Note::normal(
            "DomainVerified",
            format!(
                "Domain {:?} verified with {:?} validation",
                challenge.spec.dns_name, challenge.spec.type_
            ),
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

/// Until when the solver wants to be waited for instead of a look at the record (`waitInsteadOfSelfCheck`).
fn waited_for(challenge: &Challenge) -> Option<Timestamp> {
    let wait = challenge.spec.solver.wait_instead_of_self_check.as_deref()?;
    let presented = challenge.status.presented_at.as_ref()?.0;
    presented.checked_add(duration::parse(wait).ok()?).ok()
}

/// Writes down, once, why the challenge is not presented, and has it tried again with growing pauses.
async fn wait_for(
    context: &Context,
    challenge: &Challenge,
    event: &str,
    reason: String,
) -> Result<Option<Timestamp>, Retry> {
    if challenge.status.reason != reason {
        context.announce(challenge, &Note::warning(event, reason.clone()));
        let status = ChallengeStatus { reason: reason.clone(), ..challenge.status.clone() };
        save(context, challenge, status).await?;
    }
    Err(Retry::Later { message: reason, after: None })
}

/// The record is there and not seen everywhere: that takes its time, shorter ones first.
async fn propagating(
    context: &Context,
    challenge: &Challenge,
    unseen: String,
) -> Result<Option<Timestamp>, Retry> {
    let reason = format!("Waiting for DNS-01 challenge propagation: {unseen}");
    if challenge.status.reason != reason {
        let status = ChallengeStatus { reason, ..challenge.status.clone() };
        save(context, challenge, status).await?;
    }
    let since = challenge.status.presented_at.as_ref().map(|at| context.now().duration_since(at.0));
    let wait = since.unwrap_or(SignedDuration::ZERO).clamp(SignedDuration::from_secs(1), NEXT_LOOK);
    Ok(context.now().checked_add(wait).ok())
}

/// Takes the record away. One that stays does no harm, so after some tries it is left with a word to the user, instead of
/// holding the Order, or a namespace that is being deleted.
async fn tidy(context: &Context, challenge: &Challenge) {
    let mut failure = String::new();
    for wait in CLEAN_UP_TRIES {
        match dns01::clean_up(context, challenge).await {
            Ok(()) => return,
            Err(reason) => failure = reason,
        }
        tokio::time::sleep(wait).await;
    }
    let message = format!("The TXT record could not be taken away and stays: {failure}");
    context.announce(challenge, &Note::warning("CleanUpError", message));
}

/// What the CA says.
enum Look {
    Decided(State, String),
    /// With what it asked to wait.
    Undecided(Option<Duration>),
}

/// Asks the CA to look, and waits a moment for what it found.
async fn prove(session: &Session, challenge: &Challenge) -> Result<Look, ClientError> {
    let mut accepted = false;
    let mut asked_to_wait = None;
    for wait in POLLS {
        let answer = session.authorization(&challenge.spec.authorization_url).await?;
        asked_to_wait = answer.retry_after;
        let authorization = answer.object;
        let ours = authorization.challenges.iter().find(|candidate| candidate.url == challenge.spec.url);
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => {
                return Ok(Look::Decided(State::Valid, "Successfully authorized domain".to_owned()));
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
                return Ok(Look::Decided(state_of(authorization.status), reason));
            }
        }
        if ours.is_none_or(|challenge| challenge.status == WireChallengeStatus::Pending) {
            if accepted {
                // It was told and has not begun.
                break;
            }
            session.accept(&challenge.spec.url).await?;
        } else if !accepted && asked_to_wait.is_some() {
            // A later look, and it says when it wants the next: no place is held meanwhile.
            break;
        }
        accepted = true;
        tokio::time::sleep(wait).await;
    }
    Ok(Look::Undecided(asked_to_wait))
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
