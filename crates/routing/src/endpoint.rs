//! Where connections lead.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// An address and port.
    Address(SocketAddr),
    /// A name (Service of type ExternalName), resolved by the proxy when it connects, and a port.
    Name(Arc<str>, u16),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}
