//! Listening sockets: one per worker and address, spread by the kernel (`SO_REUSEPORT`).

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::ProxyError;

/// Connections that wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// Binds `workers` sockets to each of `addresses`; the outer vector has one entry per worker.
///
/// # Errors
/// [`ProxyError::PortInUse`] or [`ProxyError::Bind`] with the address that could not be had.
pub(crate) fn bind_all(
    addresses: &[SocketAddr],
    workers: usize,
) -> Result<Vec<Vec<std::net::TcpListener>>, ProxyError> {
    let mut sockets: Vec<Vec<std::net::TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for &wanted in addresses {
        probe(wanted).map_err(|source| refused(wanted, source))?;
        let mut address = wanted;
        for of_worker in &mut sockets {
            let listener = bind(address, Sharing::Workers).map_err(|source| refused(wanted, source))?;
            // The first socket turns port 0 into a real one, which the others share.
            address = listener.local_addr().map_err(|source| refused(wanted, source))?;
            of_worker.push(listener);
        }
    }
    Ok(sockets)
}

/// [`bind_all`] for datagrams.
///
/// # Errors
/// As there.
pub(crate) fn bind_all_udp(
    addresses: &[SocketAddr],
    workers: usize,
) -> Result<Vec<Vec<std::net::UdpSocket>>, ProxyError> {
    let mut sockets: Vec<Vec<std::net::UdpSocket>> = (0..workers).map(|_| Vec::new()).collect();
    for &address in addresses {
        // Held to the end, it would keep our own out.
        bind_udp(address, Sharing::Nobody).map(drop).map_err(|source| refused(address, source))?;
        for of_worker in &mut sockets {
            of_worker.push(bind_udp(address, Sharing::Workers).map_err(|source| refused(address, source))?);
        }
    }
    Ok(sockets)
}

fn bind_udp(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if sharing == Sharing::Workers {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Listens there for one task.
pub(crate) fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    bind(address, Sharing::Task)
}

/// Fails if another process listens there: with `SO_REUSEPORT` alone it would silently get half of our
/// connections.
fn probe(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 { Ok(()) } else { bind(address, Sharing::Nobody).map(drop) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// It only tells whether the address is free.
    Nobody,
    /// One task accepts.
    Task,
    Workers,
}

fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier process in TIME_WAIT do not keep us out; a listening socket still does.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can be named side by side, whatever the system's default is.
        socket.set_only_v6(true)?;
    }
    if sharing == Sharing::Workers {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    match sharing {
        Sharing::Nobody => {}
        Sharing::Task | Sharing::Workers => socket.listen(BACKLOG)?,
    }
    Ok(socket.into())
}

fn refused(address: SocketAddr, source: io::Error) -> ProxyError {
    if source.kind() == io::ErrorKind::AddrInUse {
        ProxyError::PortInUse { address, source }
    } else {
        ProxyError::Bind { address, source }
    }
}
