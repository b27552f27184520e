//! How the CA looks at proofs (RFC 8555 section 8.3): one GET where it says. What an answer is worth and
//! where redirects may lead is decided in `acme`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use http::{Request, Uri, header};
use jamul_acme::BoxFuture;
use jamul_acme::ca::{PROBE_BODY_LIMIT, ProbeAnswer, ProbeError, Prober};
use url::Url;

use crate::dial::{self, Anchors, Overflow};
use crate::transport::Place;

/// Until connected, for the TLS handshake and for the answer, each.
const WAIT: Duration = Duration::from_secs(10);

/// Fetches proofs over http. Names under `localhost` are this machine; private addresses are allowed, because
/// this CA is for them.
#[derive(Debug)]
pub(crate) struct HttpProber {
    /// `None`: the system's.
    resolver: Option<TokioResolver>,
    /// The certificate at the end of a redirect is what is to be replaced: nobody minds it.
    tls: Arc<dial::ClientConfig>,
}

impl HttpProber {
    /// Asks the name server `dns`, or whomever the system asks.
    ///
    /// # Errors
    /// TLS or the resolver cannot be set up.
    pub(crate) fn new(dns: Option<SocketAddr>) -> anyhow::Result<Self> {
        let resolver = dns.map(resolver).transpose()?;
        Ok(Self { resolver, tls: Arc::new(dial::client_config(Anchors::Anybody)?) })
    }

    async fn fetch(&self, url: &Url) -> Result<ProbeAnswer, ProbeError> {
        let because = |error: anyhow::Error| ProbeError::Connect(format!("{error:#}"));
        let url: Uri = url.as_str().parse().map_err(|_| ProbeError::Connect(format!("{url} is no URL")))?;
        let place = Place::parse(&url).map_err(because)?;
        let addresses = self.resolve(&place.host, place.port).await;
        let addresses = addresses.map_err(|error| ProbeError::Dns(format!("{error:#}")))?;
        let stream = dial::connect(&addresses, WAIT).await.map_err(because)?;
        let request = Request::get(&url).header(header::ACCEPT, "*/*").header(header::USER_AGENT, USER_AGENT);
        let request = request.body(Vec::new()).map_err(|error| because(error.into()))?;
        let answer = async {
            if !place.is_tls {
                return dial::exchange(stream, request, PROBE_BODY_LIMIT, Overflow::Cut).await;
            }
            let stream = dial::handshake(Arc::clone(&self.tls), &place.host, stream, WAIT).await?;
            dial::exchange(stream, request, PROBE_BODY_LIMIT, Overflow::Cut).await
        };
        let answered = tokio::time::timeout(WAIT, answer).await;
        let late =
            |_| ProbeError::Timeout(format!("timeout after connect, no answer within {} s", WAIT.as_secs()));
        let (parts, body) = answered.map_err(late)?.map_err(because)?.into_parts();
        let location = parts.headers.get(header::LOCATION);
        let location = location.map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
        Ok(ProbeAnswer { status: parts.status.as_u16(), location, body })
    }

    async fn resolve(&self, host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
        let lookup = async {
            match (dial::local(host), &self.resolver) {
                (None, Some(resolver)) => {
                    // With the dot, no search list is tried.
                    let found = resolver.lookup_ip(format!("{}.", host.trim_end_matches('.'))).await;
                    let found = found.with_context(|| format!("cannot resolve {host}"))?;
                    dial::allowed(host, found.iter().collect(), port)
                }
                (Some(_), _) | (None, None) => dial::resolve(host, port).await,
            }
        };
        tokio::time::timeout(WAIT, lookup).await.with_context(|| format!("cannot resolve {host} in time"))?
    }
}

impl Prober for HttpProber {
    fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<ProbeAnswer, ProbeError>> {
        Box::pin(self.fetch(url))
    }
}

fn resolver(server: SocketAddr) -> anyhow::Result<TokioResolver> {
    let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut name_server.connections {
        connection.port = server.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    resolver.with_context(|| format!("cannot use the name server {server}"))
}

const USER_AGENT: &str = concat!("jamul/", env!("CARGO_PKG_VERSION"), " (ACME validation)");

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_metadata_service_is_not_asked() {
        let prober = HttpProber::new(None).expect("TLS can be set up");
        let url = Url::parse("http://169.254.169.254/.well-known/acme-challenge/t").expect("a URL");
        assert!(prober.get(&url).await.is_err_and(|error| error.to_string().contains("169.254.169.254")));
    }
}
