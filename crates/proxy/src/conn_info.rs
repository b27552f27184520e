//! What exchanges know about their connection.

use std::cell::Cell;
use std::sync::Arc;

use http::HeaderValue;
use jamul_routing::edge::Peer;
use jamul_routing::{Edge, TlsPeer};
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::digits::{push_ip, push_number};
use crate::proxy_protocol::Ends;
use crate::pulse::{Beat, Pulse};

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
    /// Its exchanges.
    pub(crate) pulse: Arc<Pulse>,
    /// Cancelled when it has had as many as it may have.
    pub(crate) spent: CancellationToken,
    /// Where the response stands of the HTTP/2 stream that is being polled.
    pub(crate) delivery: Cell<Delivery>,
    /// What came of its handshake, if that was under a policy of its host.
    pub(crate) tls: Option<Arc<TlsPeer>>,
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
            pulse: Arc::default(),
            spent: CancellationToken::new(),
            delivery: Cell::default(),
            tls: None,
        }
    }

    /// The same after a handshake.
    pub(crate) fn with_handshake(self, tls: Option<Arc<TlsPeer>>) -> Self {
        Self { tls, ..self }
    }

    /// An exchange begins. The one that is the last ends the connection.
    pub(crate) fn begin(&self) -> Beat {
        let beat = self.pulse.begin();
        if beat.number >= self.edge.limits.requests {
            self.spent.cancel();
        }
        beat
    }
}

/// The port of https.
const HTTPS: u16 = 443;

fn value(push: impl FnOnce(&mut String)) -> HeaderValue {
    let mut text = String::new();
    push(&mut text);
    HeaderValue::try_from(text).expect("digits, dots and colons may stand in a header")
}
