//! Ingresses that are variants of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use jamul_routing::draft::RouteDraft;
use jamul_routing::session::CanarySessions;
use jamul_routing::{HostPattern, Session, SessionCookie};

use crate::backend::Backend;
use crate::ingress::{Claim, CompiledIngress, Destination, PathKind};

/// What canaries claim on a host, by path; the oldest first.
pub(crate) type Canaries<'a> = BTreeMap<(PathKind, String), Vec<(&'a CompiledIngress, &'a Claim)>>;

/// What `ingresses` (oldest first, canaries all) claim on `pattern`. One that is closed gets no requests.
pub(crate) fn of<'a>(pattern: &HostPattern, ingresses: &[&'a CompiledIngress]) -> Canaries<'a> {
    let mut canaries = Canaries::new();
    for ingress in ingresses.iter().filter(|ingress| !ingress.is_closed) {
        for claim in ingress.hosts.get(pattern).into_iter().flatten() {
            canaries.entry((claim.kind, claim.path.clone())).or_default().push((*ingress, claim));
        }
    }
    canaries
}

/// The cookie of a canary's sessions: where sessions stay on their side it is the one of the Ingress that it is a
/// variant of, so that both sides read the same cookie.
pub(crate) fn cookie<'a>(main: &'a RouteDraft, canary: &'a RouteDraft) -> Option<&'a Arc<SessionCookie>> {
    let shared = main.session.as_ref().filter(|cookie| cookie.canary == CanarySessions::Sticky);
    shared.or(canary.session.as_ref())
}

/// The sessions at a Service, which has the name that ingress-nginx gives it.
pub(crate) fn session(
    cookie: Option<&Arc<SessionCookie>>,
    destination: &Destination,
    path: &str,
) -> Option<Session> {
    let Destination::Service(backend) = destination else { return None };
    Some(Session::new(Arc::clone(cookie?), upstream_name(backend), path))
}

/// The name that ingress-nginx gives to what a backend leads to.
pub(crate) fn upstream_name(backend: &Backend) -> String {
    format!("{}-{}-{}", backend.service.namespace, backend.service.name, backend.port)
}
