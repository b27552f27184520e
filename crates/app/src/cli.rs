//! The command line: what can be asked, and how a wrong question is refused.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

/// Ingress controller and certificate manager in one process.
#[derive(Debug, Parser)]
#[command(name = "jamul", version, disable_version_flag = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) view: View,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is looked at, and how it is printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct View {
    /// Namespace of the objects
    #[arg(short, long, global = true, env = "JAMUL_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// How results are printed
    #[arg(short, long, global = true, env = "JAMUL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
    /// As objects are written.
    Yaml,
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
    /// Say who would answer a URL, and why
    Explain(ExplainArgs),
    /// Print objects with their status
    Get(GetArgs),
    /// Look at certificates
    #[command(subcommand)]
    Cert(CertCommand),
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
    #[arg(long, env = "JAMUL_HTTP_PORT", default_value_t = 80, value_name = "PORT")]
    pub(crate) http_port: u16,
    /// Port for https
    #[arg(long, env = "JAMUL_HTTPS_PORT", default_value_t = 443, value_name = "PORT")]
    pub(crate) https_port: u16,
    /// Port for health, metrics and the API
    #[arg(long, env = "JAMUL_HEALTHZ_PORT", default_value_t = 10254, value_name = "PORT")]
    pub(crate) healthz_port: u16,
    /// Address to listen on; may repeat [default: all]
    #[arg(long, env = "JAMUL_BIND_ADDRESS", value_delimiter = ',', value_name = "ADDR")]
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
    #[arg(long, env = "JAMUL_DEFAULT_SSL_CERTIFICATE", value_parser = object_key, value_name = "NS/NAME")]
    pub(crate) default_ssl_certificate: Option<String>,
    /// ConfigMap with the settings of the controller
    #[arg(long, env = "JAMUL_CONFIGMAP", value_parser = object_key, value_name = "NS/NAME")]
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
    #[arg(long, env = "JAMUL_ACME_CA", value_name = "ADDR:PORT")]
    pub(crate) acme_ca: Option<SocketAddr>,
    /// Threads that serve traffic [default: one per core]
    #[arg(long, env = "JAMUL_WORKERS", value_parser = workers, value_name = "N")]
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
    /// Kind of that issuer
    #[arg(long, env = "JAMUL_DEFAULT_ISSUER_KIND", default_value = "Issuer", value_name = "KIND")]
    pub(crate) default_issuer_kind: String,
    /// API group of that issuer
    #[arg(long, env = "JAMUL_DEFAULT_ISSUER_GROUP", default_value = "cert-manager.io", value_name = "GROUP")]
    pub(crate) default_issuer_group: String,
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
    #[arg(long, env = "JAMUL_LISTEN", default_value = "127.0.0.1:14000", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Folder with the keys of the CA, its accounts and orders
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Port that http-01 challenges are fetched from
    #[arg(long, env = "JAMUL_HTTP01_PORT", default_value_t = 80, value_name = "PORT")]
    pub(crate) http01_port: u16,
    /// Port that tls-alpn-01 challenges and https redirects go to
    #[arg(long, env = "JAMUL_TLS_ALPN01_PORT", default_value_t = 443, value_name = "PORT")]
    pub(crate) tls_alpn01_port: u16,
    /// Name server to ask instead of the system's
    #[arg(long, env = "JAMUL_DNS", value_name = "ADDR:PORT")]
    pub(crate) dns: Option<SocketAddr>,
    /// How long certificates hold
    #[arg(long, env = "JAMUL_VALIDITY", default_value = "90d", value_parser = span, value_name = "SPAN")]
    pub(crate) validity: Duration,
    /// Further name of this server in its own certificate; may repeat
    #[arg(long = "name", env = "JAMUL_NAME", value_delimiter = ',', value_name = "HOST")]
    pub(crate) names: Vec<String>,
}

/// A folder and its state.
#[derive(Clone, Debug, Args)]
pub(crate) struct FolderArgs {
    /// Folder of Kubernetes manifests
    #[arg(long, env = "JAMUL_MANIFESTS", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// State folder of a run on it [default: the user's state directory]
    #[arg(long, env = "JAMUL_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// Arguments of `jamul check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder of Kubernetes manifests
    #[arg(long, env = "JAMUL_MANIFESTS", value_name = "DIR")]
    pub(crate) manifests: Option<PathBuf>,
    /// Manifests
    #[arg(value_name = "FILE", required_unless_present = "manifests", conflicts_with = "manifests")]
    pub(crate) files: Vec<PathBuf>,
}

