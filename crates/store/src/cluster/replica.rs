//! Our copy of the cluster's objects. News arrive by two ways, the watch and the answers to our own writes, and may
//! overtake each other; the version of an object says which is newer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jamul_api::{Object, ObjectKey};

use crate::place::Place;
use crate::tables::World;

use super::arrival::pruned;

/// The objects that are known, and what we deleted but a slow watch may still speak of.
#[derive(Debug, Default)]
pub(super) struct Replica {
    pub(super) world: Arc<World>,
    /// Uids.
    buried: Mutex<HashSet<String>>,
}

impl Replica {
    /// Takes an object as it was at some moment; what is known afterwards.
    pub(super) fn put<K: Object>(&self, object: K) -> Arc<K> {
        let object = pruned(object);
        let key = object.key();
        let mut tables = self.world.lock();
        let known = tables.get::<K>(&key);
        let is_buried = self.buried().contains(uid(&object));
        match known {
            Some(known) if version(&*known) >= version(&object) => known,
            Some(_) | None if is_buried => Arc::new(object),
            Some(_) | None => {
                let object = Arc::new(object);
                tables.put(Arc::clone(&object));
                object
            }
        }
    }

    /// Somebody deleted this; it is as it last was.
    pub(super) fn remove<K: Object>(&self, object: &K) {
        let mut tables = self.world.lock();
        self.buried().remove(uid(object));
        let key = object.key();
        if tables.get::<K>(&key).is_some_and(|known| version(&*known) <= version(object)) {
            tables.remove(&Place { kind: K::KIND, key });
        }
    }

    /// We deleted this.
    pub(super) fn bury<K: Object>(&self, key: &ObjectKey) {
        let mut tables = self.world.lock();
        if let Some(known) = tables.get::<K>(key) {
            self.buried().insert(uid(&*known).to_owned());
            tables.remove(&Place { kind: K::KIND, key: key.clone() });
        }
    }

    /// This is not there.
    pub(super) fn forget<K: Object>(&self, key: &ObjectKey) {
        self.world.lock().remove(&Place { kind: K::KIND, key: key.clone() });
    }

    /// Takes all objects of one scope as they were at `version`: what `belongs` there and is not among them is gone,
    /// unless it is newer than they are.
    pub(super) fn swap<K: Object>(&self, objects: Vec<K>, at: &str, belongs: impl Fn(&K) -> bool) {
        let at = at.parse().unwrap_or(u64::MAX);
        let listed: HashSet<ObjectKey> = objects.iter().map(Object::key).collect();
        {
            let mut tables = self.world.lock();
            for known in tables.list::<K>() {
                if belongs(&known) && !listed.contains(&known.key()) && version(&*known) <= at {
                    tables.remove(&Place::of(&*known));
                }
            }
        }
        for object in objects {
            self.put(object);
        }
    }

    fn buried(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.buried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn uid<K: Object>(object: &K) -> &str {
    object.metadata().uid.as_deref().unwrap_or_default()
}

/// Versions of one kind are ordered (KEP-5504).
pub(super) fn version<K: Object>(object: &K) -> u64 {
    object.metadata().resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use jamul_api::core::Secret;

    use super::*;

    fn secret(name: &str, uid: &str, version: u64) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.namespace = Some("default".to_owned());
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.uid = Some(uid.to_owned());
        secret.metadata.resource_version = Some(version.to_string());
        secret
    }

    fn names(replica: &Replica) -> Vec<(String, u64)> {
        let objects = replica.world.lock().list::<Secret>();
        objects.iter().map(|secret| (secret.key().name, version(&**secret))).collect()
    }

    #[test]
    fn old_news_change_nothing() {
        let replica = Replica::default();
        replica.put(secret("a", "1", 5));
        replica.put(secret("a", "1", 4));
        replica.remove(&secret("a", "0", 3));
        assert_eq!(names(&replica), [("a".to_owned(), 5)]);
        replica.remove(&secret("a", "1", 6));
        assert_eq!(names(&replica), []);
    }

    #[test]
    fn what_we_deleted_does_not_come_back_with_a_slow_watch() {
        let replica = Replica::default();
        replica.put(secret("a", "1", 5));
        replica.bury::<Secret>(&ObjectKey::new("default", "a"));
        replica.put(secret("a", "1", 5));
        assert_eq!(names(&replica), []);
        replica.put(secret("a", "2", 8));
        replica.remove(&secret("a", "1", 7));
        assert_eq!(names(&replica), [("a".to_owned(), 8)]);
    }

    #[test]
    fn a_list_removes_what_it_lacks_unless_that_is_newer_or_of_another_scope() {
        let replica = Replica::default();
        for (name, at) in [("gone", 3), ("fresh", 12), ("other", 3)] {
            replica.put(secret(name, name, at));
        }
        replica.swap(vec![secret("new", "new", 9)], "10", |secret: &Secret| secret.key().name != "other");
        let expected = [("fresh", 12), ("new", 9), ("other", 3)];
        assert_eq!(names(&replica), expected.map(|(name, at)| (name.to_owned(), at)));
    }
}
