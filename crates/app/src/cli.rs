//! The command line: what can be asked, and how a wrong question is refused.

mod foreign;
mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

/// Ingress controller and certificate manager in one process.
#[derive(Debug, Parser)]
#[command(name = "jamul", subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve traffic and keep certificates, from a folder of manifests
    Run(Box<RunArgs>),
    /// Show the whole story on this machine: a private CA, an upstream, a certificate, a first HTTPS answer
    Demo(DemoArgs),
    /// Run the private ACME CA alone
    Ca(CaArgs),
    /// Print what is wrong in a folder or in files
    Check(CheckArgs),
    /// Print objects of a standalone run, with their status
    Get(GetArgs),
    /// Look at certificates of a standalone run
    Cert(CertArgs),
    /// Print the version
    Version,
}

/// Arguments of `jamul run`: ingress-nginx's and cert-manager's names and defaults, and our own.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Folder of Kubernetes manifests to serve
    #[arg(long, env = "JAMUL_MANIFESTS", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Folder in which everything that was made is kept [default: the user's state directory]
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Port for http
    #[arg(
        long,
        env = "JAMUL_HTTP_PORT",
        default_value_t = 80,
        value_parser = values::port,
        value_name = "PORT"
    )]
    pub(crate) http_port: u16,
    /// Port for https
    #[arg(
        long,
        env = "JAMUL_HTTPS_PORT",
        default_value_t = 443,
        value_parser = values::port,
        value_name = "PORT"
    )]
    pub(crate) https_port: u16,
    /// Port for health, metrics and the API
    #[arg(
        long,
        env = "JAMUL_HEALTHZ_PORT",
        default_value_t = 10254,
        value_parser = values::port,
        value_name = "PORT"
    )]
    pub(crate) healthz_port: u16,
    /// Address to listen on; may repeat [default: all]
    #[arg(
        long,
        env = "JAMUL_BIND_ADDRESS",
        value_delimiter = ',',
        value_parser = values::address,
        value_name = "ADDR"
    )]
    pub(crate) bind_address: Vec<IpAddr>,
    /// Class of the Ingresses to serve
    #[arg(long, env = "JAMUL_INGRESS_CLASS", default_value = "nginx", value_name = "NAME")]
    pub(crate) ingress_class: String,
    /// Controller of the IngressClasses to serve
    #[arg(
        long,
        env = "JAMUL_CONTROLLER_CLASS",
        default_value = "k8s.io/ingress-nginx",
        value_name = "CONTROLLER"
    )]
    pub(crate) controller_class: String,
    /// Serve Ingresses that name no class, too (a folder always does)
    #[arg(
        long,
        env = "JAMUL_WATCH_INGRESS_WITHOUT_CLASS",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) watch_ingress_without_class: bool,
    /// Secret with the certificate for unknown names
    #[arg(
        long,
        env = "JAMUL_DEFAULT_SSL_CERTIFICATE",
        value_parser = values::object_key,
        value_name = "NS/NAME"
    )]
    pub(crate) default_ssl_certificate: Option<String>,
    /// ConfigMap with the settings of the controller
    #[arg(long, env = "JAMUL_CONFIGMAP", value_parser = values::object_key, value_name = "NS/NAME")]
    pub(crate) configmap: Option<String>,
    /// Prefix of the annotations of ingress-nginx
    #[arg(
        long,
        env = "JAMUL_ANNOTATIONS_PREFIX",
        default_value = "nginx.ingress.kubernetes.io",
        value_name = "PREFIX"
    )]
    pub(crate) annotations_prefix: String,
    /// Run the private ACME CA inside, on this address
    #[arg(long, env = "JAMUL_ACME_CA", value_parser = values::socket, value_name = "ADDR:PORT")]
    pub(crate) acme_ca: Option<SocketAddr>,
    /// Threads that serve traffic [default: one per core]
    #[arg(long, env = "JAMUL_WORKERS", value_parser = values::workers, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// How log lines are written
    #[arg(long, env = "JAMUL_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// Which log lines are written
    #[arg(long, env = "JAMUL_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub(crate) log_level: LogLevel,
    /// Issuer of Ingresses that ask for a certificate by kubernetes.io/tls-acme
    #[arg(long, env = "JAMUL_DEFAULT_ISSUER_NAME", value_name = "NAME")]
    pub(crate) default_issuer_name: Option<String>,
    /// Kind of that issuer [default: Issuer]
    #[arg(long, env = "JAMUL_DEFAULT_ISSUER_KIND", value_name = "KIND")]
    pub(crate) default_issuer_kind: Option<String>,
    /// API group of that issuer [default: cert-manager.io]
    #[arg(long, env = "JAMUL_DEFAULT_ISSUER_GROUP", value_name = "GROUP")]
    pub(crate) default_issuer_group: Option<String>,
    /// Flags of the original controllers that were given and have no effect here.
    #[arg(skip)]
    pub(crate) without_effect: Vec<String>,
}

