//! Keeps our copy of one kind in step: the whole set once, then each change, from where the last watch ended.
//!
//! An API server that is away, slow or restarted changes nothing of what is known. Only a complete list removes objects.

use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use futures_util::StreamExt as _;
use jamul_api::Object;
use kube::api::WatchEvent;
use tokio::sync::watch;

use crate::api_failure::ApiFailure;

use super::api::{Api, Scope};
use super::backoff::Backoff;
use super::replica::Replica;

/// Longer than the server keeps a watch open: a connection that is silent for so long is dead.
const SILENCE: Duration = Duration::from_secs(320);
/// How often a kind is asked for that cannot be had.
const MISSING_KIND_AGAIN: Duration = Duration::from_secs(10);

/// One kind, or a part of it.
pub(super) struct Feed<K> {
    pub(super) api: Api,
    /// Ends when it is gone.
    pub(super) replica: Weak<Replica>,
    pub(super) scope: Scope,
    /// Whether an object is one of the scope.
    pub(super) belongs: fn(&K) -> bool,
    /// What to do where it may not be read.
    pub(super) need: Need,
    /// Counts the feeds that have not seen their whole set yet.
    pub(super) missing: watch::Sender<usize>,
}

/// Whether a run can do without a kind that it may not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It waits until somebody gives it the right.
    Always,
    /// It goes on as if there were none.
    IfAllowed,
}

/// Why a watch ended.
enum End {
    /// Go on where it ended.
    Resume,
    /// The server has forgotten that moment: the whole set again.
    Relist,
    /// Nobody needs it any more.
    Closed,
}

impl<K: Object> Feed<K> {
    /// Runs until the store is gone.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        let mut is_first = true;
        loop {
            let listed = match self.api.list::<K>(&self.scope).await {
                Ok(listed) => listed,
                Err(failure) if self.is_without(&failure) => {
                    // As if there were none, but nothing known is forgotten.
                    if is_first {
                        tracing::warn!(kind = K::KIND, "goes without: {failure}");
                        self.is_complete(&mut is_first);
                    }
                    if self.replica.strong_count() == 0 {
                        return;
                    }
                    tokio::time::sleep(MISSING_KIND_AGAIN).await;
                    continue;
                }
                Err(failure) => {
                    report::<K>("list", &failure);
                    if self.replica.strong_count() == 0 {
                        return;
                    }
                    backoff.wait().await;
                    continue;
                }
            };
            backoff.reset();
            let mut version = listed.version;
            match self.replica.upgrade() {
                Some(replica) => replica.swap(listed.objects, &version, self.belongs),
                None => return,
            }
            self.is_complete(&mut is_first);
            loop {
                match self.watch(&mut version, &mut backoff).await {
                    End::Resume => backoff.wait().await,
                    End::Relist => break,
                    End::Closed => return,
                }
            }
        }
    }

    /// Whether this run has to do without the kind: it is not installed (`jamul crds`), or it may not be read and need not
    /// be (it has no namespace and only one namespace is watched, or nobody asked for what is done with it).
    fn is_without(&self, failure: &ApiFailure) -> bool {
        match failure.code() {
            Some(404) => true,
            Some(403) => self.need == Need::IfAllowed,
            Some(_) | None => false,
        }
    }

    fn is_complete(&self, is_first: &mut bool) {
        if std::mem::take(is_first) {
            self.missing.send_modify(|missing| *missing = missing.saturating_sub(1));
        }
    }

    /// One watch, as long as it lasts.
    async fn watch(&self, version: &mut String, backoff: &mut Backoff) -> End {
        let events = match self.api.watch::<K>(&self.scope, version).await {
            Ok(events) => events,
            Err(failure) if failure.code() == Some(410) => return End::Relist,
            Err(failure) => {
                report::<K>("watch", &failure);
                return if self.replica.strong_count() == 0 { End::Closed } else { End::Resume };
            }
        };
        let mut events = pin!(events);
        loop {
            let event = match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => {
                    report::<K>("watch", &error.into());
                    return End::Resume;
                }
                Ok(None) | Err(_) => return End::Resume,
            };
            let Some(replica) = self.replica.upgrade() else { return End::Closed };
            backoff.reset();
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    note(version, object.metadata().resource_version.as_ref());
                    replica.put(object);
                }
                WatchEvent::Deleted(object) => {
                    note(version, object.metadata().resource_version.as_ref());
                    replica.remove(&object);
                }
                WatchEvent::Bookmark(bookmark) => version.clone_from(&bookmark.metadata.resource_version),
                WatchEvent::Error(status) if status.code == 410 => return End::Relist,
                WatchEvent::Error(status) => {
                    report::<K>("watch", &kube::Error::Api(status).into());
                    return End::Resume;
                }
            }
        }
    }
}

fn note(version: &mut String, seen: Option<&String>) {
    if let Some(seen) = seen {
        version.clone_from(seen);
    }
}

fn report<K: Object>(verb: &str, failure: &ApiFailure) {
    // A refusal is a matter of rights and needs somebody; an absence mends itself.
    match failure.code() {
        Some(401 | 403) => tracing::error!(kind = K::KIND, verb, "{failure}"),
        Some(_) | None => tracing::warn!(kind = K::KIND, verb, "{failure}"),
    }
}
