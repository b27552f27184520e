//! Datagrams of a UDP service: a session for each client, with a socket of its own towards an endpoint.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use jamul_routing::edge::Relaying;
use jamul_routing::streams::StreamPort;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dial;
use crate::worker::Worker;

/// The largest datagram.
const LARGEST: usize = 65_535;
/// How long answers are waited for when draining has begun.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Sessions of one socket; a client is whoever an address says, so they cost an attacker nothing.
const MOST_SESSIONS: usize = 4096;
/// For the address of an endpoint that is a name.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// The sessions of one socket. Their keys are chosen by clients, so the hasher is std's.
type Sessions = Rc<RefCell<HashMap<SocketAddr, Rc<Session>>>>;

#[derive(Debug)]
struct Session {
    upstream: UdpSocket,
    /// When a datagram last passed.
    last: Cell<Instant>,
    /// Answers that are still to come.
    awaited: Cell<u64>,
}

/// Takes datagrams to `port` until it is `closed` or draining begins; sessions go on to their end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    socket: std::net::UdpSocket,
    port: StreamPort,
    closed: CancellationToken,
) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => Rc::new(socket),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "{port} cannot be served");
            return;
        }
    };
    let sessions = Sessions::default();
    let mut turn = 0_usize;
    let mut datagram = vec![0; LARGEST];
    loop {
        let received = tokio::select! {
            biased;
            () = worker.drain.begun.cancelled() => return,
            () = closed.cancelled() => return,
            received = socket.recv_from(&mut datagram) => received,
        };
        let (length, client) = match received {
            Ok(received) => received,
            // An answer that could not be delivered comes back as an error of the next read.
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "{port}: nothing received");
                continue;
            }
        };
        let bytes = datagram.get(..length).unwrap_or_default();
        let relaying = worker.snapshots.load().globals.edge.relaying;
        let found = sessions.borrow().get(&client).map(Rc::clone);
        let session = match found {
            Some(session) => session,
            None => {
                turn = turn.wrapping_add(1);
                match open(&worker, port, &sessions, client, turn).await {
                    Ok(session) => {
                        let answers = answers(
                            Rc::clone(&worker),
                            Rc::clone(&socket),
                            Rc::clone(&session),
                            (Rc::clone(&sessions), client),
                            relaying,
                        );
                        worker.connections.spawn_local(answers);
                        session
                    }
                    Err(error) => {
                        tracing::debug!(%client, error = &error as &dyn std::error::Error, "{port}: no session");
                        continue;
                    }
                }
            }
        };
        session.last.set(Instant::now());
        session.awaited.set(session.awaited.get() + u64::from(relaying.responses));
        // Datagrams may be lost; one that the endpoint's socket has no room for is.
        if let Err(error) = session.upstream.try_send(bytes) {
            tracing::debug!(%client, error = &error as &dyn std::error::Error, "{port}: datagram lost");
        }
    }
}

/// A session of `client` with the endpoint whose turn it is.
async fn open(
    worker: &Worker,
    port: StreamPort,
    sessions: &Sessions,
    client: SocketAddr,
    turn: usize,
) -> io::Result<Rc<Session>> {
    let snapshot = worker.snapshots.load_full();
    let endpoints =
        snapshot.streams.get(&port).map(|service| service.endpoints.as_slice()).unwrap_or_default();
    let Some(endpoint) = turn.checked_rem(endpoints.len()).and_then(|index| endpoints.get(index)) else {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "the service has no endpoint"));
    };
    let most = MOST_SESSIONS.min(snapshot.globals.edge.limits.connections);
    if sessions.borrow().len() >= most {
        return Err(io::Error::new(
            io::ErrorKind::QuotaExceeded,
            "there are as many sessions as there may be",
        ));
    }
    let found =
        tokio::time::timeout(CONNECT_WAIT, dial::addresses(endpoint)).await.map_err(io::Error::from)??;
    let address = found.first().copied().ok_or(io::ErrorKind::NotFound)?;
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let upstream = UdpSocket::bind((any, 0)).await?;
    upstream.connect(address).await?;
    // A socket that is new to the runtime does not know yet that it can be written to.
    upstream.writable().await?;
    let session = Rc::new(Session { upstream, last: Cell::new(Instant::now()), awaited: Cell::new(0) });
    sessions.borrow_mut().insert(client, Rc::clone(&session));
    Ok(session)
}

/// Brings the endpoint's answers to the client, to the end of the session.
async fn answers(
    worker: Rc<Worker>,
    socket: Rc<UdpSocket>,
    session: Rc<Session>,
    (sessions, client): (Sessions, SocketAddr),
    relaying: Relaying,
) {
    let mut datagram = vec![0; LARGEST];
    while let Some(length) = next(&worker, &session, &mut datagram, relaying).await {
        session.last.set(Instant::now());
        let bytes = datagram.get(..length).unwrap_or_default();
        if let Err(error) = socket.send_to(bytes, client).await {
            tracing::debug!(%client, error = &error as &dyn std::error::Error, "answer lost");
        }
        session.awaited.set(session.awaited.get().saturating_sub(1));
        if session.awaited.get() == 0 {
            break;
        }
    }
    sessions.borrow_mut().remove(&client);
}

/// The length of the next answer; `None` at the end of the session.
async fn next(worker: &Worker, session: &Session, datagram: &mut [u8], relaying: Relaying) -> Option<usize> {
    loop {
        let until = session.last.get() + relaying.idle;
        let last_answers = async {
            worker.drain.begun.cancelled().await;
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            // An error says that nobody is there (ICMP): the client's next datagram may find another endpoint.
            received = session.upstream.recv(datagram) => return received.ok(),
            () = tokio::time::sleep_until(until) => if session.last.get() + relaying.idle <= Instant::now() {
                return None;
            },
            () = last_answers => return None,
        }
    }
}
