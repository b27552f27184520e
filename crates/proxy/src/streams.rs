//! Ports of TCP and UDP services: opened and closed as Snapshots say, while everything else goes on.
//!
//! One place binds, for all workers, so that a port in use is told once; each worker then has sockets of its own. A
//! service that changes keeps its port, and what is established stays when a service goes.

mod tcp;
mod udp;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jamul_routing::streams::{StreamPort, Streams, Transport};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use crate::error::ProxyError;
use crate::listener;
use crate::snapshots::Snapshots;
use crate::worker::Worker;

/// How often Snapshots are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// News that may wait for a worker.
const QUEUE: usize = 64;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum PortNews {
    /// Serve this port.
    Open(StreamPort, Sockets),
    /// Take nothing new there.
    Close(StreamPort),
}

/// A worker's sockets of one port, one for each address.
#[derive(Debug)]
pub(crate) enum Sockets {
    Tcp(Vec<std::net::TcpListener>),
    Udp(Vec<std::net::UdpSocket>),
}

/// Keeps the ports of all workers as Snapshots say.
#[derive(Debug)]
pub(crate) struct Ports {
    addresses: Vec<IpAddr>,
    workers: Vec<Sender<PortNews>>,
    open: BTreeMap<StreamPort, ()>,
    /// Those that could not be had, and why; told once.
    refused: BTreeMap<StreamPort, String>,
}

impl Ports {
    /// Ports on these addresses for `workers`; each gets one of the receivers.
    pub(crate) fn new(addresses: Vec<IpAddr>, workers: usize) -> (Self, Vec<Receiver<PortNews>>) {
        let (workers, receivers) = (0..workers).map(|_| channel(QUEUE)).unzip();
        (Self { addresses, workers, open: BTreeMap::new(), refused: BTreeMap::new() }, receivers)
    }

    /// Follows the Snapshots, for ever.
    pub(crate) async fn follow(mut self, snapshots: Snapshots) {
        let mut looks = tokio::time::interval(LOOK);
        let mut seen: Arc<Streams> = Arc::default();
        loop {
            looks.tick().await;
            let wanted = Arc::clone(&snapshots.load().streams);
            if Arc::ptr_eq(&wanted, &seen) && self.refused.is_empty() {
                continue;
            }
            self.change_to(&wanted).await;
            seen = wanted;
        }
    }

    async fn change_to(&mut self, wanted: &Streams) {
        let gone: Vec<StreamPort> =
            self.open.keys().filter(|port| !wanted.contains_key(port)).copied().collect();
        for port in gone {
            self.open.remove(&port);
            tracing::info!("{port} is closed");
            for worker in &self.workers {
                // A worker that is gone ends the proxy by itself.
                let _ = worker.send(PortNews::Close(port)).await;
            }
        }
        self.refused.retain(|port, _| wanted.contains_key(port));
        for (port, service) in wanted {
            if self.open.contains_key(port) {
                continue;
            }
            match self.bind(*port) {
                Ok(sockets) => {
                    tracing::info!("{port} is open, for {}", service.backend);
                    self.refused.remove(port);
                    self.open.insert(*port, ());
                    for (worker, sockets) in self.workers.iter().zip(sockets) {
                        let _ = worker.send(PortNews::Open(*port, sockets)).await;
                    }
                }
                Err(error) => self.refuse(*port, &error),
            }
        }
    }

    fn bind(&self, port: StreamPort) -> Result<Vec<Sockets>, ProxyError> {
        let on = |address: &IpAddr| SocketAddr::new(*address, port.number);
        let addresses: Vec<SocketAddr> = self.addresses.iter().map(on).collect();
        let workers = self.workers.len();
        Ok(match port.transport {
            Transport::Tcp => {
                listener::bind_all(&addresses, workers)?.into_iter().map(Sockets::Tcp).collect()
            }
            Transport::Udp => {
                listener::bind_all_udp(&addresses, workers)?.into_iter().map(Sockets::Udp).collect()
            }
        })
    }

    fn refuse(&mut self, port: StreamPort, error: &ProxyError) {
        let why = error.to_string();
        if self.refused.get(&port) != Some(&why) {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "{port} cannot be opened; it is tried again"
            );
            self.refused.insert(port, why);
        }
    }
}

/// A worker's part: serves the ports that it is told of until draining begins.
pub(crate) async fn serve(worker: Rc<Worker>, mut news: Receiver<PortNews>) {
    let mut open: HashMap<StreamPort, CancellationToken> = HashMap::new();
    loop {
        let news = tokio::select! {
            biased;
            () = worker.drain.begun.cancelled() => return,
            news = news.recv() => news,
        };
        match news {
            Some(PortNews::Open(port, sockets)) => {
                let closed = CancellationToken::new();
                match sockets {
                    Sockets::Tcp(listeners) => {
                        for listener in listeners {
                            let serving = tcp::accept(Rc::clone(&worker), listener, port, closed.clone());
                            worker.connections.spawn_local(serving);
                        }
                    }
                    Sockets::Udp(sockets) => {
                        for socket in sockets {
                            let serving = udp::serve(Rc::clone(&worker), socket, port, closed.clone());
                            worker.connections.spawn_local(serving);
                        }
                    }
                }
                open.insert(port, closed);
            }
            Some(PortNews::Close(port)) => {
                if let Some(closed) = open.remove(&port) {
                    closed.cancel();
                }
            }
            None => return,
        }
    }
}
