//! Why the proxy cannot start or go on.

use std::io;
use std::net::SocketAddr;

use crate::tls::BadCertificate;

/// Why the proxy cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Something listens there already.
    #[error("{address} is in use already; stop what listens there or choose another port")]
    PortInUse {
        /// The address as configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses the address (a low port without the right to it, an address of another machine).
    #[error("cannot listen on {address}")]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("https cannot be served")]
    Tls(#[source] BadCertificate),
    /// A worker cannot be started, or lost its sockets.
    #[error("a worker cannot run")]
    Worker(#[source] io::Error),
    /// A worker ended by itself.
    #[error("worker {index} ended unexpectedly")]
    WorkerEnded {
        /// Which.
        index: usize,
    },
}
