//! What the loops share.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jamul_acme::Transport;
use jamul_api::core::Ingress;
use jamul_api::issuer::{IssuerRef, IssuerSpec, IssuerStatus};
use jamul_api::{ClusterIssuer, Issuer, Object, ObjectKey};
use jamul_issuance::dns01::Dns;
use jamul_issuance::plan::Backoff;
use jamul_issuance::shim::ShimSettings;
use jamul_issuance::{Note, SecretOwner};
use jamul_routing::{Diagnostic, Snapshot};
use jamul_store::{Announcement, EventType, Store};
use jamul_translate::{Admission, Finding, Translator};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::domains::Domains;
use crate::enabled::Enabled;
use crate::key_maker::KeyMaker;
use crate::metrics::ControllerMetrics;
use crate::name_locks::NameLocks;
use crate::pauses::Pauses;

/// Wall time; the only place where the loops get it from.
pub type Clock = fn() -> Timestamp;

/// Whom to trust when speaking to an ACME server or to Vault, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// Directory URL, or Vault's.
    pub server: String,
    /// The name that the server's certificate has to be for, where it is not that of the URL.
    pub server_name: Option<String>,
    /// What is shown to a server that asks who we are.
    pub identity: Option<ClientIdentity>,
    /// PEM trust anchors instead of the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// Do not verify (`skipTLSVerify`).
    pub skip_verify: bool,
}

/// A client certificate with its key; its Debug form shows neither.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    /// PEM, leaf first.
    pub chain: Vec<u8>,
    /// PEM.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientIdentity")
    }
}

/// Makes connections to ACME servers, and to DNS providers and name servers.
pub trait Transports: std::fmt::Debug + Send + Sync {
    /// A transport with this trust.
    ///
    /// # Errors
    /// A CA bundle or a client certificate that cannot be read.
    fn transport(&self, trust: &Trust) -> Result<Arc<dyn Transport>, String>;

    /// To name servers, for DNS-01: these, which then have to see records, or those of the flags if there are none.
    fn dns(&self, name_servers: &[SocketAddr]) -> Arc<dyn Dns>;

    /// To the API server of the cluster, by paths; `None` without a cluster.
    fn api_server(&self) -> Option<Arc<dyn Transport>>;
}

/// What the loops are told by flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For `translate`.
    pub translate: jamul_translate::Settings,
    /// For ingress-shim.
    pub shim: ShimSettings,
    /// Between failed issuances.
    pub backoff: Backoff,
    /// Who the Secrets of Certificates belong to.
    pub secret_owner: SecretOwner,
    /// Where ClusterIssuers look for Secrets.
    pub cluster_resource_namespace: String,
    /// Which of cert-manager's controllers run.
    pub enabled: Enabled,
    /// Between attempts at a name that a CA could not verify.
    pub domain_backoff: Backoff,
    /// How many challenges are worked on at a time.
    pub concurrent_challenges: usize,
    /// Whose CA bundles are kept.
    pub injection: Injection,
}

/// Whose CA bundles are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injection {
    /// Of whom.
    pub targets: InjectionTargets,
    /// The CA of our own webhooks.
    pub own: ObjectKey,
    /// The CA of the API server, PEM.
    pub api_server: Option<Vec<u8>>,
}

/// Of whom CA bundles are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InjectionTargets {
    /// Of everything that asks for it, as by cert-manager's cainjector.
    #[default]
    All,
    /// Of what names the CA of our own webhooks.
    Own,
}

/// What is being served, and what is wrong with the objects.
#[derive(Debug)]
pub struct Live {
    /// The current Snapshot.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Findings of the last translation, sorted.
    diagnostics: Mutex<BTreeSet<Diagnostic>>,
    /// Counts publications; 0 before the first.
    pub published: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            diagnostics: Mutex::default(),
            published: watch::Sender::new(0),
        }
    }
}

