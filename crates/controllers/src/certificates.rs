//! Certificates: performs what `issuance::plan` decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_api::core::Secret;
use jamul_api::{Certificate, CertificateRequest, Object, ObjectKey, names};
use jamul_issuance::outputs::{self, Passwords};
use jamul_issuance::plan::{Inputs, PlanError, Step, plan, request_name};
use jamul_issuance::secret::{next_key, next_key_name};
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::index::Index;
use crate::renewal_info::{self, Board};
use crate::runner::{self, Retry, owner_key, trigger};

/// How long a Certificate whose Secret is another's waits before it looks again (cert-manager: 3 min).
const RIVAL_WAIT: SignedDuration = SignedDuration::from_mins(3);

pub(crate) async fn run(context: &Context) {
    let by_secret = &Index::default();
    let board = &Board::default();
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<Certificate>(&context.store, &inbox, |certificate, deleted| {
                let secret = (!deleted).then(|| secret_key(certificate));
                by_secret.note(certificate.key(), secret);
                vec![certificate.key()]
            }),
            trigger::<Secret>(&context.store, &inbox, |secret, _| {
                let mut keys = by_secret.of(&secret.key());
                keys.extend(owner_key("Certificate", secret));
                keys
            }),
            trigger::<CertificateRequest>(&context.store, &inbox, |request, _| {
                owner_key("Certificate", request).into_iter().collect()
            }),
            renewal_info::run(context, board, &inbox),
        );
    };
    runner::run("certificates", context, runner::FAST, triggers, |key| {
        reconcile(context, by_secret, board, key)
    })
    .await;
}

async fn reconcile(
    context: &Context,
    by_secret: &Index,
    board: &Board,
    key: ObjectKey,
) -> Result<Option<Timestamp>, Retry> {
    let store = &context.store;
    let Some(certificate) = store.get::<Certificate>(&key) else { return Ok(None) };
    let secret_key = secret_key(&certificate);
    let secret = store.fetch::<Secret>(&secret_key).await?;
    let next_key = store.get::<Secret>(&ObjectKey::new(key.namespace.clone(), next_key_name(&certificate)));
    let requests = requests(context, &certificate);
    let news = board.news(context, &certificate);
    let is_secret_owner = is_owner(context, by_secret, &certificate, secret.as_deref(), &secret_key);
    let plan = plan(&Inputs {
        certificate: &certificate,
        secret: secret.as_deref(),
        next_key: next_key.as_deref(),
        requests: &requests,
        is_secret_owner,
        passwords: &passwords(context, &certificate).await?,
        owner: context.settings.secret_owner,
        renewal_info: news.as_ref(),
        backoff: context.settings.backoff,
        now: context.now(),
    })?;
    for step in plan.steps {
        perform(context, &certificate, step).await?;
    }
    if let Some(news) = &news {
        board.told(&key, news);
    }
    // The Certificate that may write the Secret could go away.
    let again = (!is_secret_owner).then(|| context.now().checked_add(RIVAL_WAIT).ok()).flatten();
    Ok(plan.wake.into_iter().chain(again).min())
}

/// The passwords of a Certificate's keystores.
async fn passwords(context: &Context, certificate: &Certificate) -> Result<Passwords, Retry> {
    let namespace = certificate.key().namespace;
    let mut secrets = BTreeMap::new();
    for name in outputs::password_secrets(&certificate.spec) {
        let secret = context.store.fetch::<Secret>(&ObjectKey::new(namespace.clone(), name.clone())).await?;
        secrets.extend(secret.map(|secret| (name, secret)));
    }
    Ok(outputs::passwords(&certificate.spec, |selector| {
        let value = secrets.get(&selector.name)?.data.as_ref()?.get(outputs::key_of(selector))?;
        String::from_utf8(value.0.clone()).ok()
    }))
}

async fn perform(context: &Context, certificate: &Certificate, step: Step) -> Result<(), Retry> {
    let store = &context.store;
    match step {
        Step::MakeNextKey(algorithm) => {
            let key = context.key_maker.make(algorithm).await.map_err(Retry::Key)?;
            let secret = next_key(certificate, &key).map_err(PlanError::EncodeKey)?;
            store.apply(secret).await?;
        }
        Step::StoreNextKey(secret) | Step::StoreSecret(secret) => _ = store.apply(secret).await?,
        Step::DeleteSecret(key) => _ = store.delete::<Secret>(&key).await?,
        Step::CreateRequest(request) => _ = store.apply(request).await?,
        Step::DeleteRequest(key) => _ = store.delete::<CertificateRequest>(&key).await?,
        Step::SetStatus(status) => {
            context.metrics.moved(certificate.status.as_ref(), &status, context.now());
            let mut certificate = certificate.clone();
            certificate.status = Some(status);
            store.set_status(&certificate).await?;
        }
        Step::Announce(note) => context.announce(certificate, &note),
    }
    Ok(())
}

fn secret_key(certificate: &Certificate) -> ObjectKey {
    ObjectKey::new(certificate.key().namespace, certificate.spec.secret_name.clone())
}

/// The Certificate's requests by their names, newest first: `<certificate>-<revision>` downwards.
fn requests(context: &Context, certificate: &Certificate) -> Vec<Arc<CertificateRequest>> {
    let revision = certificate.status.as_ref().and_then(|status| status.revision).unwrap_or(0);
    let key = certificate.key();
    let request = |revision: i64| {
        let key = ObjectKey::new(key.namespace.clone(), request_name(certificate, revision));
        context.store.get::<CertificateRequest>(&key).filter(|request| request.is_controlled_by(certificate))
    };
    let mut requests: Vec<_> = request(revision + 1).into_iter().collect();
    requests.extend((1..=revision).rev().map_while(request));
    requests
}

/// Among Certificates that name the same Secret, the one in its annotation, else the oldest, may write it.
fn is_owner(
    context: &Context,
    by_secret: &Index,
    certificate: &Certificate,
    secret: Option<&Secret>,
    secret_key: &ObjectKey,
) -> bool {
    let claimants = by_secret.of(secret_key);
    if claimants.len() < 2 {
        return true;
    }
    let key = certificate.key();
    let written = secret.and_then(|secret| secret.annotation(names::CERTIFICATE_NAME));
    if let Some(owner) = claimants.iter().find(|claimant| Some(claimant.name.as_str()) == written) {
        return *owner == key;
    }
    let age = |key: &ObjectKey| {
        let created =
            context.store.get::<Certificate>(key).and_then(|c| c.metadata.creation_timestamp.clone());
        (created.map(|time| time.0), key.name.clone())
    };
    claimants.iter().min_by_key(|claimant| age(claimant)).is_none_or(|oldest| *oldest == key)
}
