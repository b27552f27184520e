//! Arguments of `jamul ca` and of the commands below it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Output;
use super::values;

/// Arguments of `jamul ca`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct CaArgs {
    #[command(subcommand)]
    pub(crate) command: Option<CaCommand>,
    #[command(flatten)]
    pub(crate) serve: Option<ServeArgs>,
}

/// What to do with the CA of a folder, whether or not it runs.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CaCommand {
    /// Make a key for external account binding; it is good for one account
    Eab {
        /// Folder of the CA
        #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
        state: PathBuf,
        /// How results are printed
        #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
        output: Output,
    },
    /// Make a new intermediate, which signs from now on
    Rotate {
        /// Folder of the CA
        #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
        state: PathBuf,
    },
}

/// How the CA is served.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
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
    /// Take only accounts that a key of `ca eab` vouches for
    #[arg(long, env = "JAMUL_EAB_REQUIRED")]
    pub(crate) eab_required: bool,
    /// Heed CAA records; the CA goes by its names, or by jamul.dev if it has none
    #[arg(long, env = "JAMUL_CAA")]
    pub(crate) caa: bool,
    /// Limit orders, failures and duplicates of each account as large public CAs do
    #[arg(long, env = "JAMUL_RATE_LIMITS")]
    pub(crate) rate_limits: bool,
    /// Name or address that the root may vouch for, with the names below it; may repeat. Only when the CA is founded
    #[arg(
        long,
        env = "JAMUL_PERMIT",
        value_delimiter = ',',
        value_parser = values::host,
        value_name = "HOST"
    )]
    pub(crate) permit: Vec<String>,
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
