//! Service and its EndpointSlices (or Endpoints) to an Upstream.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jamul_api::ObjectKey;
use jamul_api::core::{
    EndpointPort, EndpointSlice, EndpointSubset, Endpoints, IngressServiceBackend, IntOrString, Service,
    ServicePort,
};
use jamul_routing::streams::Transport;
use jamul_routing::{Endpoint, Policy, Protocol, Upstream, UpstreamId, Via};

use crate::objects::Objects;
use crate::settings::Settings;

/// A port of a Service, as an Ingress names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Port {
    Number(u16),
    /// Empty if the Ingress names no port at all.
    Name(String),
    /// The first of the Service.
    First,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::First => f.write_str("first"),
        }
    }
}

/// What an Ingress sends requests to: it names an Upstream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Backend {
    pub(crate) service: ObjectKey,
    pub(crate) port: Port,
    /// What the port carries.
    pub(crate) transport: Transport,
    pub(crate) via: Via,
}

impl Backend {
    /// Reads `backend.service` of an Ingress in `namespace`.
    pub(crate) fn new(namespace: &str, backend: &IngressServiceBackend) -> Self {
        let port = backend.port.as_ref();
        let number = port.and_then(|port| port.number).and_then(|number| u16::try_from(number).ok());
        let port = match number.filter(|number| *number != 0) {
            Some(number) => Port::Number(number),
            None => Port::Name(port.and_then(|port| port.name.clone()).unwrap_or_default()),
        };
        let service = ObjectKey::new(namespace, backend.name.as_str());
        Self { service, port, transport: Transport::Tcp, via: Via::Endpoints }
    }

    /// A Service at its first port (`default-backend`).
    pub(crate) fn first_port(service: ObjectKey) -> Self {
        Self { service, port: Port::First, transport: Transport::Tcp, via: Via::Endpoints }
    }

    /// The same, led to as `via` says.
    pub(crate) fn via(&self, via: Via) -> Self {
        Self { via, ..self.clone() }
    }

    /// The name of its Upstream when spoken to by `protocol`, or as its Service says.
    pub(crate) fn upstream_id(&self, protocol: Option<Protocol>) -> UpstreamId {
        let protocol = match protocol {
            None => "http",
            // Asked for, whatever the Service says.
            Some(Protocol::Http) => "http1",
            Some(Protocol::Https) => "https",
            Some(Protocol::AutoHttp) => "auto",
            Some(Protocol::Grpc) => "grpc",
            Some(Protocol::Grpcs) => "grpcs",
        };
        let via = match self.via {
            Via::Endpoints => "",
            Via::ClusterIp => ", cluster IP",
        };
        UpstreamId(format!("{}:{}[{protocol}{via}]", self.service, self.port).into())
    }
}

/// Why an Upstream has no endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Fault {
    fn service_missing(backend: &Backend) -> Self {
        let message = format!(
            "there is no Service {}; requests are answered with 503 until it is made",
            backend.service
        );
        Self { reason: "ServiceMissing", message }
    }

    fn port_missing(backend: &Backend, service: &Service) -> Self {
        let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        let ports: Vec<String> = ports
            .map(|port| match &port.name {
                Some(name) => format!("{} ({name})", port.port),
                None => port.port.to_string(),
            })
            .collect();
        let found = if ports.is_empty() { "none".to_owned() } else { ports.join(", ") };
        let (service, port) = (&backend.service, backend.port.to_string());
        let message = format!("Service {service} has no port {port:?}; its ports are: {found}");
        Self { reason: "PortMissing", message }
    }

    fn no_endpoints(backend: &Backend) -> Self {
        let message = format!(
            "Service {} has no ready endpoint for port {}; expected an EndpointSlice labelled \
             kubernetes.io/service-name: {}, or Endpoints of its name, with a ready address and this port",
            backend.service, backend.port, backend.service.name
        );
        Self { reason: "NoEndpoints", message }
    }

    fn external_name(backend: &Backend, name: &str, why: &str) -> Self {
        let message = format!("externalName {name:?} of Service {} {why}", backend.service);
        Self { reason: "ExternalNameRefused", message }
    }
}

/// The Upstream of `backend`, its policy being for others to say; without endpoints, and with the reason, where there is none to send requests
/// to.
pub(crate) fn translate(
    backend: &Backend,
    protocol: Option<Protocol>,
    objects: &Objects,
    settings: &Settings,
) -> (Upstream, Option<Fault>) {
    let (endpoints, fault) = match endpoints(backend, objects, settings) {
        Ok(endpoints) => (endpoints, None),
        Err(fault) => (Vec::new(), Some(fault)),
    };
    let id = backend.upstream_id(protocol);
    let protocol = protocol.or_else(|| app_protocol(backend, objects)).unwrap_or_default();
    (Upstream { id, protocol, endpoints, policy: Policy::default() }, fault)
}

