//! A store, the loops on it, and objects to put there.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jamul_acme::{BoxFuture, Transport};
use jamul_api::certificate::{CertificatePrivateKey, CertificateSpec};
use jamul_api::condition::{self, Condition};
use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::issuer::{IssuerRef, IssuerSpec};
use jamul_api::{Certificate, Issuer, Object, ObjectKey};
use jamul_controllers::{Context, ControllerMetrics, Enabled, Injection, Live, Settings, Transports, Trust};
use jamul_issuance::SecretOwner;
use jamul_issuance::dns01::{Dns, DnsError, Protocol, Witnesses};
use jamul_issuance::plan::Backoff;
use jamul_issuance::shim::ShimSettings;
use jamul_pki::{CertificateTemplate, KeyAlgorithm, KeyEncoding, PrivateKey, Serial, Subject, Usage};
use jamul_store::{Clock, Memory, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// No wait of a story is longer; the machines that run it may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// The store and what the loops share.
pub(crate) struct Stage {
    pub(crate) store: Store,
    context: Arc<Context>,
}

/// Where connections lead.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Whoever answers.
    pub(crate) server: Option<Arc<dyn Transport>>,
    /// What each connection was asked to believe and to show.
    pub(crate) trusts: Mutex<Vec<Trust>>,
}

impl Transports for World {
    fn transport(&self, trust: &Trust) -> Result<Arc<dyn Transport>, String> {
        self.trusts.lock().unwrap().push(trust.clone());
        self.server.clone().ok_or_else(|| "there is no network here".to_owned())
    }

    fn dns(&self, _: &[SocketAddr]) -> Arc<dyn Dns> {
        Arc::new(NoDns)
    }

    fn api_server(&self) -> Option<Arc<dyn Transport>> {
        None
    }
}

#[derive(Debug)]
struct NoDns;

impl Dns for NoDns {
    fn exchange<'a>(
        &'a self,
        _: SocketAddr,
        _: &'a [u8],
        _: Protocol,
    ) -> BoxFuture<'a, Result<Vec<u8>, DnsError>> {
        unreachable!("nothing is proved by DNS here")
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        unreachable!("nothing is proved by DNS here")
    }

    fn recursive(&self) -> &[SocketAddr] {
        unreachable!("nothing is proved by DNS here")
    }

    fn witnesses(&self) -> Witnesses {
        unreachable!("nothing is proved by DNS here")
    }
}

impl Stage {
    /// With the controllers that `--controllers` names.
    pub(crate) fn new(controllers: &str, world: Arc<World>) -> Self {
        let live = Arc::new(Live::default());
        Self::on(controllers, world, live)
    }

    /// The same, serving into `live`.
    pub(crate) fn on(controllers: &str, world: Arc<World>, live: Arc<Live>) -> Self {
        let store = Store::Memory(Memory::new(Clock::new(Timestamp::now)));
        let settings = Settings {
            translate: jamul_translate::Settings::folder(),
            shim: ShimSettings::default(),
            backoff: Backoff::default(),
            secret_owner: SecretOwner::Nobody,
            cluster_resource_namespace: "default".to_owned(),
            enabled: Enabled::parse(controllers).unwrap(),
            domain_backoff: Backoff { min: SignedDuration::from_mins(1), max: SignedDuration::from_hours(1) },
            concurrent_challenges: 60,
            injection: Injection::default(),
        };
        let metrics = Arc::new(ControllerMetrics::new().unwrap());
        let context = Context::new(store.clone(), world, settings, live, metrics, Timestamp::now);
        Self { store, context: Arc::new(context) }
    }

    /// Runs the loops until `story` is told.
    pub(crate) async fn play<T>(&self, story: impl Future<Output = T>) -> T {
        let (_duty, on_duty) = watch::channel(true);
        let loops = jamul_controllers::run(Arc::clone(&self.context), on_duty, CancellationToken::new());
        tokio::select! {
            ended = loops => panic!("the loops ended: {ended:?}"),
            told = tokio::time::timeout(PATIENCE, story) => told.expect("the story comes to its end in time"),
        }
    }

    /// Waits until the object is as `wanted`.
    pub(crate) async fn until<K: Object, T>(&self, name: &str, wanted: impl Fn(&K) -> Option<T>) -> T {
        let key = ObjectKey::new("default", name);
        let mut changes = self.store.watch::<K>();
        loop {
            if let Some(found) = self.store.get::<K>(&key).as_deref().and_then(&wanted) {
                return found;
            }
            changes.next().await.unwrap();
        }
    }

