//! The ACME CA as a server: `jamul ca`, and inside of `jamul run --acme-ca`.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jamul_acme::ca::{
    Ca, CaSettings, CaaPolicy, Prober, RateLimits, Registration, ValidationPorts, create_external_key,
    rotate_intermediate,
};
use jamul_pki::{Certificate, San};
use jamul_proxy::plain::{self, Handler};
use jamul_proxy::{PortCertificate, ServerTls};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::cli::{CaArgs, CaCommand, Output, ServeArgs};
use crate::probe::HttpProber;

/// What a CA is told.
#[derive(Clone, Debug)]
pub(crate) struct AuthoritySettings {
    /// Address of the directory; port 0 = any free port.
    pub(crate) listen: SocketAddr,
    /// Folder with keys, accounts, orders.
    pub(crate) state: PathBuf,
    /// Further names of this server.
    pub(crate) names: Vec<String>,
    /// How long certificates hold.
    pub(crate) validity: Duration,
    /// http-01 challenges are fetched from this port.
    pub(crate) http01_port: u16,
    /// tls-alpn-01 challenges, and redirects of http-01 to https, lead to this port.
    pub(crate) tls_alpn01_port: u16,
    /// Who may have an account.
    pub(crate) registration: Registration,
    /// Whether CAA records are heeded.
    pub(crate) caa: Caa,
    /// How much one account may ask for.
    pub(crate) limits: Option<RateLimits>,
    /// What a root that is founded now may vouch for; none = everything.
    pub(crate) permitted: Vec<String>,
    /// Name servers to ask instead of the system's: each is a view of its own, and all have to see a proof.
    pub(crate) dns: Vec<SocketAddr>,
}

impl AuthoritySettings {
    /// Certificates of 90 days, proved on the usual ports.
    pub(crate) fn new(listen: SocketAddr, state: PathBuf) -> Self {
        let validity = Duration::from_secs(90 * 24 * 60 * 60);
        Self {
            listen,
            state,
            names: Vec::new(),
            validity,
            http01_port: 80,
            tls_alpn01_port: 443,
            registration: Registration::Open,
            caa: Caa::Ignored,
            limits: None,
            permitted: Vec::new(),
            dns: Vec::new(),
        }
    }
}

/// A CA that is ready to serve.
#[derive(Debug)]
pub(crate) struct Authority {
    ca: Arc<Ca>,
    /// One for each name server.
    probers: Vec<HttpProber>,
    listener: TcpListener,
    tls: ServerTls,
    own: OwnCertificate,
    origin: String,
}

/// The certificate of the CA's own port, and what is needed to renew it.
#[derive(Debug)]
struct OwnCertificate {
    shown: PortCertificate,
    names: Vec<San>,
    /// Two thirds of its life.
    renewal: Timestamp,
}

impl Authority {
    /// Takes the port, opens the folder, makes the server's certificate. Blocks on files; within a runtime.
    ///
    /// # Errors
    /// Whatever of this cannot be had.
    pub(crate) fn open(settings: &AuthoritySettings) -> anyhow::Result<Self> {
        let AuthoritySettings { listen, state, names, validity, .. } = settings.clone();
        let listener = bind(listen).with_context(|| format!("the ACME CA cannot listen on {listen}"))?;
        let address = listener.local_addr().context("the ACME CA has no address")?;
        let probers = match settings.dns.as_slice() {
            [] => vec![HttpProber::new(None)?],
            servers => {
                servers.iter().map(|server| HttpProber::new(Some(*server))).collect::<Result<_, _>>()?
            }
        };
        let origin = format!("https://{}", authority(address, &names));
        let now = Timestamp::now();
        let validity = SignedDuration::try_from(validity).context("--validity is too long")?;
        let own = sans(address.ip(), &names);
        let settings = CaSettings {
            validity,
            ports: ValidationPorts { http: settings.http01_port, https: settings.tls_alpn01_port },
            registration: settings.registration,
            caa: settings.caa.policy(&names),
            limits: settings.limits,
            permitted: permitted(&settings.permitted, &own),
            ..CaSettings::new(origin.clone())
        };
        let ca = Ca::open(&state, settings, now)
            .with_context(|| format!("cannot open the ACME CA in {}", state.display()))?;
        let (chain, key, renewal) = server_certificate(&ca, &own, now)?;
        let (tls, shown) = ServerTls::renewable(chain, key)?;
        let own = OwnCertificate { shown, names: own, renewal };
        Ok(Self { ca: Arc::new(ca), probers, listener, tls, own, origin })
    }

