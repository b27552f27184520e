//! A route: match, filters, upstream.

use std::sync::Arc;

use crate::filter::Filter;
use crate::path::PathMatch;
use crate::upstream::{Timeouts, UpstreamId};

/// Names a route across Snapshots: state that outlives a Snapshot is keyed by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub Arc<str>);

/// Where a route comes from; labels of metrics and words of `jamul explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Namespace of the Ingress.
    pub namespace: Arc<str>,
    /// Name of the Ingress.
    pub ingress: Arc<str>,
    /// Name of the Service; empty without one.
    pub service: Arc<str>,
    /// Port of the Service as written: number or name.
    pub port: Arc<str>,
}

/// What happens to requests of one host and path.
#[derive(Debug)]
pub struct Route {
    /// Stable name: host, path and path type.
    pub id: RouteId,
    /// Which paths.
    pub path: PathMatch,
    /// Ingress and Service.
    pub origin: Origin,
    /// In registry order.
    pub filters: Vec<Arc<dyn Filter>>,
    /// Where requests go.
    pub target: Target,
    /// Waits towards the upstream.
    pub timeouts: Timeouts,
    /// Largest request body in bytes; `None` = unlimited. ingress-nginx: 1 MiB.
    pub body_limit: Option<u64>,
}

/// Where a route's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To an upstream of the Snapshot.
    Upstream(UpstreamId),
    /// Nowhere: 404 (`backend.resource`, or no default backend).
    NotFound,
    /// Closed: a security setting could not be understood; 503 until it is mended.
    Closed,
}