/// Arguments of `jamul explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// For instance https://example.com/path
    pub(crate) url: url::Url,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

/// Arguments of `jamul get`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GetArgs {
    /// Kind or plural: ingress, secrets, certificates, ...
    pub(crate) kind: String,
    /// Only the object with this name
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// List all Certificates
    List {
        #[command(flatten)]
        folder: FolderArgs,
    },
    /// Follow a Certificate down to the Challenge it waits for
    Status {
        /// Name of the Certificate
        name: String,
        #[command(flatten)]
        folder: FolderArgs,
    },
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
            let given = |flag: &&Foreign| {
                matches.value_source(flag.name()) == Some(clap::parser::ValueSource::CommandLine)
            };
            run.without_effect = FOREIGN.iter().filter(given).map(|flag| format!("--{}", flag.name())).collect();
        }
        Ok(cli)
    }
}

/// [`Cli`] with the flags of the original controllers.
fn command() -> clap::Command {
    Cli::command().mut_subcommand("run", |run| run.args(FOREIGN.iter().map(Foreign::arg)))
}

impl From<&clap::Error> for Refused {
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Self::Help(text);
        }
        let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let line = lines.join(" ");
        if line.starts_with("error:") {
            Self::Usage(line)
        } else {
            // Without a subcommand there is no error text but the whole help.
            Self::Usage("error: no command given, expected one of those that `jamul --help` lists".to_owned())
        }
    }
}

/// The folder that a run keeps its state in when none is named.
pub(crate) fn default_state() -> anyhow::Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named("XDG_STATE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".local/state")))
        .map(|folder| folder.join("jamul"))
        .ok_or_else(|| anyhow::anyhow!("there is no user's state directory ($HOME is not set): name one by --state"))
}

fn object_key(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(text.to_owned())
        }
        Some(_) | None => Err("expected NAMESPACE/NAME".to_owned()),
    }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        Ok(_) | Err(_) => Err("expected a number from 1 to 1024".to_owned()),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with d, h, m or s, for instance 90d".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds: u64 = match unit {
        'd' => 24 * 60 * 60,
        'h' => 60 * 60,
        'm' => 60,
        's' => 1,
        _ => return Err(expected()),
    };
    let count: u64 = text.strip_suffix(unit).and_then(|count| count.parse().ok()).ok_or_else(expected)?;
    let total = count.checked_mul(seconds).filter(|total| (60..=MAX_SPAN).contains(total));
    total.map(Duration::from_secs).ok_or_else(|| "expected between 1m and 3650d".to_owned())
}

const MAX_SPAN: u64 = 3650 * 24 * 60 * 60;

/// A flag of ingress-nginx or cert-manager that has no effect here; accepted, so that old arguments start.
#[derive(Clone, Copy, Debug)]
enum Foreign {
    /// `--name`, `--name=false`
    Switch(&'static str),
    /// `--name VALUE`, `--name=VALUE`
    Value(&'static str),
}

impl Foreign {
    const fn name(&self) -> &'static str {
        match self {
            Self::Switch(name) | Self::Value(name) => name,
        }
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name()).long(self.name()).hide(true).action(ArgAction::Append);
        match self {
            Self::Switch(_) => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            Self::Value(_) => arg.num_args(1).allow_hyphen_values(true),
        }
    }
}

