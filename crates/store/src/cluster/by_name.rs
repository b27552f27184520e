//! Secrets and ConfigMaps that somebody asked for by name.
//!
//! There may be thousands of others, so these are not listed. A watch of names and versions alone says when one that was
//! asked for has changed; then it is read.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use jamul_api::{Object, ObjectKey};
use kube::api::WatchEvent;
use tokio::sync::Notify;

use crate::api_failure::ApiFailure;

use super::api::{Api, Outline, Scope};
use super::backoff::Backoff;
use super::replica::{Replica, version};

/// How often all of them are read again, whatever was heard: those of other namespaces than the watched one are told of
/// by nobody.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// What is known of an object that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knowledge {
    /// It has to be read.
    Due,
    /// An answer is awaited; what changes meanwhile makes it due again.
    Reading,
    /// What our copy says holds, also when it has none.
    Current,
}

/// The objects of one kind that were asked for.
#[derive(Debug, Default)]
pub(super) struct ByName {
    wanted: Mutex<HashMap<ObjectKey, Knowledge>>,
    due: Notify,
}

impl ByName {
    /// Asks for an object; it comes as a change once it was read.
    pub(super) fn want(&self, key: &ObjectKey) {
        let mut wanted = self.wanted();
        if !wanted.contains_key(key) {
            wanted.insert(key.clone(), Knowledge::Due);
            self.due.notify_one();
        }
    }

    /// Whether our copy can be trusted about this object.
    pub(super) fn is_current(&self, key: &ObjectKey) -> bool {
        self.wanted().get(key) == Some(&Knowledge::Current)
    }

    /// It was written by us.
    pub(super) fn is_written(&self, key: &ObjectKey) {
        self.wanted().insert(key.clone(), Knowledge::Current);
    }

    fn is_being_read(&self, key: &ObjectKey) {
        self.wanted().insert(key.clone(), Knowledge::Reading);
    }

    /// The answer has come. It counts unless something was heard of the object since it was asked for.
    fn is_read(&self, key: &ObjectKey) {
        if let Some(known @ Knowledge::Reading) = self.wanted().get_mut(key) {
            *known = Knowledge::Current;
        }
    }

    fn is_wanted(&self, key: &ObjectKey) -> bool {
        self.wanted().contains_key(key)
    }

    fn mark(&self, key: &ObjectKey, knowledge: Knowledge) {
        if let Some(known) = self.wanted().get_mut(key) {
            *known = knowledge;
        }
    }

    fn mark_all_due(&self) {
        self.wanted().values_mut().for_each(|known| *known = Knowledge::Due);
        self.due.notify_one();
    }

    fn all_due(&self) -> Vec<ObjectKey> {
        let wanted = self.wanted();
        wanted.iter().filter(|(_, known)| **known == Knowledge::Due).map(|(key, _)| key.clone()).collect()
    }

    fn wanted(&self) -> MutexGuard<'_, HashMap<ObjectKey, Knowledge>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads one object into our copy.
pub(super) async fn read<K: Object>(
    api: &Api,
    replica: &Replica,
    by_name: &ByName,
    key: &ObjectKey,
) -> Result<Option<Arc<K>>, ApiFailure> {
    by_name.is_being_read(key);
    let answer = api.read::<K>(key).await;
    match answer {
        Ok(Some(object)) => {
            let object = replica.put(object);
            by_name.is_read(key);
            Ok(Some(object))
        }
        Ok(None) => {
            replica.forget::<K>(key);
            by_name.is_read(key);
            Ok(None)
        }
        Err(failure) => {
            by_name.mark(key, Knowledge::Due);
            Err(failure)
        }
    }
}

/// Keeps those that were asked for in step.
pub(super) struct Follower {
    pub(super) api: Api,
    pub(super) replica: Weak<Replica>,
    pub(super) by_name: Arc<ByName>,
    /// What to hear of.
    pub(super) scope: Scope,
}

impl Follower {
    /// Runs until the store is gone.
    pub(super) async fn run<K: Object>(self) {
        tokio::select! {
            () = self.listen::<K>() => {}
            () = self.read_due::<K>() => {}
        }
    }

