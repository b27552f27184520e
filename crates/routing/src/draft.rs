//! What annotations edit before it becomes a route.

use std::sync::Arc;

use crate::alternative::Split;
use crate::balance::Method;
use crate::filter::Filter;
use crate::retry::Retry;
use crate::session::SessionCookie;
use crate::upstream::{Protocol, Timeouts};

/// What annotations of one Ingress edit; `translate` makes one [`crate::Route`] per path from it.
#[derive(Debug, Default)]
pub struct Draft {
    /// Applies to all paths of the host, also those of other Ingresses.
    pub host: HostDraft,
    /// Applies to the paths of this Ingress.
    pub route: RouteDraft,
    /// Set, this Ingress is a canary: it has no routes of its own and takes part in those of others.
    pub canary: Option<Split>,
}

/// Edits with host scope.
#[derive(Debug, Default)]
pub struct HostDraft {
    /// All paths of the host are regular expressions (`use-regex`, `rewrite-target`).
    pub regex_mode: bool,
}

/// Edits with route scope.
#[derive(Debug)]
pub struct RouteDraft {
    /// In registry order.
    pub filters: Vec<Arc<dyn Filter>>,
    /// Waits towards the upstream.
    pub timeouts: Timeouts,
    /// Largest request body in bytes; `None` = unlimited.
    pub body_limit: Option<u64>,
    /// How to speak to endpoints; `None` = as the port of the Service says (`appProtocol`).
    pub protocol: Option<Protocol>,
    /// When another endpoint is asked.
    pub retry: Retry,
    /// How an endpoint is chosen.
    pub method: Method,
    /// Sessions that stay at their endpoint.
    pub session: Option<Arc<SessionCookie>>,
    /// Redirect plain http to https.
    pub ssl_redirect: SslRedirect,
}

/// When plain http is redirected to https.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslRedirect {
    /// Where the host has TLS (default).
    #[default]
    WithTls,
    /// Always (`force-ssl-redirect`).
    Always,
    /// Never (`ssl-redirect: "false"`).
    Never,
}

/// ingress-nginx's default for `proxy-body-size`.
pub const DEFAULT_BODY_LIMIT: u64 = 1024 * 1024;

impl Default for RouteDraft {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            timeouts: Timeouts::default(),
            body_limit: Some(DEFAULT_BODY_LIMIT),
            protocol: None,
            retry: Retry::default(),
            method: Method::default(),
            session: None,
            ssl_redirect: SslRedirect::default(),
        }
    }
}
