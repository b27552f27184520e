//! CA bundles: what `issuance::injection` says about webhook configurations, definitions and API services is written.

use jamul_api::core::Secret;
use jamul_api::injectable::{
    ApiService, CustomResourceDefinition, Injectable, MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
};
use jamul_api::{Certificate, Object, ObjectKey};
use jamul_issuance::injection::{self, Source};
use jamul_store::Store;
use jiff::Timestamp;

use crate::context::{Context, InjectionTargets};
use crate::index::Index;
use crate::runner::{self, Retry, trigger};

/// Keeps them until it is dropped. Of several replicas one does it.
pub async fn keep_bundles(context: &Context) {
    let read = async {
        match &context.store {
            Store::Cluster(cluster) => cluster.follow_injectables().await,
            // Nobody calls anybody there.
            Store::Folder(_) | Store::Memory(_) => std::future::pending().await,
        }
    };
    tokio::join!(
        read,
        keep::<ValidatingWebhookConfiguration>(context, "inject-validating"),
        keep::<MutatingWebhookConfiguration>(context, "inject-mutating"),
        keep::<CustomResourceDefinition>(context, "inject-definitions"),
        keep::<ApiService>(context, "inject-apiservices"),
    );
}

/// Targets by what they are filled from.
#[derive(Debug, Default)]
struct Sources {
    secrets: Index,
    certificates: Index,
}

async fn keep<K: Injectable>(context: &Context, name: &'static str) {
    let sources = &Sources::default();
    let triggers = |inbox: runner::Inbox| async move {
        tokio::join!(
            trigger::<K>(&context.store, &inbox, |target, _| vec![target.key()]),
            trigger::<Secret>(&context.store, &inbox, |secret, _| sources.secrets.of(&secret.key())),
            trigger::<Certificate>(&context.store, &inbox, |certificate, _| {
                sources.certificates.of(&certificate.key())
            }),
        );
    };
    runner::run(name, context, runner::FAST, triggers, |key| reconcile::<K>(context, sources, key)).await;
}

async fn reconcile<K: Injectable>(
    context: &Context,
    sources: &Sources,
    key: ObjectKey,
) -> Result<Option<Timestamp>, Retry> {
    let target = context.store.get::<K>(&key);
    let source = target.as_ref().and_then(|target| injection::source(&**target));
    let source = source.filter(|source| is_wanted(context, source));
    let named = match &source {
        Some(Source::Certificate(certificate)) => Some(certificate.clone()),
        Some(Source::Secret(_) | Source::ApiServer) | None => None,
    };
    sources.certificates.note(key.clone(), named.clone());
    let certificate = named.and_then(|named| context.store.get::<Certificate>(&named));
    let secret = match (&source, &certificate) {
        (Some(Source::Secret(secret)), _) => Some(secret.clone()),
        (Some(Source::Certificate(named)), Some(certificate)) => {
            Some(ObjectKey::new(named.namespace.clone(), certificate.spec.secret_name.clone()))
        }
        (Some(Source::Certificate(_)), None) | (Some(Source::ApiServer) | None, _) => None,
    };
    sources.secrets.note(key, secret.clone());
    let Some(target) = target else { return Ok(None) };
    let secret = match &secret {
        Some(key) => context.store.fetch::<Secret>(key).await?,
        None => None,
    };
    let ca = match (&source, &secret) {
        (Some(Source::ApiServer), _) => context.settings.injection.api_server.as_deref(),
        (Some(Source::Secret(_)), Some(secret)) => injection::of_secret(secret),
        (Some(Source::Certificate(_)), Some(secret)) => {
            certificate.as_ref().and_then(|certificate| injection::of_certificate(certificate, secret))
        }
        (Some(Source::Secret(_) | Source::Certificate(_)), None) | (None, _) => None,
    };
    if let Some(filled) = ca.and_then(|ca| injection::inject(&*target, ca, context.now())) {
        tracing::info!(kind = K::KIND, name = %target.key(), "its CA bundle is written");
        context.store.apply(filled).await?;
    }
    Ok(None)
}

fn is_wanted(context: &Context, source: &Source) -> bool {
    let injection = &context.settings.injection;
    match injection.targets {
        InjectionTargets::All => true,
        InjectionTargets::Own => *source == Source::Secret(injection.own.clone()),
    }
}
