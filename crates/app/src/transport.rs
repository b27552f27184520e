//! How ACME servers are reached: the port of `acme` and `controllers` over hyper and rustls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use jamul_acme::{BoxFuture, Transport, TransportError};
use jamul_controllers::{Transports, Trust};
use jamul_issuance::dns01::{Dns, Witnesses};
use rustls::ClientConfig;

use crate::dial::{self, Anchors, Overflow, SkipTlsVerify};
use crate::name_servers::NameServers;

/// For a whole exchange.
const TOTAL: Duration = Duration::from_secs(90);
/// Until connected, and for the TLS handshake.
const CONNECT: Duration = Duration::from_secs(30);
/// Longest body of an answer.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Makes rustls use aws-lc-rs wherever nothing else was said.
pub(crate) fn install_crypto_provider() {
    // An error only says that there is one already; ours is the only one linked.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Makes transports by trust.
#[derive(Debug)]
pub(crate) struct HyperTransports {
    embedded: Option<Embedded>,
    dns: Arc<NameServers>,
    api_server: Option<ApiServer>,
}

/// The CA inside this process: its root needs no `caBundle`.
#[derive(Debug)]
struct Embedded {
    authority: String,
    root: Vec<u8>,
}

impl HyperTransports {
    /// `extra_root`: host:port (or URL) of the embedded CA and its root in PEM.
    ///
    /// # Errors
    /// A place or a root that is none.
    pub(crate) fn new(
        extra_root: Option<(String, Vec<u8>)>,
        name_servers: NameServers,
        api_server: Option<ApiServer>,
    ) -> anyhow::Result<Self> {
        let dns = Arc::new(name_servers);
        let Some((place, root)) = extra_root else { return Ok(Self { embedded: None, dns, api_server }) };
        let place: Uri = place.parse().with_context(|| format!("{place:?} is no place of an ACME CA"))?;
        let authority = place.authority().context("the embedded ACME CA has no address")?.to_string();
        dial::client_config(Anchors::Pem(&root))
            .context("the root of the embedded ACME CA cannot be used")?;
        Ok(Self { embedded: Some(Embedded { authority, root }), dns, api_server })
    }

    fn anchors<'a>(&'a self, trust: &'a Trust) -> Anchors<'a> {
        let asked = trust.server.parse::<Uri>().ok();
        let asked = asked.as_ref().and_then(Uri::authority).map(http::uri::Authority::as_str);
        let embedded = self.embedded.as_ref().filter(|embedded| asked == Some(embedded.authority.as_str()));
        match (SkipTlsVerify::chosen_by(trust), &trust.ca_bundle, embedded) {
            (Some(unchecked), _, _) => Anchors::Unchecked(unchecked),
            (None, Some(bundle), _) => Anchors::Pem(bundle),
            (None, None, Some(embedded)) => Anchors::Pem(&embedded.root),
            (None, None, None) => Anchors::System,
        }
    }
}

impl Transports for HyperTransports {
    fn transport(&self, trust: &Trust) -> Result<Arc<dyn Transport>, String> {
        match dial::client_config_as(self.anchors(trust), trust.identity.as_ref()) {
            Ok(config) => {
                let server_name = trust.server_name.clone();
                Ok(Arc::new(HyperTransport { config: Arc::new(config), server_name }))
            }
            Err(error) => Err(format!("{error:#}")),
        }
    }

    fn dns(&self, name_servers: &[SocketAddr]) -> Arc<dyn Dns> {
        match name_servers {
            [] => Arc::clone(&self.dns) as Arc<dyn Dns>,
            own => Arc::new(NameServers::new(own.to_vec(), Witnesses::Recursive)),
        }
    }

    fn api_server(&self) -> Option<Arc<dyn Transport>> {
        Some(Arc::new(self.api_server.clone()?))
    }
}

/// Sends requests to the API server, as who we are there.
#[derive(Clone)]
pub(crate) struct ApiServer(kube::Client);

impl ApiServer {
    pub(crate) fn new(client: kube::Client) -> Self {
        Self(client)
    }
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiServer")
    }
}

