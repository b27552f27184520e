//! What the data plane needs to know before it starts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

/// Ports, workers, limits. Fixed while the process runs; everything that changes is in the Snapshot.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Addresses for plain http; port 0 = any free port.
    pub http: Vec<SocketAddr>,
    /// Addresses for https; port 0 = any free port.
    pub https: Vec<SocketAddr>,
    /// Worker threads; at least one is started.
    pub workers: usize,
    /// The https port as clients reach it: redirects name it if it is not 443.
    pub https_port_in_redirects: u16,
    /// How long exchanges in flight may take to finish at shutdown.
    pub grace: Duration,
    /// What connections begin with, if load balancers in front say who the client is (`use-proxy-protocol`).
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Waits towards clients.
    pub waits: Waits,
    /// Limits towards clients.
    pub limits: Limits,
    /// Whether exchanges are written to standard output.
    pub access_log: bool,
    /// How they are written.
    pub log_format: LogFormat,
}

/// A PROXY protocol header at the beginning of each connection, to http and https ports alike.
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    /// Who is believed; others must send the header too, but stay who they are (`proxy-real-ip-cidr`).
    pub trusted: Vec<IpNet>,
    /// For the whole header: 5 s (`proxy-protocol-header-timeout`).
    pub wait: Duration,
}

impl ProxyProtocol {
    /// Whether what comes from `peer` is believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&peer))
    }
}

impl Default for ProxyProtocol {
    /// ingress-nginx's: everybody is believed.
    fn default() -> Self {
        let trusted = [IpAddr::from([0; 4]), IpAddr::from([0; 16])].map(|any| IpNet::new_assert(any, 0));
        Self { trusted: trusted.to_vec(), wait: Duration::from_secs(5) }
    }
}

/// Waits towards clients; defaults as nginx has them.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For a TLS handshake, and for the whole head of a request: 60 s. On an http/1.1 connection one timer
    /// does for this and for [`Self::keep_alive`]; the longer one holds.
    pub header: Duration,
    /// Between two reads of a request body: 60 s.
    pub body: Duration,
    /// Between two writes to a client: 60 s (`send_timeout`).
    pub send: Duration,
    /// For the next request on an http/1.1 connection, and for any sign of life on an HTTP/2 one: 75 s.
    pub keep_alive: Duration,
}

/// Limits towards clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest head of a request: 32 KiB (`large-client-header-buffers`).
    pub header_bytes: usize,
    /// Streams that a client may have open on one HTTP/2 connection: 128.
    pub h2_streams: u32,
    /// Connections of one worker: 16384 (`max-worker-connections`).
    pub connections: usize,
}

/// How the access log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// ingress-nginx's default `log-format-upstream`.
    #[default]
    Text,
    /// One JSON object per line with the same fields.
    Json,
}

impl Default for Waits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { header: minute, body: minute, send: minute, keep_alive: Duration::from_secs(75) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: 32 * 1024, h2_streams: 128, connections: 16_384 }
    }
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            workers: 1,
            https_port_in_redirects: 443,
            grace: Duration::from_secs(240),
            proxy_protocol: None,
            waits: Waits::default(),
            limits: Limits::default(),
            access_log: true,
            log_format: LogFormat::default(),
        }
    }
}
