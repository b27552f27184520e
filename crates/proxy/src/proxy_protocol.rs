//! The PROXY protocol, versions 1 and 2: who a load balancer in front says the client is.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. As in nginx, a port that expects the header takes
//! no connection without it; it is believed if it comes from a trusted address only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jamul_routing::edge::{Peer, Peers};
use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The shortest header there is: `PROXY UNKNOWN` with its line end. Both versions are told apart within it.
const SHORTEST: usize = 15;
/// Longest header of version 1 (section 2.1).
const LONGEST_V1: usize = 107;
const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version, family and length of version 2.
const FIXED_V2: usize = 16;
/// Longest header of version 2 that is read: addresses and what load balancers add to them, with room to spare.
const LONGEST_V2: usize = 4096;

/// The two ends of a connection, as far as they may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The client's end.
    pub(crate) client: SocketAddr,
    /// Ours, or that of the load balancer in front.
    pub(crate) local: SocketAddr,
    /// Whether a header says so.
    pub(crate) is_told: bool,
}

impl Ends {
    /// Those of a connection itself.
    pub(crate) fn of(client: SocketAddr, local: SocketAddr) -> Self {
        Self { client: SocketAddr::new(client.ip().to_canonical(), client.port()), local, is_told: false }
    }

    /// The client's end, as far as trust goes.
    pub(crate) fn peer(&self) -> Peer {
        Peer { address: self.client.ip(), is_told: self.is_told }
    }
}

/// Reads the header, and nothing after it, within `wait`; `ends` are those of the connection itself. What others than
/// `trusted` say is read and not believed.
///
/// # Errors
/// No header, none that can be understood, or none in time.
pub(crate) async fn accept(
    stream: &mut (impl AsyncRead + Unpin),
    ends: Ends,
    wait: Duration,
    trusted: &Peers,
) -> io::Result<Ends> {
    let header = tokio::time::timeout(wait, read(stream)).await.map_err(io::Error::from)??;
    let (parsed, length) = ProxyHeader::parse(&header, ParseConfig::default()).map_err(|_| malformed())?;
    if length != header.len() {
        return Err(malformed());
    }
    // Without addresses (LOCAL, UNKNOWN) it is the load balancer itself that looks whether we are there.
    let Some(told) = parsed.proxied_address().filter(|_| trusted.hold(ends.peer())) else {
        return Ok(ends);
    };
    Ok(Ends { is_told: true, ..Ends::of(told.source, told.destination) })
}

/// The header of version 1 that tells an upstream of these ends.
pub(crate) fn header(ends: Ends) -> String {
    let (client, local) = (ends.client.ip().to_canonical(), ends.local.ip().to_canonical());
    let family = match (client, local) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        // No header can say that.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            return "PROXY UNKNOWN\r\n".to_owned();
        }
    };
    format!("PROXY {family} {client} {local} {} {}\r\n", ends.client.port(), ends.local.port())
}

/// The bytes of one header.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE_V2) {
        header.push(stream.read_u8().await?);
        let length = header.last_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        if FIXED_V2 + length > LONGEST_V2 {
            return Err(malformed());
        }
        header.resize(FIXED_V2 + length, 0);
        stream.read_exact(header.get_mut(FIXED_V2..).unwrap_or_default()).await?;
        return Ok(header);
    }
    if !header.starts_with(b"PROXY ") {
        return Err(malformed());
    }
    while !header.ends_with(b"\r\n") {
        if header.len() >= LONGEST_V1 {
            return Err(malformed());
        }
        header.push(stream.read_u8().await?);
    }
    Ok(header)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the connection does not begin with a PROXY protocol header")
}
