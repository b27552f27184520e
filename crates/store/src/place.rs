//! Which object: kind and key.

use std::fmt;

use jamul_api::{Object, ObjectKey};

use crate::error::StoreError;

/// Kind and key: names one object among all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    pub(crate) key: ObjectKey,
}

impl Place {
    pub(crate) fn of<K: Object>(object: &K) -> Self {
        Self { kind: K::KIND, key: object.key() }
    }

    /// The same, once name and namespace are such that they can be file names.
    pub(crate) fn checked<K: Object>(object: &K) -> Result<Self, StoreError> {
        let place = Self::of(object);
        let ObjectKey { namespace, name } = &place.key;
        let wrong = if !is_usable(name) {
            Some("metadata.name")
        } else if K::NAMESPACED != is_usable(namespace) || (!K::NAMESPACED && !namespace.is_empty()) {
            Some("metadata.namespace")
        } else {
            None
        };
        match wrong {
            None => Ok(place),
            Some(field) => Err(StoreError::Name {
                kind: K::KIND,
                namespace: namespace.clone(),
                name: name.clone(),
                field,
            }),
        }
    }
}

/// One file name on any system, and nothing hidden or private to the state folder.
fn is_usable(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && !name.starts_with(['.', '_'])
        && !name.contains("..")
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}
