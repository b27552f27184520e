//! Orders: performs what `issuance::order` decides against the ACME server.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jamul_acme::client::{ClientError, Session};
use jamul_acme::problem::ProblemType;
use jamul_acme::wire::{self, Identifier, OrderStatus as WireStatus};
use jamul_api::acme::{AcmeAuthorization, AcmeChallenge, OrderStatus, State};
use jamul_api::core::{ByteString, Time};
use jamul_api::issuer::AcmeIssuer;
use jamul_api::{Certificate, Challenge, Object, ObjectKey, Order, names};
use jamul_issuance::order::{self, OrderAction};
use jamul_issuance::{Note, duration};
use jamul_pki::{Certificate as X509, Csr};
use jiff::{SignedDuration, Timestamp};

use crate::account_error::AccountError;
use crate::accounts::{forget, from_client, session};
use crate::context::Context;
use crate::held::Held;
use crate::polling::{POLLS, next_look};
use crate::runner::{self, Retry, owner_key, trigger};

pub(crate) async fn run(context: &Context) {
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<Order>(&context.store, &inbox, |order, _| vec![order.key()]),
            trigger::<Challenge>(&context.store, &inbox, |challenge, _| {
                owner_key("Order", challenge).into_iter().collect()
            }),
        );
    };
    runner::run("orders", context, runner::REMOTE, triggers, |key| reconcile(context, key)).await;
}

async fn reconcile(context: &Context, key: ObjectKey) -> Result<Option<Timestamp>, Retry> {
    let Some(mut order) = context.store.get::<Order>(&key) else { return Ok(None) };
    if order.status.as_ref().and_then(|status| status.state).is_some_and(State::is_final) {
        return Ok(None);
    }
    if let Some(until) = context.pauses.until(&subject(&key), context.now()) {
        return Ok(Some(until));
    }
    let (session, issuer) = session(context, &order.spec.issuer_ref, &key.namespace).await?;
    // Two that ask for the same names at the same time could be given one order of the CA, which has one certificate.
    let mut alone = None;
    loop {
        let challenges = challenges_of(context, &order);
        let mut status = order.status.clone().unwrap_or_default();
        let result = match order::next(&order, &challenges, &issuer.solvers) {
            OrderAction::Rest => return Ok(None),
            OrderAction::Wait => return Ok(None),
            OrderAction::Fail(reason) => {
                fail(&mut status, State::Errored, reason, context.now());
                Ok(None)
            }
            OrderAction::Create => {
                if let Some(until) = name_wait(context, &session, &order, &mut status) {
                    if order.status.as_ref() != Some(&status) {
                        context.announce(&*order, &Note::warning("DomainBackoff", status.reason.clone()));
                        save(context, &order, status).await?;
                    }
                    return Ok(Some(until));
                }
                alone = Some(context.names.lock(&subject_of_names(&order)).await);
                let replaced = replaced(context, &session, &order);
                let created = create(&session, &order, replaced, &mut status, context.now()).await;
                match holder(context, &order, &status.url) {
                    Some(holder) if created.is_ok() => {
                        return wait_for(context, &order, &holder).await;
                    }
                    Some(_) | None => created.map(|()| None),
                }
            }
            OrderAction::FetchAuthorizations => authorizations(&session, &mut status).await.map(|()| None),
            OrderAction::CreateChallenges(missing) => {
                for (authorization, challenge, solver) in missing {
                    let answer = match challenge.type_.as_str() {
                        "dns-01" => session.key().dns_record(&challenge.token),
                        _ => session.key().key_authorization(&challenge.token),
                    };
                    let challenge = order::challenge_for(&order, &authorization, &challenge, &solver, answer);
                    let message = format!(
                        "Created Challenge resource {} for domain {:?}",
                        challenge.key(),
                        challenge.spec.dns_name
                    );
                    context.store.apply(challenge).await?;
                    context.announce(&*order, &Note::normal("Created", message));
                }
                return Ok(None);
            }
            OrderAction::Refresh => refresh(&session, &challenges, &mut status, context.now()).await,
            OrderAction::Finalize => finalize(&session, &order, &mut status).await.map(|()| None),
            OrderAction::Download => download(&session, &issuer, &mut status, context.now()).await,
        };
        let wake = match result {
            Ok(wake) => wake,
            Err(error) => {
                match from_client(&error) {
                    // A limit is no refusal: the Order stays as it is, and says until when it waits.
                    AccountError::Away { message, after } if error.is_rate_limited() => {
                        let until = later(context.now(), after.unwrap_or(LIMIT_PAUSE));
                        context.pauses.set(subject(&key), until);
                        status.reason = format!("{message}; the next attempt is at {until}");
                        context.announce(&*order, &Note::warning("RateLimited", status.reason.clone()));
                        save(context, &order, status).await?;
                        return Ok(Some(until));
                    }
                    AccountError::Away { message, after } => return Err(Retry::Later { message, after }),
                    AccountError::Unknown(message) => {
                        forget(context, &order.spec.issuer_ref, &key.namespace).await?;
                        return Err(Retry::Later { message, after: None });
                    }
                    AccountError::Refused(message) => {
                        fail(&mut status, State::Errored, message, context.now());
                    }
                    AccountError::Key(note) => fail(&mut status, State::Errored, note.message, context.now()),
                    AccountError::Store(error) => return Err(error.into()),
                }
                None
            }
        };
        order = save(context, &order, status).await?;
        drop(alone.take());
        if let Some(wake) = wake {
            return Ok(Some(wake));
        }
    }
}

