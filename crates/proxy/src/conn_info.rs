//! What exchanges know about their connection.

use std::net::IpAddr;

use http::HeaderValue;

use crate::digits::{push_ip, push_number};

/// What exchanges know about their connection.
#[derive(Debug)]
pub(crate) struct ConnInfo {
    /// The client's address.
    pub(crate) client: IpAddr,
    /// The same as a header's value, made once.
    pub(crate) client_value: HeaderValue,
    /// The port it connected to, as a header's value.
    pub(crate) port_value: HeaderValue,
    /// Whether it speaks TLS.
    pub(crate) is_tls: bool,
}

impl ConnInfo {
    /// A connection of `client` to our port `local_port`.
    pub(crate) fn new(client: IpAddr, local_port: u16, is_tls: bool) -> Self {
        // ingress-nginx tells upstreams the port of https as clients know it.
        let port_value = if is_tls {
            HeaderValue::from_static("443")
        } else {
            value(|out| push_number(out, local_port.into()))
        };
        Self { client, client_value: value(|out| push_ip(out, client)), port_value, is_tls }
    }
}

fn value(push: impl FnOnce(&mut String)) -> HeaderValue {
    let mut text = String::new();
    push(&mut text);
    HeaderValue::try_from(text).expect("digits, dots and colons may stand in a header")
}
