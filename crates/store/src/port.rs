//! The port: everything that a controller may ask of the world.

use std::sync::Arc;

use jamul_api::{Object, ObjectKey};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::diagnostic::SourceDiagnostic;
use crate::error::StoreError;
use crate::event::{Announcement, Event};
use crate::folder::Folder;
use crate::memory::Memory;
use crate::tables::Watch;

/// A place where objects are kept. Clones are handles to the same objects.
#[derive(Clone, Debug)]
pub enum Store {
    /// Manifests and a state folder.
    Folder(Folder),
    /// A Kubernetes API server.
    Cluster(Cluster),
    /// Forgets.
    Memory(Memory),
}

impl Store {
    /// All changes of a kind from now on, beginning with the whole set ([`crate::Change::Restarted`]).
    #[must_use]
    pub fn watch<K: Object>(&self) -> Watch<K> {
        match self {
            Self::Folder(folder) => folder.world().watch(),
            Self::Cluster(cluster) => cluster.world().watch(),
            Self::Memory(memory) => memory.world.watch(),
        }
    }

    /// The object with this key, as it is now and as far as it has been read: of a cluster's Secrets and ConfigMaps
    /// only some are, see [`Self::fetch`].
    #[must_use]
    pub fn get<K: Object>(&self, key: &ObjectKey) -> Option<Arc<K>> {
        match self {
            Self::Folder(folder) => folder.world().lock().get(key),
            Self::Cluster(cluster) => cluster.world().lock().get(key),
            Self::Memory(memory) => memory.world.lock().get(key),
        }
    }

    /// The object with this key; when `None`, it is certain that there is none. Whoever would create what is missing
    /// asks this.
    ///
    /// # Errors
    /// When the API server could not be asked.
    pub async fn fetch<K: Object>(&self, key: &ObjectKey) -> Result<Option<Arc<K>>, StoreError> {
        match self {
            Self::Cluster(cluster) => cluster.fetch(key).await,
            Self::Folder(_) | Self::Memory(_) => Ok(self.get(key)),
        }
    }

    /// Has an object read that nobody may have asked for yet, and kept in step from then on. It comes as a change.
    pub fn want<K: Object>(&self, key: &ObjectKey) {
        match self {
            Self::Cluster(cluster) => cluster.want::<K>(key),
            // They have read everything.
            Self::Folder(_) | Self::Memory(_) => {}
        }
    }

    /// All objects of a kind, ordered by key.
    #[must_use]
    pub fn list<K: Object>(&self) -> Vec<Arc<K>> {
        match self {
            Self::Folder(folder) => folder.world().lock().list(),
            Self::Cluster(cluster) => cluster.world().lock().list(),
            Self::Memory(memory) => memory.world.lock().list(),
        }
    }

    /// Creates an object or replaces all of it but its status, which belongs to [`Self::set_status`] (a
    /// status given here is ignored, as the API server ignores it). Assigns uid, resourceVersion, generation
    /// (counts changes of `spec`) and creationTimestamp. Nothing happens when nothing differs. Gives the
    /// object as it is now kept.
    ///
    /// On a cluster this is a server-side apply: fields that others own and that are not mentioned here stay.
    ///
    /// # Errors
    /// When the object has no usable name, or the state folder or API server refuses the write; then nothing changed.
    pub async fn apply<K: Object>(&self, object: K) -> Result<Arc<K>, StoreError> {
        match self {
            Self::Folder(folder) => folder.apply(object).await,
            Self::Cluster(cluster) => cluster.apply(object).await,
            Self::Memory(memory) => memory.apply(&object),
        }
    }

    /// Takes the status of `object` and nothing else of it. Nothing happens when it is the same already.
    ///
    /// # Errors
    /// When there is no such object, or the state folder or API server refuses the write; then nothing changed. Also
    /// when `object` was read before somebody else's last write ([`StoreError::Conflict`]).
    pub async fn set_status<K: Object>(&self, object: &K) -> Result<Arc<K>, StoreError> {
        match self {
            Self::Folder(folder) => folder.set_status(object.clone()).await,
            Self::Cluster(cluster) => cluster.set_status(object).await,
            Self::Memory(memory) => memory.set_status(object),
        }
    }

    /// Deletes an object and, as Kubernetes' garbage collector would, the objects that it controls. Whether
    /// it was there.
    ///
    /// # Errors
    /// When the state folder or API server refuses.
    pub async fn delete<K: Object>(&self, key: &ObjectKey) -> Result<bool, StoreError> {
        match self {
            Self::Folder(folder) => folder.delete::<K>(key.clone()).await,
            Self::Cluster(cluster) => cluster.delete::<K>(key).await,
            Self::Memory(memory) => Ok(memory.delete::<K>(key)),
        }
    }

    /// A token of a service account for these audiences, good for ten minutes; `None` where there are no service accounts.
    ///
    /// # Errors
    /// When the API server could not be asked, or says no.
    pub async fn service_account_token(
        &self,
        account: &ObjectKey,
        audiences: &[String],
    ) -> Result<Option<String>, StoreError> {
        match self {
            Self::Cluster(cluster) => cluster.service_account_token(account, audiences).await.map(Some),
            Self::Folder(_) | Self::Memory(_) => Ok(None),
        }
    }

    /// Tells users that something happened to an object: an event, and a line in the log.
    pub fn announce(&self, announcement: Announcement) {
        match self {
            Self::Folder(folder) => folder.announce(announcement),
            Self::Cluster(cluster) => cluster.announce(announcement),
            Self::Memory(memory) => memory.events.announce(announcement, memory.clock.now()),
        }
    }

    /// What was announced, the most recent last; a bounded list.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        match self {
            Self::Folder(folder) => folder.events(),
            Self::Cluster(cluster) => cluster.events(),
            Self::Memory(memory) => memory.events.list(),
        }
    }

    /// What a user must mend in the folder, as of now.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<SourceDiagnostic> {
        self.watch_diagnostics().borrow().clone()
    }

    /// The same, for those who wait until it changes.
    #[must_use]
    pub fn watch_diagnostics(&self) -> watch::Receiver<Vec<SourceDiagnostic>> {
        match self {
            Self::Folder(folder) => folder.watch_diagnostics(),
            Self::Cluster(cluster) => cluster.watch_diagnostics(),
            Self::Memory(memory) => memory.diagnostics.subscribe(),
        }
    }
}
