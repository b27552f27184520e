//! The PROXY protocol, versions 1 and 2: who a load balancer in front says the client is.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. As in nginx, a port that expects the header takes
//! no connection without it; it is believed if it comes from a trusted address only.

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::settings::ProxyProtocol;

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
}

/// Reads the header, and nothing after it; `ends` are those of the connection itself.
///
/// # Errors
/// No header, none that can be understood, or none in time.
pub(crate) async fn accept(stream: &mut TcpStream, ends: Ends, settings: &ProxyProtocol) -> io::Result<Ends> {
    let header = tokio::time::timeout(settings.wait, read(stream)).await.map_err(io::Error::from)??;
    let (parsed, length) = ProxyHeader::parse(&header, ParseConfig::default()).map_err(|_| malformed())?;
    if length != header.len() {
        return Err(malformed());
    }
    // Without addresses (LOCAL, UNKNOWN) it is the load balancer itself that looks whether we are there.
    let Some(told) = parsed.proxied_address().filter(|_| settings.trusts(ends.client.ip())) else {
        return Ok(ends);
    };
    Ok(Ends { client: told.source, local: told.destination })
}

/// The bytes of one header.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
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
