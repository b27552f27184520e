//! What `jamul run` is told, from its arguments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use jamul_api::ObjectKey;
use jamul_issuance::dns01::Witnesses;
use jamul_issuance::plan::Backoff;
use jamul_issuance::shim::ShimSettings;
use jamul_proxy::{LogFormat, MetricsSettings};
use jamul_routing::streams::Transport;
use jamul_routing::{Diagnostic, Severity};
use jamul_store::Namespaces;
use jamul_translate::Watched;

use crate::admin::Speaker;
use crate::cli::{IssuingArgs, RunArgs};
use crate::cluster::ClusterOptions;
use crate::name_servers::NameServers;
use crate::state_folder;

/// What a run is told; complete and checked.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where the objects are.
    pub(crate) place: Place,
    /// Plain http.
    pub(crate) http: Vec<SocketAddr>,
    /// https.
    pub(crate) https: Vec<SocketAddr>,
    /// Health, metrics, API.
    pub(crate) healthz: Vec<SocketAddr>,
    /// The CA inside, if any: where it listens, and its state.
    pub(crate) acme_ca: Option<(SocketAddr, PathBuf)>,
    /// For DNS-01.
    pub(crate) name_servers: NameServers,
    /// Of TCP and UDP services.
    pub(crate) stream_addresses: Vec<IpAddr>,
    /// Worker threads.
    pub(crate) workers: usize,
    /// Whether requests are logged to standard output.
    pub(crate) access_log: bool,
    /// How.
    pub(crate) log_format: LogFormat,
    /// What is measured.
    pub(crate) metrics: MetricsSettings,
    /// Whose `/metrics` it is.
    pub(crate) speaker: Speaker,
    /// For translation.
    pub(crate) translate: jamul_translate::Settings,
    /// For ingress-shim.
    pub(crate) shim: ShimSettings,
    /// Between a signal and the end of listening.
    pub(crate) shutdown_grace: Duration,
    /// A further path for health checks.
    pub(crate) health_path: String,
    /// Whether `/metrics` is answered.
    pub(crate) has_metrics: bool,
    /// Between failed issuances.
    pub(crate) backoff: Backoff,
    /// Where ClusterIssuers of a folder look for Secrets.
    pub(crate) cluster_resource_namespace: String,
    /// About certificates.
    pub(crate) issuing: IssuingArgs,
    /// What users should know of their flags.
    pub(crate) flags: Vec<Diagnostic>,
}

/// Where the objects are.
#[derive(Debug)]
pub(crate) enum Place {
    /// In files.
    Folder {
        /// The user's.
        manifests: PathBuf,
        /// The database.
        state: PathBuf,
    },
    /// Behind an API server.
    Cluster(Box<ClusterOptions>),
}

