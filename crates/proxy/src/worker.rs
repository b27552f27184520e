//! What the exchanges of one worker share.

use std::rc::Rc;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use jamul_routing::Carry;

use crate::access_log::AccessLog;
use crate::balance::Balancer;
use crate::copies::Copies;
use crate::drain::Drain;
use crate::metrics::WorkerMetrics;
use crate::pool::Pool;
use crate::settings::ProxySettings;
use crate::snapshots::Snapshots;
use crate::tap::Tap;
use crate::tls::UpstreamTls;
use crate::working::Turns;

/// What the exchanges of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) settings: Arc<ProxySettings>,
    pub(crate) snapshots: Snapshots,
    pub(crate) pool: Rc<Pool>,
    pub(crate) balancer: Balancer,
    /// Counters of clients, those of all workers.
    pub(crate) carry: Carry,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) log: Rc<AccessLog>,
    pub(crate) tap: Tap,
    pub(crate) upstream_tls: Rc<UpstreamTls>,
    /// Of requests, to somewhere else.
    pub(crate) copies: Copies,
    /// Connections of clients, and tunnels that were.
    pub(crate) connections: TaskTracker,
    pub(crate) drain: Drain,
    /// For filters that compute.
    pub(crate) turns: Turns,
}
