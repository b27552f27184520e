//! The set of objects that are read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jamul_api::core::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Namespace, Secret, Service,
};
use jamul_api::{Challenge, Object, ObjectKey, names};

use crate::change::Change;
use crate::index::Index;

/// Everything that was told, by kind.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) ingresses: Table<Ingress>,
    pub(crate) classes: Table<IngressClass>,
    pub(crate) namespaces: Table<Namespace>,
    pub(crate) services: Table<Service>,
    slices: Table<EndpointSlice>,
    pub(crate) endpoints: Table<Endpoints>,
    pub(crate) secrets: Table<Secret>,
    pub(crate) config_maps: Table<ConfigMap>,
    pub(crate) challenges: Table<Challenge>,
    /// Service to its EndpointSlices, by the label that ties them.
    slices_of: Index<ObjectKey, ObjectKey>,
}

impl Objects {
    /// The EndpointSlices of a Service, by name.
    pub(crate) fn slices_of(&self, service: &ObjectKey) -> impl Iterator<Item = &Arc<EndpointSlice>> {
        self.slices_of.get(service).filter_map(|key| self.slices.get(key))
    }

    /// Takes news of EndpointSlices; yields the Services that they concern.
    pub(crate) fn apply_slices(&mut self, change: Change<EndpointSlice>) -> Vec<ObjectKey> {
        let mut services = Vec::new();
        for Difference { before, after } in self.slices.apply(change) {
            if let Some((slice, service)) = before.and_then(|slice| Some((slice.key(), service_of(&slice)?)))
            {
                self.slices_of.remove(&service, &slice);
                services.push(service);
            }
            if let Some((slice, service)) = after.and_then(|slice| Some((slice.key(), service_of(&slice)?))) {
                self.slices_of.insert(service.clone(), slice);
                services.push(service);
            }
        }
        services
    }
}

fn service_of(slice: &EndpointSlice) -> Option<ObjectKey> {
    Some(ObjectKey::new(slice.key().namespace, slice.label(names::SERVICE_NAME)?))
}

/// The objects of one kind.
#[derive(Debug)]
pub(crate) struct Table<K>(HashMap<ObjectKey, Arc<K>, foldhash::fast::RandomState>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

/// One object before and after a change; at least one of them is there.
#[derive(Debug)]
pub(crate) struct Difference<K> {
    pub(crate) before: Option<Arc<K>>,
    pub(crate) after: Option<Arc<K>>,
}

impl<K: Object> Difference<K> {
    /// Where the object is or was.
    pub(crate) fn key(&self) -> ObjectKey {
        self.after.as_ref().or(self.before.as_ref()).map(|object| object.key()).unwrap_or_default()
    }
}

impl<K: Object> Table<K> {
    /// The object at `key`.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        self.0.get(key)
    }

    /// All objects, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<K>> {
        self.0.values()
    }

    /// Takes news; yields what is different now.
    pub(crate) fn apply(&mut self, change: Change<K>) -> Vec<Difference<K>> {
        match change {
            Change::Applied(object) => self.put(object).into_iter().collect(),
            Change::Deleted(object) => self.take(&object.key()).into_iter().collect(),
            Change::Restarted(objects) => {
                let kept: HashSet<ObjectKey> = objects.iter().map(|object| object.key()).collect();
                let gone: Vec<ObjectKey> = self.0.keys().filter(|key| !kept.contains(key)).cloned().collect();
                let mut differences: Vec<_> = gone.iter().filter_map(|key| self.take(key)).collect();
                differences.extend(objects.into_iter().filter_map(|object| self.put(object)));
                differences
            }
        }
    }

    fn put(&mut self, object: Arc<K>) -> Option<Difference<K>> {
        let before = self.0.insert(object.key(), Arc::clone(&object));
        let is_same = before.as_ref().is_some_and(|before| **before == *object);
        (!is_same).then_some(Difference { before, after: Some(object) })
    }

    fn take(&mut self, key: &ObjectKey) -> Option<Difference<K>> {
        let before = self.0.remove(key)?;
        Some(Difference { before: Some(before), after: None })
    }
}

/// The data of a Secret as an API server would keep it: `stringData` written over `data`.
pub(crate) fn secret_data(secret: &Secret) -> BTreeMap<String, Vec<u8>> {
    let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    let written =
        secret.string_data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    data.chain(written).collect()
}
