//! A CA in a folder of its own, a client that reaches it without a network, and a site that answers its validator.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use jamul_acme::ca::{
    AlpnAnswer, AlpnTarget, Ca, CaSettings, CaaRecord, ProbeAnswer, ProbeError, Prober, ValidationPorts,
};
use jamul_acme::client::{Client, Fetched, Session};
use jamul_acme::jose::AccountKey;
use jamul_acme::tls_alpn::{self, PROTOCOL};
use jamul_acme::wire::Identifier;
use jamul_acme::wire::{Challenge, ChallengeType, NewOrder, Order, OrderStatus};
use jamul_acme::{BoxFuture, Transport, TransportError};
use jamul_pki::{Certificate, KeyAlgorithm, PrivateKey, RequestTemplate, RevocationList, San};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use url::Url;

pub(crate) const BASE: &str = "https://ca.test:14000";

/// Everything a test needs; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    folder: Arc<TempDir>,
    settings: CaSettings,
    /// `None` while the CA is down.
    ca: Arc<Mutex<Option<Arc<Ca>>>>,
    now: Arc<Mutex<Timestamp>>,
    pub(crate) site: Arc<Site>,
    /// What the CA sent, the newest last.
    pub(crate) answers: Arc<Mutex<Vec<Response<Vec<u8>>>>>,
}

/// What the validator finds.
#[derive(Debug, Default)]
pub(crate) struct Site {
    /// By URL.
    files: Mutex<HashMap<String, String>>,
    /// By server name.
    pub(crate) certificates: Mutex<HashMap<String, Vec<u8>>>,
    /// By name.
    pub(crate) texts: Mutex<HashMap<String, Vec<String>>>,
    /// By name.
    pub(crate) caa: Mutex<HashMap<String, Vec<CaaRecord>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut CaSettings)) -> Self {
        let mut settings = CaSettings::new(BASE);
        settings.ports = ValidationPorts { http: 5002, https: 5003 };
        change(&mut settings);
        let world = Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            settings,
            ca: Arc::default(),
            now: Arc::new(Mutex::new(Timestamp::from_second(1_800_000_000).unwrap())),
            site: Arc::default(),
            answers: Arc::default(),
        };
        world.start();
        world
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub(crate) fn wait(&self, time: SignedDuration) {
        *self.now.lock().unwrap() += time;
    }

    pub(crate) fn ca(&self) -> Arc<Ca> {
        self.ca.lock().unwrap().clone().unwrap()
    }

    fn start(&self) {
        let ca = Ca::open(&self.path(), self.settings.clone(), self.now()).unwrap();
        *self.ca.lock().unwrap() = Some(Arc::new(ca));
    }

    /// Ends the CA without a word and opens its folder again, as after `kill -9`.
    pub(crate) fn restart(&self) {
        *self.ca.lock().unwrap() = None;
        self.start();
    }

    /// Does all the work that waits, and returns how much it was.
    pub(crate) async fn work(&self) -> usize {
        let (ca, mut done) = (self.ca(), 0);
        while let Some(job) = ca.take_job() {
            ca.perform(job, &[&*self.site], &|| self.now()).await.unwrap();
            done += 1;
        }
        done
    }

    pub(crate) async fn client(&self) -> Client {
        Client::discover(Arc::new(self.clone()), &format!("{BASE}/directory")).await.unwrap()
    }

    pub(crate) async fn session(&self) -> Session {
        self.client().await.register(&AccountKey::generate().unwrap(), &[], true, None).await.unwrap()
    }

    /// The body of an unsigned GET.
    pub(crate) fn get(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.fetch(&format!("{BASE}{path}"))).into_owned()
    }

    fn fetch(&self, url: &str) -> Vec<u8> {
        let request = Request::get(url).body(Vec::new()).unwrap();
        self.ca().handle(&request, self.now()).into_body()
    }

    /// The list of revoked certificates that `leaf` names.
    pub(crate) fn list_of(&self, leaf: &Certificate) -> RevocationList {
        let [url] = leaf.crl_distribution_points().try_into().unwrap();
        RevocationList::from_der(&self.fetch(&url)).unwrap()
    }

    /// The world as it would be had the CA been killed when the journal held `journal`.
    pub(crate) fn killed_at(&self, journal: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("ca");
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        fs::write(copy.join("journal.jsonl"), journal).unwrap();
        let world =
            Self { folder: Arc::new(folder), ca: Arc::default(), answers: Arc::default(), ..self.clone() };
        world.start();
        world
    }

    pub(crate) fn root(&self) -> Certificate {
        Certificate::from_pem(&self.ca().root_pem()).unwrap()
    }

    pub(crate) fn last_answer<T>(&self, read: impl FnOnce(&Response<Vec<u8>>) -> T) -> T {
        read(self.answers.lock().unwrap().last().unwrap())
    }

    /// An order with its proofs in place, accepted and validated.
    pub(crate) async fn ready_order(&self, session: &Session, hosts: &[&str]) -> Fetched<Order> {
        let placed = session.new_order(&order_for(hosts)).await.unwrap();
        for url in &placed.object.authorizations {
            self.present(session, url).await;
        }
        self.work().await;
        let ready = session.order(&placed.url).await.unwrap();
        assert_eq!(ready.object.status, OrderStatus::Ready, "{:?}", ready.object.error);
        Fetched { url: placed.url, ..ready }
    }

    /// Puts the first proof that is offered in place and says so.
    pub(crate) async fn present(&self, session: &Session, authorization_url: &str) {
        self.prove(session, authorization_url, None).await;
    }

    /// Puts the proof in place, of this kind or the first that is offered, and says so.
    pub(crate) async fn prove(
        &self,
        session: &Session,
        authorization_url: &str,
        kind: Option<ChallengeType>,
    ) {
        let authorization = session.authorization(authorization_url).await.unwrap().object;
        let wanted = |one: &&Challenge| kind.as_ref().is_none_or(|kind| one.kind == *kind);
        let challenge = authorization.challenges.iter().find(wanted).unwrap();
        if challenge.validated.is_some() {
            return;
        }
        let (identifier, token) = (&authorization.identifier, challenge.token.as_ref().unwrap());
        let proof = session.key().key_authorization(token);
        match challenge.kind {
            ChallengeType::Http01 => self.site.put(identifier, token, &proof),
            ChallengeType::TlsAlpn01 => {
                let shown = tls_alpn::certificate(identifier, &proof).unwrap().certificate;
                self.site.certificates.lock().unwrap().insert(identifier.to_string(), shown);
            }
            ChallengeType::Dns01 => {
                let name = format!("_acme-challenge.{identifier}");
                let mut texts = self.site.texts.lock().unwrap();
                texts.entry(name).or_default().push(session.key().dns_record(token));
            }
            ChallengeType::Other(_) => panic!("no such challenge is offered"),
        }
        session.accept(&challenge.url).await.unwrap();
    }

    /// A certificate, all the way.
    pub(crate) async fn certificate(&self, session: &Session, hosts: &[&str]) -> (Certificate, PrivateKey) {
        let order = self.ready_order(session, hosts).await;
        let (key, csr) = request_for(hosts);
        session.finalize(&order.object.finalize, &csr).await.unwrap();
        self.work().await;
        let order = session.order(&order.url).await.unwrap().object;
        let chain = session.certificate(&order.certificate.unwrap()).await.unwrap().remove(0);
        (Certificate::from_pem(&chain).unwrap(), key)
    }
}

