//! `jamul run`: everything in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use jamul_controllers::{Context, ControllerMetrics, Injection, Live, Settings};
use jamul_issuance::SecretOwner;
use jamul_issuance::plan::Backoff;
use jamul_pki::{Certificate, CertificateTemplate, KeyAlgorithm, PrivateKey, San, Serial, Subject, Usage};
use jamul_proxy::{Passthrough, Proxy, ProxySettings};
use jamul_routing::{CertEntry, Diagnostic};
use jamul_store::{Clock, Folder, FolderSettings, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, AdminState, Phase, Speaker};
use crate::ca::{Authority, AuthoritySettings};
use crate::cli::RunArgs;
use crate::cluster::Member;
use crate::control::Control;
use crate::options::{Options, Place};
use crate::transport::HyperTransports;
use crate::webhook::Webhooks;

/// How long exchanges in flight may take at shutdown (`worker-shutdown-timeout`).
const GRACE: Duration = Duration::from_secs(240);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let options = Options::from_args(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let server = Server::open(options).await?;
        tokio::try_join!(server.run(shutdown.clone()), stop_on_signal(shutdown)).map(|_| ())
    })
}

/// Cancels `shutdown` on SIGTERM or SIGINT, or ends when somebody else does.
pub(crate) async fn stop_on_signal(shutdown: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        () = shutdown.cancelled() => {}
    }
    shutdown.cancel();
    Ok(())
}

/// Everything opened and bound, nothing running yet.
pub(crate) struct Server {
    /// The objects.
    pub(crate) store: Store,
    /// What is being served.
    pub(crate) live: Arc<Live>,
    /// The CA inside.
    pub(crate) authority: Option<Authority>,
    world: World,
    webhooks: Option<Webhooks>,
    proxy: Proxy,
    context: Arc<Context>,
    healthz: Vec<SocketAddr>,
    shutdown_grace: Duration,
    health_path: String,
    has_metrics: bool,
    speaker: Speaker,
    flags: Vec<Diagnostic>,
}

/// What keeps the store in step.
#[derive(Debug)]
enum World {
    Folder(Folder, Control),
    Cluster(Box<Member>),
}

impl Server {
    /// Opens the state, reads the manifests and binds the ports.
    pub(crate) async fn open(options: Options) -> anyhow::Result<Self> {
        let mut translate = options.translate;
        let mut webhooks = None;
        let mut injection = Injection::default();
        let (store, world, cluster_resource_namespace) = match options.place {
            Place::Folder { manifests, state } => {
                let folder = Folder::open(FolderSettings {
                    manifests: Some(manifests),
                    state: state.clone(),
                    rescan: FolderSettings::RESCAN,
                    clock: Clock::new(Timestamp::now),
                })?;
                // The state is locked: whatever socket is there is nobody's.
                let control = Control::open(&state)?;
                (
                    Store::Folder(folder.clone()),
                    World::Folder(folder, control),
                    options.cluster_resource_namespace,
                )
            }
            Place::Cluster(cluster) => {
                let member = cluster.join().await?;
                let namespace = member.cluster_resource_namespace.clone();
                webhooks = member.webhooks.clone().map(Webhooks::open).transpose()?;
                injection = member.injection.clone();
                (Store::Cluster(member.cluster.clone()), World::Cluster(Box::new(member)), namespace)
            }
        };
        translate.default_certificate = Some(fake_certificate()?);
        let live = Arc::new(Live::default());
        let settings = ProxySettings {
            http: options.http,
            https: options.https,
            stream_addresses: options.stream_addresses,
            workers: options.workers,
            https_port_in_redirects: translate.https_port,
            grace: GRACE,
            passthrough: if translate.ssl_passthrough { Passthrough::On } else { Passthrough::Off },
            access_log: options.access_log,
            log_format: options.log_format,
            metrics: options.metrics,
        };
        let proxy = Proxy::bind(settings, Arc::clone(&live.snapshot))?;
        let authority = match options.acme_ca {
            Some((listen, state)) => Some(Authority::open(&AuthoritySettings {
                http01_port: proxy.http_addresses().first().map_or(80, SocketAddr::port),
                tls_alpn01_port: proxy.https_addresses().first().map_or(443, SocketAddr::port),
                ..AuthoritySettings::new(listen, state)
            })?),
            None => None,
        };
        let trusted =
            authority.as_ref().map(|authority| (authority.origin(), authority.root_pem().into_bytes()));
        let settings = Settings {
            translate,
            shim: options.shim,
            backoff: options.backoff,
            secret_owner: match options.issuing.enable_certificate_owner_ref {
                true => SecretOwner::Certificate,
                false => SecretOwner::Nobody,
            },
            enabled: options.issuing.controllers,
            domain_backoff: Backoff {
                min: options.issuing.domain_minimum_backoff_duration,
                max: options.issuing.domain_maximum_backoff_duration,
            },
            concurrent_challenges: options.issuing.max_concurrent_challenges,
            cluster_resource_namespace,
            injection,
        };
        let api_server = match &world {
            World::Cluster(member) => Some(member.api_server.clone()),
            World::Folder(..) => None,
        };
        let transports = Arc::new(HyperTransports::new(trusted, options.name_servers, api_server)?);
        let counted = Arc::new(ControllerMetrics::new()?);
        let context =
            Context::new(store.clone(), transports, settings, Arc::clone(&live), counted, Timestamp::now);
        let context = Arc::new(context);
        Ok(Self {
            store,
            live,
            authority,
            world,
            webhooks,
            proxy,
            context,
            healthz: options.healthz,
            shutdown_grace: options.shutdown_grace,
            health_path: options.health_path,
            has_metrics: options.has_metrics,
            speaker: options.speaker,
            flags: options.flags,
        })
    }

