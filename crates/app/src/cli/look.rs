//! Arguments of the commands that look at objects.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `jamul check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder of Kubernetes manifests
    #[arg(long, env = "JAMUL_MANIFESTS", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Manifests
    #[arg(value_name = "FILE", required_unless_present = "manifests")]
    pub(crate) files: Vec<PathBuf>,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Arguments of `jamul get`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GetArgs {
    /// Kind, plural or short name: certificate, cr, order, challenge, issuer, secret, ...
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Only this object
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// State folder of the run [default: the user's state directory]
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Namespace
    #[arg(short, long, env = "JAMUL_NAMESPACE", default_value = "default", value_name = "NAME")]
    pub(crate) namespace: String,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Arguments of `jamul cert`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    pub(crate) command: CertCommand,
    /// State folder of the run [default: the user's state directory]
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR", global = true)]
    pub(crate) state: Option<PathBuf>,
    /// Namespace
    #[arg(
        short,
        long,
        env = "JAMUL_NAMESPACE",
        default_value = "default",
        value_name = "NAME",
        global = true
    )]
    pub(crate) namespace: String,
}

/// What to look at.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// All certificates with their state
    List,
    /// One certificate from its request to its Secret, with the reason it waits
    Status {
        /// Name of the Certificate
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
}
