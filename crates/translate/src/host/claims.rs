//! What an Ingress claims without a rule, and whose a claim is.

use jamul_routing::{HostPattern, Origin};

use crate::ingress::{Claim, CompiledIngress, Destination, PathKind};

/// Whose claim it is, and where it leads.
pub(super) fn origin(pattern: &HostPattern, ingress: &CompiledIngress, claim: &Claim) -> Origin {
    let key = &ingress.age.key;
    let host = if *pattern == HostPattern::Any { "".into() } else { pattern.to_string().into() };
    let mut origin = Origin {
        host,
        namespace: key.namespace.as_str().into(),
        ingress: key.name.as_str().into(),
        ..Origin::default()
    };
    if let Destination::Service(backend) = &claim.destination {
        origin.service = backend.service.name.as_str().into();
        origin.port = backend.port.to_string().into();
    }
    origin
}

/// The implicit `/` of an Ingress.
pub(super) fn root_of(ingress: &CompiledIngress) -> Claim {
    Claim {
        kind: PathKind::Prefix,
        path: "/".to_owned(),
        destination: ingress.default_backend.clone().unwrap_or(Destination::Nothing),
        field: "spec.defaultBackend".to_owned(),
    }
}