/// What the port of the Service says about itself: Kubernetes' own names, and those of IANA and of other
/// ingress controllers. Any other, and `http` and `kubernetes.io/ws` too, is HTTP/1.1.
fn app_protocol(backend: &Backend, objects: &Objects) -> Option<Protocol> {
    let port = find_port(backend, objects.services.get(&backend.service)?)?;
    match port.app_protocol.as_deref()?.to_ascii_lowercase().as_str() {
        "kubernetes.io/h2c" | "h2c" | "http2" | "grpc" => Some(Protocol::Grpc),
        "grpcs" => Some(Protocol::Grpcs),
        "kubernetes.io/wss" | "wss" | "https" => Some(Protocol::Https),
        _ => None,
    }
}

/// Where `backend` is, sorted; never empty.
pub(crate) fn endpoints(
    backend: &Backend,
    objects: &Objects,
    settings: &Settings,
) -> Result<Vec<Endpoint>, Fault> {
    let service = objects.services.get(&backend.service).ok_or_else(|| Fault::service_missing(backend))?;
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    if kind == Some("ExternalName") {
        return external(backend, service, settings).map(|endpoint| vec![endpoint]);
    }
    let port = find_port(backend, service).ok_or_else(|| Fault::port_missing(backend, service))?;
    if backend.via == Via::ClusterIp
        && let Some(endpoint) = cluster_ip(service, port)
    {
        return Ok(vec![endpoint]);
    }
    let mut slices = objects.slices_of(&backend.service).peekable();
    let mut endpoints: Vec<Endpoint> = if slices.peek().is_some() {
        let (ready, finishing) = slice_endpoints(slices, service, port, backend.transport);
        if ready.is_empty() { finishing } else { ready }
    } else {
        let found = objects.endpoints.get(&backend.service);
        found.map(|found| subset_endpoints(found, port, backend.transport)).unwrap_or_default()
    };
    endpoints.sort();
    endpoints.dedup();
    if endpoints.is_empty() { Err(Fault::no_endpoints(backend)) } else { Ok(endpoints) }
}

/// The port by number or name; failing that by target port, which ingress-nginx takes too.
fn find_port<'a>(backend: &Backend, service: &'a Service) -> Option<&'a ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_deref().unwrap_or_default();
    let carries = |found: &&ServicePort| carries(found.protocol.as_deref(), backend.transport);
    let by_itself = ports.iter().filter(carries).find(|found| match &backend.port {
        Port::Number(number) => found.port == i32::from(*number),
        Port::Name(name) => !name.is_empty() && found.name.as_ref() == Some(name),
        Port::First => true,
    });
    by_itself.or_else(|| {
        ports.iter().filter(carries).find(|found| match (&backend.port, &found.target_port) {
            (Port::Number(number), Some(IntOrString::Int(target))) => *target == i32::from(*number),
            (Port::Name(name), Some(IntOrString::String(target))) => !name.is_empty() && target == name,
            (Port::Number(_) | Port::Name(_) | Port::First, _) => false,
        })
    })
}

/// Whether a port that says `protocol` is one of `transport`.
fn carries(protocol: Option<&str>, transport: Transport) -> bool {
    protocol.unwrap_or(Transport::Tcp.name()) == transport.name()
}

/// Where a Service of type ExternalName leads; its port need not be listed in the Service.
fn external(backend: &Backend, service: &Service, settings: &Settings) -> Result<Endpoint, Fault> {
    if settings.disable_external_names {
        return Err(Fault::external_name(backend, "", "is refused by --disable-svc-external-name"));
    }
    let listed = find_port(backend, service);
    let port = match (listed, &backend.port) {
        (Some(ServicePort { target_port: Some(IntOrString::Int(target)), .. }), _) => port_number(*target),
        (Some(listed), _) => port_number(listed.port),
        (None, Port::Number(number)) => Some(*number),
        (None, Port::First) => Some(80),
        (None, Port::Name(_)) => None,
    };
    let port = port.ok_or_else(|| Fault::port_missing(backend, service))?;
    let name = service.spec.as_ref().and_then(|spec| spec.external_name.as_deref()).unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if !is_name(&name) && name.parse::<IpAddr>().is_err() {
        return Err(Fault::external_name(
            backend,
            &name,
            "is no DNS name; expected one such as db.example.com",
        ));
    }
    if is_loopback(&name) && !settings.loopback_external_names {
        let why = "names this machine itself, which is refused; expected the name of another one";
        return Err(Fault::external_name(backend, &name, why));
    }
    Ok(endpoint(&name, port))
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !name.is_empty() && name.len() <= 253 && name.bytes().all(allowed)
}

