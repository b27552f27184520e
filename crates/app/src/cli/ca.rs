//! Arguments of `jamul ca`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values;

/// Arguments of `jamul ca`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CaArgs {
    /// Address of the directory
    #[arg(long, env = "JAMUL_LISTEN", value_parser = values::socket, value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Folder with the keys of the CA, its accounts and orders
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Port that http-01 challenges are fetched from
    #[arg(
        long,
        env = "JAMUL_HTTP01_PORT",
        default_value_t = 80,
        value_parser = values::port,
        value_name = "PORT"
    )]
    pub(crate) http01_port: u16,
    /// Port for tls-alpn-01 challenges, and for https redirects of http-01
    #[arg(
        long,
        env = "JAMUL_TLS_ALPN01_PORT",
        default_value_t = 443,
        value_parser = values::port,
        value_name = "PORT"
    )]
    pub(crate) tls_alpn01_port: u16,
    /// Name server to ask instead of the system's; may repeat: all have to see a proof
    #[arg(
        long,
        env = "JAMUL_DNS",
        value_delimiter = ',',
        value_parser = values::socket,
        value_name = "ADDR:PORT"
    )]
    pub(crate) dns: Vec<SocketAddr>,
    /// How long certificates hold
    #[arg(
        long,
        env = "JAMUL_VALIDITY",
        default_value = "90d",
        value_parser = values::span,
        value_name = "SPAN"
    )]
    pub(crate) validity: Duration,
    /// Further name of this server in its own certificate; may repeat
    #[arg(
        long = "name",
        env = "JAMUL_NAME",
        value_delimiter = ',',
        value_parser = values::host,
        value_name = "HOST"
    )]
    pub(crate) names: Vec<String>,
}
