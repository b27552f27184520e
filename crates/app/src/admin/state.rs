//! What the admin port shows.

use std::sync::Arc;

use jamul_controllers::{ControllerMetrics, Live};
use jamul_proxy::{EndpointHealths, Metrics, Tap};
use jamul_routing::Diagnostic;
use jamul_store::Store;
use tokio::sync::watch;

use super::metrics::certificates::Certificates;
use super::metrics::reloads::Reloads;
use super::metrics::speaker::Speaker;

/// How far this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first complete Snapshot is still to come.
    Starting,
    /// Traffic is served.
    Serving,
    /// What is in flight is finished, nothing new should come.
    Draining,
    /// Nothing is served any more.
    Stopped,
}

/// What is shown.
#[derive(Clone, Debug)]
pub(crate) struct AdminState {
    pub(crate) live: Arc<Live>,
    pub(crate) store: Store,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) healths: Arc<EndpointHealths>,
    pub(crate) tap: Tap,
    /// A further path for health checks.
    pub(crate) health_path: String,
    /// Whether `/metrics` is answered.
    pub(crate) has_metrics: bool,
    /// What users should know of their flags.
    pub(crate) flags: Vec<Diagnostic>,
    pub(crate) controllers: Arc<ControllerMetrics>,
    /// Whether this replica writes.
    pub(crate) leads: watch::Receiver<bool>,
    /// Who `/metrics` says it is.
    pub(crate) speaker: Speaker,
    pub(crate) reloads: Arc<Reloads>,
    pub(crate) certificates: Arc<Certificates>,
    /// `--annotations-prefix`.
    pub(crate) annotations_prefix: String,
}

impl AdminState {
    /// What users should mend or know, apart from their files.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut found = self.live.diagnostics();
        found.extend(self.flags.iter().cloned());
        found
    }
}