    /// The root certificate, PEM.
    pub(crate) fn root_pem(&self) -> String {
        self.ca.root_pem()
    }

    /// Where clients begin.
    pub(crate) fn directory_url(&self) -> String {
        self.ca.directory_url()
    }

    /// Scheme, host and port of all its URLs.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// None for now; a validation that fails is an answer to its client.
    pub(crate) async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let handler = handler(Arc::clone(&self.ca), self.ca.root_pem());
        let views: Vec<&dyn Prober> = self.probers.iter().map(|prober| prober as &dyn Prober).collect();
        let server = plain::serve(self.listener, Some(self.tls), handler, shutdown.clone());
        tokio::select! {
            () = server => Ok(()),
            // What it leaves unfinished is taken up at the next start.
            never = self.ca.work(&views, &Timestamp::now) => match never {},
            never = self.own.renew(&self.ca) => match never {},
        }
    }
}

impl OwnCertificate {
    /// Renews in time, for ever. The clock is looked at each minute, since it may be set.
    async fn renew(mut self, ca: &Ca) -> Infallible {
        loop {
            tokio::time::sleep(LOOK_AT_CLOCK).await;
            if Timestamp::now() >= self.renewal
                && let Err(error) = self.replace(ca, Timestamp::now())
            {
                tracing::error!("the ACME CA cannot renew the certificate of its own server: {error:#}");
            }
        }
    }

    fn replace(&mut self, ca: &Ca, now: Timestamp) -> anyhow::Result<()> {
        let (chain, key, renewal) = server_certificate(ca, &self.names, now)?;
        self.shown.replace(chain, key)?;
        self.renewal = renewal;
        tracing::info!(next = %renewal, "the ACME CA renewed the certificate of its own server");
        Ok(())
    }
}

/// Chain and key in DER for the CA's own port, and when to make the next.
fn server_certificate(
    ca: &Ca,
    names: &[San],
    now: Timestamp,
) -> anyhow::Result<(Vec<Vec<u8>>, Vec<u8>, Timestamp)> {
    let made = ca.server_certificate(names, now).context("the ACME CA cannot certify its own server");
    let (chain, key) = made?;
    let end = chain.first().map_or(now, Certificate::not_after);
    let renewal = now + end.duration_since(now) / 3 * 2;
    Ok((chain.iter().map(|one| one.der().to_vec()).collect(), key.pkcs8_der().to_vec(), renewal))
}

/// How often the renewal of the CA's own certificate is thought of.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn handler(ca: Arc<Ca>, root_pem: String) -> Handler {
    let root_pem: Arc<str> = root_pem.into();
    Arc::new(move |request| {
        let (ca, root_pem) = (Arc::clone(&ca), Arc::clone(&root_pem));
        Box::pin(async move {
            if request.uri().path() == "/root.pem" {
                return root(&request, &root_pem);
            }
            // It writes files.
            let answered = spawn_blocking(move || ca.handle(&request, Timestamp::now())).await;
            answered.unwrap_or_else(|error| {
                tracing::error!(%error, "the ACME CA did not answer a request");
                status(StatusCode::INTERNAL_SERVER_ERROR)
            })
        })
    })
}

fn root(request: &Request<Vec<u8>>, root_pem: &str) -> Response<Vec<u8>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let mut response = Response::new(root_pem.as_bytes().to_vec());
    let content_type = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn status(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(format!("{status}\n").into_bytes());
    *response.status_mut() = status;
    response
}

/// Whether CAA records are heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caa {
    Ignored,
    Heeded,
}

impl Caa {
    /// The CA goes by the names of its server; an address is no domain that a record could name.
    fn policy(self, names: &[String]) -> CaaPolicy {
        let domains = names.iter().filter(|name| name.parse::<IpAddr>().is_err()).cloned();
        match self {
            Self::Ignored => CaaPolicy::Ignored,
            Self::Heeded => {
                let mut identities: Vec<String> = domains.collect();
                if identities.is_empty() {
                    identities.push(DEFAULT_IDENTITY.to_owned());
                }
                CaaPolicy::Heeded { identities }
            }
        }
    }
}

