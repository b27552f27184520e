//! The data plane: sockets, TLS, HTTP.
//!
//! [`Proxy::bind`] takes the ports, [`Proxy::run`] serves them from the current [`Snapshots`]. Each worker is
//! a thread with its own runtime, listeners and connection pool; what workers share is read through the
//! `ArcSwap`. One request is one exchange: `exchange.rs` tells its story, the other files are its steps.

pub mod metrics;
pub mod plain;
pub mod server;
pub mod settings;

mod access_log;
mod asking;
mod attempts;
mod attention;
mod balance;
mod body;
mod checks;
mod compress;
mod conn_info;
mod connection;
mod copies;
mod copy_body;
mod delivery;
mod dial;
mod digits;
mod drain;
mod endpoint_health;
mod error;
mod error_page;
mod exchange;
mod failure;
mod forward;
mod framing;
#[cfg(test)]
mod fuzz;
mod gate;
mod grpc;
mod idle;
mod listener;
mod local;
mod log_line;
mod meter;
mod mirror;
mod multiplex;
mod open_record;
mod outcome;
mod passthrough;
mod patience;
mod pool;
mod preface;
mod proxy_protocol;
mod pulse;
mod question;
mod record;
mod recorded;
mod relay;
mod request_body;
mod snapshots;
mod streams;
mod strict;
mod tap;
mod tls;
mod trailers;
mod upgrade;
mod upstream;
mod wire;
mod wish;
mod worker;
mod working;
mod writes_through;

pub use endpoint_health::EndpointHealths;
pub use error::ProxyError;
pub use metrics::{HostLabels, Metrics, MetricsSettings, StatusLabels};
pub use server::Proxy;
pub use settings::{LogFormat, Passthrough, ProxySettings};
pub use snapshots::Snapshots;
pub use tap::{Tap, Tapped};
pub use tls::{AnyCertificate, BadCertificate, PortCertificate, ServerTls};
