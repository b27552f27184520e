//! Arguments of the commands that look at objects.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::values;

/// Where objects are.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Folder of Kubernetes manifests
    #[arg(long, env = "JAMUL_MANIFESTS", value_name = "DIR", global = true)]
    pub(crate) manifests: Option<PathBuf>,
    /// State folder of a standalone run [default: the user's state directory]
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR", global = true)]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) way: WayArgs,
}

/// The way to a cluster.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WayArgs {
    /// Way to the API server of a cluster [default: the usual kubeconfig]
    #[arg(long, env = "JAMUL_KUBECONFIG", value_name = "FILE", global = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, env = "JAMUL_CONTEXT", value_name = "NAME", global = true)]
    pub(crate) context: Option<String>,
}

impl WayArgs {
    /// Whether a cluster was named.
    pub(crate) fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }
}

/// Arguments of `jamul check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Manifests
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Namespace [default: all]
    #[arg(short, long, env = "JAMUL_NAMESPACE", value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Arguments of `jamul explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// What a client asks for, such as `https://example.com/path`
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Ask a running process at its admin port [without URL: http://127.0.0.1:10254]
    #[arg(
        long,
        env = "JAMUL_ADMIN",
        num_args = 0..=1,
        require_equals = false,
        default_missing_value = DEFAULT_ADMIN,
        value_name = "URL",
        conflicts_with_all = ["manifests", "state", "kubeconfig", "context"]
    )]
    pub(crate) admin: Option<String>,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Where a process on this machine has its admin port, unless it was told otherwise.
pub(crate) const DEFAULT_ADMIN: &str = "http://127.0.0.1:10254";

/// Arguments of `jamul migrate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Folder of Kubernetes manifests
    #[arg(long, env = "JAMUL_MANIFESTS", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) way: WayArgs,
    /// Values of one of the two charts; may repeat
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Vec<PathBuf>,
    /// Manifests or chart values
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Arguments of a controller
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
    /// How the report is printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "text", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    #[value(alias = "table")]
    Text,
    /// For scripts.
    Json,
    /// One page.
    Html,
}

/// Arguments of `jamul top`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TopArgs {
    /// Admin port of the running process
    #[arg(long, env = "JAMUL_ADMIN", default_value = DEFAULT_ADMIN, value_name = "URL")]
    pub(crate) admin: String,
    /// Time between refreshes
    #[arg(
        long,
        env = "JAMUL_INTERVAL",
        default_value = "2s",
        value_parser = values::interval,
        value_name = "SPAN"
    )]
    pub(crate) interval: Duration,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Arguments of `jamul tap`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TapArgs {
    /// Admin port of the running process
    #[arg(long, env = "JAMUL_ADMIN", default_value = DEFAULT_ADMIN, value_name = "URL")]
    pub(crate) admin: String,
    /// Only requests for this host
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Only requests that this Ingress answers
    #[arg(long, value_parser = values::object_key, value_name = "NS/NAME")]
    pub(crate) ingress: Option<String>,
    /// Only requests of this method
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Only requests with this answer, such as 404 or 5xx
    #[arg(long, value_parser = values::status, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Arguments of `jamul completion`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `jamul get`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GetArgs {
    /// Kind, plural or short name: ingress, ing, svc, secret, certificate, cr, order, challenge, issuer, ...
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Only this object
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Namespace
    #[arg(short, long, env = "JAMUL_NAMESPACE", default_value = "default", value_name = "NAME")]
    pub(crate) namespace: String,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "name")]
    pub(crate) all_namespaces: bool,
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Arguments of `jamul cert`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CertArgs {
    #[command(subcommand)]
    pub(crate) command: CertCommand,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
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
    /// How results are printed
    #[arg(short, long, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT", global = true)]
    pub(crate) output: Output,
}

/// What to look at.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// All certificates with their state
    List {
        /// All namespaces
        #[arg(short = 'A', long)]
        all_namespaces: bool,
    },
    /// One certificate from its request to its Secret, with the reason it waits
    Status {
        /// Name of the Certificate
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Have a certificate issued anew, now
    Renew {
        /// Name of the Certificate
        #[arg(value_name = "NAME", required_unless_present = "all")]
        name: Option<String>,
        /// All certificates of the namespace
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// The chain in a certificate's Secret, or in any Secret of type kubernetes.io/tls
    Inspect {
        /// Name of the Certificate or of the Secret
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
    /// As manifests are written.
    Yaml,
}
