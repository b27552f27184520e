//! `jamul demo`: the whole story on one machine, with nothing installed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use jamul_api::acme::State;
use jamul_api::condition::{self, Condition};
use jamul_api::{Certificate, Challenge, Issuer, Object, Order};
use jamul_issuance::dns01::Witnesses;
use jamul_issuance::plan::Backoff;
use jamul_issuance::shim::ShimSettings;
use jamul_proxy::{LogFormat, MetricsSettings};
use jamul_store::{Change, Store};
use tokio_util::sync::CancellationToken;

use crate::admin::Speaker;
use crate::cli::{DemoArgs, IssuingArgs};
use crate::name_servers::NameServers;
use crate::options::{self, Options, Place};
use crate::run::{Server, stop_on_signal};
use crate::transport;

const HOST: &str = "hello.localhost";
/// How long the story may take before it counts as failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// Plays the story; stays until Ctrl-C unless `--once`.
pub(crate) fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &args.dir {
        Some(dir) => runtime.block_on(play(dir, args.once)),
        None => {
            let dir = Scratch::new()?;
            runtime.block_on(play(&dir.0, args.once))
        }
    }
}

/// A folder of our own under the system's one for temporary files; gone when the demo ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("jamul-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Ports of the demo: the usual ones, or free ones where those are taken.
struct Ports {
    http: SocketAddr,
    https: SocketAddr,
    healthz: SocketAddr,
    ca: SocketAddr,
}

impl Ports {
    fn choose() -> anyhow::Result<Self> {
        // All are held until all are known, so that no two are the same.
        let (http, https) = (hold(8080)?, hold(8443)?);
        let (healthz, ca) = (hold(10254)?, hold(14000)?);
        Ok(Self {
            http: http.local_addr()?,
            https: https.local_addr()?,
            healthz: healthz.local_addr()?,
            ca: ca.local_addr()?,
        })
    }
}

fn hold(wanted: u16) -> anyhow::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    bind(wanted).or_else(|_| bind(0)).context("no free port on 127.0.0.1")
}

async fn play(dir: &Path, once: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let ports = Ports::choose()?;
    let (manifests, state) = (dir.join("manifests"), dir.join("state"));
    std::fs::create_dir_all(&manifests).with_context(|| format!("cannot create {}", manifests.display()))?;
    let hello = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    write_manifests(&manifests, ports.ca, hello.local_addr()?)?;
    let mut translate = jamul_translate::Settings::folder();
    translate.https_port = ports.https.port();
    let server = Server::open(Options {
        place: Place::Folder { manifests: manifests.clone(), state: state.clone() },
        http: vec![ports.http],
        https: vec![ports.https],
        healthz: vec![ports.healthz],
        acme_ca: Some((ports.ca, state.join("acme-ca"))),
        name_servers: NameServers::new(Vec::new(), Witnesses::Authoritative),
        stream_addresses: Vec::new(),
        workers: options::cores(),
        access_log: false,
        log_format: LogFormat::Text,
        metrics: MetricsSettings::default(),
        speaker: Speaker {
            namespace: "default".to_owned(),
            class: translate.controller_class.clone(),
            pod: "demo".to_owned(),
            lease: String::new(),
        },
        translate,
        shim: ShimSettings::default(),
        shutdown_grace: Duration::ZERO,
        health_path: "/healthz".to_owned(),
        has_metrics: true,
        backoff: Backoff::default(),
        cluster_resource_namespace: "default".to_owned(),
        issuing: IssuingArgs::default(),
        flags: Vec::new(),
    })
    .await?;
    let root = server.authority.as_ref().map(|authority| authority.root_pem()).unwrap_or_default();
    let story = Story { started, store: server.store.clone() };
    story.tell(&format!("a private ACME CA listens on https://{}/directory", ports.ca));
    story.tell(&format!("manifests are in {}, state is in {}", manifests.display(), state.display()));
    let shutdown = CancellationToken::new();
    let narrator = async {
        let told = tokio::time::timeout(DEADLINE, story.until_ready()).await;
        let result = match told {
            Ok(result) => result,
            Err(_) => Err(story.stuck()),
        };
        if let Err(error) = result {
            shutdown.cancel();
            return Err(error);
        }
        let url = format!("https://{HOST}:{}/", ports.https.port());
        let answer = transport::get(&url, root.as_bytes(), ports.https).await;
        let (status, body) = answer.inspect_err(|_| shutdown.cancel())?;
        story.tell(&format!("GET {url} -> {status} {}", String::from_utf8_lossy(&body).trim_end()));
        if status != 200 {
            shutdown.cancel();
            bail!("the first HTTPS request was answered with {status}, not 200");
        }
        let root_file = state.join("acme-ca/root.pem");
        println!("\n  {url}\n  curl --cacert {} {url}\n", root_file.display());
        if once {
            shutdown.cancel();
        } else {
            println!("Ctrl-C ends it.");
        }
        Ok(())
    };
    let upstream = jamul_proxy::plain::serve(hello, None, hello_handler(), shutdown.clone());
    let upstream = async {
        upstream.await;
        Ok(())
    };
    tokio::try_join!(server.run(shutdown.clone()), upstream, narrator, stop_on_signal(shutdown.clone()))
        .map(|_| ())
}