    /// Runs until it is `asked` to stop, then drains. A part that ends by itself ends the run, with its name.
    pub(crate) async fn run(self, asked: CancellationToken) -> anyhow::Result<()> {
        // Of the parts; follows what was asked for after the grace of --shutdown-grace-period.
        let shutdown = CancellationToken::new();
        let (phase, phases) = watch::channel(Phase::Starting);
        // A folder has one writer, by its lock.
        let (duty, on_duty) = watch::channel(matches!(self.world, World::Folder(..)));
        let admin = AdminState {
            live: Arc::clone(&self.live),
            store: self.store.clone(),
            phase: phases,
            metrics: self.proxy.metrics(),
            healths: self.proxy.endpoint_healths(),
            tap: self.proxy.tap(),
            health_path: self.health_path,
            has_metrics: self.has_metrics,
            flags: self.flags,
            controllers: Arc::clone(&self.context.metrics),
            leads: on_duty.clone(),
            speaker: self.speaker,
            reloads: Arc::default(),
            certificates: Arc::default(),
            annotations_prefix: self.context.settings.translate.annotations_prefix.clone(),
        };
        // The parts that traffic needs stop last: a CA or an admin port that fails ends the run by the token.
        let stopped = CancellationToken::new();
        let named = |name: &'static str, result: anyhow::Result<()>| {
            asked.cancel();
            shutdown.cancel();
            result.context(name)
        };
        let proxy = async {
            let result = self.proxy.run(shutdown.clone()).await;
            stopped.cancel();
            named("the proxy ended", result.map_err(Into::into))
        };
        let controllers = async {
            if let World::Cluster(member) = &self.world {
                tokio::select! {
                    () = member.cluster.synced() => {}
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
            let result = jamul_controllers::run(Arc::clone(&self.context), on_duty, shutdown.clone()).await;
            named("a controller ended", result.map_err(|message| anyhow!(message)))
        };
        let world = async {
            match &self.world {
                World::Folder(folder, control) => {
                    tokio::join!(
                        folder.run(shutdown.cancelled()),
                        control.serve(&self.store, shutdown.clone())
                    );
                }
                World::Cluster(member) => {
                    // What is given up at shutdown is written to a store that is still alive.
                    let given_up = CancellationToken::new();
                    let lead = async {
                        tokio::select! {
                            () = member.cluster.synced() => {}
                            () = shutdown.cancelled() => {}
                        }
                        member.lead(&self.context, &duty, &shutdown).await;
                        given_up.cancel();
                    };
                    tokio::join!(member.cluster.run(given_up.cancelled()), lead);
                }
            }
            named("the store ended", Ok(()))
        };
        let authority = async {
            match self.authority {
                Some(authority) => named("the ACME CA ended", authority.serve(shutdown.clone()).await),
                None => Ok(()),
            }
        };
        let webhooks = async {
            match self.webhooks {
                // They answer for as long as traffic is taken: who writes may reach us by a Service.
                Some(webhooks) => {
                    named("the webhooks ended", webhooks.serve(&self.context, shutdown.clone()).await)
                }
                None => Ok(()),
            }
        };
        let health = async {
            named("the admin port ended", admin::serve(&self.healthz, admin, stopped.clone()).await)
        };
        let phases = async {
            let mut published = self.live.published.subscribe();
            tokio::select! {
                _ = published.wait_for(|count| *count > 0) => phase.send_replace(Phase::Serving),
                () = asked.cancelled() => Phase::Starting,
            };
            asked.cancelled().await;
            phase.send_replace(Phase::Draining);
            tokio::select! {
                () = tokio::time::sleep(self.shutdown_grace) => {}
                () = shutdown.cancelled() => {}
            }
            shutdown.cancel();
            stopped.cancelled().await;
            phase.send_replace(Phase::Stopped);
            Ok(())
        };
        tokio::try_join!(proxy, controllers, world, webhooks, authority, health, phases).map(|_| ())
    }
}

/// The certificate for names that have none, as ingress-nginx makes it: where no Secret of `--default-ssl-certificate` can be
/// used.
fn fake_certificate() -> anyhow::Result<Arc<CertEntry>> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let now = Timestamp::now();
    let certificate = CertificateTemplate {
        serial: Serial::random()?,
        subject: Subject {
            common_name: Some("Kubernetes Ingress Controller Fake Certificate".to_owned()),
            organizations: vec!["Acme Co".to_owned()],
            ..Subject::default()
        },
        sans: vec![San::Dns("ingress.local".to_owned())],
        usages: vec![Usage::parse("digital signature")?, Usage::parse("server auth")?],
        is_ca: false,
        path_len: None,
        not_before: now,
        not_after: now.checked_add(SignedDuration::from_hours(365 * 24))?,
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    }
    .self_sign(&key)?;
    entry(&[certificate], &key, "the built-in default")
}

fn entry(chain: &[Certificate], key: &PrivateKey, source: &str) -> anyhow::Result<Arc<CertEntry>> {
    let leaf = chain.first().with_context(|| format!("{source} holds no certificate"))?;
    if *leaf.public_key() != key.public_key() {
        bail!("the key in {source} does not fit its certificate");
    }
    Ok(Arc::new(jamul_translate::cert_entry(chain, key, source)))
}
