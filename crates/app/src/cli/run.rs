//! Arguments of `jamul run`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use jiff::SignedDuration;

use super::cluster::ClusterArgs;
use super::foreign::ForeignFlag;
use super::issuing::IssuingArgs;
use super::metrics::MetricsArgs;
use super::values;

/// Arguments of `jamul run`: ingress-nginx's and cert-manager's names and defaults, and our own.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Folder of Kubernetes manifests to serve [default: a cluster]
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
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
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
    /// Pass TLS of hosts with the annotation ssl-passthrough on without decrypting it
    #[arg(
        long,
        env = "JAMUL_ENABLE_SSL_PASSTHROUGH",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) enable_ssl_passthrough: bool,
    /// Service that answers what no rule takes, at its first port, and writes error pages
    #[arg(long, env = "JAMUL_DEFAULT_BACKEND_SERVICE", value_parser = values::object_key, value_name = "NS/NAME")]
    pub(crate) default_backend_service: Option<String>,
    /// ConfigMap with the settings of the controller
    #[arg(long, env = "JAMUL_CONFIGMAP", value_parser = values::object_key, value_name = "NS/NAME")]
    pub(crate) configmap: Option<String>,
    /// ConfigMap of TCP services
    #[arg(
        long,
        help = "ConfigMap of TCP services: lines of PORT: NAMESPACE/SERVICE:PORT[:PROXY][:PROXY]",
        env = "JAMUL_TCP_SERVICES_CONFIGMAP",
        value_parser = values::object_key,
        value_name = "NS/NAME"
    )]
    pub(crate) tcp_services_configmap: Option<String>,
    /// ConfigMap of UDP services: lines of PORT: NAMESPACE/SERVICE:PORT
    #[arg(
        long,
        env = "JAMUL_UDP_SERVICES_CONFIGMAP",
        value_parser = values::object_key,
        value_name = "NS/NAME"
    )]
    pub(crate) udp_services_configmap: Option<String>,
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
    /// Serve Ingresses whose class is named --ingress-class whatever its controller (a folder always does)
    #[arg(
        long,
        env = "JAMUL_INGRESS_CLASS_BY_NAME",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) ingress_class_by_name: bool,
    /// Serve the Ingresses of namespaces with these labels only, such as team=a,env!=dev
    #[arg(
        long,
        env = "JAMUL_WATCH_NAMESPACE_SELECTOR",
        conflicts_with = "watch_namespace",
        value_parser = jamul_translate::Selector::parse,
        value_name = "SELECTOR"
    )]
    pub(crate) watch_namespace_selector: Option<jamul_translate::Selector>,
    /// Do not serve rules without a host, nor Ingresses without rules
    #[arg(
        long,
        env = "JAMUL_DISABLE_CATCH_ALL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) disable_catch_all: bool,
    /// Do not lead anybody to Services of type ExternalName
    #[arg(
        long,
        env = "JAMUL_DISABLE_SVC_EXTERNAL_NAME",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) disable_svc_external_name: bool,
    /// Seconds between SIGTERM, from when on the process is not ready, and the end of listening
    #[arg(
        long,
        env = "JAMUL_SHUTDOWN_GRACE_PERIOD",
        default_value = "0",
        value_parser = values::seconds,
        value_name = "SECONDS"
    )]
    pub(crate) shutdown_grace_period: Duration,
    /// Address for health, metrics and the API [default: those of --bind-address]
    #[arg(long, env = "JAMUL_HEALTHZ_HOST", value_parser = values::address, value_name = "ADDR")]
    pub(crate) healthz_host: Option<IpAddr>,
    /// Further path that answers 200 while the process is alive
    #[arg(
        long,
        env = "JAMUL_HEALTH_CHECK_PATH",
        default_value = "/healthz",
        value_parser = values::path,
        value_name = "PATH"
    )]
    pub(crate) health_check_path: String,
    /// Answer /metrics
    #[arg(
        long,
        env = "JAMUL_ENABLE_METRICS",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) enable_metrics: bool,
    /// First wait after an issuance that failed; doubled with each further one
    #[arg(
        long,
        env = "JAMUL_CERTIFICATE_REQUEST_MINIMUM_BACKOFF_DURATION",
        default_value = "1h",
        value_parser = values::go_duration,
        value_name = "SPAN"
    )]
    pub(crate) certificate_request_minimum_backoff_duration: SignedDuration,
    /// Longest wait after issuances that failed
    #[arg(
        long,
        env = "JAMUL_CERTIFICATE_REQUEST_MAXIMUM_BACKOFF_DURATION",
        default_value = "32h",
        value_parser = values::go_duration,
        value_name = "SPAN"
    )]
    pub(crate) certificate_request_maximum_backoff_duration: SignedDuration,
    #[command(flatten)]
    pub(crate) issuing: IssuingArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Name servers for DNS-01, which find zones and follow CNAMEs [default: the system's]
    #[arg(
        long,
        env = "JAMUL_DNS01_RECURSIVE_NAMESERVERS",
        value_delimiter = ',',
        value_parser = values::socket,
        value_name = "ADDR:PORT"
    )]
    pub(crate) dns01_recursive_nameservers: Vec<SocketAddr>,
    /// Look for DNS-01 records at those only, not at the name servers of the zone
    #[arg(
        long,
        env = "JAMUL_DNS01_RECURSIVE_NAMESERVERS_ONLY",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) dns01_recursive_nameservers_only: bool,
    /// Flags of the original controllers that were given and have no effect here.
    #[arg(skip)]
    pub(crate) without_effect: Vec<&'static ForeignFlag>,
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
