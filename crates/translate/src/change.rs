//! News about objects, as a store tells them.

use std::sync::Arc;

use jamul_api::Challenge;
use jamul_api::core::{
    ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, Namespace, Secret, Service,
};

/// News about one kind.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// These are all there are; what was known before and is not among them is gone.
    Restarted(Vec<Arc<K>>),
    /// This one is new or changed.
    Applied(Arc<K>),
    /// This one is gone.
    Deleted(Arc<K>),
}

/// News about one of the kinds that are translated.
#[derive(Clone, Debug)]
pub enum ObjectChange {
    /// Rules.
    Ingress(Change<Ingress>),
    /// Which Ingresses are ours.
    IngressClass(Change<IngressClass>),
    /// Which Ingresses are ours, where labels of namespaces say so.
    Namespace(Change<Namespace>),
    /// Ports, external names.
    Service(Change<Service>),
    /// Addresses.
    EndpointSlice(Change<EndpointSlice>),
    /// Addresses of Services without an EndpointSlice.
    Endpoints(Change<Endpoints>),
    /// Certificates, and what annotations name.
    Secret(Change<Secret>),
    /// The controller's settings, and what annotations name.
    ConfigMap(Change<ConfigMap>),
    /// HTTP-01 answers.
    Challenge(Change<Challenge>),
}
