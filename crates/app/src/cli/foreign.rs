//! Flags of ingress-nginx and cert-manager that have no effect here: accepted, so that old arguments start, each with
//! the reason why it has none.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use jamul_routing::{Diagnostic, Severity};

/// A flag that is taken and does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForeignFlag {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// How it is written.
    form: Form,
    /// Whose it is.
    pub(crate) of: Controller,
    /// Why it has no effect, and what there is instead.
    pub(crate) reason: &'static str,
}

/// Whose flag it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    /// ingress-nginx.
    IngressNginx,
    /// cert-manager's controller.
    CertManager,
}

/// How a flag is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `--name`, `--name=false`
    Switch,
    /// `--name VALUE`, `--name=VALUE`
    Value,
}
use Form::{Switch, Value};

/// All of them, as hidden arguments.
pub(super) fn arguments() -> impl Iterator<Item = Arg> {
    FLAGS.iter().map(|flag| {
        let argument = Arg::new(flag.name).long(flag.name).hide(true).action(ArgAction::Append);
        match flag.form {
            Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
            Value => argument.num_args(1).allow_hyphen_values(true),
        }
    })
}

/// Those that were given, on the command line or as `JAMUL_<FLAG>`.
pub(super) fn given(
    matches: &ArgMatches,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Vec<&'static ForeignFlag> {
    let is_given = |flag: &&ForeignFlag| {
        matches.value_source(flag.name) == Some(ValueSource::CommandLine)
            || variable(&flag.variable()).is_some_and(|value| !value.is_empty())
    };
    FLAGS.iter().filter(is_given).collect()
}

