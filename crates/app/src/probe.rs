//! How the CA looks at proofs: one GET, one handshake, one DNS question, as it says. What an answer is worth and where
//! redirects may lead is decided in `acme`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use http::{Request, Uri, header};
use jamul_acme::BoxFuture;
use jamul_acme::ca::{AlpnAnswer, AlpnTarget, CaaRecord, PROBE_BODY_LIMIT, ProbeAnswer, ProbeError, Prober};
use url::Url;

use crate::dial::{self, Overflow, ProbeTls};
use crate::transport::Place;

/// Until connected, for the TLS handshake and for the answer, each.
const WAIT: Duration = Duration::from_secs(10);

/// Fetches proofs over http. Names under `localhost` are this machine; private addresses are allowed, because
/// this CA is for them.
#[derive(Debug)]
pub(crate) struct HttpProber {
    /// `None`: the system's.
    resolver: Option<TokioResolver>,
    tls: ProbeTls,
}

impl HttpProber {
    /// Asks the name server `dns`, or whomever the system asks.
    ///
    /// # Errors
    /// TLS or the resolver cannot be set up.
    pub(crate) fn new(dns: Option<SocketAddr>) -> anyhow::Result<Self> {
        let resolver = dns.map(resolver).transpose()?;
        Ok(Self { resolver, tls: ProbeTls::new()? })
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
            let stream = self.tls.handshake(&place.host, stream, WAIT).await?;
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

    async fn shake(&self, target: &AlpnTarget) -> Result<AlpnAnswer, ProbeError> {
        let addresses = self.resolve(&target.host, target.port).await;
        let addresses = addresses.map_err(|error| ProbeError::Dns(format!("{error:#}")))?;
        let stream = dial::connect(&addresses, WAIT).await;
        let stream = stream.map_err(|error| ProbeError::Connect(format!("{error:#}")))?;
        let proof = self.tls.alpn_proof(&target.server_name, stream, WAIT).await;
        let proof = proof.map_err(|error| ProbeError::Tls(format!("{error:#}")))?;
        Ok(AlpnAnswer { protocol: proof.protocol, certificate: proof.certificate })
    }

    /// The records of one type at `name`. That there are none is an answer, too.
    async fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, ProbeError> {
        let failed = |error: String| ProbeError::Dns(format!("cannot look up {kind} of {name}: {error}"));
        let system;
        let resolver = match &self.resolver {
            Some(resolver) => resolver,
            None => {
                let built = Resolver::builder_tokio().and_then(|builder| builder.build());
                system = built.map_err(|error| failed(error.to_string()))?;
                &system
            }
        };
        // With the dot, no search list is tried.
        let asked = resolver.lookup(format!("{}.", name.trim_end_matches('.')), kind);
        match tokio::time::timeout(WAIT, asked).await {
            Ok(Ok(found)) => Ok(found
                .answers()
                .iter()
                .filter(|record| record.record_type() == kind)
                .map(|record| record.data.clone())
                .collect()),
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {} s", WAIT.as_secs()))),
        }
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

    fn alpn<'a>(&'a self, target: &'a AlpnTarget) -> BoxFuture<'a, Result<AlpnAnswer, ProbeError>> {
        Box::pin(self.shake(target))
    }

    fn txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, ProbeError>> {
        Box::pin(async move {
            let text = |data: RData| match data {
                RData::TXT(text) => {
                    Some(text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect())
                }
                _ => None,
            };
            Ok(self.lookup(name, RecordType::TXT).await?.into_iter().filter_map(text).collect())
        })
    }

    fn caa<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<CaaRecord>, ProbeError>> {
        Box::pin(async move {
            let record = |data: RData| match data {
                RData::CAA(caa) => Some(CaaRecord {
                    is_critical: caa.issuer_critical,
                    tag: caa.tag.clone(),
                    value: String::from_utf8_lossy(&caa.value).into_owned(),
                }),
                _ => None,
            };
            // This machine's own names have no zone.
            if dial::local(name).is_some() {
                return Ok(Vec::new());
            }
            Ok(self.lookup(name, RecordType::CAA).await?.into_iter().filter_map(record).collect())
        })
    }
}

fn resolver(server: SocketAddr) -> anyhow::Result<TokioResolver> {
    let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut name_server.connections {
        connection.port = server.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    // A record that was not there a moment ago may be the proof.
    builder.options_mut().cache_size = 0;
    builder.build().with_context(|| format!("cannot use the name server {server}"))
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