impl Transport for ApiServer {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let url = request.uri().to_string();
            let exchange = async {
                let response = self.0.send(request.map(kube::client::Body::from)).await?;
                let (parts, body) = response.into_parts();
                let body =
                    Limited::new(body, MAX_BODY).collect().await.map_err(|error| anyhow::anyhow!(error))?;
                anyhow::Ok(Response::from_parts(parts, body.to_bytes().to_vec()))
            };
            let sent = tokio::time::timeout(TOTAL, exchange).await;
            let sent =
                sent.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", TOTAL.as_secs())));
            sent.map_err(|error| TransportError { url, source: error.into() })
        })
    }
}

/// Sends requests to one server.
#[derive(Debug)]
struct HyperTransport {
    config: Arc<ClientConfig>,
    /// Whose certificate is expected, if not that of the host in the URL.
    server_name: Option<String>,
}

impl Transport for HyperTransport {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            let url = request.uri().to_string();
            let sent = tokio::time::timeout(TOTAL, self.exchange(request)).await;
            let sent =
                sent.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", TOTAL.as_secs())));
            sent.map_err(|error| TransportError { url, source: error.into() })
        })
    }
}

impl HyperTransport {
    async fn exchange(&self, request: Request<Vec<u8>>) -> anyhow::Result<Response<Vec<u8>>> {
        let place = Place::parse(request.uri())?;
        let addresses = tokio::time::timeout(CONNECT, dial::resolve(&place.host, place.port)).await;
        let mut addresses = addresses.with_context(|| format!("cannot resolve {} in time", place.host))??;
        if !place.is_tls {
            addresses.retain(|address| address.ip().is_loopback());
            ensure!(!addresses.is_empty(), "http is for this machine only: expected an https URL");
        }
        let stream = dial::connect(&addresses, CONNECT).await?;
        if place.is_tls {
            let name = self.server_name.as_ref().unwrap_or(&place.host);
            let stream = dial::handshake(Arc::clone(&self.config), name, stream, CONNECT).await?;
            dial::exchange(stream, request, MAX_BODY, Overflow::Refuse).await
        } else {
            dial::exchange(stream, request, MAX_BODY, Overflow::Refuse).await
        }
    }
}

/// What a URL says about where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    /// As written, or the scheme's.
    pub(crate) port: u16,
}

impl Place {
    /// The place of an http or https URL.
    ///
    /// # Errors
    /// Another scheme, no host, or a port that is none.
    pub(crate) fn parse(url: &Uri) -> anyhow::Result<Self> {
        let is_tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) | None => bail!("{url} is no URL that can be asked: expected https://HOST/..."),
        };
        let host =
            url.host().filter(|host| !host.is_empty()).with_context(|| format!("{url} has no host"))?;
        let explicit_port = url.port_u16();
        ensure!(explicit_port.is_some() == url.port().is_some(), "{url} has no usable port");
        let port = explicit_port.unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { is_tls, host: host.to_owned(), port })
    }
}

/// Asks `url` at `connect_to`, whatever its name resolves to, and believes only `root_pem`. Gives status and
/// body.
///
/// # Errors
/// No verified connection, or no whole answer within 30 s.
pub(crate) async fn get(
    url: &str,
    root_pem: &[u8],
    connect_to: SocketAddr,
) -> anyhow::Result<(u16, Vec<u8>)> {
    let request = Request::get(url).body(Vec::new()).with_context(|| format!("{url} is no URL"))?;
    let place = Place::parse(request.uri())?;
    ensure!(place.is_tls, "expected an https URL, found {url}");
    let config = Arc::new(dial::client_config(Anchors::Pem(root_pem))?);
    let fetch = async {
        let stream = dial::connect(&[connect_to], CONNECT).await?;
        let stream = dial::handshake(config, &place.host, stream, CONNECT).await?;
        let (parts, body) = dial::exchange(stream, request, MAX_BODY, Overflow::Refuse).await?.into_parts();
        Ok((parts.status.as_u16(), body))
    };
    tokio::time::timeout(CONNECT, fetch).await.with_context(|| format!("{url} did not answer in time"))?
}

#[cfg(test)]
mod tests;