/// What two Orders have in common that a CA may answer with one order.
fn subject_of_names(order: &Order) -> String {
    format!("Order for {:?} {:?}", order.spec.dns_names, order.spec.ip_addresses)
}

/// The other Order that this order of the CA belongs to, until it is final: a CA gives the same order again to an account
/// that asks for the same names.
fn holder(context: &Context, order: &Order, url: &str) -> Option<ObjectKey> {
    let others = context.store.list::<Order>();
    let holder = others.iter().find(|other| {
        let status = other.status.as_ref();
        let is_open = !status.and_then(|status| status.state).is_some_and(State::is_final);
        other.key() != order.key()
            && is_open
            && status.is_some_and(|status| !url.is_empty() && status.url == url)
    });
    holder.map(|holder| holder.key())
}

/// Lets the other one have the CA's order, and asks for another when that one is done.
async fn wait_for(context: &Context, order: &Order, holder: &ObjectKey) -> Result<Option<Timestamp>, Retry> {
    let reason = format!("waiting for Order {holder}, to which the CA gave its order for the same names");
    let status = OrderStatus { reason, ..order.status.clone().unwrap_or_default() };
    if order.status.as_ref() != Some(&status) {
        save(context, order, status).await?;
    }
    Ok(Some(later(context.now(), TURN)))
}

/// How often it is looked whose turn it is.
const TURN: Duration = Duration::from_secs(1);

/// Until when this Order waits because of a name that the CA could not verify lately; says so in the status.
fn name_wait(
    context: &Context,
    session: &Session,
    order: &Order,
    status: &mut OrderStatus,
) -> Option<Timestamp> {
    let names = order.spec.dns_names.iter().chain(&order.spec.ip_addresses);
    let server = session.client().directory_url();
    let (name, failing) = context.domains.waiting(server, names, context.now())?;
    status.reason = format!(
        "{name:?} failed {} time(s) in a row at this CA; the next attempt is at {}",
        failing.failures, failing.until
    );
    Some(failing.until)
}

/// What a pause of an Order is about.
fn subject(order: &ObjectKey) -> String {
    format!("Order {order}")
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(now)
}

/// How long a limit is respected that does not say how long.
const LIMIT_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The certificate that this order renews, as renewal information calls it (RFC 9773 section 5): the one in the Secret of
/// the Certificate, if this very issuer made it. Another CA, or another account, would not know it.
fn replaced(context: &Context, session: &Session, order: &Order) -> Option<String> {
    session.client().directory().renewal_info.as_ref()?;
    let name = order.metadata.annotations.as_ref()?.get(names::CERTIFICATE_NAME)?;
    let namespace = order.key().namespace;
    let certificate = context.store.get::<Certificate>(&ObjectKey::new(namespace.clone(), name.clone()))?;
    let held = Held::of(context, &certificate)?;
    held.issued_by.same(&order.spec.issuer_ref).then_some(held.identifier)
}

