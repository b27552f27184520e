//! What every worker reads.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jamul_routing::Snapshot;

/// The current Snapshot: one writer publishes, every exchange reads the newest and keeps it to its end.
pub type Snapshots = Arc<ArcSwap<Snapshot>>;
