//! A run on a cluster: the way to its API server, who we are there, and what only one of several replicas does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jamul_api::ObjectKey;
use jamul_controllers::{Context, Injection, InjectionTargets, Served, StatusSource};
use jamul_pki::Certificate;
use jamul_store::{
    Clock, Cluster, ClusterSettings, Holder, Lease, LeaseSettings, Namespaces, Severity, SourceDiagnostic,
};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::ClusterArgs;
use crate::transport::ApiServer;
use crate::webhook::WebhookOptions;

/// The Lease of cert-manager's controller.
const ISSUING_LEASE: &str = "cert-manager-controller";
/// Reason of the Diagnostic while somebody else holds it.
const OBSERVED: &str = "CertificatesObserved";

/// What a run on a cluster is told.
#[derive(Clone, Debug)]
pub(crate) struct ClusterOptions {
    args: ClusterArgs,
    namespaces: Namespaces,
    /// From the environment of a pod.
    pod_name: Option<String>,
    pod_namespace: Option<String>,
}

/// The way to a cluster, and who we are there.
#[derive(Debug)]
pub(crate) struct Member {
    /// The objects.
    pub(crate) cluster: Cluster,
    /// To its API server.
    pub(crate) api_server: ApiServer,
    /// Where the Secrets of ClusterIssuers are.
    pub(crate) cluster_resource_namespace: String,
    /// If webhooks are to be answered.
    pub(crate) webhooks: Option<WebhookOptions>,
    /// Whose CA bundles are kept.
    pub(crate) injection: Injection,
    args: ClusterArgs,
    pod: ObjectKey,
    status: Option<StatusSource>,
}

impl ClusterOptions {
    /// From the command line and what a pod finds in its environment (`POD_NAME`, `POD_NAMESPACE`).
    pub(crate) fn new(args: ClusterArgs, namespaces: Namespaces) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { args, namespaces, pod_name: variable("POD_NAME"), pod_namespace: variable("POD_NAMESPACE") }
    }

    /// Finds the way; nothing is asked of the API server yet.
    ///
    /// # Errors
    /// There is no usable kubeconfig and no service account, or a flag's value is none.
    pub(crate) async fn join(self) -> anyhow::Result<Member> {
        let Self { args, namespaces, pod_name, pod_namespace } = self;
        let config = config(args.kubeconfig.as_deref(), None, args.apiserver_host.as_deref()).await?;
        let namespace = pod_namespace.unwrap_or_else(|| config.default_namespace.clone());
        let name = pod_name.unwrap_or_else(identity);
        tracing::info!(server = %config.cluster_url, %namespace, %name, "on a cluster");
        let served = served(&args, &namespace);
        let injection = Injection {
            targets: if args.enable_cainjector { InjectionTargets::All } else { InjectionTargets::Own },
            own: served.ca.clone(),
            api_server: config.root_cert.as_deref().map(pem),
        };
        let client = kube::Client::try_from(config).context("the way to the API server is unusable")?;
        let cluster = Cluster::new(ClusterSettings {
            client: client.clone(),
            namespace: args.watch_namespace.clone().filter(|namespace| !namespace.is_empty()),
            namespaces,
            instance: name.clone(),
            clock: Clock::new(Timestamp::now),
        });
        let addresses: Vec<String> =
            args.publish_status_address.iter().filter(|address| !address.is_empty()).cloned().collect();
        let status = match (&args.publish_service, addresses) {
            _ if !args.update_status => None,
            (_, addresses) if !addresses.is_empty() => Some(StatusSource::Addresses(addresses)),
            (Some(service), _) => {
                let (namespace, name) = service.split_once('/').unwrap_or_default();
                Some(StatusSource::Service(ObjectKey::new(namespace, name)))
            }
            (None, _) => None,
        };
        let cluster_resource_namespace =
            args.cluster_resource_namespace.clone().unwrap_or_else(|| namespace.clone());
        let webhooks =
            args.validating_webhook.map(|listen| WebhookOptions { listen, files: files(&args), served });
        let pod = ObjectKey::new(namespace, name);
        let api_server = ApiServer::new(client);
        Ok(Member { cluster, api_server, cluster_resource_namespace, webhooks, injection, args, pod, status })
    }
}

/// How the webhooks are called, and where their CA is.
fn served(args: &ClusterArgs, namespace: &str) -> Served {
    let of_secret = args.dynamic_serving_ca_secret_namespace.as_deref().unwrap_or(namespace);
    let ca = ObjectKey::new(of_secret, args.dynamic_serving_ca_secret_name.clone());
    let mut names = args.dynamic_serving_dns_names.clone();
    if names.is_empty() {
        names = ["", ".svc"].map(|end| format!("cert-manager-webhook.{namespace}{end}")).to_vec();
        names.push("cert-manager-webhook".to_owned());
    }
    Served { ca, names }
}

/// Those of the flags, if they are there: ingress-nginx's chart names files that its own Jobs made.
fn files(args: &ClusterArgs) -> Option<(PathBuf, PathBuf)> {
    let certificate = args.validating_webhook_certificate.clone()?;
    let key = args.validating_webhook_key.clone()?;
    if certificate.is_file() && key.is_file() {
        return Some((certificate, key));
    }
    tracing::info!(certificate = %certificate.display(), "is not there: the webhooks get a certificate of our own");
    None
}

/// Certificates in DER as one text.
fn pem(chain: &[Vec<u8>]) -> Vec<u8> {
    let read = chain.iter().filter_map(|der| Certificate::from_der(der).ok());
    let chain: Vec<Certificate> = read.collect();
    Certificate::chain_to_pem(&chain).unwrap_or_default().into_bytes()
}

