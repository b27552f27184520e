//! Orders: performs what `issuance::order` decides against the ACME server.

use std::sync::Arc;

use jamul_acme::client::{ClientError, Session};
use jamul_acme::wire::{self, Identifier, OrderStatus as WireStatus};
use jamul_api::acme::{AcmeAuthorization, AcmeChallenge, OrderStatus, State};
use jamul_api::core::{ByteString, Time};
use jamul_api::issuer::AcmeIssuer;
use jamul_api::{Challenge, Object, ObjectKey, Order};
use jamul_issuance::order::{self, OrderAction};
use jamul_issuance::{Note, duration};
use jamul_pki::{Certificate as X509, Csr};
use jiff::{SignedDuration, Timestamp};

use crate::accounts::{AccountError, from_client, session};
use crate::challenges::POLLS;
use crate::context::Context;
use crate::runner::{self, Retry, owner_key, trigger};

/// How long an Order that waits for its server sleeps.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(2);

pub(crate) async fn run(context: &Context) {
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<Order>(&context.store, &inbox, |order, _| vec![order.key()]),
            trigger::<Challenge>(&context.store, &inbox, |challenge, _| {
                owner_key("Order", challenge).into_iter().collect()
            }),
        );
    };
    runner::run("orders", context.clock, runner::REMOTE, triggers, |key| reconcile(context, key)).await;
}

async fn reconcile(context: &Context, key: ObjectKey) -> Result<Option<Timestamp>, Retry> {
    let Some(mut order) = context.store.get::<Order>(&key) else { return Ok(None) };
    if order.status.as_ref().and_then(|status| status.state).is_some_and(State::is_final) {
        return Ok(None);
    }
    let (session, issuer) = session(context, &order.spec.issuer_ref, &key.namespace).await?;
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
            OrderAction::Create => create(&session, &order, &mut status, context.now()).await.map(|()| None),
            OrderAction::FetchAuthorizations => authorizations(&session, &mut status).await.map(|()| None),
            OrderAction::CreateChallenges(missing) => {
                for (authorization, challenge, solver) in missing {
                    let answer = session.key().key_authorization(&challenge.token);
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
                    AccountError::Away { message, after } => return Err(Retry::Later { message, after }),
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
        if let Some(wake) = wake {
            return Ok(Some(wake));
        }
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
    status: &mut OrderStatus,
    now: Timestamp,
) -> Result<(), ClientError> {
    let names = order.spec.dns_names.iter().chain(&order.spec.ip_addresses);
    let lifetime = order.spec.duration.as_deref().and_then(|text| duration::parse(text).ok());
    let request = wire::NewOrder {
        identifiers: names.map(|name| Identifier::from_host(name)).collect(),
        not_after: lifetime.and_then(|lifetime| now.checked_add(lifetime).ok()),
        profile: Some(order.spec.profile.clone()).filter(|profile| !profile.is_empty()),
        ..wire::NewOrder::default()
    };
    let answer = session.new_order(&request).await?;
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
    Ok(if waits { now.checked_add(NEXT_LOOK).ok() } else { None })
}

async fn finalize(session: &Session, order: &Order, status: &mut OrderStatus) -> Result<(), ClientError> {
    let pem = String::from_utf8_lossy(&order.spec.request.0).into_owned();
    let Ok(csr) = Csr::from_pem(&pem) else {
        status.state = Some(State::Errored);
        status.reason = "spec.request is no certificate request".to_owned();
        return Ok(());
    };
    let answer = session.finalize(&status.finalize_url, csr.der()).await?;
    take(status, &answer.object);
    Ok(())
}

async fn download(
    session: &Session,
    issuer: &AcmeIssuer,
    status: &mut OrderStatus,
    now: Timestamp,
) -> Result<Option<Timestamp>, ClientError> {
    for wait in POLLS {
        let answer = session.order(&status.url).await?;
        match (answer.object.status, &answer.object.certificate) {
            (WireStatus::Valid, Some(url)) => {
                let chains = session.certificate(url).await?;
                let chain = preferred(&chains, &issuer.preferred_chain).unwrap_or_default();
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
    Ok(now.checked_add(NEXT_LOOK).ok())
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
