//! The ACME CA as a server: `jamul ca`, and inside of `jamul run --acme-ca`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jamul_acme::ca::{Ca, CaSettings, ValidationPorts};
use jamul_pki::San;
use jamul_proxy::ServerTls;
use jamul_proxy::plain::{self, Handler};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::cli::CaArgs;
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
    /// Their redirects to https lead to this port.
    pub(crate) tls_alpn01_port: u16,
    /// Name server to ask instead of the system's.
    pub(crate) dns: Option<SocketAddr>,
}

impl AuthoritySettings {
    /// Certificates of 90 days, proved on the usual ports.
    pub(crate) fn new(listen: SocketAddr, state: PathBuf) -> Self {
        let validity = Duration::from_secs(90 * 24 * 60 * 60);
        Self { listen, state, names: Vec::new(), validity, http01_port: 80, tls_alpn01_port: 443, dns: None }
    }
}

/// A CA that is ready to serve.
#[derive(Debug)]
pub(crate) struct Authority {
    ca: Arc<Ca>,
    prober: HttpProber,
    listener: TcpListener,
    tls: ServerTls,
    origin: String,
}

impl Authority {
    /// Takes the port, opens the folder, makes the server's certificate. Blocks on files; within a runtime.
    ///
    /// # Errors
    /// Whatever of this cannot be had.
    pub(crate) fn open(settings: AuthoritySettings) -> anyhow::Result<Self> {
        let AuthoritySettings { listen, state, names, validity, http01_port, tls_alpn01_port, dns } =
            settings;
        let listener = bind(listen).with_context(|| format!("the ACME CA cannot listen on {listen}"))?;
        let address = listener.local_addr().context("the ACME CA has no address")?;
        let prober = HttpProber::new(dns)?;
        let origin = format!("https://{}", authority(address, &names));
        let now = Timestamp::now();
        let validity = SignedDuration::try_from(validity).context("--validity is too long")?;
        let ports = ValidationPorts { http: http01_port, https: tls_alpn01_port };
        let settings = CaSettings { validity, ports, ..CaSettings::new(origin.clone()) };
        let ca = Ca::open(&state, settings, now)
            .with_context(|| format!("cannot open the ACME CA in {}", state.display()))?;
        let (chain, key) = ca
            .server_certificate(&sans(address.ip(), &names), now)
            .context("the ACME CA cannot certify its own server")?;
        let chain = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
        let tls = ServerTls::from_der(chain, key.pkcs8_der().to_vec())?;
        Ok(Self { ca: Arc::new(ca), prober, listener, tls, origin })
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
        let server = plain::serve(self.listener, Some(self.tls), handler, shutdown.clone());
        tokio::select! {
            () = server => Ok(()),
            // What it leaves unfinished is taken up at the next start.
            never = self.ca.work(&self.prober, &Timestamp::now) => match never {},
        }
    }
}

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

/// What clients call this server: its address, or a name of it where it listens on all.
fn authority(address: SocketAddr, names: &[String]) -> String {
    if address.ip().is_unspecified() {
        format!("{}:{}", names.first().map_or("localhost", String::as_str), address.port())
    } else {
        address.to_string()
    }
}

fn sans(address: IpAddr, names: &[String]) -> Vec<San> {
    let named = names.iter().map(|name| match name.parse() {
        Ok(address) => San::Ip(address),
        Err(_) => San::Dns(name.to_ascii_lowercase()),
    });
    let own = if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address };
    let mut sans = vec![San::Dns("localhost".to_owned()), San::Ip(own)];
    sans.extend(named);
    sans.sort();
    sans.dedup();
    sans
}

/// `jamul ca`: serves until SIGINT or SIGTERM.
///
/// # Errors
/// A port or a folder that cannot be had.
pub(crate) fn ca(arguments: &CaArgs) -> anyhow::Result<()> {
    let settings = AuthoritySettings {
        listen: arguments.listen,
        state: arguments.state.clone(),
        names: arguments.names.clone(),
        validity: arguments.validity,
        http01_port: arguments.http01_port,
        tls_alpn01_port: arguments.tls_alpn01_port,
        dns: arguments.dns,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let authority = Authority::open(settings)?;
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
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_called_by_a_name() {
        let all = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 14000));
        assert_eq!(authority(all, &["ca.example".to_owned()]), "ca.example:14000");
        assert_eq!(authority(all, &[]), "localhost:14000");
        assert_eq!(authority("[::1]:14000".parse().unwrap_or(all), &[]), "[::1]:14000");
    }

    #[test]
    fn the_certificate_covers_address_localhost_and_names_once() {
        let names = ["localhost".to_owned(), "CA.example".to_owned(), "10.0.0.1".to_owned()];
        let sans: Vec<String> =
            sans(Ipv4Addr::LOCALHOST.into(), &names).iter().map(ToString::to_string).collect();
        assert_eq!(sans, ["ca.example", "localhost", "10.0.0.1", "127.0.0.1"]);
    }
}