/// Arguments of `jamul demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after the first verified HTTPS answer
    #[arg(long)]
    pub(crate) once: bool,
    /// Keep manifests and state in this folder [default: a temporary one]
    #[arg(long, env = "JAMUL_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

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
    /// Port that https redirects of http-01 challenges go to
    #[arg(
        long,
        env = "JAMUL_TLS_ALPN01_PORT",
        default_value_t = 443,
        value_parser = values::port,
        value_name = "PORT"
    )]
    pub(crate) tls_alpn01_port: u16,
    /// Name server to ask instead of the system's
    #[arg(long, env = "JAMUL_DNS", value_parser = values::socket, value_name = "ADDR:PORT")]
    pub(crate) dns: Option<SocketAddr>,
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

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

impl From<LogFormat> for jamul_proxy::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Only what failed.
    Error,
    /// And what may be wrong.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}

/// A command line that is not to be carried out.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Help was asked for; this is it.
    Help(String),
    /// Wrong usage, in one line.
    Usage(String),
}

impl Cli {
    /// Reads the arguments of this process.
    pub(crate) fn parse_arguments() -> Result<Self, Refused> {
        let matches = command().try_get_matches().map_err(|error| Refused::from(&error))?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| Refused::from(&error))?;
        if let (Command::Run(run), Some(matches)) = (&mut cli.command, matches.subcommand_matches("run")) {
            run.without_effect = foreign::given(matches);
        }
        Ok(cli)
    }
}

/// [`Cli`] with the flags of the original controllers.
fn command() -> clap::Command {
    Cli::command().mut_subcommand("run", |run| run.args(foreign::arguments()))
}

impl From<&clap::Error> for Refused {
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Self::Help(text);
        }
        let lines =
            text.lines().map(str::trim).take_while(|line| !HINTS.iter().any(|hint| line.starts_with(hint)));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        if lines.first().is_some_and(|line| line.starts_with("error:")) {
            Self::Usage(lines.join(" "))
        } else {
            // Without a subcommand there is no error text but the whole help.
            Self::Usage("error: no command given, expected one of those that `jamul --help` lists".to_owned())
        }
    }
}

/// What clap adds after what is wrong.
const HINTS: [&str; 2] = ["Usage:", "For more information"];

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(arguments: &[&str]) -> Option<String> {
        let error = command().try_get_matches_from(arguments).err()?;
        match Refused::from(&error) {
            Refused::Usage(line) => Some(line),
            Refused::Help(_) => None,
        }
    }

    #[test]
    fn foreign_flags_clash_with_none_of_ours() {
        command().debug_assert();
    }

    #[test]
    fn arguments_of_the_original_controllers_are_accepted() {
        let original = ["--publish-service=a/b", "--validating-webhook", ":8443", "--enable-metrics=false"];
        let also = ["--watch-ingress-without-class=true", "--update-status", "--v=2"];
        let arguments: Vec<&str> = ["jamul", "run"].into_iter().chain(original).chain(also).collect();
        assert_eq!(usage(&arguments), None);
    }

    #[test]
    fn a_refusal_is_one_line_with_value_and_expectation() {
        for (arguments, words) in [
            (["jamul", "run", "--http-port=http"], ["'http'", "0 to 65535"]),
            (["jamul", "run", "--configmap=x"], ["'x'", "NAMESPACE/NAME"]),
            (["jamul", "run", "--log-format=xml"], ["'xml'", "text, json"]),
            (["jamul", "run", "--manifest=x"], ["--manifest", "--manifests"]),
        ] {
            let line = usage(&arguments).unwrap_or_default();
            assert!(words.iter().all(|word| line.contains(word)) && line.lines().count() == 1, "{line}");
        }
    }
}
