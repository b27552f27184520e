//! A Kubernetes cluster as a store: the API server is the database, and here is a copy of what of it is read.

mod api;
mod arrival;
mod backoff;
mod by_name;
mod feed;
mod lease;
mod recorder;
mod replica;
mod rights;
mod siblings;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jamul_api::core::{
    ConfigMap, EndpointSlice, Ingress, IngressClass, Namespace, Resource as _, Secret, Service, Time,
};
use jamul_api::injectable::{
    ApiService, CustomResourceDefinition, MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use jamul_api::{
    Certificate, CertificateRequest, Challenge, ClusterIssuer, Issuer, Object, ObjectKey, Order, names,
};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::api_failure::ApiFailure;
use crate::clock::Clock;
use crate::diagnostic::SourceDiagnostic;
use crate::error::StoreError;
use crate::event::{Announcement, Event, Events};
use crate::merge::{self, Fresh, Writer};
use crate::place::Place;
use crate::tables::World;

use api::{Api, Deletion, Scope};
use by_name::{ByName, Follower};
use feed::{Feed, Need};
pub use lease::{Holder, Lease, LeaseSettings};
use recorder::Recorder;
use replica::Replica;
pub use rights::{Right, ServedKind};

/// Which cluster, and what of it.
#[derive(Clone)]
pub struct ClusterSettings {
    /// How the API server is reached.
    pub client: kube::Client,
    /// Only this namespace (`--watch-namespace`); objects without a namespace are read if that is allowed.
    pub namespace: Option<String>,
    /// Whether Namespaces are read too, for their labels.
    pub namespaces: Namespaces,
    /// Who reports events: the pod's name, or the host's.
    pub instance: String,
    /// What time it is.
    pub clock: Clock,
}

/// Whether Namespaces are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// Nobody asks for their labels.
    #[default]
    Unread,
    /// They are watched.
    Read,
}

/// A cluster as a store. Clones are handles to the same copy.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    api: Api,
    namespace: Option<String>,
    namespaces: Namespaces,
    replica: Arc<Replica>,
    secrets: Arc<ByName>,
    config_maps: Arc<ByName>,
    events: Events,
    recorder: Recorder,
    instance: String,
    clock: Clock,
    diagnostics: watch::Sender<Vec<SourceDiagnostic>>,
    /// How many feeds have not seen their whole set yet.
    missing: watch::Sender<usize>,
}

