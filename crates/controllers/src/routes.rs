//! Objects to Snapshots: every change that concerns routing is translated and published.

use futures_util::FutureExt;
use jamul_api::core::{ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Secret, Service};
use jamul_api::{Challenge, Object};
use jamul_store::{Change, Watch};
use jamul_translate::{ObjectChange, Translator};

use crate::context::Context;

/// Publishes Snapshots until the store ends. The first one is complete: it waits for the whole set of every kind.
pub(crate) async fn run(context: &Context) {
    let mut watches = Watches::new(context);
    let mut translator = Translator::new(context.settings.translate.clone());
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
        translator.apply(change);
    }
    publish(context, &mut translator);
    while let Some(change) = watches.next().await {
        translator.apply(change);
        // Changes that arrived together are published together; nothing is waited for.
        while let Some(Some(change)) = watches.next().now_or_never() {
            translator.apply(change);
        }
        publish(context, &mut translator);
    }
}

fn publish(context: &Context, translator: &mut Translator) {
    let snapshot = translator.publish();
    context.live.take(translator.take_findings());
    if let Some(snapshot) = snapshot {
        context.live.publish(snapshot);
    } else if *context.live.published.borrow() == 0 {
        context.live.publish(translator.snapshot());
    }
}

struct Watches {
    ingresses: Watch<Ingress>,
    classes: Watch<IngressClass>,
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
            services: store.watch(),
            slices: store.watch(),
            endpoints: store.watch(),
            secrets: store.watch(),
            config_maps: store.watch(),
            challenges: store.watch(),
        }
    }

    async fn next(&mut self) -> Option<ObjectChange> {
        tokio::select! {
            change = self.challenges.next() => Some(ObjectChange::Challenge(translated(change?))),
            change = self.ingresses.next() => Some(ObjectChange::Ingress(translated(change?))),
            change = self.classes.next() => Some(ObjectChange::IngressClass(translated(change?))),
            change = self.services.next() => Some(ObjectChange::Service(translated(change?))),
            change = self.slices.next() => Some(ObjectChange::EndpointSlice(translated(change?))),
            change = self.endpoints.next() => Some(ObjectChange::Endpoints(translated(change?))),
            change = self.secrets.next() => Some(ObjectChange::Secret(translated(change?))),
            change = self.config_maps.next() => Some(ObjectChange::ConfigMap(translated(change?))),
        }
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
