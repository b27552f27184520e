//! TCP and UDP services: ports whose bytes are passed on without being looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::upstream::Endpoint;

/// What a port carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// As Kubernetes writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// A port that is not one of http or https.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPort {
    /// What it carries.
    pub transport: Transport,
    /// Its number.
    pub number: u16,
}

impl fmt::Display for StreamPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.transport.name(), self.number)
    }
}

/// Whether a connection begins with a PROXY protocol header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preamble {
    /// No.
    #[default]
    Nothing,
    /// Yes.
    ProxyProtocol,
}

/// Where what comes to a port is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamService {
    /// `namespace/service:port`
    pub backend: Arc<str>,
    /// Ready endpoints, sorted; empty = connections are closed.
    pub endpoints: Vec<Endpoint>,
    /// What clients begin with.
    pub receives: Preamble,
    /// What endpoints are sent first.
    pub sends: Preamble,
}

/// The TCP and UDP services by port.
pub type Streams = BTreeMap<StreamPort, Arc<StreamService>>;
