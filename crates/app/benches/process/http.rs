//! The least of a client: one GET, blocking.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_micros(500);

/// `N` addresses on loopback that nobody listens on.
pub(crate) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    // All are held until all are known, so that no two are the same.
    let held = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, listener) in addresses.iter_mut().zip(held) {
        *address = listener?.local_addr()?;
    }
    Ok(addresses)
}

/// The head of the answer to `GET path`, on a connection of its own.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Asks until the answer contains `expected`, and yields how long that took.
pub(crate) fn until_answered(
    address: SocketAddr,
    host: &str,
    path: &str,
    expected: &str,
) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if get(address, host, path).is_ok_and(|answer| answer.contains(expected)) {
            return Ok(start.elapsed());
        }
        if start.elapsed() > PATIENCE {
            bail!("http://{host}{path} at {address} does not answer with {expected:?}");
        }
        sleep(PAUSE);
    }
}
