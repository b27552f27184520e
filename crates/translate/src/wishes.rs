//! What Ingresses wish for all requests to an Upstream.

use std::sync::Arc;

use jamul_routing::{Policy, SessionCookie};

/// What one Ingress wishes for all requests to an Upstream; where several do, the oldest counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) policy: Policy,
    pub(crate) cookie: Option<Arc<SessionCookie>>,
}