impl Live {
    /// Serves `snapshot` from now on.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
        self.published.send_modify(|count| *count += 1);
    }

    /// Waits for the first Snapshot.
    pub async fn is_published(&self) {
        // What it yields is a lock on the count, and the sender is in `self`.
        drop(self.published.subscribe().wait_for(|count| *count > 0).await);
    }

    /// Takes what became of findings, in order.
    pub(crate) fn take(&self, findings: Vec<Finding>) {
        let mut found = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in findings {
            match finding {
                Finding::Found(diagnostic) => found.insert(diagnostic),
                Finding::Mended(diagnostic) => found.remove(&diagnostic),
            };
        }
    }

    /// Findings of the last translation.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let found = self.diagnostics.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().cloned().collect()
    }
}

/// What the loops share.
#[derive(Debug)]
pub struct Context {
    /// The world.
    pub store: Store,
    /// Connections to ACME servers.
    pub transports: Arc<dyn Transports>,
    /// Flags.
    pub settings: Settings,
    /// What is being served.
    pub live: Arc<Live>,
    /// Wall time.
    pub clock: Clock,
    /// Of what is served; whoever is asked about an Ingress that is not there yet asks it too.
    pub(crate) translator: Mutex<Translator>,
    /// What the loops count.
    pub metrics: Arc<ControllerMetrics>,
    /// Makes private keys.
    pub(crate) key_maker: KeyMaker,
    /// Names whose records are being changed.
    pub(crate) names: NameLocks,
    /// Names that ACME servers could not verify.
    pub(crate) domains: Domains,
    /// What ACME servers asked to wait with.
    pub(crate) pauses: Pauses,
    /// ACME directories by server and trust.
    pub(crate) clients: Mutex<std::collections::HashMap<Trust, jamul_acme::client::Client>>,
}

impl Context {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Store,
        transports: Arc<dyn Transports>,
        settings: Settings,
        live: Arc<Live>,
        metrics: Arc<ControllerMetrics>,
        clock: Clock,
    ) -> Self {
        let translator = Mutex::new(Translator::new(settings.translate.clone()));
        Self {
            store,
            transports,
            settings,
            live,
            clock,
            translator,
            metrics,
            clients: Mutex::default(),
            key_maker: KeyMaker::default(),
            names: NameLocks::default(),
            domains: Domains::default(),
            pauses: Pauses::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// What is to be said about an Ingress before it is written.
    #[must_use]
    pub fn admit(&self, ingress: &Ingress) -> Admission {
        self.translator().admit(ingress)
    }

    /// Not to be held while waiting.
    pub(crate) fn translator(&self) -> std::sync::MutexGuard<'_, Translator> {
        self.translator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn announce<K: Object>(&self, object: &K, note: &Note) {
        self.store.announce(Announcement {
            kind: K::KIND.to_owned(),
            key: object.key(),
            event_type: if note.is_warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason.clone(),
            message: note.message.clone(),
        });
    }

    /// The namespace in which an issuer's Secrets are.
    pub(crate) fn issuer_namespace(&self, reference: &IssuerRef, namespace: &str) -> String {
        if reference.kind() == "ClusterIssuer" {
            self.settings.cluster_resource_namespace.clone()
        } else {
            namespace.to_owned()
        }
    }

    /// A referenced issuer.
    pub(crate) fn issuer(
        &self,
        reference: &IssuerRef,
        namespace: &str,
    ) -> Option<(IssuerSpec, Option<IssuerStatus>)> {
        let key = Self::issuer_key(reference, namespace);
        if reference.kind() == "ClusterIssuer" {
            self.store.get::<ClusterIssuer>(&key).map(|issuer| (issuer.spec.clone(), issuer.status.clone()))
        } else {
            self.store.get::<Issuer>(&key).map(|issuer| (issuer.spec.clone(), issuer.status.clone()))
        }
    }

    /// The key of a referenced issuer.
    pub(crate) fn issuer_key(reference: &IssuerRef, namespace: &str) -> ObjectKey {
        if reference.kind() == "ClusterIssuer" {
            ObjectKey::new("", reference.name.clone())
        } else {
            ObjectKey::new(namespace, reference.name.clone())
        }
    }
}
