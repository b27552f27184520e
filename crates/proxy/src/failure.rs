//! Everything that can go wrong in an exchange, and what the client gets.

use http::StatusCode;

/// Why an exchange did not get the upstream's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No host, several, different ones, or one with letters no host has (RFC 9112 section 3.2).
    BadHost,
    /// The path has no canonical form, or a header could not be understood.
    BadRequest,
    /// The path with its query is longer than `large-client-header-buffers` allows.
    TargetTooLong,
    /// No route takes host and path.
    NoRoute,
    /// The route is closed until its settings are mended.
    RouteClosed,
    /// The upstream has no ready endpoint.
    NoEndpoint,
    /// All endpoints have as many requests as they bear, and so has the queue before them.
    Busy,
    /// The request body is larger than the route allows.
    BodyTooLarge,
    /// The client stopped sending its body.
    BodyTimeout,
    /// The client went away or broke the protocol while sending its body.
    ClientGone,
    /// No endpoint accepted a connection.
    Connect,
    /// No endpoint accepted a connection in time.
    ConnectTimeout,
    /// The upstream broke the connection or the protocol before its response head was complete.
    Upstream,
    /// The upstream took too long.
    UpstreamTimeout,
    /// A bug of ours ended the exchange.
    Panic,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client.
    Downstream,
    /// The upstream.
    Upstream,
    /// Jamul or its configuration.
    Ours,
}

impl Failure {
    /// The status that the client gets, as ingress-nginx answers, and whose fault it is.
    pub(crate) const fn reply(self) -> (StatusCode, Side) {
        match self {
            Self::BadHost | Self::BadRequest => (StatusCode::BAD_REQUEST, Side::Downstream),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, Side::Downstream),
            Self::NoRoute => (StatusCode::NOT_FOUND, Side::Ours),
            Self::RouteClosed => (StatusCode::SERVICE_UNAVAILABLE, Side::Ours),
            Self::NoEndpoint | Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, Side::Upstream),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Side::Downstream),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, Side::Downstream),
            Self::ClientGone => (StatusCode::BAD_REQUEST, Side::Downstream),
            Self::Connect | Self::Upstream => (StatusCode::BAD_GATEWAY, Side::Upstream),
            Self::ConnectTimeout | Self::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, Side::Upstream),
            Self::Panic => (StatusCode::INTERNAL_SERVER_ERROR, Side::Ours),
        }
    }

    /// Whether the connection must not be used again: what follows on it may be the rest of a body.
    pub(crate) const fn closes(self) -> bool {
        match self {
            Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::ClientGone
            | Self::BadHost
            | Self::BadRequest
            | Self::TargetTooLong => true,
            Self::NoRoute
            | Self::RouteClosed
            | Self::NoEndpoint
            | Self::Busy
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Upstream
            | Self::UpstreamTimeout
            | Self::Panic => false,
        }
    }
}
