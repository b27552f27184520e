//! What the data plane needs to know before it starts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::metrics::MetricsSettings;

/// Ports, workers, logs. Fixed while the process runs; everything that changes is in the Snapshot.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Addresses for plain http; port 0 = any free port.
    pub http: Vec<SocketAddr>,
    /// Addresses for https; port 0 = any free port.
    pub https: Vec<SocketAddr>,
    /// Addresses on which TCP and UDP services are offered.
    pub stream_addresses: Vec<IpAddr>,
    /// Worker threads; at least one is started.
    pub workers: usize,
    /// The https port as clients reach it: redirects name it if it is not 443.
    pub https_port_in_redirects: u16,
    /// How long exchanges in flight may take to finish at shutdown.
    pub grace: Duration,
    /// Whether TLS of a host may go to its endpoints undecrypted (`--enable-ssl-passthrough`).
    pub passthrough: Passthrough,
    /// Whether exchanges are written to standard output.
    pub access_log: bool,
    /// How they are written.
    pub log_format: LogFormat,
    /// What is measured.
    pub metrics: MetricsSettings,
}

/// Whether TLS of a host may go to its endpoints undecrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passthrough {
    /// Where the Snapshot says so.
    On,
    /// Never; then nothing of a handshake needs to be kept.
    #[default]
    Off,
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

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            stream_addresses: Vec::new(),
            workers: 1,
            https_port_in_redirects: 443,
            grace: Duration::from_secs(240),
            passthrough: Passthrough::default(),
            access_log: true,
            log_format: LogFormat::default(),
            metrics: MetricsSettings::default(),
        }
    }
}
