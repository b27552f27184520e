//! Flags of ingress-nginx and cert-manager that have no effect here: accepted, so that old arguments start.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

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
    FLAGS.iter().map(|&(name, form)| {
        let argument = Arg::new(name).long(name).hide(true).action(ArgAction::Append);
        match form {
            Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
            Value => argument.num_args(1).allow_hyphen_values(true),
        }
    })
}

/// Those that were given.
pub(super) fn given(matches: &ArgMatches) -> Vec<String> {
    let is_given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    FLAGS.iter().filter(|(name, _)| is_given(name)).map(|(name, _)| format!("--{name}")).collect()
}

static FLAGS: &[(&str, Form)] = &[
    // ingress-nginx
    ("alsologtostderr", Switch),
    ("certificate-authority", Value),
    ("deep-inspect", Switch),
    ("default-backend-service", Value),
    ("default-server-port", Value),
    ("disable-catch-all", Switch),
    ("disable-full-test", Switch),
    ("disable-svc-external-name", Switch),
    ("disable-sync-events", Switch),
    ("dynamic-configuration-retries", Value),
    ("enable-annotation-validation", Switch),
    ("enable-metrics", Switch),
    ("enable-ssl-chain-completion", Switch),
    ("enable-ssl-passthrough", Switch),
    ("enable-topology-aware-routing", Switch),
    ("exclude-socket-metrics", Value),
    ("health-check-path", Value),
    ("healthz-host", Value),
    ("ingress-class-by-name", Switch),
    ("internal-logger-address", Value),
    ("length-buckets", Value),
    ("logtostderr", Switch),
    ("maxmind-edition-ids", Value),
    ("maxmind-license-key", Value),
    ("maxmind-mirror", Value),
    ("maxmind-retries-count", Value),
    ("maxmind-retries-timeout", Value),
    ("metrics-per-host", Switch),
    ("metrics-per-undefined-host", Switch),
    ("post-shutdown-grace-period", Value),
    ("profiler-port", Value),
    ("profiling", Switch),
    ("report-node-internal-ip-address", Switch),
    ("report-status-classes", Switch),
    ("shutdown-grace-period", Value),
    ("size-buckets", Value),
    ("ssl-passthrough-proxy-port", Value),
    ("status-port", Value),
    ("status-update-interval", Value),
    ("stderrthreshold", Value),
    ("stream-port", Value),
    ("sync-period", Value),
    ("sync-rate-limit", Value),
    ("tcp-services-configmap", Value),
    ("time-buckets", Value),
    ("udp-services-configmap", Value),
    ("v", Value),
    ("validating-webhook", Value),
    ("validating-webhook-certificate", Value),
    ("validating-webhook-key", Value),
    ("watch-namespace-selector", Value),
    // cert-manager
    ("acme-http01-solver-image", Value),
    ("acme-http01-solver-nameservers", Value),
    ("acme-http01-solver-resource-limits-cpu", Value),
    ("acme-http01-solver-resource-limits-memory", Value),
    ("acme-http01-solver-resource-request-cpu", Value),
    ("acme-http01-solver-resource-request-memory", Value),
    ("acme-http01-solver-run-as-non-root", Switch),
    ("auto-certificate-annotations", Value),
    ("cluster-issuer-ambient-credentials", Switch),
    ("controllers", Value),
    ("copied-annotation-prefixes", Value),
    ("dns01-check-retry-period", Value),
    ("dns01-recursive-nameservers", Value),
    ("dns01-recursive-nameservers-only", Switch),
    ("enable-certificate-owner-ref", Switch),
    ("enable-gateway-api", Switch),
    ("enable-profiling", Switch),
    ("feature-gates", Value),
    ("healthz-listen-address", Value),
    ("issuer-ambient-credentials", Switch),
    ("kube-api-burst", Value),
    ("kube-api-qps", Value),
    ("leader-elect", Switch),
    ("leader-election-renew-deadline", Value),
    ("leader-election-retry-period", Value),
    ("logging-format", Value),
    ("max-concurrent-challenges", Value),
    ("metrics-listen-address", Value),
    ("number-of-concurrent-workers", Value),
    ("profiler-address", Value),
];