    async fn read_due<K: Object>(&self) {
        let mut backoff = Backoff::default();
        loop {
            let mut failed = false;
            for key in self.by_name.all_due() {
                let Some(replica) = self.replica.upgrade() else { return };
                if let Err(failure) = read::<K>(&self.api, &replica, &self.by_name, &key).await {
                    tracing::warn!(kind = K::KIND, object = %key, "could not be read: {failure}");
                    failed = true;
                }
            }
            if failed {
                backoff.wait().await;
                continue;
            }
            backoff.reset();
            tokio::select! {
                () = self.by_name.due.notified() => {}
                () = tokio::time::sleep(READ_AGAIN) => self.by_name.mark_all_due(),
            }
        }
    }

    async fn listen<K: Object>(&self) {
        let mut backoff = Backoff::default();
        loop {
            // Whatever happened before this moment is read; whatever happens after it is heard of.
            match self.api.version::<K>(&self.scope).await {
                Ok(mut version) => {
                    self.by_name.mark_all_due();
                    while self.watch::<K>(&mut version, &mut backoff).await {
                        if self.replica.strong_count() == 0 {
                            return;
                        }
                        backoff.wait().await;
                    }
                }
                Err(failure) => tracing::warn!(kind = K::KIND, "could not be watched by name: {failure}"),
            }
            if self.replica.strong_count() == 0 {
                return;
            }
            backoff.wait().await;
        }
    }

    /// One watch, as long as it lasts; whether to go on where it ended.
    async fn watch<K: Object>(&self, seen: &mut String, backoff: &mut Backoff) -> bool {
        let events = match self.api.watch_outlines::<K>(&self.scope, seen).await {
            Ok(events) => events,
            Err(failure) => return failure.code() != Some(410),
        };
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            backoff.reset();
            match event {
                Ok(WatchEvent::Added(outline) | WatchEvent::Modified(outline)) => {
                    self.heard::<K>(&outline, seen);
                }
                Ok(WatchEvent::Deleted(outline)) => {
                    let key = self.heard::<K>(&outline, seen);
                    self.by_name.mark(&key, Knowledge::Due);
                    self.by_name.due.notify_one();
                }
                Ok(WatchEvent::Bookmark(bookmark)) => seen.clone_from(&bookmark.metadata.resource_version),
                Ok(WatchEvent::Error(status)) => return status.code != 410,
                Err(_) => return true,
            }
        }
        true
    }

    fn heard<K: Object>(&self, outline: &Outline, seen: &mut String) -> ObjectKey {
        let metadata = &outline.metadata;
        if let Some(version) = &metadata.resource_version {
            seen.clone_from(version);
        }
        let key = ObjectKey::new(
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        if self.by_name.is_wanted(&key) {
            let known = self.replica.upgrade().and_then(|replica| replica.world.lock().get::<K>(&key));
            let heard = metadata.resource_version.as_ref().and_then(|version| version.parse().ok());
            let is_news = known.is_none_or(|known| heard.is_none_or(|heard: u64| version(&*known) < heard));
            if is_news {
                self.by_name.mark(&key, Knowledge::Due);
                self.by_name.due.notify_one();
            }
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_of_an_object_before_the_answer_to_the_last_question() {
        let (by_name, key) = (ByName::default(), ObjectKey::new("default", "account"));
        by_name.is_being_read(&key);
        assert!(!by_name.is_current(&key), "somebody else asks while the first answer is awaited");
        by_name.is_read(&key);
        assert!(by_name.is_current(&key));
        by_name.is_being_read(&key);
        by_name.mark(&key, Knowledge::Due);
        by_name.is_read(&key);
        assert!(!by_name.is_current(&key), "it has changed since it was asked for");
    }
}
