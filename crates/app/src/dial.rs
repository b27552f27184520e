//! Requests of our own: where we connect to, whom we believe, how long we wait. One connection per request:
//! ACME needs few, and each is judged anew.

mod any_certificate;
mod probe_tls;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jamul_controllers::{ClientIdentity, Trust};
pub(crate) use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use any_certificate::AnyCertificate;
pub(crate) use probe_tls::ProbeTls;

/// The addresses of `host`, a literal, a name under `localhost` (which is this machine, RFC 6761 section 6.3)
/// or what the system's resolver says; without those that [`is_refused`].
///
/// # Errors
/// No address, or only refused ones.
pub(crate) async fn resolve(host: &str, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let addresses = match local(host) {
        Some(addresses) => addresses,
        None => {
            let found = tokio::net::lookup_host((host, port)).await;
            found.with_context(|| format!("cannot resolve {host}"))?.map(|address| address.ip()).collect()
        }
    };
    allowed(host, addresses, port)
}

/// The addresses that need no resolver: literals and this machine.
pub(crate) fn local(host: &str) -> Option<Vec<IpAddr>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = host.parse() {
        return Some(vec![address]);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    let loopback = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    last.eq_ignore_ascii_case("localhost").then(loopback)
}

/// `addresses` without those that [`is_refused`].
///
/// # Errors
/// Nothing is left.
pub(crate) fn allowed(host: &str, addresses: Vec<IpAddr>, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    ensure!(!addresses.is_empty(), "{host} has no address");
    let (refused, allowed): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| is_refused(*address));
    if let (Some(address), true) = (refused.first(), allowed.is_empty()) {
        bail!(
            "{host} is {address}, and addresses that are link-local, unspecified or multicast are never asked"
        );
    }
    Ok(allowed.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

/// Whether nobody has business there: link-local addresses are where clouds keep their metadata.
pub(crate) fn is_refused(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            let is_metadata = address.segments().starts_with(&METADATA);
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || is_metadata
        }
    }
}

/// fd00:ec2::/32, where a large cloud answers IPv6 questions about a machine's credentials.
const METADATA: [u16; 2] = [0xfd00, 0x0ec2];

/// Connects to the first of `addresses` that lets us, within `wait` for each.
///
/// # Errors
/// What the last one said.
pub(crate) async fn connect(addresses: &[SocketAddr], wait: Duration) -> anyhow::Result<TcpStream> {
    let mut failure = anyhow::anyhow!("there is no address to connect to");
    for address in addresses {
        match tokio::time::timeout(wait, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                failure = anyhow::Error::new(error).context(format!("cannot connect to {address}"));
            }
            Err(_) => {
                failure = anyhow::anyhow!("timeout after {} s during connect to {address}", wait.as_secs());
            }
        }
    }
    Err(failure)
}

/// The TLS handshake with `host`, within `wait`.
///
/// # Errors
/// A host that is no name, a handshake that fails or takes too long.
pub(crate) async fn handshake(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
    wait: Duration,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let name = server_name(host)?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    let handshake = tokio::time::timeout(wait, handshake).await;
    handshake
        .with_context(|| format!("TLS with {host} took too long"))?
        .with_context(|| format!("TLS with {host} failed"))
}

fn server_name(host: &str) -> anyhow::Result<ServerName<'static>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).with_context(|| format!("{host} is no name for TLS"))
}

/// One exchange over `io`. The request's URI is put into the form that http/1.1 wants, and a `Host` is added.
/// `more` says what becomes of a body that is longer than `limit`.
///
/// # Errors
/// No whole answer came, or its body is too long. The caller bounds the time.
pub(crate) async fn exchange<T>(
    io: T,
    mut request: Request<Vec<u8>>,
    limit: usize,
    more: Overflow,
) -> anyhow::Result<Response<Vec<u8>>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let authority = request.uri().authority().context("the URL has no host")?.as_str().to_owned();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    *request.uri_mut() = path.parse::<Uri>().context("the URL has no usable path")?;
    request
        .headers_mut()
        .entry(header::HOST)
        .or_insert(authority.parse().context("the URL has no usable host")?);
    request.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.context("no HTTP")?;
    let mut connection = pin!(connection);
    let answer = async {
        let response = sender.send_request(request.map(|body| Full::new(Bytes::from(body)))).await?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, read(body, limit, more).await?))
    };
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answered = &mut answer => answered,
        // The end of the connection is no news: the answer was read before, or says what failed.
        _ = &mut connection => answer.await,
    }
}

