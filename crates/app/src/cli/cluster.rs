//! Arguments of a run on a cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::values;

/// Arguments of a run on a cluster: ingress-nginx's and cert-manager's names and defaults.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "On a cluster")]
pub(crate) struct ClusterArgs {
    /// Way to the API server [default: the pod's service account, or the usual kubeconfig]
    #[arg(long, env = "JAMUL_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// URL of the API server, in place of the one of the kubeconfig
    #[arg(long, env = "JAMUL_APISERVER_HOST", value_name = "URL")]
    pub(crate) apiserver_host: Option<String>,
    /// Serve only this namespace [default: all]
    #[arg(long, env = "JAMUL_WATCH_NAMESPACE", value_name = "NAME")]
    pub(crate) watch_namespace: Option<String>,
    /// Name of the Lease by which replicas agree who writes
    #[arg(long, env = "JAMUL_ELECTION_ID", default_value = "ingress-controller-leader", value_name = "NAME")]
    pub(crate) election_id: String,
    /// How long a leader that is gone is waited for
    #[arg(
        long,
        env = "JAMUL_ELECTION_TTL",
        default_value = "30s",
        value_parser = values::duration,
        value_name = "DURATION"
    )]
    pub(crate) election_ttl: Duration,
    /// Write without asking whether another replica does
    #[arg(
        long,
        env = "JAMUL_DISABLE_LEADER_ELECTION",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) disable_leader_election: bool,
    /// Namespace of the Lease `cert-manager-controller`: who holds it issues certificates
    #[arg(long, env = "JAMUL_LEADER_ELECTION_NAMESPACE", default_value = "kube-system", value_name = "NAME")]
    pub(crate) leader_election_namespace: String,
    /// How long a holder of that Lease that is gone is waited for
    #[arg(
        long,
        env = "JAMUL_LEADER_ELECTION_LEASE_DURATION",
        default_value = "60s",
        value_parser = values::duration,
        value_name = "DURATION"
    )]
    pub(crate) leader_election_lease_duration: Duration,
    /// Namespace in which ClusterIssuers look for Secrets [default: that of this pod]
    #[arg(long, env = "JAMUL_CLUSTER_RESOURCE_NAMESPACE", value_name = "NAME")]
    pub(crate) cluster_resource_namespace: Option<String>,
    /// Service whose addresses become the status of Ingresses
    #[arg(long, env = "JAMUL_PUBLISH_SERVICE", value_parser = values::object_key, value_name = "NS/NAME")]
    pub(crate) publish_service: Option<String>,
    /// Addresses that become the status of Ingresses, in place of those of a Service; comma separated
    #[arg(long, env = "JAMUL_PUBLISH_STATUS_ADDRESS", value_delimiter = ',', value_name = "ADDR")]
    pub(crate) publish_status_address: Vec<String>,
    /// Write the status of Ingresses
    #[arg(
        long,
        env = "JAMUL_UPDATE_STATUS",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) update_status: bool,
    /// Take the status back when the last replica ends
    #[arg(
        long,
        env = "JAMUL_UPDATE_STATUS_ON_SHUTDOWN",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(crate) update_status_on_shutdown: bool,
    /// Answer admission webhooks on this address, with TLS; `:8443` is all addresses
    #[arg(long, env = "JAMUL_VALIDATING_WEBHOOK", value_parser = values::listen, value_name = "ADDR:PORT")]
    pub(crate) validating_webhook: Option<SocketAddr>,
    /// Certificate of the webhooks, PEM [default, and where the file is missing: one that is made and renewed]
    #[arg(long, env = "JAMUL_VALIDATING_WEBHOOK_CERTIFICATE", value_name = "FILE")]
    pub(crate) validating_webhook_certificate: Option<PathBuf>,
    /// Key of that certificate, PEM
    #[arg(long, env = "JAMUL_VALIDATING_WEBHOOK_KEY", value_name = "FILE")]
    pub(crate) validating_webhook_key: Option<PathBuf>,
    /// Secret with the CA of the webhooks, made where it is missing
    #[arg(
        long,
        env = "JAMUL_DYNAMIC_SERVING_CA_SECRET_NAME",
        default_value = "cert-manager-webhook-ca",
        value_name = "NAME"
    )]
    pub(crate) dynamic_serving_ca_secret_name: String,
    /// Namespace of that Secret [default: that of this pod]
    #[arg(long, env = "JAMUL_DYNAMIC_SERVING_CA_SECRET_NAMESPACE", value_name = "NAME")]
    pub(crate) dynamic_serving_ca_secret_namespace: Option<String>,
    /// Names and addresses under which the webhooks are called [default: those of a Service cert-manager-webhook]
    #[arg(long, env = "JAMUL_DYNAMIC_SERVING_DNS_NAMES", value_delimiter = ',', value_name = "NAME")]
    pub(crate) dynamic_serving_dns_names: Vec<String>,
    /// Write CA bundles into whatever asks for one by cert-manager.io/inject-ca-from and the like
    #[arg(
        long,
        env = "JAMUL_ENABLE_CAINJECTOR",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        value_parser = values::boolean,
        value_name = "BOOL"
    )]
    pub(crate) enable_cainjector: bool,
}
