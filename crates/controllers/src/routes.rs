//! Objects to Snapshots: every change that concerns routing is translated and published.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use jamul_api::core::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Namespace, Secret, Service,
};
use jamul_api::{Challenge, Object};
use jamul_store::{Change, Watch};
use jamul_translate::{Missing, ObjectChange, Watched};

use crate::context::Context;
use crate::runner::chain;

/// How long a change waits for what it refers to.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// Publishes Snapshots until the store ends. The first one is complete: it waits for the whole set of every kind.
pub(crate) async fn run(context: &Context) {
    let mut watches = Watches::new(context);
    if let Some(namespaces) = &mut watches.namespaces {
        let Some(change) = namespaces.next().await else { return };
        context.translator().apply(ObjectChange::Namespace(translated(change)));
    }
    for change in [
        watches.ingresses.next().await.map(|change| ObjectChange::Ingress(translated(change))),
        watches.classes.next().await.map(|change| ObjectChange::IngressClass(translated(change))),
        watches.services.next().await.map(|change| ObjectChange::Service(translated(change))),
        watches.slices.next().await.map(|change| ObjectChange::EndpointSlice(translated(change))),
        watches.endpoints.next().await.map(|change| ObjectChange::Endpoints(translated(change))),
        watches.secrets.next().await.map(|change| ObjectChange::Secret(translated(change))),
        watches.config_maps.next().await.map(|change| ObjectChange::ConfigMap(translated(change))),
        watches.challenges.next().await.map(|change| ObjectChange::Challenge(translated(change))),
    ] {
        let Some(change) = change else { return };
        context.translator().apply(change);
    }
    let settings = &context.settings.translate;
    for config in settings.config.iter().chain(settings.streams.iter().map(|(_, config)| config)) {
        watches.get(context, &Missing::ConfigMap(config.clone())).await;
    }
    watches.take_in(context);
    publish(context, &mut watches).await;
    while let Some(change) = watches.next().await {
        context.translator().apply(change);
        // Changes that arrived together are published together; nothing is waited for.
        watches.take_in(context);
        publish(context, &mut watches).await;
    }
}

/// Publishes what is due. What a route refers to and nobody has read yet is read first, so that no route is served
/// without it.
async fn publish(context: &Context, watches: &mut Watches) {
    let (mut snapshot, missing) = {
        let mut translator = context.translator();
        (translator.publish(), translator.take_missing())
    };
    if !missing.is_empty() {
        let read = join_all(missing.iter().map(|missing| watches.get(context, missing)));
        // Who is late comes as a change.
        let _late = tokio::time::timeout(READ_WITHIN, read).await;
        watches.take_in(context);
        snapshot = context.translator().publish().or(snapshot);
    }
    context.live.take(context.translator().take_findings());
    if let Some(snapshot) = snapshot {
        context.live.publish(snapshot);
    } else if *context.live.published.borrow() == 0 {
        let unchanged = context.translator().snapshot();
        context.live.publish(unchanged);
    }
}

struct Watches {
    ingresses: Watch<Ingress>,
    classes: Watch<IngressClass>,
    /// Only where labels of namespaces decide which Ingresses are ours.
    namespaces: Option<Watch<Namespace>>,
    services: Watch<Service>,
    slices: Watch<EndpointSlice>,
    endpoints: Watch<Endpoints>,
    secrets: Watch<Secret>,
    config_maps: Watch<ConfigMap>,
    challenges: Watch<Challenge>,
}

impl Watches {
    fn new(context: &Context) -> Self {
        let store = &context.store;
        Self {
            ingresses: store.watch(),
            classes: store.watch(),
            namespaces: matches!(context.settings.translate.watched, Watched::Selector(_))
                .then(|| store.watch()),
            services: store.watch(),
            slices: store.watch(),
            endpoints: store.watch(),
            secrets: store.watch(),
            config_maps: store.watch(),
            challenges: store.watch(),
        }
    }

    /// Has an object read. Only a cluster keeps some unread; what it reads comes as a change.
    async fn get(&self, context: &Context, missing: &Missing) {
        let read = match missing {
            Missing::Secret(key) => context.store.fetch::<Secret>(key).await.map(|_| ()),
            Missing::ConfigMap(key) => context.store.fetch::<ConfigMap>(key).await.map(|_| ()),
        };
        if let Err(error) = read {
            tracing::warn!("{}", chain(&error));
            match missing {
                Missing::Secret(key) => context.store.want::<Secret>(key),
                Missing::ConfigMap(key) => context.store.want::<ConfigMap>(key),
            }
        }
    }

    /// Hands on what has come already.
    fn take_in(&mut self, context: &Context) {
        while let Some(Some(change)) = self.next().now_or_never() {
            context.translator().apply(change);
        }
    }

    async fn next(&mut self) -> Option<ObjectChange> {
        tokio::select! {
            change = self.challenges.next() => Some(ObjectChange::Challenge(translated(change?))),
            change = self.ingresses.next() => Some(ObjectChange::Ingress(translated(change?))),
            change = self.classes.next() => Some(ObjectChange::IngressClass(translated(change?))),
            change = next_of(&mut self.namespaces) => Some(ObjectChange::Namespace(translated(change?))),
            change = self.services.next() => Some(ObjectChange::Service(translated(change?))),
            change = self.slices.next() => Some(ObjectChange::EndpointSlice(translated(change?))),
            change = self.endpoints.next() => Some(ObjectChange::Endpoints(translated(change?))),
            change = self.secrets.next() => Some(ObjectChange::Secret(translated(change?))),
            change = self.config_maps.next() => Some(ObjectChange::ConfigMap(translated(change?))),
        }
    }
}

/// The next change of a kind; never, if it is not watched.
async fn next_of<K: Object>(watch: &mut Option<Watch<K>>) -> Option<Change<K>> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}

/// The store's word for a change in `translate`'s, which knows no store.
fn translated<K: Object>(change: Change<K>) -> jamul_translate::Change<K> {
    match change {
        Change::Restarted(objects) => jamul_translate::Change::Restarted(objects),
        Change::Applied(object) => jamul_translate::Change::Applied(object),
        Change::Deleted(object) => jamul_translate::Change::Deleted(object),
    }
}