fn hello_handler() -> jamul_proxy::plain::Handler {
    std::sync::Arc::new(|request: http::Request<Vec<u8>>| {
        Box::pin(async move {
            let host = request
                .headers()
                .get(http::header::HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or("nobody");
            http::Response::new(format!("Hello from {host}, by Jamul.\n").into_bytes())
        })
    })
}

/// The blog's manifests with names of this machine.
fn write_manifests(dir: &Path, ca: SocketAddr, hello: SocketAddr) -> anyhow::Result<()> {
    let files = [("issuer.yaml", ISSUER), ("ingress.yaml", INGRESS), ("service.yaml", SERVICE)];
    for (name, text) in files {
        let text = text
            .replace("{CA}", &ca.to_string())
            .replace("{PORT}", &hello.port().to_string())
            .replace("{HOST}", HOST);
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

const ISSUER: &str = "apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: private-ca
spec:
  acme:
    server: https://{CA}/directory
    email: admin@example.com
    privateKeySecretRef:
      name: private-ca-account
    solvers:
      - http01:
          ingress:
            class: nginx
";
const INGRESS: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: hello
  annotations:
    kubernetes.io/ingress.class: nginx
    cert-manager.io/issuer: private-ca
spec:
  tls:
    - hosts: [{HOST}]
      secretName: example-tls
  rules:
    - host: {HOST}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: hello
                port:
                  number: 80
";
const SERVICE: &str = "apiVersion: v1
kind: Service
metadata:
  name: hello
spec:
  ports:
    - name: http
      port: 80
      targetPort: {PORT}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: hello-1
  labels:
    kubernetes.io/service-name: hello
addressType: IPv4
ports:
  - name: http
    port: {PORT}
endpoints:
  - addresses: [127.0.0.1]
";

/// Tells each step as the objects show it.
struct Story {
    started: Instant,
    store: Store,
}

impl Story {
    fn tell(&self, what: &str) {
        println!("{:>7.3}s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// Ends when the Certificate is ready; fails when it cannot become so.
    async fn until_ready(&self) -> anyhow::Result<()> {
        let mut issuers = self.store.watch::<Issuer>();
        let mut orders = self.store.watch::<Order>();
        let mut challenges = self.store.watch::<Challenge>();
        let mut certificates = self.store.watch::<Certificate>();
        let mut told = Vec::new();
        loop {
            let lines = tokio::select! {
                change = issuers.next() => lines(change, issuer_lines),
                change = orders.next() => lines(change, order_lines),
                change = challenges.next() => lines(change, challenge_lines),
                change = certificates.next() => lines(change, certificate_lines),
            };
            for line in lines {
                let (is_failure, is_end) = (line.outcome == Outcome::Failed, line.outcome == Outcome::Done);
                if is_failure {
                    bail!("{}", line.text);
                }
                if !told.contains(&line.text) {
                    self.tell(&line.text);
                    told.push(line.text);
                }
                if is_end {
                    return Ok(());
                }
            }
        }
    }

    fn stuck(&self) -> anyhow::Error {
        let last = self.store.events().pop().map(|event| format!("{}: {}", event.object, event.message));
        anyhow::anyhow!(
            "no certificate after {} s; last event: {}",
            DEADLINE.as_secs(),
            last.unwrap_or_default()
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Going,
    Done,
    Failed,
}

struct Line {
    text: String,
    outcome: Outcome,
}

fn line(text: String, outcome: Outcome) -> Line {
    Line { text, outcome }
}

fn lines<K: Object>(change: Option<Change<K>>, tell: fn(&K) -> Vec<Line>) -> Vec<Line> {
    match change {
        Some(Change::Restarted(objects)) => objects.iter().flat_map(|object| tell(object)).collect(),
        Some(Change::Applied(object)) => tell(&object),
        Some(Change::Deleted(_)) | None => Vec::new(),
    }
}

fn issuer_lines(issuer: &Issuer) -> Vec<Line> {
    let Some(status) = &issuer.status else { return Vec::new() };
    let Some(ready) = condition::find(&status.conditions, "Ready") else { return Vec::new() };
    let account = status.acme.as_ref().map(|account| account.uri.as_str()).unwrap_or_default();
    if ready.is_true() {
        vec![line(format!("account    {account} is registered for Issuer {}", issuer.key()), Outcome::Going)]
    } else {
        vec![line(format!("account    {}", ready.message), Outcome::Going)]
    }
}

fn order_lines(order: &Order) -> Vec<Line> {
    let Some(status) = &order.status else { return Vec::new() };
    let mut lines = Vec::new();
    if !status.url.is_empty() {
        let names = order.spec.dns_names.join(", ");
        lines.push(line(format!("order      {} for {names}", status.url), Outcome::Going));
    }
    match status.state {
        Some(State::Ready) => lines
            .push(line("order      is ready: the certificate request is sent".to_owned(), Outcome::Going)),
        Some(State::Valid) => {
            lines.push(line("order      is valid: the CA has signed".to_owned(), Outcome::Going));
        }
        Some(State::Invalid | State::Errored | State::Expired) => {
            lines.push(line(format!("order failed: {}", status.reason), Outcome::Failed));
        }
        Some(State::Pending | State::Processing) | None => {}
    }
    lines
}

fn challenge_lines(challenge: &Challenge) -> Vec<Line> {
    let name = &challenge.spec.dns_name;
    let mut lines = vec![line(format!("challenge  the CA wants a proof for {name}"), Outcome::Going)];
    if challenge.status.presented {
        lines.push(line(
            format!(
                "challenge  http://{name}/.well-known/acme-challenge/{} is answered",
                challenge.spec.token
            ),
            Outcome::Going,
        ));
    }
    if challenge.status.state == Some(State::Valid) {
        lines.push(line(format!("validation the CA has seen the answer: {name} is ours"), Outcome::Going));
    }
    lines
}

fn certificate_lines(certificate: &Certificate) -> Vec<Line> {
    let Some(status) = &certificate.status else { return Vec::new() };
    if !condition::find(&status.conditions, "Ready").is_some_and(Condition::is_true) {
        return Vec::new();
    }
    let time = |time: &Option<jamul_api::core::Time>| {
        time.as_ref().map(|time| time.0.to_string()).unwrap_or_default()
    };
    let text = format!(
        "certificate in Secret {}, valid until {}, renewed at {}",
        certificate.spec.secret_name,
        time(&status.not_after),
        time(&status.renewal_time)
    );
    vec![line(text, Outcome::Done)]
}