impl ForeignFlag {
    /// The flag of that name (without dashes), if it is one of these.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.name == name)
    }

    /// Its name in the environment.
    fn variable(&self) -> String {
        format!("JAMUL_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    /// What a user who gave it should know.
    pub(crate) fn diagnostic(&self) -> Diagnostic {
        let of = match self.of {
            Controller::IngressNginx => "ingress-nginx",
            Controller::CertManager => "cert-manager",
        };
        Diagnostic {
            severity: Severity::Info,
            object: format!("Flag --{}", self.name),
            field: String::new(),
            reason: "FlagWithoutEffect",
            message: format!("of {of}, accepted without effect: {}; it can be left out", self.reason),
        }
    }
}

const fn nginx(name: &'static str, form: Form, reason: &'static str) -> ForeignFlag {
    ForeignFlag { name, form, of: Controller::IngressNginx, reason }
}

const fn manager(name: &'static str, form: Form, reason: &'static str) -> ForeignFlag {
    ForeignFlag { name, form, of: Controller::CertManager, reason }
}

const LOGGING: &str = "log lines go to stderr; see --log-level and --log-format";
const NO_NGINX: &str = "there is no nginx process beside this one";
const IN_KUBECONFIG: &str = "the kubeconfig or the service account says how the API server is reached";
const NO_THROTTLE: &str = "requests to an API server are not throttled here; it has its own priorities";
const ON_CHANGE: &str = "the status of Ingresses is written when it changes";
const LEASE: &str =
    "see --disable-leader-election and --leader-election-lease-duration, of which it is a fixed part";
const NO_NATIVE_HISTOGRAMS: &str = "histograms have fixed buckets; see --time-buckets";
const NO_PROFILER: &str = "there is no profiler inside; use perf";
const NO_SOLVER_POD: &str = "HTTP-01 is answered by the proxy itself, without solver pods";
const NOT_YET_GEO: &str = "GeoIP is not built yet";
const NOT_YET_DNS01: &str = "it tunes checks of DNS-01 that are made in another way here";

/// Every flag of the two controllers that is not an argument of `jamul run`.
pub(crate) static FLAGS: &[ForeignFlag] = &[
    nginx("alsologtostderr", Switch, LOGGING),
    nginx("bucket-factor", Value, NO_NATIVE_HISTOGRAMS),
    nginx("certificate-authority", Value, IN_KUBECONFIG),
    nginx("deep-inspect", Switch, "no configuration text is written, so nothing in it can be hidden"),
    nginx("default-server-port", Value, "unknown hosts are answered without a port of their own"),
    nginx("disable-full-test", Switch, "no configuration text is written that could be tested"),
    nginx("disable-sync-events", Switch, "an Ingress is not announced each time it is read"),
    nginx("dynamic-configuration-retries", Value, NO_NGINX),
    nginx("enable-annotation-validation", Switch, "annotations are always validated"),
    nginx("enable-ssl-chain-completion", Switch, "chains are served as they are in their Secrets"),
    nginx("enable-topology-aware-routing", Switch, "zones of endpoints are not looked at yet"),
    nginx("internal-logger-address", Value, "no syslog relay is needed"),
    nginx("log_backtrace_at", Value, LOGGING),
    nginx("log_dir", Value, LOGGING),
    nginx("log_file", Value, LOGGING),
    nginx("log_file_max_size", Value, LOGGING),
    nginx("logtostderr", Switch, LOGGING),
    nginx("max-buckets", Value, NO_NATIVE_HISTOGRAMS),
    nginx("maxmind-edition-ids", Value, NOT_YET_GEO),
    nginx("maxmind-license-key", Value, NOT_YET_GEO),
    nginx("maxmind-mirror", Value, NOT_YET_GEO),
    nginx("maxmind-retries-count", Value, NOT_YET_GEO),
    nginx("maxmind-retries-timeout", Value, NOT_YET_GEO),
    nginx("monitor-max-batch-size", Value, "requests are counted where they are served, not sent in batches"),
    nginx("one_output", Switch, LOGGING),
    nginx("post-shutdown-grace-period", Value, "nothing is left to wait for after the last exchange"),
    nginx("profiler-port", Value, NO_PROFILER),
    nginx("profiler-address", Value, NO_PROFILER),
    nginx("profiling", Switch, NO_PROFILER),
    nginx(
        "report-node-internal-ip-address",
        Switch,
        "addresses of nodes are not published; see --publish-status-address",
    ),
    nginx("skip_headers", Switch, LOGGING),
    nginx("skip_log_headers", Switch, LOGGING),
    nginx("ssl-passthrough-proxy-port", Value, "TLS that passes through needs no port of its own"),
    nginx("status-port", Value, NO_NGINX),
    nginx("status-update-interval", Value, ON_CHANGE),
    nginx("stderrthreshold", Value, LOGGING),
    nginx("stream-port", Value, NO_NGINX),
    nginx("sync-period", Value, "changes are seen as they happen"),
    nginx("sync-rate-limit", Value, "nothing is reloaded, so changes need no limit"),
    nginx("v", Value, LOGGING),
    nginx("vmodule", Value, LOGGING),
    manager("acme-http01-solver-extra-labels", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-image", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-nameservers", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-resource-limits-cpu", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-resource-limits-memory", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-resource-request-cpu", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-resource-request-memory", Value, NO_SOLVER_POD),
    manager("acme-http01-solver-run-as-non-root", Switch, NO_SOLVER_POD),
    manager("auto-certificate-annotations", Value, "kubernetes.io/tls-acme is the only such annotation here"),
    manager("cluster-issuer-ambient-credentials", Switch, "credentials are named by issuers only"),
    manager("concurrent-workers", Value, "work is limited by kind, not by a flag"),
    manager("copied-annotation-prefixes", Value, "the annotations that are copied cannot be chosen yet"),
    manager("dns01-check-retry-period", Value, NOT_YET_DNS01),
    manager("enable-gateway-api", Switch, "Gateway API is not built yet"),
    manager("enable-profiling", Switch, NO_PROFILER),
    manager("extra-certificate-annotations", Value, "the annotations that are copied cannot be chosen yet"),
    manager("feature-gates", Value, "what is built is on"),
    manager("gateway-api-extra-protocols", Value, "Gateway API is not built yet"),
    manager("healthz-listen-address", Value, "health is on --healthz-port"),
    manager("issuer-ambient-credentials", Switch, "credentials are named by issuers only"),
    manager("kube-api-burst", Value, NO_THROTTLE),
    manager("kube-api-qps", Value, NO_THROTTLE),
    manager("leader-elect", Switch, LEASE),
    manager("leader-election-renew-deadline", Value, LEASE),
    manager("leader-election-retry-period", Value, LEASE),
    manager("logging-format", Value, LOGGING),
    manager("master", Value, "see --apiserver-host"),
    manager("metrics-listen-address", Value, "metrics are on --healthz-port"),
    manager("namespace", Value, "use --watch-namespace"),
    manager("number-of-concurrent-workers", Value, "work is limited by kind, not by a flag"),
];
