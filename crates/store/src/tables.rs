//! The objects themselves: one typed table per kind, and whoever watches it. No files, no clock.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jamul_api::{Object, ObjectKey};

use crate::change::{Change, Queue};
use crate::place::Place;

/// The tables, shared by a store's handles and (weakly) its watchers.
#[derive(Debug, Default)]
pub(crate) struct World {
    tables: Mutex<Tables>,
}

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch on all objects of a kind; its first item is the whole set.
    pub(crate) fn watch<K: Object>(self: &Arc<Self>) -> Watch<K> {
        let queue = Arc::new(Queue::new());
        self.lock().table_mut::<K>().watchers.push(Arc::downgrade(&queue));
        Watch { world: Arc::downgrade(self), queue }
    }
}

/// Changes of one kind, from [`crate::Store::watch`].
pub struct Watch<K: Object> {
    world: Weak<World>,
    queue: Arc<Queue<K>>,
}

impl<K: Object> Watch<K> {
    /// The next change: first the whole set, then one at a time; again the whole set when the watcher fell
    /// too far behind. `None` once the store is closed. Cancellation loses nothing.
    pub async fn next(&mut self) -> Option<Change<K>> {
        loop {
            {
                let world = self.world.upgrade()?;
                let tables = world.lock();
                if let Some(change) = self.queue.pop(|| tables.list::<K>()) {
                    return Some(change);
                }
            }
            self.queue.woken().await;
        }
    }
}

impl<K: Object> fmt::Debug for Watch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

/// All objects of all kinds.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    by_kind: HashMap<TypeId, Box<dyn AnyTable>>,
    version: u64,
}

impl Tables {
    pub(crate) fn get<K: Object>(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.table::<K>()?.objects.get(key).cloned()
    }

    pub(crate) fn list<K: Object>(&self) -> Vec<Arc<K>> {
        self.table::<K>().map(|table| table.objects.values().cloned().collect()).unwrap_or_default()
    }

    /// Adds or replaces an object and tells the watchers.
    pub(crate) fn put<K: Object>(&mut self, object: Arc<K>) {
        let version = object.metadata().resource_version.as_ref().and_then(|version| version.parse().ok());
        self.version = self.version.max(version.unwrap_or(0));
        let table = self.table_mut::<K>();
        table.objects.insert(object.key(), Arc::clone(&object));
        table.tell(&Change::Applied(object));
    }

    /// The uid of an object of any kind, if it is there.
    pub(crate) fn uid(&self, kind: &str, key: &ObjectKey) -> Option<String> {
        self.by_kind.values().find(|table| table.kind() == kind)?.uid(key)
    }

    /// Removes an object of any kind and tells the watchers; its uid, if it was there.
    pub(crate) fn remove(&mut self, place: &Place) -> Option<String> {
        self.by_kind.values_mut().find(|table| table.kind() == place.kind)?.remove(&place.key)
    }

    /// Objects whose controller has this uid.
    pub(crate) fn controlled_by(&self, uid: &str) -> Vec<Place> {
        self.by_kind.values().flat_map(|table| table.controlled(&|owner| owner.uid == uid)).collect()
    }

    /// Objects whose controller is of one of `kinds` and not there.
    pub(crate) fn orphans(&self, is_ours: impl Fn(&str) -> bool) -> Vec<Place> {
        let uids: std::collections::HashSet<String> =
            self.by_kind.values().flat_map(|table| table.uids()).collect();
        let is_gone =
            |owner: &jamul_api::core::OwnerReference| is_ours(&owner.kind) && !uids.contains(&owner.uid);
        self.by_kind.values().flat_map(|table| table.controlled(&is_gone)).collect()
    }

    /// A version that no object has yet.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn table<K: Object>(&self) -> Option<&Table<K>> {
        self.by_kind.get(&TypeId::of::<K>())?.as_any().downcast_ref()
    }

    fn table_mut<K: Object>(&mut self) -> &mut Table<K> {
        self.by_kind
            .entry(TypeId::of::<K>())
            .or_insert_with(|| Box::new(Table::<K>::default()))
            .as_any_mut()
            .downcast_mut()
            .expect("the table under a type's id is of that type")
    }
}

/// Objects of one kind, and who watches them.
struct Table<K> {
    objects: BTreeMap<ObjectKey, Arc<K>>,
    watchers: Vec<Weak<Queue<K>>>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), watchers: Vec::new() }
    }
}

impl<K> Table<K> {
    /// Passes a change to every watcher that still listens.
    fn tell(&mut self, change: &Change<K>) {
        let copy = || match change {
            Change::Restarted(all) => Change::Restarted(all.clone()),
            Change::Applied(object) => Change::Applied(Arc::clone(object)),
            Change::Deleted(object) => Change::Deleted(Arc::clone(object)),
        };
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(queue) => {
                queue.push(copy());
                true
            }
            None => false,
        });
    }
}

impl<K> Drop for Table<K> {
    fn drop(&mut self) {
        for queue in self.watchers.iter().filter_map(Weak::upgrade) {
            queue.close();
        }
    }
}

/// A table whose kind is not known to the caller.
trait AnyTable: Send {
    fn kind(&self) -> &'static str;
    fn remove(&mut self, key: &ObjectKey) -> Option<String>;
    fn controlled(&self, by: &dyn Fn(&jamul_api::core::OwnerReference) -> bool) -> Vec<Place>;
    fn uids(&self) -> Vec<String>;
    fn uid(&self, key: &ObjectKey) -> Option<String>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<K: Object> AnyTable for Table<K> {
    fn kind(&self) -> &'static str {
        K::KIND
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<String> {
        let object = self.objects.remove(key)?;
        let uid = object.metadata().uid.clone().unwrap_or_default();
        self.tell(&Change::Deleted(object));
        Some(uid)
    }

    fn controlled(&self, by: &dyn Fn(&jamul_api::core::OwnerReference) -> bool) -> Vec<Place> {
        let is_controlled = |object: &K| {
            object
                .metadata()
                .owner_references
                .iter()
                .flatten()
                .any(|owner| owner.controller == Some(true) && by(owner))
        };
        self.objects
            .values()
            .filter(|object| is_controlled(object))
            .map(|object| Place::of(&**object))
            .collect()
    }

    fn uids(&self) -> Vec<String> {
        self.objects.values().filter_map(|object| object.metadata().uid.clone()).collect()
    }

    fn uid(&self, key: &ObjectKey) -> Option<String> {
        self.objects.get(key)?.metadata().uid.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl fmt::Debug for dyn AnyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}
