//! CertificateRequests: approved, then signed by their issuer.

use jamul_api::acme::State;
use jamul_api::core::Secret;
use jamul_api::issuer::IssuerSpec;
use jamul_api::request::CertificateRequestStatus;
use jamul_api::{CertificateRequest, ClusterIssuer, Issuer, Object, ObjectKey, Order};
use jamul_issuance::Note;
use jamul_issuance::issuer::IssuerKind;
use jamul_issuance::issuers::vault::VaultError;
use jamul_issuance::issuers::{Outcome, acme, ca, self_signed};
use jamul_issuance::request::{self, RequestStep};
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::runner::{self, Retry, chain, owner_key, trigger};
use crate::vault;

/// When a request that waits for a Secret of its issuer is looked at again.
const SECRET_WAIT: SignedDuration = SignedDuration::from_secs(10);

pub(crate) async fn run(context: &Context) {
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<CertificateRequest>(&context.store, &inbox, |request, _| vec![request.key()]),
            trigger::<Order>(&context.store, &inbox, |order, _| owner_key("CertificateRequest", order)
                .into_iter()
                .collect()),
            trigger::<Issuer>(&context.store, &inbox, |issuer, _| waiting_for(
                context,
                "Issuer",
                &issuer.key()
            )),
            trigger::<ClusterIssuer>(&context.store, &inbox, |issuer, _| {
                waiting_for(context, "ClusterIssuer", &issuer.key())
            }),
        );
    };
    runner::run("certificaterequests", context, runner::FAST, triggers, |key| reconcile(context, key)).await;
}

/// The requests of an issuer; issuers change rarely, so all requests are looked at.
fn waiting_for(context: &Context, kind: &str, issuer: &ObjectKey) -> Vec<ObjectKey> {
    let requests = context.store.list::<CertificateRequest>();
    let concerned = requests.iter().filter(|request| {
        let reference = &request.spec.issuer_ref;
        reference.kind() == kind
            && Context::issuer_key(reference, &request.key().namespace) == *issuer
            && request.status.as_ref().is_none_or(|status| status.certificate.is_none())
    });
    concerned.map(|request| request.key()).collect()
}

async fn reconcile(context: &Context, key: ObjectKey) -> Result<Option<Timestamp>, Retry> {
    let Some(request) = context.store.get::<CertificateRequest>(&key) else { return Ok(None) };
    let reference = &request.spec.issuer_ref;
    let issuer = context.issuer(reference, &key.namespace);
    let seen = issuer.as_ref().map(|(spec, status)| (spec, status.as_ref()));
    let enabled = &context.settings.enabled;
    let now = context.now();
    // What follows from one look is written once: approval and signature are one write.
    let mut reported = (*request).clone();
    let mut notes = Vec::new();
    let kind = loop {
        match request::step(&reported, seen, enabled.approval(), now) {
            RequestStep::Rest => break None,
            RequestStep::Wait(note) => {
                context.announce(&*request, &note);
                break None;
            }
            RequestStep::Sign(kind) if !enabled.signs(kind) => break None,
            RequestStep::SetStatus(status, note) => {
                reported.status = Some(*status);
                notes.extend(note);
            }
            RequestStep::Sign(kind) => break Some(kind),
        }
    };
    let mut waits = false;
    if let (Some(kind), Some((spec, _))) = (kind, issuer) {
        let (status, note) = match sign(context, &reported, kind, &spec).await? {
            Outcome::Issued { chain, ca } => {
                let note = Note::normal("CertificateIssued", "Certificate fetched from issuer successfully");
                (request::issued(&reported, chain, ca, context.now()), note)
            }
            Outcome::Pending(note) => (request::pending(&reported, note.message.clone(), now), note),
            Outcome::Refused(note) => (request::failed(&reported, note.message.clone(), now), note),
        };
        waits = note_waits(kind, &status);
        if reported.status.as_ref() != Some(&status) {
            reported.status = Some(status);
            notes.push(note);
        }
    }
    if reported.status != request.status {
        context.store.set_status(&reported).await?;
        notes.iter().for_each(|note| context.announce(&*request, note));
    }
    Ok(if waits { now.checked_add(SECRET_WAIT).ok() } else { None })
}