fn is_loopback(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

fn endpoint(address: &str, port: u16) -> Endpoint {
    match address.parse::<IpAddr>() {
        Ok(ip) => Endpoint::Address(SocketAddr::new(ip, port)),
        Err(_) => Endpoint::Name(Arc::from(address), port),
    }
}

/// The virtual address of a Service; a headless one has none.
fn cluster_ip(service: &Service, port: &ServicePort) -> Option<Endpoint> {
    let ip = service.spec.as_ref()?.cluster_ip.as_deref()?.parse().ok()?;
    Some(Endpoint::Address(SocketAddr::new(ip, port_number(port.port)?)))
}

/// The endpoints of all slices, of either address family: those that are ready, and those that are going but
/// still serve, which get requests only if none is ready (as kube-proxy does). A condition that is not set means
/// ready; with `publishNotReadyAddresses` all are.
fn slice_endpoints<'a>(
    slices: impl Iterator<Item = &'a Arc<EndpointSlice>>,
    service: &Service,
    port: &ServicePort,
    transport: Transport,
) -> (Vec<Endpoint>, Vec<Endpoint>) {
    let publishes_all = service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses) == Some(true);
    let (mut ready, mut finishing) = (Vec::new(), Vec::new());
    for slice in slices {
        let listed = slice.ports.iter().flatten().filter_map(|port| ListedPort::of_slice(port, transport));
        let Some(number) = choose_port(&listed.collect::<Vec<_>>(), port) else { continue };
        let is_named = slice.address_type == "FQDN";
        for found in &slice.endpoints {
            let conditions = found.conditions.as_ref();
            let is = |condition: Option<bool>, unset| condition.unwrap_or(unset);
            let is_ready = is(conditions.and_then(|conditions| conditions.ready), true);
            let is_serving = is(conditions.and_then(|conditions| conditions.serving), false);
            let usable = found
                .addresses
                .iter()
                .filter(|address| is_named && is_name(address) || address.parse::<IpAddr>().is_ok())
                .map(|address| endpoint(address, number));
            if is_ready || publishes_all {
                ready.extend(usable);
            } else if is_serving {
                finishing.extend(usable);
            }
        }
    }
    (ready, finishing)
}

/// The ready endpoints of an Endpoints object.
fn subset_endpoints(endpoints: &Endpoints, port: &ServicePort, transport: Transport) -> Vec<Endpoint> {
    let of_subset = |subset: &EndpointSubset| -> Vec<Endpoint> {
        let listed: Vec<ListedPort<'_>> = subset
            .ports
            .iter()
            .flatten()
            .filter(|listed| carries(listed.protocol.as_deref(), transport))
            .filter_map(|listed| {
                Some((listed.name.as_deref().unwrap_or_default(), port_number(listed.port)?))
            })
            .map(|(name, number)| ListedPort { name, number })
            .collect();
        let Some(number) = choose_port(&listed, port) else { return Vec::new() };
        let addresses = subset.addresses.iter().flatten();
        addresses
            .filter_map(|address| Some(SocketAddr::new(address.ip.parse().ok()?, number)))
            .map(Endpoint::Address)
            .collect()
    };
    endpoints.subsets.iter().flatten().flat_map(of_subset).collect()
}

/// A port that a slice or subset lists: the container's, already resolved.
#[derive(Clone, Copy, Debug)]
struct ListedPort<'a> {
    name: &'a str,
    number: u16,
}

impl<'a> ListedPort<'a> {
    fn of_slice(port: &'a EndpointPort, transport: Transport) -> Option<Self> {
        if !carries(port.protocol.as_deref(), transport) {
            return None;
        }
        Some(Self { name: port.name.as_deref().unwrap_or_default(), number: port_number(port.port?)? })
    }
}

/// The listed port that carries the name of the Service's port, as those made by Kubernetes do; for those
/// written by hand, the one that the target port names or numbers.
fn choose_port(listed: &[ListedPort<'_>], port: &ServicePort) -> Option<u16> {
    let name = port.name.as_deref().unwrap_or_default();
    let by_name = listed.iter().find(|listed| listed.name == name);
    let by_target = || {
        listed.iter().find(|listed| match &port.target_port {
            Some(IntOrString::Int(target)) => i32::from(listed.number) == *target,
            Some(IntOrString::String(target)) => listed.name == target,
            None => i32::from(listed.number) == port.port,
        })
    };
    by_name.or_else(by_target).map(|listed| listed.number)
}

fn port_number(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|number| *number != 0)
}