/// How an API server is reached: by the named kubeconfig, else by the service account or the usual kubeconfig.
///
/// # Errors
/// There is none, or it cannot be used.
pub(crate) async fn config(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
    server: Option<&str>,
) -> anyhow::Result<kube::Config> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = match (kubeconfig, context, server) {
        (Some(path), ..) => {
            let read = Kubeconfig::read_from(path)
                .with_context(|| format!("cannot read --kubeconfig {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(read, &options)
                .await
                .with_context(|| format!("--kubeconfig {} cannot be used", path.display()))?
        }
        (None, Some(context), _) => kube::Config::from_kubeconfig(&options)
            .await
            .with_context(|| format!("--context {context} cannot be used"))?,
        (None, None, Some(server)) => kube::Config::new(url(server)?),
        (None, None, None) => kube::Config::infer().await.context(
            "no --manifests DIR, and no cluster found: neither a service account nor a kubeconfig",
        )?,
    };
    if let Some(server) = server {
        config.cluster_url = url(server)?;
    }
    Ok(config)
}

fn url(server: &str) -> anyhow::Result<http::Uri> {
    server.parse().with_context(|| format!("--apiserver-host is {server:?}; expected https://HOST:PORT"))
}

/// Outside a pod: this process.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

impl Member {
    /// Does what only one replica may: whoever holds the election's Lease publishes the status of Ingresses and events
    /// of findings, and, once it holds cert-manager's Lease too, has `duty`: it issues. Gives all of it up at
    /// `shutdown`, in an order that leaves no gap.
    pub(crate) async fn lead(
        &self,
        context: &Context,
        duty: &watch::Sender<bool>,
        shutdown: &CancellationToken,
    ) {
        if self.args.disable_leader_election {
            return self.act(context, duty, shutdown).await;
        }
        let ttl = self.args.election_ttl;
        let lease =
            self.lease(ObjectKey::new(self.pod.namespace.clone(), self.args.election_id.clone()), ttl);
        let done = CancellationToken::new();
        let act = async {
            let (mut holder, mut lost) = (lease.holder(), lease.holder());
            let never = CancellationToken::new();
            while until(&mut holder, shutdown, |holder| *holder == Holder::Us).await {
                tokio::select! {
                    () = self.act(context, duty, shutdown) => break,
                    _ = until(&mut lost, &never, |holder| *holder != Holder::Us) => {}
                }
                duty.send_replace(false);
            }
            done.cancel();
        };
        tokio::join!(act, lease.hold(done.cancelled()));
    }

    /// Runs until `shutdown`.
    async fn act(&self, context: &Context, duty: &watch::Sender<bool>, shutdown: &CancellationToken) {
        let findings = async {
            tokio::select! {
                () = jamul_controllers::announce_findings(context) => {}
                () = shutdown.cancelled() => {}
            }
        };
        let bundles = async {
            tokio::select! {
                () = jamul_controllers::keep_bundles(context) => {}
                () = shutdown.cancelled() => {}
            }
        };
        tokio::join!(self.issue(duty, shutdown), self.publish(context, shutdown), findings, bundles);
    }

    /// Has `duty` follow cert-manager's Lease.
    async fn issue(&self, duty: &watch::Sender<bool>, shutdown: &CancellationToken) {
        let namespace = &self.args.leader_election_namespace;
        let key = ObjectKey::new(namespace.clone(), ISSUING_LEASE);
        let lease = self.lease(key.clone(), self.args.leader_election_lease_duration);
        let follow = async {
            let mut holder = lease.holder();
            loop {
                let now = holder.borrow_and_update().clone();
                duty.send_replace(now == Holder::Us);
                match now {
                    Holder::Us => self.cluster.mended(OBSERVED),
                    Holder::Other(other) => self.observe(&key, &other),
                    Holder::Unknown => {}
                }
                tokio::select! {
                    changed = holder.changed() => if changed.is_err() { return },
                    () = shutdown.cancelled() => return,
                }
            }
        };
        tokio::join!(follow, lease.hold(shutdown.cancelled()));
        duty.send_replace(false);
    }

    fn observe(&self, lease: &ObjectKey, other: &str) {
        let message = format!(
            "{other:?} holds it, so certificates are only observed; stop that controller (or scale it to zero), and \
             they are issued from here"
        );
        tracing::warn!(%lease, "{message}");
        self.cluster.diagnose(SourceDiagnostic {
            severity: Severity::Warning,
            object: format!("Lease {lease}"),
            field: "spec.holderIdentity".to_owned(),
            reason: OBSERVED,
            message,
        });
    }

    /// Publishes addresses; takes them back if nobody is left who serves them.
    async fn publish(&self, context: &Context, shutdown: &CancellationToken) {
        let Some(source) = &self.status else { return shutdown.cancelled().await };
        tokio::select! {
            () = jamul_controllers::publish_status(context, source) => {}
            () = shutdown.cancelled() => {}
        }
        if self.args.update_status_on_shutdown && !self.cluster.has_siblings(&self.pod).await {
            jamul_controllers::clear_status(context).await;
        }
    }

    /// With client-go's proportions, as both originals have them.
    fn lease(&self, key: ObjectKey, duration: Duration) -> Lease {
        self.cluster.lease(LeaseSettings {
            key,
            identity: self.pod.name.clone(),
            duration,
            renew_within: duration * 2 / 3,
            every: duration / 4,
        })
    }
}

/// Whether it came true before `shutdown`.
async fn until(
    holder: &mut watch::Receiver<Holder>,
    shutdown: &CancellationToken,
    is_wanted: impl Fn(&Holder) -> bool,
) -> bool {
    tokio::select! {
        found = holder.wait_for(|holder| is_wanted(holder)) => found.is_ok(),
        () = shutdown.cancelled() => false,
    }
}
