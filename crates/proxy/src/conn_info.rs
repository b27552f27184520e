//! What exchanges know about their connection.

use std::sync::Arc;

use http::HeaderValue;
use jamul_routing::Edge;
use jamul_routing::edge::Peer;

use crate::digits::{push_ip, push_number};
use crate::proxy_protocol::Ends;

/// What exchanges know about their connection.
#[derive(Debug)]
pub(crate) struct ConnInfo {
    /// Who connected.
    pub(crate) peer: Peer,
    /// Its address as a header's value, made once.
    pub(crate) peer_value: HeaderValue,
    /// The port it connected to, as a header's value.
    pub(crate) port_value: HeaderValue,
    /// Whether it speaks TLS.
    pub(crate) is_tls: bool,
    /// Whether it came by TLS, to us or to a load balancer that speaks the PROXY protocol.
    pub(crate) is_secure: bool,
    /// How the client is met; what was in force when it connected.
    pub(crate) edge: Arc<Edge>,
}

impl ConnInfo {
    /// A connection with these ends.
    pub(crate) fn new(ends: Ends, is_tls: bool, edge: Arc<Edge>) -> Self {
        let is_secure = is_tls || (ends.is_told && ends.local.port() == HTTPS);
        // ingress-nginx tells upstreams the port of https as clients know it.
        let port = if is_tls { HTTPS } else { ends.local.port() };
        Self {
            peer: ends.peer(),
            peer_value: value(|out| push_ip(out, ends.client.ip())),
            port_value: value(|out| push_number(out, port.into())),
            is_tls,
            is_secure,
            edge,
        }
    }
}

/// The port of https.
const HTTPS: u16 = 443;

fn value(push: impl FnOnce(&mut String)) -> HeaderValue {
    let mut text = String::new();
    push(&mut text);
    HeaderValue::try_from(text).expect("digits, dots and colons may stand in a header")
}