/// What becomes of a body that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It is an error.
    Refuse,
    /// It is cut one byte after the limit.
    Cut,
}

async fn read(mut body: Incoming, limit: usize, more: Overflow) -> anyhow::Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        whole.extend_from_slice(&data);
        if whole.len() > limit {
            ensure!(more == Overflow::Cut, "the answer is longer than {limit} bytes");
            whole.truncate(limit + 1);
            break;
        }
    }
    Ok(whole)
}

/// Whom to believe.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchors<'a> {
    /// The system's, or a built-in list where the system has none.
    System,
    /// These and no others, in PEM.
    Pem(&'a [u8]),
    /// Whoever answers: a user's explicit wish, for one issuer.
    Unchecked(SkipTlsVerify),
}

/// The word of a user that one server is not to be verified. There is no other way to have it, so no other request of
/// ours can go out unverified; what the CA looks at while it validates has a type of its own, [`ProbeTls`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct SkipTlsVerify(());

impl SkipTlsVerify {
    /// `spec.acme.skipTLSVerify` of an issuer.
    pub(crate) fn chosen_by(trust: &Trust) -> Option<Self> {
        trust.skip_verify.then_some(Self(()))
    }
}

/// TLS towards servers that `anchors` vouch for; http/1.1.
///
/// # Errors
/// PEM without a usable certificate.
pub(crate) fn client_config(anchors: Anchors<'_>) -> anyhow::Result<ClientConfig> {
    client_config_as(anchors, None)
}

/// The same, showing `identity` to servers that ask for a certificate.
///
/// # Errors
/// PEM without a usable certificate, or a key that does not fit.
pub(crate) fn client_config_as(
    anchors: Anchors<'_>,
    identity: Option<&ClientIdentity>,
) -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match anchors {
        Anchors::System => builder.with_root_certificates(system_roots()),
        Anchors::Pem(pem) => builder.with_root_certificates(roots(pem)?),
        Anchors::Unchecked(SkipTlsVerify(())) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        }
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.chain).collect();
            let chain = chain.context("the client certificate is no PEM")?;
            let key = PrivateKeyDer::from_pem_slice(&identity.key).context("the client's key is no PEM")?;
            builder.with_client_auth_cert(chain, key).context("the client certificate cannot be used")?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether a TLS client with these anchors believes `chain` (DER, leaf first) for `name`, now.
///
/// # Errors
/// Why it does not.
pub(crate) fn judge(chain: &[&[u8]], name: &str, anchors: Anchors<'_>) -> Result<(), String> {
    let anchors = match anchors {
        Anchors::System => system_roots(),
        Anchors::Pem(pem) => roots(pem).map_err(|error| format!("{error:#}"))?,
        Anchors::Unchecked(SkipTlsVerify(())) => return Ok(()),
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider()).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let mut chain = chain.iter().map(|der| CertificateDer::from(*der));
    let leaf = chain.next().ok_or("there is no certificate")?;
    let name = ServerName::try_from(name).map_err(|_| "it is for no name that a client can ask for")?;
    let above: Vec<_> = chain.collect();
    match verifier.verify_server_cert(&leaf, &above, &name, &[], UnixTime::now()) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn roots(pem: &[u8]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.context("the CA bundle is no PEM")?;
        roots.add(certificate).context("the CA bundle holds what is no certificate")?;
    }
    ensure!(!roots.is_empty(), "the CA bundle holds no certificate: expected PEM, BEGIN CERTIFICATE");
    Ok(roots)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a trust anchor of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::debug!("the system has no trust anchors: the built-in list is used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// The one implementation of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_a_metadata_service() {
        let refused =
            ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "fd00:ec2::254"];
        let mapped = "::ffff:169.254.169.254";
        for address in refused.into_iter().chain([mapped]) {
            assert!(address.parse().is_ok_and(is_refused), "{address}");
        }
        for address in ["127.0.0.1", "::1", "10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"] {
            assert!(!address.parse().is_ok_and(is_refused), "{address}");
        }
    }

    #[test]
    fn names_under_localhost_are_this_machine() {
        for host in ["localhost", "web.localhost", "Web.LOCALHOST.", "127.0.0.1", "[::1]"] {
            let addresses = local(host).unwrap_or_default();
            assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{host}");
        }
        assert_eq!(local("localhost.example.com"), None);
        assert_eq!(local("notlocalhost"), None);
    }
}
