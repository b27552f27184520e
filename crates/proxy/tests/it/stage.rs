//! A running proxy and the Snapshots it serves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jamul_proxy::{EndpointHealths, Metrics, Proxy, ProxyError, ProxySettings, Snapshots};
use jamul_routing::route::Target;
use jamul_routing::{
    Balance, Edge, Endpoint, Filter, Globals, Host, HostPattern, HostRoutes, Origin, PathMatch, Policy,
    Protocol, Retry, Route, RouteId, Snapshot, Timeouts, Upstream, UpstreamId,
};
use tokio_util::sync::CancellationToken;

/// A Snapshot, route by route.
#[derive(Default)]
pub(crate) struct SnapshotBuilder(pub(crate) Snapshot);

impl SnapshotBuilder {
    /// Sends all paths of `host` to `endpoints`.
    pub(crate) fn route(self, host: &str, endpoints: &[SocketAddr]) -> Self {
        self.route_with(host, endpoints, |_| {})
    }

    /// [`Self::route`], with changes to the route.
    pub(crate) fn route_with(
        mut self,
        host: &str,
        endpoints: &[SocketAddr],
        change: impl FnOnce(&mut Route),
    ) -> Self {
        let id = UpstreamId(format!("default/{host}:80").into());
        let mut route = Route {
            id: RouteId(host.into()),
            path: PathMatch::Prefix("/".to_owned()),
            origin: Origin {
                host: host.into(),
                namespace: "default".into(),
                ingress: "web".into(),
                service: "web".into(),
                port: "80".into(),
            },
            filters: Vec::new(),
            target: Target::Upstream(id.clone()),
            balance: Balance::default(),
            alternatives: Vec::new(),
            retry: Retry::default(),
            timeouts: Timeouts::default(),
            pace: None,
            mirror: None,
            body_limit: Some(1024),
            errors: None,
            upstream_tls: None,
        };
        change(&mut route);
        let endpoints = endpoints.iter().copied().map(Endpoint::Address).collect();
        let policy = Policy::default();
        let upstream = Upstream { id: id.clone(), protocol: Protocol::Http, endpoints, policy };
        self.0.upstreams.insert(id, Arc::new(upstream));
        let routes = HostRoutes::new(vec![Arc::new(route)], false);
        self.0.router.insert(HostPattern::parse(host).unwrap(), Arc::new(routes));
        self
    }

    /// Meets clients in another way.
    pub(crate) fn edge(mut self, change: impl FnOnce(&mut Edge)) -> Self {
        let mut edge = Edge::default();
        change(&mut edge);
        self.0.globals = Arc::new(Globals { edge: Arc::new(edge), ..Globals::default() });
        self
    }

    /// Changes what holds for all requests to the upstream of `host`.
    pub(crate) fn policy(mut self, host: &str, policy: Policy) -> Self {
        let id = UpstreamId(format!("default/{host}:80").into());
        let upstream = self.0.upstreams.get(&id).unwrap();
        let changed = Upstream { policy, ..(**upstream).clone() };
        if changed.policy.check.is_some() {
            self.0.checked = Arc::new(BTreeSet::from([id.clone()]));
        }
        self.0.upstreams.insert(id, Arc::new(changed));
        self
    }

    /// Answers an HTTP-01 challenge.
    pub(crate) fn challenge(mut self, host: &str, token: &str, answer: &str) -> Self {
        let mut challenges = (*self.0.challenges).clone();
        challenges.insert(Host::parse(host).unwrap(), token.to_owned(), answer.to_owned());
        self.0.challenges = Arc::new(challenges);
        self
    }
}

/// Adds `filter` to a route.
pub(crate) fn filtered(filter: impl Filter + 'static) -> impl FnOnce(&mut Route) {
    |route| route.filters.push(Arc::new(filter))
}

/// A proxy on free ports. It is told to stop when this is dropped.
pub(crate) struct Stage {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) healths: Arc<EndpointHealths>,
    pub(crate) snapshots: Snapshots,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: tokio::task::JoinHandle<Result<(), ProxyError>>,
}

impl Stage {
    pub(crate) fn start(builder: SnapshotBuilder) -> Self {
        Self::start_with(builder, |settings| settings.access_log = false)
    }

    pub(crate) fn start_with(builder: SnapshotBuilder, change: impl FnOnce(&mut ProxySettings)) -> Self {
        let snapshots: Snapshots = Arc::new(ArcSwap::from_pointee(builder.0));
        let any = "127.0.0.1:0".parse().unwrap();
        let mut settings = ProxySettings { http: vec![any], https: vec![any], ..Default::default() };
        change(&mut settings);
        let proxy = Proxy::bind(settings, Arc::clone(&snapshots)).unwrap();
        let shutdown = CancellationToken::new();
        Self {
            http: proxy.http_addresses()[0],
            https: proxy.https_addresses()[0],
            metrics: proxy.metrics(),
            healths: proxy.endpoint_healths(),
            snapshots,
            running: tokio::spawn(proxy.run(shutdown.clone())),
            shutdown,
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
