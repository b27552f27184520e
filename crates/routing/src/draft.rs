//! What annotations edit before it becomes a route.

use std::sync::Arc;

use http::StatusCode;

use crate::alternative::Split;
use crate::balance::Method;
use crate::error_pages::Intercepted;
use crate::filter::Filter;
use crate::host::HostPattern;
use crate::mirror::Mirror;
use crate::pace::Pace;
use crate::policy::Policy;
use crate::retry::Retry;
use crate::session::SessionCookie;
use crate::tls_policy::TlsPolicy;
use crate::upstream::{Protocol, Timeouts, Via};
use crate::upstream_tls::UpstreamTls;

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
    /// All paths of the host are regular expressions (`use-regex`).
    pub regex_mode: bool,
    /// `rewrite-target`, which has the same effect where it differs from a path of its Ingress.
    pub rewrite_target: Option<String>,
    /// Asked first on all paths of the host (`app-root`); that of the oldest Ingress counts.
    pub app_root: Option<Arc<dyn Filter>>,
    /// More names of the host (`server-alias`); those of the oldest Ingress that has some count.
    pub aliases: Vec<HostPattern>,
    /// `server-snippet`; that of the oldest Ingress that has one counts.
    pub snippet: Option<HostSnippet>,
    /// The name with or without `www.` is redirected to the host (`from-to-www-redirect`).
    pub www_redirect: Option<StatusCode>,
    /// What it says of handshakes; each part of the oldest Ingress that says it counts.
    pub tls: TlsPolicy,
    /// What looks at certificates of clients (`auth-tls-secret`); that of the oldest Ingress counts, together with its
    /// [`TlsPolicy::client_auth`].
    pub client_checks: Option<ClientChecks>,
    /// TLS is not decrypted (`ssl-passthrough`).
    pub passthrough: bool,
}

/// What looks at certificates of clients.
#[derive(Clone, Debug)]
pub struct ClientChecks {
    /// Asked before all others of the host; has nothing to say of plain http.
    pub over_tls: Arc<dyn Filter>,
    /// Asked after the redirect to https; has nothing to say of TLS.
    pub in_plain: Arc<dyn Filter>,
}

/// What a `server-snippet` came to.
#[derive(Clone, Debug)]
pub enum HostSnippet {
    /// Asked before the filters of a route.
    Understood(Arc<dyn Filter>),
    /// It may deny something: all paths of the host are closed.
    NotUnderstood,
}

/// Edits with route scope.
#[derive(Debug)]
pub struct RouteDraft {
    /// Asked before the redirect to https (nginx's `return` comes before its access checks).
    pub early: Vec<Arc<dyn Filter>>,
    /// In registry order.
    pub filters: Vec<Arc<dyn Filter>>,
    /// Waits towards the upstream.
    pub timeouts: Timeouts,
    /// Largest request body in bytes; `None` = unlimited.
    pub body_limit: Option<u64>,
    /// How to speak to endpoints; `None` = as the port of the Service says (`appProtocol`).
    pub protocol: Option<Protocol>,
    /// How TLS is spoken with them; `None` = with anybody, and without a name.
    pub upstream_tls: Option<Arc<UpstreamTls>>,
    /// Where connections lead.
    pub via: Via,
    /// When another endpoint is asked.
    pub retry: Retry,
    /// How an endpoint is chosen.
    pub method: Method,
    /// Sessions that stay at their endpoint.
    pub session: Option<Arc<SessionCookie>>,
    /// What holds for all requests to its Services, without sessions.
    pub policy: Policy,
    /// How fast responses go.
    pub pace: Option<Pace>,
    /// Where copies of requests go.
    pub mirror: Option<Arc<Mirror>>,
    /// Redirect plain http to https.
    pub ssl_redirect: SslRedirect,
    /// How that redirect is written.
    pub redirect_style: RedirectStyle,
    /// Whose words the client gets in place of errors.
    pub errors: ErrorsDraft,
}

/// Edits about errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorsDraft {
    /// Answers with these statuses are replaced (`custom-http-errors`).
    pub statuses: Vec<StatusCode>,
    /// Whose answers are.
    pub of: Intercepted,
    /// Name of the Service that is asked (`default-backend`).
    pub backend: Option<String>,
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

/// How the redirect to https is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectStyle {
    /// `http-redirect-code`: 308.
    pub status: StatusCode,
    /// What happens to a slash at the end.
    pub trailing_slash: TrailingSlash,
    /// Which port it names.
    pub port: RedirectPort,
    /// Rules below these paths are not redirected (`no-tls-redirect-locations`).
    pub exempt: Vec<String>,
}

/// What a redirect does with a slash at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrailingSlash {
    /// One goes, as ingress-nginx does.
    Strip,
    /// `preserve-trailing-slash`.
    Keep,
}

/// Which port a redirect names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectPort {
    /// That of the https listener if it is not 443.
    IfUnusual,
    /// Always (`use-port-in-redirects`).
    Always,
}

/// Paths that challenges for certificates come by: neither redirected nor protected (ingress-nginx's defaults of
/// `no-tls-redirect-locations` and `no-auth-locations`).
pub const CHALLENGE_PATHS: &str = "/.well-known/acme-challenge";

impl Default for RedirectStyle {
    fn default() -> Self {
        Self {
            status: StatusCode::PERMANENT_REDIRECT,
            trailing_slash: TrailingSlash::Strip,
            port: RedirectPort::IfUnusual,
            exempt: vec![CHALLENGE_PATHS.to_owned()],
        }
    }
}

/// ingress-nginx's default for `proxy-body-size`.
pub const DEFAULT_BODY_LIMIT: u64 = 1024 * 1024;

impl Default for RouteDraft {
    fn default() -> Self {
        Self {
            early: Vec::new(),
            filters: Vec::new(),
            timeouts: Timeouts::default(),
            body_limit: Some(DEFAULT_BODY_LIMIT),
            protocol: None,
            upstream_tls: None,
            via: Via::default(),
            retry: Retry::default(),
            method: Method::default(),
            session: None,
            policy: Policy::default(),
            pace: None,
            mirror: None,
            ssl_redirect: SslRedirect::default(),
            redirect_style: RedirectStyle::default(),
            errors: ErrorsDraft::default(),
        }
    }
}