/// Whether an order was refused for what it replaces rather than for itself. CAs differ in how they say it.
fn refuses_replacement(error: &ClientError) -> bool {
    match error {
        ClientError::Problem { status, problem, .. } => match &problem.kind {
            ProblemType::AlreadyReplaced | ProblemType::Malformed | ProblemType::Unauthorized => true,
            _ => matches!(*status, StatusCode::NOT_FOUND | StatusCode::CONFLICT),
        },
        ClientError::Transport { .. }
        | ClientError::Malformed { .. }
        | ClientError::Url { .. }
        | ClientError::Unsupported { .. }
        | ClientError::Sign(_) => false,
    }
}

/// Writes the status down before anything else happens, and tells of an end.
async fn save(context: &Context, order: &Order, status: OrderStatus) -> Result<Arc<Order>, Retry> {
    let state = status.state;
    let reason = status.reason.clone();
    let saved = context.store.set_status(&Order { status: Some(status), ..order.clone() }).await?;
    match state {
        Some(State::Valid) => {
            context.announce(order, &Note::normal("Complete", "Order completed successfully"));
            for challenge in challenges_of(context, order) {
                context.store.delete::<Challenge>(&challenge.key()).await?;
            }
        }
        Some(State::Invalid | State::Expired | State::Errored) => {
            context.announce(order, &Note::warning("Failed", reason));
        }
        Some(State::Pending | State::Ready | State::Processing) | None => {}
    }
    Ok(saved)
}

fn challenges_of(context: &Context, order: &Order) -> Vec<Arc<Challenge>> {
    let mut challenges = context.store.list::<Challenge>();
    challenges.retain(|challenge| {
        challenge.key().namespace == order.key().namespace && challenge.is_controlled_by(order)
    });
    challenges
}

fn fail(status: &mut OrderStatus, state: State, reason: String, now: Timestamp) {
    status.state = Some(state);
    status.reason = reason;
    status.failure_time = Some(Time(now));
}

async fn create(
    session: &Session,
    order: &Order,
    replaces: Option<String>,
    status: &mut OrderStatus,
    now: Timestamp,
) -> Result<(), ClientError> {
    let names = order.spec.dns_names.iter().chain(&order.spec.ip_addresses);
    let lifetime = order.spec.duration.as_deref().and_then(|text| duration::parse(text).ok());
    let request = wire::NewOrder {
        identifiers: names.map(|name| Identifier::from_host(name)).collect(),
        not_after: lifetime.and_then(|lifetime| now.checked_add(lifetime).ok()),
        profile: Some(order.spec.profile.clone()).filter(|profile| !profile.is_empty()),
        replaces,
        ..wire::NewOrder::default()
    };
    let answer = match session.new_order(&request).await {
        // Once without: a certificate is worth more than the CA's bookkeeping.
        Err(error) if request.replaces.is_some() && refuses_replacement(&error) => {
            tracing::info!(order = %order.key(), "ordering without `replaces`: {error}");
            session.new_order(&wire::NewOrder { replaces: None, ..request }).await?
        }
        result => result?,
    };
    status.reason.clear();
    status.url = answer.url;
    take(status, &answer.object);
    status.authorizations = answer
        .object
        .authorizations
        .iter()
        .map(|url| AcmeAuthorization { url: url.clone(), ..Default::default() })
        .collect();
    // Pending until the authorizations were looked at, whatever the server says: they may be valid already.
    status.state = Some(State::Pending);
    Ok(())
}

/// Takes over what the server says of an order.
fn take(status: &mut OrderStatus, order: &wire::Order) {
    status.finalize_url.clone_from(&order.finalize);
    status.state = Some(match order.status {
        WireStatus::Pending => State::Pending,
        WireStatus::Ready => State::Ready,
        WireStatus::Processing => State::Processing,
        WireStatus::Valid => State::Processing,
        WireStatus::Invalid => State::Invalid,
    });
    if let Some(problem) = &order.error {
        status.reason = problem.to_string();
    }
}