impl Cluster {
    /// An empty copy; [`Self::run`] fills it and keeps it in step.
    #[must_use]
    pub fn new(settings: ClusterSettings) -> Self {
        let ClusterSettings { client, namespace, namespaces, instance, clock } = settings;
        let shared = Shared {
            api: Api::new(client),
            namespace,
            namespaces,
            replica: Arc::default(),
            secrets: Arc::default(),
            config_maps: Arc::default(),
            events: Events::default(),
            recorder: Recorder::default(),
            instance,
            clock,
            diagnostics: watch::Sender::default(),
            missing: watch::Sender::new(usize::MAX),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Keeps the copy in step until `shutdown` resolves or the last handle is gone; does not itself hold one.
    pub fn run<S: Future<Output = ()>>(&self, shutdown: S) -> impl Future<Output = ()> + use<S> {
        let mut parts = self.parts();
        async move {
            let mut shutdown = pin!(shutdown);
            loop {
                tokio::select! {
                    () = &mut shutdown => return,
                    ended = parts.next() => if ended.is_none() { return },
                }
            }
        }
    }

    /// Waits until every object that is there has been read once.
    pub async fn synced(&self) {
        let mut missing = self.shared.missing.subscribe();
        // The sender is in `self`, so it cannot be closed.
        let _closed = missing.wait_for(|missing| *missing == 0).await;
    }

    /// A Lease of this cluster, not yet asked for.
    #[must_use]
    pub fn lease(&self, settings: LeaseSettings) -> Lease {
        Lease::new(self.shared.api.clone(), self.shared.clock.clone(), settings)
    }

    /// Adds a finding about the cluster itself.
    pub fn diagnose(&self, found: SourceDiagnostic) {
        self.shared.diagnostics.send_if_modified(|known| {
            let is_new = !known.contains(&found);
            if is_new {
                known.push(found);
                known.sort();
            }
            is_new
        });
    }

    /// Takes the findings with that reason back.
    pub fn mended(&self, reason: &str) {
        self.shared.diagnostics.send_if_modified(|known| {
            let before = known.len();
            known.retain(|diagnostic| diagnostic.reason != reason);
            known.len() != before
        });
    }

    /// Whether other pods like the one with this key are running: the same labels, but for those that a rollout sets.
    /// `false` when there is no such pod, or nobody may say.
    pub async fn has_siblings(&self, pod: &ObjectKey) -> bool {
        siblings::count(&self.shared.api, pod).await.unwrap_or_else(|failure| {
            tracing::debug!(%pod, "siblings could not be counted: {failure}");
            0
        }) > 0
    }

    /// Whether somebody has a right.
    ///
    /// # Errors
    /// When the API server could not be asked.
    pub async fn has_right(&self, right: &Right<'_>) -> Result<bool, ApiFailure> {
        rights::has(&self.shared.api, right).await
    }

    /// How a kind of objects is served; `None` if it is not.
    ///
    /// # Errors
    /// When the API server could not be asked.
    pub async fn served(&self, group: &str, kind: &str) -> Result<Option<ServedKind>, ApiFailure> {
        rights::served(&self.shared.api, group, kind).await
    }

    /// Keeps the objects in step that CA bundles are written into, until it is dropped: not all replicas need them.
    /// Kinds that may not be read are gone without.
    pub fn follow_injectables(&self) -> impl Future<Output = ()> + use<> {
        let feeds = [
            self.injectables::<ValidatingWebhookConfiguration>(),
            self.injectables::<MutatingWebhookConfiguration>(),
            self.injectables::<CustomResourceDefinition>(),
            self.injectables::<ApiService>(),
        ];
        async move {
            futures_util::future::join_all(feeds).await;
        }
    }

    fn injectables<K: Object>(&self) -> BoxFuture<'static, ()> {
        let feed = Feed {
            api: self.shared.api.clone(),
            replica: Arc::downgrade(&self.shared.replica),
            scope: Scope::default(),
            belongs: |_: &K| true,
            need: Need::IfAllowed,
            // Nobody waits for these.
            missing: watch::Sender::new(0),
        };
        Box::pin(feed.run())
    }

    fn parts(&self) -> FuturesUnordered<BoxFuture<'static, ()>> {
        let mut feeds = vec![
            self.feed::<Ingress>(None, None, |_| true),
            self.feed::<IngressClass>(None, None, |_| true),
            self.feed::<Service>(None, None, |_| true),
            self.feed::<EndpointSlice>(None, None, |_| true),
            self.feed::<Secret>(Some(TLS_SECRETS), None, is_tls),
            self.feed::<Secret>(Some(OTHER_SECRETS), Some(names::NEXT_PRIVATE_KEY_LABEL), is_next_key),
            self.feed::<Issuer>(None, None, |_| true),
            self.feed::<ClusterIssuer>(None, None, |_| true),
            self.feed::<Certificate>(None, None, |_| true),
            self.feed::<CertificateRequest>(None, None, |_| true),
            self.feed::<Order>(None, None, |_| true),
            self.feed::<Challenge>(None, None, |_| true),
        ];
        if self.shared.namespaces == Namespaces::Read {
            feeds.push(self.feed::<Namespace>(None, None, |_| true));
        }
        self.shared.missing.send_replace(feeds.len());
        let others = [
            self.follower::<Secret>(&self.shared.secrets, Some(OTHER_SECRETS)),
            self.follower::<ConfigMap>(&self.shared.config_maps, None),
            Box::pin(self.shared.recorder.run(
                self.shared.api.clone(),
                Arc::downgrade(&self.shared.replica),
                self.shared.instance.clone(),
                self.shared.clock.clone(),
            )),
        ];
        feeds.into_iter().chain(others).collect()
    }