impl Transport for World {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let url = request.uri().to_string();
            let Some(ca) = self.ca.lock().unwrap().clone() else {
                return Err(TransportError { url, source: "the CA is down".into() });
            };
            let response = ca.handle(&request, self.now());
            self.answers.lock().unwrap().push(response.clone());
            Ok(response)
        })
    }
}

impl Site {
    pub(crate) fn put(&self, identifier: &Identifier, token: &str, content: &str) {
        let url = format!("http://{identifier}:5002/.well-known/acme-challenge/{token}");
        self.files.lock().unwrap().insert(url, content.to_owned());
    }
}

impl Prober for Site {
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>> {
        let found = self.files.lock().unwrap().get(url.as_str()).cloned();
        Box::pin(async move {
            let body = found.ok_or_else(|| ProbeError::Connect("nobody listens".to_owned()))?;
            Ok(ProbeAnswer { status: 200, location: None, body: body.into_bytes() })
        })
    }

    fn alpn<'a>(&'a self, target: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>> {
        let found = self.certificates.lock().unwrap().get(&target.server_name).cloned();
        Box::pin(async move {
            let certificate = found.ok_or_else(|| ProbeError::Connect("nobody listens".to_owned()))?;
            Ok(AlpnAnswer { protocol: Some(PROTOCOL.to_vec()), certificate })
        })
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>> {
        let found = self.texts.lock().unwrap().get(name).cloned().unwrap_or_default();
        Box::pin(async move { Ok(found) })
    }

    fn caa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>> {
        let found = self.caa.lock().unwrap().get(name).cloned().unwrap_or_default();
        Box::pin(async move { Ok(found) })
    }
}

pub(crate) fn order_for(hosts: &[&str]) -> NewOrder {
    let identifiers = hosts.iter().map(|host| Identifier::from_host(host)).collect();
    NewOrder { identifiers, ..NewOrder::default() }
}

/// A new key and the DER of a request for these hosts.
pub(crate) fn request_for(hosts: &[&str]) -> (PrivateKey, Vec<u8>) {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let csr = request_by(&key, hosts);
    (key, csr)
}

pub(crate) fn request_by(key: &PrivateKey, hosts: &[&str]) -> Vec<u8> {
    let sans = hosts.iter().map(|host| match host.parse() {
        Ok(address) => San::Ip(address),
        Err(_) => San::Dns((*host).to_owned()),
    });
    let template = RequestTemplate { sans: sans.collect(), ..RequestTemplate::default() };
    template.sign(key).unwrap().der().to_vec()
}
