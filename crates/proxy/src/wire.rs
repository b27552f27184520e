//! How bytes go to an endpoint: in the clear or by TLS, and by which version of HTTP.

use jamul_routing::Protocol;

/// How bytes go to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    /// In the clear.
    Plain(Version),
    /// By TLS.
    Tls(Version),
}

/// The HTTP version that an endpoint is spoken to by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl Wire {
    /// What `protocol` means for a client that came by TLS, or not.
    pub(crate) const fn new(protocol: Protocol, client_is_tls: bool) -> Self {
        match protocol {
            Protocol::AutoHttp if client_is_tls => Self::Tls(Version::Http1),
            Protocol::Http | Protocol::AutoHttp => Self::Plain(Version::Http1),
            Protocol::Https => Self::Tls(Version::Http1),
            Protocol::Grpc => Self::Plain(Version::Http2),
            Protocol::Grpcs => Self::Tls(Version::Http2),
        }
    }

    /// The HTTP version.
    pub(crate) const fn version(self) -> Version {
        match self {
            Self::Plain(version) | Self::Tls(version) => version,
        }
    }

    /// The scheme of a request's target.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Plain(_) => "http",
            Self::Tls(_) => "https",
        }
    }
}
