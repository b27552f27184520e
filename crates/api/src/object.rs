//! What all object types have in common: a kind, a plural, a key.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::core::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Metadata, Namespace, ObjectMeta,
    OwnerReference, Resource, Secret, Service,
};
use crate::{Certificate, CertificateRequest, Challenge, ClusterIssuer, Issuer, Order};

/// An object of a kind that Jamul knows.
pub trait Object:
    Metadata<Ty = ObjectMeta>
    + Serialize
    + DeserializeOwned
    + Clone
    + PartialEq
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Whether objects of this kind live in a namespace.
    const NAMESPACED: bool;

    /// Where this object is.
    fn key(&self) -> ObjectKey {
        ObjectKey {
            namespace: self.metadata().namespace.clone().unwrap_or_default(),
            name: self.metadata().name.clone().unwrap_or_default(),
        }
    }

    /// The value of an annotation, if it is set.
    fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata().annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// The value of a label, if it is set.
    fn label(&self, name: &str) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(name).map(String::as_str)
    }

    /// A controller owner reference to this object.
    fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: Self::API_VERSION.to_owned(),
            kind: Self::KIND.to_owned(),
            name: self.metadata().name.clone().unwrap_or_default(),
            uid: self.metadata().uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Whether `owner` controls this object (by kind, name and, where both know one, uid).
    fn is_controlled_by<K: Object>(&self, owner: &K) -> bool {
        let wanted = owner.owner_reference();
        self.metadata().owner_references.iter().flatten().any(|reference| {
            reference.controller == Some(true)
                && reference.kind == wanted.kind
                && reference.name == wanted.name
                && reference.uid == wanted.uid
        })
    }
}

/// `<plural>[.<group>]`, as in the folder of a standalone state and in `kubectl api-resources`.
#[must_use]
pub fn plural_and_group<K: Resource>() -> String {
    if K::GROUP.is_empty() {
        K::URL_PATH_SEGMENT.to_owned()
    } else {
        format!("{}.{}", K::URL_PATH_SEGMENT, K::GROUP)
    }
}

/// Namespace and name of an object; the namespace is empty for kinds without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Empty for kinds without a namespace.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectKey {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

macro_rules! objects {
    ($($kind:ty => $namespaced:literal),* $(,)?) => { $(impl Object for $kind { const NAMESPACED: bool = $namespaced; })* };
}

objects! {
    Ingress => true, IngressClass => false, Service => true, EndpointSlice => true, Endpoints => true,
    Secret => true, ConfigMap => true, Namespace => false,
    Certificate => true, CertificateRequest => true, Issuer => true, ClusterIssuer => false, Order => true, Challenge => true,
}

/// Implements Kubernetes' `Resource` and `Metadata` for one of cert-manager's kinds.
macro_rules! resource {
    ($kind:ident, $group:literal, $plural:literal, $scope:ty) => {
        impl $crate::core::Resource for $kind {
            const API_VERSION: &'static str = concat!($group, "/v1");
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = "v1";
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = $scope;
        }
        impl $crate::core::Metadata for $kind {
            type Ty = $crate::core::ObjectMeta;
            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }
            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }
    };
}
pub(crate) use resource;
