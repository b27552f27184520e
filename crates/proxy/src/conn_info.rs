//! What exchanges know about their connection.

use std::net::IpAddr;

/// What exchanges know about their connection.
#[derive(Debug)]
pub(crate) struct ConnInfo {
    /// The client's address.
    pub(crate) client: IpAddr,
    /// The port it connected to.
    pub(crate) local_port: u16,
    /// Whether it speaks TLS.
    pub(crate) is_tls: bool,
}