impl Options {
    /// Completes and checks `args`.
    ///
    /// # Errors
    /// A flag whose value is no name of an object; no folder for the state.
    pub(crate) fn from_args(args: &RunArgs) -> anyhow::Result<Self> {
        let state = || args.state.clone().map_or_else(state_folder::default, Ok);
        let place = match args.manifests.clone() {
            // What changes there is told by absolute paths only.
            Some(manifests) => {
                let manifests = std::path::absolute(&manifests).unwrap_or(manifests);
                Place::Folder { manifests, state: state()? }
            }
            None => Place::Cluster(Box::new(ClusterOptions::new(
                args.cluster.clone(),
                match args.watch_namespace_selector {
                    Some(_) => Namespaces::Read,
                    None => Namespaces::Unread,
                },
            ))),
        };
        let addresses = if args.bind_address.is_empty() { any_address() } else { args.bind_address.clone() };
        let on =
            |port: u16| addresses.iter().map(|address| SocketAddr::new(*address, port)).collect::<Vec<_>>();
        let mut translate = match &place {
            Place::Folder { .. } => jamul_translate::Settings::folder(),
            Place::Cluster(_) => jamul_translate::Settings {
                watch_without_class: args.watch_ingress_without_class,
                ..jamul_translate::Settings::default()
            },
        };
        translate.ingress_class.clone_from(&args.ingress_class);
        translate.controller_class.clone_from(&args.controller_class);
        translate.annotations_prefix.clone_from(&args.annotations_prefix);
        // Before a cluster's port is a Service, which clients reach on 443.
        if let Place::Folder { .. } = place {
            translate.https_port = args.https_port;
        }
        translate.config = args.configmap.as_deref().map(|text| key("--configmap", text)).transpose()?;
        let default_backend = args.default_backend_service.as_deref();
        translate.default_backend =
            default_backend.map(|text| key("--default-backend-service", text)).transpose()?;
        for (flag, transport, named) in [
            ("--tcp-services-configmap", Transport::Tcp, &args.tcp_services_configmap),
            ("--udp-services-configmap", Transport::Udp, &args.udp_services_configmap),
        ] {
            if let Some(text) = named {
                translate.streams.push((transport, key(flag, text)?));
            }
        }
        translate.taken_ports = vec![args.http_port, args.https_port, args.healthz_port];
        translate.disable_catch_all = args.disable_catch_all;
        translate.disable_external_names = args.disable_svc_external_name;
        translate.watched = match (&args.cluster.watch_namespace, &args.watch_namespace_selector) {
            (Some(namespace), _) => Watched::Namespace(namespace.clone()),
            (None, Some(selector)) => Watched::Selector(selector.clone()),
            (None, None) => Watched::All,
        };
        let mut shim = ShimSettings::default();
        shim.default_issuer.name = args.default_issuer_name.clone().unwrap_or_default();
        shim.default_issuer.kind = args.default_issuer_kind.clone().unwrap_or_default();
        shim.default_issuer.group = args.default_issuer_group.clone().unwrap_or_default();
        let default_certificate = args.default_ssl_certificate.as_deref();
        translate.default_secret =
            default_certificate.map(|text| key("--default-ssl-certificate", text)).transpose()?;
        translate.ssl_passthrough = args.enable_ssl_passthrough;
        Ok(Self {
            place,
            http: on(args.http_port),
            https: on(args.https_port),
            healthz: match args.healthz_host {
                Some(host) => vec![SocketAddr::new(host, args.healthz_port)],
                None => on(args.healthz_port),
            },
            acme_ca: match args.acme_ca {
                Some(listen) => Some((listen, state()?.join("acme-ca"))),
                None => None,
            },
            name_servers: NameServers::new(
                args.dns01_recursive_nameservers.clone(),
                match args.dns01_recursive_nameservers_only {
                    true => Witnesses::Recursive,
                    false => Witnesses::Authoritative,
                },
            ),
            stream_addresses: addresses,
            workers: args.workers.unwrap_or_else(cores),
            access_log: true,
            log_format: args.log_format.into(),
            metrics: args.metrics.settings(),
            speaker: speaker(args),
            translate,
            shim,
            shutdown_grace: args.shutdown_grace_period,
            health_path: args.health_check_path.clone(),
            has_metrics: args.enable_metrics,
            backoff: Backoff {
                min: args.certificate_request_minimum_backoff_duration,
                max: args.certificate_request_maximum_backoff_duration,
            },
            cluster_resource_namespace: args
                .cluster
                .cluster_resource_namespace
                .clone()
                .unwrap_or("default".to_owned()),
            issuing: args.issuing.clone(),
            flags: flags(args),
        })
    }
}

/// What users should know of the flags that they gave.
fn flags(args: &RunArgs) -> Vec<Diagnostic> {
    let mut found: Vec<_> = args.without_effect.iter().map(|flag| flag.diagnostic()).collect();
    if args.manifests.is_some() && args.cluster.validating_webhook.is_some() {
        found.push(Diagnostic {
            severity: Severity::Info,
            object: "Flag --validating-webhook".to_owned(),
            field: String::new(),
            reason: "FlagWithoutEffect",
            message: "a folder has no admission; use `jamul check`".to_owned(),
        });
    }
    found
}

/// Who `/metrics` says it is: a pod finds its name in its environment.
fn speaker(args: &RunArgs) -> Speaker {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Speaker {
        namespace: variable("POD_NAMESPACE").unwrap_or_else(|| "default".to_owned()),
        class: args.controller_class.clone(),
        pod: variable("POD_NAME").unwrap_or_else(|| "jamul".to_owned()),
        lease: args.cluster.election_id.clone(),
    }
}

/// Every address of this machine; sockets of one family do not take the other.
fn any_address() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = vec![Ipv4Addr::UNSPECIFIED.into()];
    if std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok() {
        addresses.push(Ipv6Addr::UNSPECIFIED.into());
    }
    addresses
}

fn key(flag: &str, text: &str) -> anyhow::Result<ObjectKey> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(ObjectKey::new(namespace, name))
        }
        Some(_) | None => bail!("{flag} is {text:?}; expected NAMESPACE/NAME"),
    }
}

/// One worker for each core.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