    /// Waits until one of the objects is as `wanted`.
    pub(crate) async fn until_one<K: Object, T>(&self, wanted: impl Fn(&K) -> Option<T>) -> T {
        let mut changes = self.store.watch::<K>();
        loop {
            if let Some(found) = self.store.list::<K>().iter().find_map(|object| wanted(object)) {
                return found;
            }
            changes.next().await.unwrap();
        }
    }

    /// Waits until the Certificate has this condition, which it gives back.
    pub(crate) async fn certificate(&self, name: &str, type_: &str, holds: bool) -> Condition {
        self.until::<Certificate, _>(name, |certificate| {
            let status = certificate.status.as_ref()?;
            condition::find(&status.conditions, type_).filter(|found| found.is_true() == holds).cloned()
        })
        .await
    }

    /// Waits until the Issuer says whether it is ready, with a reason.
    pub(crate) async fn issuer(&self, name: &str) -> Condition {
        self.until::<Issuer, _>(name, |issuer| {
            condition::find(&issuer.status.as_ref()?.conditions, "Ready").cloned()
        })
        .await
    }

    pub(crate) async fn put<K: Object>(&self, object: K) {
        self.store.apply(object).await.unwrap();
    }

    pub(crate) fn secret(&self, name: &str) -> Arc<Secret> {
        self.store.get::<Secret>(&ObjectKey::new("default", name)).unwrap()
    }

    /// Reasons of all events so far.
    pub(crate) fn reasons(&self) -> Vec<String> {
        self.store.events().into_iter().map(|event| event.reason).collect()
    }
}

pub(crate) fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some("default".to_owned()), name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// Certificate `name` for `name`.localhost in Secret `name`, with a P-256 key.
pub(crate) fn certificate(name: &str, issuer: &str) -> Certificate {
    let private_key = CertificatePrivateKey { algorithm: "ECDSA".to_owned(), ..Default::default() };
    Certificate {
        metadata: metadata(name),
        spec: CertificateSpec {
            secret_name: name.to_owned(),
            issuer_ref: IssuerRef { name: issuer.to_owned(), ..IssuerRef::default() },
            dns_names: vec![format!("{name}.localhost")],
            private_key: Some(private_key),
            ..CertificateSpec::default()
        },
        status: None,
    }
}

/// An Issuer with this spec, written as JSON.
pub(crate) fn issuer(name: &str, spec: &serde_json::Value) -> Issuer {
    let spec: IssuerSpec = serde_json::from_value(spec.clone()).unwrap();
    Issuer { metadata: metadata(name), spec, status: None }
}

pub(crate) fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
    let data = data.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
    Secret { metadata: metadata(name), data: Some(data.collect()), ..Secret::default() }
}

/// A self-signed CA.
pub(crate) struct Authority {
    pub(crate) certificate: jamul_pki::Certificate,
    pub(crate) key: PrivateKey,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let template =
            CertificateTemplate { usages: vec![Usage::CertSign], is_ca: true, ..template("Test CA", &key) };
        Self { certificate: template.self_sign(&key).unwrap(), key }
    }

    pub(crate) fn secret(&self, name: &str) -> Secret {
        let key = self.key.to_pem(KeyEncoding::Pkcs8).unwrap();
        secret(name, &[("tls.crt", &self.certificate.to_pem().unwrap()), ("tls.key", &key)])
    }

    /// Signs what a PEM request asks for.
    pub(crate) fn sign(&self, request: &str) -> jamul_pki::Certificate {
        let csr = jamul_pki::Csr::from_pem(request).unwrap();
        let template = CertificateTemplate {
            subject: csr.subject().clone(),
            sans: csr.sans().to_vec(),
            public_key: csr.public_key().clone(),
            ..template("", &self.key)
        };
        template.sign_by(&jamul_pki::Authority { certificate: &self.certificate, key: &self.key }).unwrap()
    }
}

fn template(name: &str, key: &PrivateKey) -> CertificateTemplate {
    let now = Timestamp::now();
    CertificateTemplate {
        serial: Serial::random().unwrap(),
        subject: Subject::with_common_name(name),
        sans: Vec::new(),
        usages: Vec::new(),
        is_ca: false,
        path_len: None,
        not_before: now,
        not_after: now + SignedDuration::from_hours(2160),
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    }
}
