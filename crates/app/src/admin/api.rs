//! The shapes of `/api/*`; `jamul check -o json` has the same. Every field is there, `null` where it has no
//! value.

use jamul_api::core::Time;
use jamul_api::{Certificate, Object as _, condition};
use jamul_issuance::plan::Backoff;
use jamul_proxy::EndpointHealths;
use jamul_routing::route::Target;
use jamul_routing::{Diagnostic, Endpoint, HostPattern, Origin, Route, Snapshot};
use jamul_store::{Event, SourceDiagnostic, Store};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `{"routes":[...]}`, ordered by host and by the order in which paths are tried.
pub(crate) fn routes(snapshot: &Snapshot, healths: &EndpointHealths) -> Value {
    let mut hosts: Vec<_> = snapshot.router.iter().collect();
    hosts.sort_by_cached_key(|(pattern, _)| pattern.to_string());
    let routes = hosts.iter().flat_map(|(pattern, routes)| {
        routes.routes().iter().map(|found| route(pattern, found, snapshot, healths)).collect::<Vec<_>>()
    });
    json!({ "routes": routes.collect::<Vec<_>>() })
}

fn route(pattern: &HostPattern, route: &Route, snapshot: &Snapshot, healths: &EndpointHealths) -> Value {
    let certificate =
        snapshot.certs.iter().find(|(of, _)| *of == pattern).map(|(_, entry)| entry.source.to_string());
    json!({
        "host": pattern.to_string(),
        "path": route.path.text(),
        "pathType": route.path.kind(),
        "ingress": ingress(&route.origin),
        "service": service(&route.origin),
        "endpoints": endpoints(route, snapshot, healths),
        "certificate": certificate,
        "filters": route.filters.iter().map(|filter| filter.name()).collect::<Vec<_>>(),
    })
}

/// `namespace/name` of the Ingress.
pub(crate) fn ingress(origin: &Origin) -> Option<String> {
    (!origin.ingress.is_empty()).then(|| format!("{}/{}", origin.namespace, origin.ingress))
}

/// `namespace/name:port` of the Service.
pub(crate) fn service(origin: &Origin) -> Option<String> {
    let port = if origin.port.is_empty() { String::new() } else { format!(":{}", origin.port) };
    (!origin.service.is_empty()).then(|| format!("{}/{}{port}", origin.namespace, origin.service))
}

/// An endpoint of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndpointView {
    /// `IP:PORT`, or the name and port that an ExternalName leads to.
    pub(crate) address: String,
    pub(crate) healthy: bool,
}

/// Those of the Snapshot are ready ones: unready ones are not served and not shown. Those that the proxy has put
/// aside are not healthy.
pub(crate) fn endpoints(route: &Route, snapshot: &Snapshot, healths: &EndpointHealths) -> Vec<EndpointView> {
    let upstream = match &route.target {
        Target::Upstream(id) => snapshot.upstreams.get(id),
        Target::NotFound | Target::Closed => None,
    };
    let endpoints = upstream.iter().flat_map(|upstream| &upstream.endpoints);
    let shown = endpoints.map(|endpoint| {
        let address = match endpoint {
            Endpoint::Address(address) => address.to_string(),
            Endpoint::Name(name, port) => format!("{name}:{port}"),
        };
        EndpointView { address, healthy: healths.is_healthy(endpoint) }
    });
    shown.collect()
}

/// `{"certificates":[...]}`, ordered by key.
pub(crate) fn certificates(store: &Store) -> Value {
    let certificates = store.list::<Certificate>();
    json!({ "certificates": certificates.iter().map(|found| certificate(found)).collect::<Vec<_>>() })
}

fn certificate(certificate: &Certificate) -> Value {
    let key = certificate.key();
    let spec = &certificate.spec;
    let status = certificate.status.as_ref();
    let ready = status.and_then(|status| condition::find(&status.conditions, "Ready"));
    let time = |time: Option<&Time>| time.map(|time| time.0.to_string());
    json!({
        "namespace": key.namespace,
        "name": key.name,
        "secretName": spec.secret_name,
        "dnsNames": spec.dns_names,
        "issuer": format!("{}/{}", spec.issuer_ref.kind(), spec.issuer_ref.name),
        "ready": ready.is_some_and(condition::Condition::is_true),
        "reason": ready.map(|ready| &ready.reason),
        "message": ready.map(|ready| &ready.message),
        "notBefore": time(status.and_then(|status| status.not_before.as_ref())),
        "notAfter": time(status.and_then(|status| status.not_after.as_ref())),
        "renewalTime": time(status.and_then(|status| status.renewal_time.as_ref())),
        "nextAttempt": next_attempt(certificate).map(|time| time.to_string()),
    })
}

/// After failures: when the wait is over.
pub(crate) fn next_attempt(certificate: &Certificate) -> Option<Timestamp> {
    Backoff::default().next_attempt(certificate)
}

/// `{"diagnostics":[...]}`: of objects, then of files.
pub(crate) fn diagnostics(found: &[Diagnostic], of_files: &[SourceDiagnostic]) -> Value {
    let of_objects = found.iter().map(|diagnostic| {
        json!({
            "severity": diagnostic.severity.to_string(),
            "object": diagnostic.object,
            "field": diagnostic.field,
            "reason": diagnostic.reason,
            "message": diagnostic.message,
        })
    });
    let of_files = of_files.iter().map(|diagnostic| json!(diagnostic));
    json!({ "diagnostics": of_objects.chain(of_files).collect::<Vec<_>>() })
}

/// `{"events":[...]}`, the most recent last.
pub(crate) fn events(events: &[Event]) -> Value {
    json!({ "events": events })
}