/// Whether nothing will tell of the change that is waited for: an Order does, a missing Secret does not.
fn note_waits(kind: IssuerKind, status: &CertificateRequestStatus) -> bool {
    kind != IssuerKind::Acme && status.certificate.is_none() && status.failure_time.is_none()
}

async fn sign(
    context: &Context,
    request: &CertificateRequest,
    kind: IssuerKind,
    spec: &IssuerSpec,
) -> Result<Outcome, Retry> {
    let namespace = request.key().namespace;
    let secret = async |namespace: String, name: &str| {
        context.store.fetch::<Secret>(&ObjectKey::new(namespace, name)).await
    };
    Ok(match kind {
        IssuerKind::SelfSigned => {
            let key = match self_signed::key_secret_name(request) {
                Some(name) => secret(namespace, name).await?,
                None => None,
            };
            let issuer = spec.self_signed.clone().unwrap_or_default();
            self_signed::sign(request, &issuer, key.as_deref(), context.now())
        }
        IssuerKind::Ca => {
            let ca = spec.ca.clone().unwrap_or_default();
            let key_pair =
                secret(context.issuer_namespace(&request.spec.issuer_ref, &namespace), &ca.secret_name)
                    .await?;
            ca::sign(request, &ca, key_pair.as_deref(), context.now())
        }
        IssuerKind::Vault => {
            let issuer = spec.vault.clone().unwrap_or_default();
            match vault::sign(context, &issuer, request).await? {
                Ok(signed) => Outcome::Issued { chain: signed.chain, ca: signed.ca },
                Err(error) => {
                    let message = format!("Vault: {}", chain(&error));
                    match error {
                        VaultError::Secret(_) => Outcome::Pending(Note::warning("SecretMissing", message)),
                        VaultError::Config(_) | VaultError::Away { .. } => {
                            Outcome::Pending(Note::warning("VaultInitError", message))
                        }
                        VaultError::Refused(_) => Outcome::Refused(Note::warning("SigningError", message)),
                    }
                }
            }
        }
        IssuerKind::Acme => {
            let issuer = spec.acme.clone().unwrap_or_default();
            match acme::order_for(request, &issuer) {
                Err(note) => Outcome::Refused(note),
                Ok(order) => observe(context, request, order).await?,
            }
        }
    })
}

/// Creates the Order, or tells what came of it.
async fn observe(context: &Context, request: &CertificateRequest, wanted: Order) -> Result<Outcome, Retry> {
    let Some(order) =
        context.store.get::<Order>(&wanted.key()).filter(|order| order.is_controlled_by(request))
    else {
        let key = wanted.key();
        context.store.apply(wanted).await?;
        let message = format!("Created Order resource {key}");
        return Ok(Outcome::Pending(Note::normal("OrderCreated", message)));
    };
    let status = order.status.clone().unwrap_or_default();
    Ok(match (status.state, status.certificate) {
        (Some(State::Valid), Some(chain)) => {
            Outcome::Issued { chain: String::from_utf8_lossy(&chain.0).into_owned(), ca: None }
        }
        (Some(State::Invalid | State::Expired | State::Errored), _) => {
            let message = format!(
                "Failed to wait for order resource {:?} to become ready: {}",
                order.key().name,
                status.reason
            );
            Outcome::Refused(Note::warning("OrderFailed", message))
        }
        (Some(State::Valid | State::Pending | State::Ready | State::Processing) | None, _) => {
            let message = format!("Waiting on certificate issuance from order {}", order.key());
            Outcome::Pending(Note::normal("OrderPending", message))
        }
    })
}