    fn feed<K: Object>(
        &self,
        fields: Option<&'static str>,
        labels: Option<&'static str>,
        belongs: fn(&K) -> bool,
    ) -> BoxFuture<'static, ()> {
        let feed = Feed {
            api: self.shared.api.clone(),
            replica: Arc::downgrade(&self.shared.replica),
            scope: Scope { namespace: self.shared.namespace.clone(), fields, labels },
            belongs,
            need: match (K::NAMESPACED, &self.shared.namespace) {
                (false, Some(_)) => Need::IfAllowed,
                (true, _) | (false, None) => Need::Always,
            },
            missing: self.shared.missing.clone(),
        };
        Box::pin(feed.run())
    }

    fn follower<K: Object>(
        &self,
        by_name: &Arc<ByName>,
        fields: Option<&'static str>,
    ) -> BoxFuture<'static, ()> {
        let follower = Follower {
            api: self.shared.api.clone(),
            replica: Arc::downgrade(&self.shared.replica),
            by_name: Arc::clone(by_name),
            scope: Scope { namespace: self.shared.namespace.clone(), fields, labels: None },
        };
        Box::pin(follower.run::<K>())
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.shared.replica.world
    }

    pub(crate) fn want<K: Object>(&self, key: &ObjectKey) {
        if let Some(by_name) = self.by_name::<K>()
            && self.world().lock().get::<K>(key).is_none()
        {
            by_name.want(key);
        }
    }

    pub(crate) async fn fetch<K: Object>(&self, key: &ObjectKey) -> Result<Option<Arc<K>>, StoreError> {
        let known = self.world().lock().get::<K>(key);
        let Some(by_name) = self.by_name::<K>() else { return Ok(known) };
        if known.is_some() || by_name.is_current(key) {
            return Ok(known);
        }
        by_name::read(&self.shared.api, &self.shared.replica, by_name, key)
            .await
            .map_err(|source| refused::<K>("read", key, source))
    }

    pub(crate) async fn service_account_token(
        &self,
        account: &ObjectKey,
        audiences: &[String],
    ) -> Result<String, StoreError> {
        self.shared.api.service_account_token(account, audiences).await.map_err(|source| StoreError::Api {
            verb: "get a token of",
            kind: "ServiceAccount",
            key: account.to_string(),
            source,
        })
    }

    pub(crate) async fn apply<K: Object>(&self, object: K) -> Result<Arc<K>, StoreError> {
        let key = Place::checked(&object)?.key;
        if let Some(known) = self.world().lock().get::<K>(&key) {
            let fresh = Fresh { now: Time(self.shared.clock.now()), version: 0 };
            if merge::apply(Some(&*known), &object, Writer::Controller, &fresh)?.is_none() {
                return Ok(known);
            }
        }
        let body = merge::written(&object)?;
        let written: K = self
            .shared
            .api
            .apply(&key, &Value::Object(body))
            .await
            .map_err(|source| refused::<K>("write", &key, source))?;
        if let Some(by_name) = self.by_name::<K>() {
            by_name.is_written(&key);
        }
        Ok(self.shared.replica.put(written))
    }

    pub(crate) async fn set_status<K: Object>(&self, reported: &K) -> Result<Arc<K>, StoreError> {
        let key = Place::checked(reported)?.key;
        let known = self.world().lock().get::<K>(&key);
        let known = known.ok_or_else(|| StoreError::NotFound { kind: K::KIND, key: key.to_string() })?;
        let seen = &reported.metadata().resource_version;
        let current = &known.metadata().resource_version;
        if seen.is_some() && seen != current {
            return Err(StoreError::Conflict { kind: K::KIND, key: key.to_string() });
        }
        let status =
            |object: &K| merge::json(object).map(|mut map| map.remove("status").unwrap_or(Value::Null));
        let Some(difference) = merge::difference(&status(&known)?, &status(reported)?) else {
            return Ok(known);
        };
        // Lists are replaced whole, so what somebody else wrote meanwhile must not be overwritten unseen.
        let mut body = Map::new();
        body.insert("metadata".to_owned(), serde_json::json!({ "resourceVersion": current }));
        body.insert("status".to_owned(), difference);
        let written = self
            .shared
            .api
            .patch_status(&key, &Value::Object(body))
            .await
            .map_err(|source| refused::<K>("write the status of", &key, source))?;
        Ok(self.shared.replica.put(written))
    }

    pub(crate) async fn delete<K: Object>(&self, key: &ObjectKey) -> Result<bool, StoreError> {
        let known = self.world().lock().get::<K>(key);
        let uid = known.and_then(|known| known.metadata().uid.clone());
        let deletion = self.shared.api.delete::<K>(key, uid).await;
        match deletion.map_err(|source| refused::<K>("delete", key, source))? {
            Deletion::Absent => {
                self.shared.replica.bury::<K>(key);
                Ok(false)
            }
            Deletion::Done => {
                self.shared.replica.bury::<K>(key);
                Ok(true)
            }
            Deletion::Pending(object) => {
                self.shared.replica.put(object);
                Ok(true)
            }
        }
    }

    pub(crate) fn announce(&self, announcement: Announcement) {
        self.shared.recorder.announce(announcement.clone());
        self.shared.events.announce(announcement, self.shared.clock.now());
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.shared.events.list()
    }

    pub(crate) fn watch_diagnostics(&self) -> watch::Receiver<Vec<SourceDiagnostic>> {
        self.shared.diagnostics.subscribe()
    }

    /// For kinds that are not read unless somebody asks.
    fn by_name<K: Object>(&self) -> Option<&ByName> {
        match K::KIND {
            Secret::KIND => Some(&self.shared.secrets),
            ConfigMap::KIND => Some(&self.shared.config_maps),
            _ => None,
        }
    }
}

impl fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterSettings").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// The Secrets that are served.
const TLS_SECRETS: &str = "type=kubernetes.io/tls";
/// Account keys, passwords, releases of Helm ...
const OTHER_SECRETS: &str = "type!=kubernetes.io/tls";

fn is_tls(secret: &Secret) -> bool {
    secret.type_.as_deref() == Some(names::TLS_SECRET_TYPE)
}

fn is_next_key(secret: &Secret) -> bool {
    !is_tls(secret) && secret.label(names::NEXT_PRIVATE_KEY_LABEL).is_some()
}

fn refused<K: Object>(verb: &'static str, key: &ObjectKey, source: ApiFailure) -> StoreError {
    if source.code() == Some(409) {
        return StoreError::Conflict { kind: K::KIND, key: key.to_string() };
    }
    StoreError::Api { verb, kind: K::KIND, key: key.to_string(), source }
}
