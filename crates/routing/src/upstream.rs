//! Upstreams: named sets of endpoints.

use std::sync::Arc;
use std::time::Duration;

pub use crate::endpoint::Endpoint;
use crate::policy::Policy;

/// Names an upstream across Snapshots: `namespace/service:port[protocol]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamId(pub Arc<str>);

/// How Jamul speaks to endpoints (`backend-protocol`, else the `appProtocol` of the Service's port).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 in the clear.
    #[default]
    Http,
    /// HTTP/1.1 over TLS, unverified unless asked for (as ingress-nginx).
    Https,
    /// HTTP/1.1, over TLS where the client came by TLS.
    AutoHttp,
    /// HTTP/2 in the clear.
    Grpc,
    /// HTTP/2 over TLS.
    Grpcs,
}

/// Where connections to a Service lead (`service-upstream`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// To its endpoints.
    #[default]
    Endpoints,
    /// To its cluster IP; who balances is the cluster (or a mesh).
    ClusterIp,
}

/// A named set of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub id: UpstreamId,
    /// How to speak to its endpoints.
    pub protocol: Protocol,
    /// Ready endpoints, sorted; empty = 503.
    pub endpoints: Vec<Endpoint>,
    /// What holds for all requests to it.
    pub policy: Policy,
}

/// Waits towards an upstream; defaults as ingress-nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until connected: 5 s.
    pub connect: Duration,
    /// Between two writes: 60 s.
    pub send: Duration,
    /// Between two reads: 60 s.
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), send: Duration::from_secs(60), read: Duration::from_secs(60) }
    }
}