static FOREIGN: &[Foreign] = &[
    // ingress-nginx
    Foreign::Switch("ingress-class-by-name"),
    Foreign::Value("default-backend-service"),
    Foreign::Value("publish-service"),
    Foreign::Value("publish-status-address"),
    Foreign::Switch("update-status"),
    Foreign::Switch("update-status-on-shutdown"),
    Foreign::Value("status-update-interval"),
    Foreign::Switch("report-node-internal-ip-address"),
    Foreign::Value("watch-namespace"),
    Foreign::Value("watch-namespace-selector"),
    Foreign::Value("tcp-services-configmap"),
    Foreign::Value("udp-services-configmap"),
    Foreign::Value("default-server-port"),
    Foreign::Value("ssl-passthrough-proxy-port"),
    Foreign::Value("health-check-path"),
    Foreign::Value("healthz-host"),
    Foreign::Value("status-port"),
    Foreign::Value("stream-port"),
    Foreign::Value("profiler-port"),
    Foreign::Value("election-id"),
    Foreign::Value("election-ttl"),
    Foreign::Switch("disable-leader-election"),
    Foreign::Switch("enable-ssl-passthrough"),
    Foreign::Switch("enable-metrics"),
    Foreign::Switch("metrics-per-host"),
    Foreign::Switch("metrics-per-undefined-host"),
    Foreign::Switch("report-status-classes"),
    Foreign::Value("exclude-socket-metrics"),
    Foreign::Value("time-buckets"),
    Foreign::Value("length-buckets"),
    Foreign::Value("size-buckets"),
    Foreign::Value("validating-webhook"),
    Foreign::Value("validating-webhook-certificate"),
    Foreign::Value("validating-webhook-key"),
    Foreign::Switch("disable-full-test"),
    Foreign::Switch("deep-inspect"),
    Foreign::Switch("enable-annotation-validation"),
    Foreign::Switch("disable-catch-all"),
    Foreign::Switch("disable-svc-external-name"),
    Foreign::Switch("disable-sync-events"),
    Foreign::Value("shutdown-grace-period"),
    Foreign::Value("post-shutdown-grace-period"),
    Foreign::Value("sync-rate-limit"),
    Foreign::Value("sync-period"),
    Foreign::Value("dynamic-configuration-retries"),
    Foreign::Switch("enable-topology-aware-routing"),
    Foreign::Switch("enable-ssl-chain-completion"),
    Foreign::Value("maxmind-license-key"),
    Foreign::Value("maxmind-edition-ids"),
    Foreign::Value("maxmind-mirror"),
    Foreign::Value("maxmind-retries-count"),
    Foreign::Value("maxmind-retries-timeout"),
    Foreign::Value("internal-logger-address"),
    Foreign::Switch("profiling"),
    Foreign::Value("apiserver-host"),
    Foreign::Value("certificate-authority"),
    Foreign::Value("v"),
    Foreign::Switch("logtostderr"),
    Foreign::Switch("alsologtostderr"),
    Foreign::Value("stderrthreshold"),
    // cert-manager
    Foreign::Value("cluster-resource-namespace"),
    Foreign::Switch("leader-elect"),
    Foreign::Value("leader-election-namespace"),
    Foreign::Value("leader-election-lease-duration"),
    Foreign::Value("leader-election-renew-deadline"),
    Foreign::Value("leader-election-retry-period"),
    Foreign::Value("controllers"),
    Foreign::Value("acme-http01-solver-image"),
    Foreign::Value("acme-http01-solver-resource-request-cpu"),
    Foreign::Value("acme-http01-solver-resource-request-memory"),
    Foreign::Value("acme-http01-solver-resource-limits-cpu"),
    Foreign::Value("acme-http01-solver-resource-limits-memory"),
    Foreign::Value("acme-http01-solver-run-as-non-root"),
    Foreign::Value("acme-http01-solver-nameservers"),
    Foreign::Switch("cluster-issuer-ambient-credentials"),
    Foreign::Switch("issuer-ambient-credentials"),
    Foreign::Value("auto-certificate-annotations"),
    Foreign::Value("dns01-recursive-nameservers"),
    Foreign::Switch("dns01-recursive-nameservers-only"),
    Foreign::Value("dns01-check-retry-period"),
    Foreign::Switch("enable-certificate-owner-ref"),
    Foreign::Value("copied-annotation-prefixes"),
    Foreign::Value("max-concurrent-challenges"),
    Foreign::Value("number-of-concurrent-workers"),
    Foreign::Value("kube-api-qps"),
    Foreign::Value("kube-api-burst"),
    Foreign::Value("metrics-listen-address"),
    Foreign::Value("healthz-listen-address"),
    Foreign::Switch("enable-profiling"),
    Foreign::Value("profiler-address"),
    Foreign::Value("feature-gates"),
    Foreign::Switch("enable-gateway-api"),
    Foreign::Value("logging-format"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_foreign_flags_clashes_with_none_of_ours() {
        command().debug_assert();
    }

    #[test]
    fn spans_have_a_unit_and_a_limit() {
        assert_eq!(span("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(span("36h"), Ok(Duration::from_secs(36 * 3600)));
        for wrong in ["", "90", "d", "-1d", "1w", "1s", "4000d", "99999999999999999999d", "9é"] {
            assert!(span(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn arguments_of_the_original_controllers_are_accepted() {
        let arguments = [
            "jamul", "run", "--publish-service=a/b", "--validating-webhook", ":8443", "--enable-metrics=false",
            "--watch-ingress-without-class=true", "--update-status",
        ];
        let matches = command().try_get_matches_from(arguments).map_err(|error| error.to_string());
        assert!(matches.is_ok(), "{matches:?}");
    }
}
