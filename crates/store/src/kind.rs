//! The kinds a store knows, so that files and owners of any kind can be handled by the same code.

use std::fmt;

use jamul_api::core::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Namespace, Secret, Service,
};
use jamul_api::object::plural_and_group;
use jamul_api::{Certificate, CertificateRequest, Challenge, ClusterIssuer, Issuer, Object, Order};

use crate::any::{self, Document};

/// What is the same for all objects of a kind.
pub(crate) struct Kind {
    pub(crate) api_version: &'static str,
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// `<plural>[.<group>]`
    pub(crate) plural: fn() -> String,
    /// Reads one document of this kind.
    pub(crate) read: fn(&str, serde_saphyr::Options) -> Result<Document, serde_saphyr::Error>,
}

/// Where the objects of a kind come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// From manifests, and worth a copy in the state: it has a status, owns others, or its age decides.
    Remembered,
    /// From manifests; a copy is kept only once somebody writes to it.
    Read,
    /// Made by controllers only.
    Made,
}

impl Kind {
    const fn of<K: Object>(role: Role) -> Self {
        Self {
            api_version: K::API_VERSION,
            name: K::KIND,
            role,
            plural: plural_and_group::<K>,
            read: any::read::<K>,
        }
    }

    /// The kind of that name, if it is one of ours.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every kind that a store keeps.
pub(crate) static KINDS: [Kind; 14] = [
    Kind::of::<Ingress>(Role::Remembered),
    Kind::of::<IngressClass>(Role::Read),
    Kind::of::<Service>(Role::Read),
    Kind::of::<EndpointSlice>(Role::Read),
    Kind::of::<Endpoints>(Role::Read),
    Kind { read: any::read_secret, ..Kind::of::<Secret>(Role::Read) },
    Kind::of::<ConfigMap>(Role::Read),
    Kind::of::<Namespace>(Role::Read),
    Kind::of::<Issuer>(Role::Remembered),
    Kind::of::<ClusterIssuer>(Role::Remembered),
    Kind::of::<Certificate>(Role::Remembered),
    Kind::of::<CertificateRequest>(Role::Remembered),
    Kind::of::<Order>(Role::Made),
    Kind::of::<Challenge>(Role::Made),
];