async fn authorizations(session: &Session, status: &mut OrderStatus) -> Result<(), ClientError> {
    for authorization in &mut status.authorizations {
        if !authorization.identifier.is_empty() {
            continue;
        }
        let found = session.authorization(&authorization.url).await?.object;
        authorization.identifier = found.identifier.to_string().trim_start_matches("*.").to_owned();
        authorization.wildcard = found.wildcard;
        authorization.initial_state = Some(crate::challenges::state_of(found.status));
        authorization.challenges = found
            .challenges
            .iter()
            .map(|challenge| AcmeChallenge {
                url: challenge.url.clone(),
                token: challenge.token.clone().unwrap_or_default(),
                type_: challenge.kind.to_string(),
            })
            .collect();
    }
    Ok(())
}

async fn refresh(
    session: &Session,
    challenges: &[Arc<Challenge>],
    status: &mut OrderStatus,
    now: Timestamp,
) -> Result<Option<Timestamp>, ClientError> {
    let answer = session.order(&status.url).await?;
    take(status, &answer.object);
    if answer.object.status == WireStatus::Invalid {
        let refused = challenges.iter().find(|challenge| challenge.status.state == Some(State::Invalid));
        let reason =
            refused.map_or_else(|| status.reason.clone(), |challenge| challenge.status.reason.clone());
        fail(status, State::Invalid, reason, now);
    }
    let waits = answer.object.status == WireStatus::Pending;
    Ok(waits.then(|| later(now, next_look(answer.retry_after))))
}

async fn finalize(session: &Session, order: &Order, status: &mut OrderStatus) -> Result<(), ClientError> {
    let pem = String::from_utf8_lossy(&order.spec.request.0).into_owned();
    let Ok(csr) = Csr::from_pem(&pem) else {
        status.state = Some(State::Errored);
        status.reason = "spec.request is no certificate request".to_owned();
        return Ok(());
    };
    let finalized = match session.finalize(&status.finalize_url, csr.der()).await {
        Ok(answer) => answer.object,
        Err(error) if error.problem_type() == Some(&ProblemType::OrderNotReady) => {
            // It may have been asked for already, right before a crash: then it goes on from there.
            let found = session.order(&status.url).await?.object;
            match found.status {
                WireStatus::Processing | WireStatus::Valid => found,
                WireStatus::Pending | WireStatus::Ready | WireStatus::Invalid => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    take(status, &finalized);
    Ok(())
}

async fn download(
    session: &Session,
    issuer: &AcmeIssuer,
    status: &mut OrderStatus,
    now: Timestamp,
) -> Result<Option<Timestamp>, ClientError> {
    let mut asked_to_wait = None;
    for wait in POLLS {
        let answer = session.order(&status.url).await?;
        asked_to_wait = answer.retry_after;
        match (answer.object.status, &answer.object.certificate) {
            (WireStatus::Valid, Some(url)) => {
                let chain = if issuer.preferred_chain.is_empty() {
                    session.chain(url).await?
                } else {
                    preferred(&session.certificate(url).await?, &issuer.preferred_chain).unwrap_or_default()
                };
                status.certificate = Some(ByteString(chain.into_bytes()));
                status.state = Some(State::Valid);
                return Ok(None);
            }
            (WireStatus::Processing | WireStatus::Valid, _) => tokio::time::sleep(wait).await,
            (WireStatus::Pending | WireStatus::Ready, _) => {
                take(status, &answer.object);
                return Ok(None);
            }
            (WireStatus::Invalid, _) => {
                take(status, &answer.object);
                let reason = status.reason.clone();
                fail(status, State::Invalid, reason, now);
                return Ok(None);
            }
        }
    }
    Ok(Some(later(now, next_look(asked_to_wait))))
}

/// The chain whose topmost certificate was issued by `common_name`, else the default one.
fn preferred(chains: &[String], common_name: &str) -> Option<String> {
    let matches = |chain: &&String| {
        let top = X509::chain_from_pem(chain)
            .ok()
            .and_then(|chain| chain.last().and_then(X509::issuer_common_name).map(str::to_owned));
        !common_name.is_empty() && top.as_deref() == Some(common_name)
    };
    chains.iter().find(matches).or(chains.first()).cloned()
}
