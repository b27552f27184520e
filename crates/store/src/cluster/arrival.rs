//! What is dropped from objects as they come in: memory follows what is read.

use std::any::Any;

use jamul_api::Object;
use jamul_api::core::{EndpointSlice, Service};

/// What `kubectl apply` leaves behind: the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object without fields that nobody here reads.
pub(super) fn pruned<K: Object>(mut object: K) -> K {
    let metadata = object.metadata_mut();
    metadata.managed_fields = None;
    metadata.self_link = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
    let any: &mut dyn Any = &mut object;
    if let Some(slice) = any.downcast_mut::<EndpointSlice>() {
        slice.metadata.annotations = None;
        slice.metadata.owner_references = None;
        for endpoint in &mut slice.endpoints {
            endpoint.deprecated_topology = None;
            endpoint.target_ref = None;
            endpoint.hostname = None;
        }
    } else if let Some(service) = any.downcast_mut::<Service>()
        && let Some(spec) = &mut service.spec
    {
        spec.selector = None;
        spec.session_affinity_config = None;
    }
    object
}