/// What a CA without a name of its own is called in CAA records.
const DEFAULT_IDENTITY: &str = "jamul.dev";

/// What the root may vouch for: as asked, and the CA's own server. Nothing asked is everything.
fn permitted(asked: &[String], own: &[San]) -> Vec<San> {
    if asked.is_empty() {
        return Vec::new();
    }
    let asked = asked.iter().map(|name| san(name));
    let mut permitted: Vec<San> = asked.chain(own.iter().cloned()).collect();
    permitted.sort();
    permitted.dedup();
    permitted
}

fn san(name: &str) -> San {
    match name.parse() {
        Ok(address) => San::Ip(address),
        Err(_) => San::Dns(name.to_ascii_lowercase()),
    }
}

/// What clients call this server: its address, or a name of it where it listens on all.
fn authority(address: SocketAddr, names: &[String]) -> String {
    if address.ip().is_unspecified() {
        format!("{}:{}", names.first().map_or("localhost", String::as_str), address.port())
    } else {
        address.to_string()
    }
}

fn sans(address: IpAddr, names: &[String]) -> Vec<San> {
    let named = names.iter().map(|name| san(name));
    let own = if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address };
    let mut sans = vec![San::Dns("localhost".to_owned()), San::Ip(own)];
    sans.extend(named);
    sans.sort();
    sans.dedup();
    sans
}

/// `jamul ca`: serves until SIGINT or SIGTERM, or changes something in the folder of a CA.
///
/// # Errors
/// A port or a folder that cannot be had.
pub(crate) fn ca(arguments: &CaArgs) -> anyhow::Result<()> {
    match (&arguments.command, &arguments.serve) {
        (Some(CaCommand::Eab { state, output }), _) => external_key(state, *output),
        (Some(CaCommand::Rotate { state }), _) => rotate(state),
        (None, Some(arguments)) => serve(arguments),
        (None, None) => bail!("expected --listen ADDR:PORT and --state DIR"),
    }
}

fn external_key(state: &Path, output: Output) -> anyhow::Result<()> {
    anyhow::ensure!(
        state.join("root.pem").exists(),
        "there is no CA in {}; start one there first",
        state.display()
    );
    let key = create_external_key(state)?;
    match output {
        Output::Json => anstream::println!("{}", serde_json::to_string(&key)?),
        Output::Yaml => anstream::print!("{}", serde_saphyr::to_string(&key)?),
        Output::Table => {
            anstream::println!("key id    {}", key.key_id);
            anstream::println!("HMAC key  {}", key.hmac_key);
        }
    }
    Ok(())
}

fn rotate(state: &Path) -> anyhow::Result<()> {
    let intermediate = rotate_intermediate(state, Timestamp::now())
        .with_context(|| format!("cannot rotate the intermediate of the CA in {}", state.display()))?;
    let name = intermediate.subject().common_name.clone().unwrap_or_default();
    anstream::println!("{name} signs from now on, until {}", intermediate.not_after());
    Ok(())
}

fn serve(arguments: &ServeArgs) -> anyhow::Result<()> {
    let settings = AuthoritySettings {
        listen: arguments.listen,
        state: arguments.state.clone(),
        names: arguments.names.clone(),
        validity: arguments.validity,
        http01_port: arguments.http01_port,
        tls_alpn01_port: arguments.tls_alpn01_port,
        registration: if arguments.eab_required { Registration::Bound } else { Registration::Open },
        caa: if arguments.caa { Caa::Heeded } else { Caa::Ignored },
        limits: arguments.rate_limits.then(RateLimits::default),
        permitted: arguments.permit.clone(),
        dns: arguments.dns.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let authority = Authority::open(&settings)?;
        anstream::println!("directory {}", authority.directory_url());
        anstream::println!("root      {}", arguments.state.join("root.pem").display());
        let shutdown = CancellationToken::new();
        let (stopped, served) = tokio::join!(stop(shutdown.clone()), authority.serve(shutdown));
        stopped.and(served)
    })
}

/// Cancels `shutdown` at the first SIGINT or SIGTERM.
async fn stop(shutdown: CancellationToken) -> anyhow::Result<()> {
    // Whatever happens here, the server must not wait for ever.
    let guard = shutdown.drop_guard();
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    drop(guard);
    Ok(())
}

#[cfg(test)]
mod tests;
