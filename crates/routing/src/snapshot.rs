//! Everything the proxy needs, immutable and numbered.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::challenges::Challenges;
use crate::globals::Globals;
use crate::route::Route;
use crate::router::Router;
use crate::shards::Shards;
use crate::streams::Streams;
use crate::tls::CertTable;
use crate::upstream::{Upstream, UpstreamId};

/// Everything the proxy needs. Cloning shares the parts: a change replaces only the part it touches.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts up with each published Snapshot.
    pub generation: u64,
    /// Host and path to route.
    pub router: Router,
    /// Where requests go that no route takes (`--default-backend-service`); `None`: 404.
    pub default_route: Option<Arc<Route>>,
    /// Upstreams by name; every upstream that a route names is here.
    pub upstreams: Shards<UpstreamId, Arc<Upstream>>,
    /// Those of them whose endpoints are probed.
    pub checked: Arc<BTreeSet<UpstreamId>>,
    /// Certificates by server name.
    pub certs: CertTable,
    /// HTTP-01 answers.
    pub challenges: Arc<Challenges>,
    /// TCP and UDP services.
    pub streams: Arc<Streams>,
    /// What holds for all exchanges.
    pub globals: Arc<Globals>,
}
