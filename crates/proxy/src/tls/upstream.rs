//! TLS towards endpoints of `backend-protocol: HTTPS` and `GRPCS`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use jamul_pki::{Certificate, Peer, Trust, Untrusted};
use jamul_routing::{Endpoint, UpstreamTls as Policy};
use jiff::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;

use super::any_certificate::{AnyCertificate, holds_key_12, holds_key_13};
use super::resolver::certified_key;
use super::suites::{provider_with, versions};
use super::{BadCertificate, ClientStream};
use crate::wire::Version;

/// TLS of one worker towards endpoints.
pub(crate) struct UpstreamTls {
    /// Accepts any certificate and sends no SNI: ingress-nginx's `proxy_ssl_verify off` and
    /// `proxy_ssl_server_name off`.
    usual: Rc<Connectors>,
    by_policy: RefCell<HashMap<Arc<Policy>, Rc<Connectors>, foldhash::fast::RandomState>>,
}

/// More policies than these are forgotten, and made anew when they are needed.
const MOST_POLICIES: usize = 1024;

struct Connectors {
    http1: tokio_rustls::TlsConnector,
    http2: tokio_rustls::TlsConnector,
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls").finish_non_exhaustive()
    }
}

impl UpstreamTls {
    /// # Errors
    /// [`BadCertificate::Setup`].
    pub(crate) fn new() -> Result<Self, BadCertificate> {
        Ok(Self { usual: Rc::new(Connectors::new(&Policy::default())?), by_policy: RefCell::default() })
    }

    /// The handshake with `endpoint`, reached at `address`, that is to speak `version`. The caller sets a limit to the
    /// wait.
    ///
    /// # Errors
    /// It fails, or the endpoint is not believed.
    pub(crate) async fn connect(
        &self,
        policy: Option<&Arc<Policy>>,
        (endpoint, address): (&Endpoint, IpAddr),
        version: Version,
        stream: TcpStream,
    ) -> io::Result<ClientStream> {
        let connectors = match policy {
            None => Rc::clone(&self.usual),
            Some(policy) => self.connectors(policy).map_err(io::Error::other)?,
        };
        let connector = match version {
            Version::Http1 => &connectors.http1,
            Version::Http2 => &connectors.http2,
        };
        let name = match policy {
            Some(policy) => name(policy, endpoint, address).map_err(io::Error::other)?,
            None => ServerName::IpAddress(address.into()),
        };
        connector.connect(name, stream).await
    }

    fn connectors(&self, policy: &Arc<Policy>) -> Result<Rc<Connectors>, BadCertificate> {
        let mut known = self.by_policy.borrow_mut();
        if let Some(connectors) = known.get(policy) {
            return Ok(Rc::clone(connectors));
        }
        let made = Rc::new(Connectors::new(policy)?);
        if known.len() >= MOST_POLICIES {
            known.clear();
        }
        known.insert(Arc::clone(policy), Rc::clone(&made));
        Ok(made)
    }
}

/// Whom the endpoint must be: what the policy says, else what the Service is an alias of, else the Service.
fn name(
    policy: &Policy,
    endpoint: &Endpoint,
    address: IpAddr,
) -> Result<ServerName<'static>, rustls_pki_types::InvalidDnsNameError> {
    let text = match (&policy.name, endpoint) {
        (Some(name), _) => name,
        (None, Endpoint::Name(name, _)) => name,
        (None, Endpoint::Address(_)) => &policy.service,
    };
    if text.is_empty() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(text.to_string())
}

impl Connectors {
    fn new(policy: &Policy) -> Result<Self, BadCertificate> {
        let provider = provider_with(policy.ciphers.as_deref());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(policy.versions))
            .map_err(BadCertificate::Setup)?
            .dangerous();
        let builder = match &policy.verify {
            Some(verify) => {
                let (authorities, depth) = (&verify.authorities, verify.depth);
                let trust = Trust::from_der(&authorities.roots, &authorities.lists, depth);
                let trust = trust.map_err(BadCertificate::Authorities)?;
                builder.with_custom_certificate_verifier(Arc::new(Known { provider, trust }))
            }
            None => builder.with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        };
        let mut config = match &policy.certificate {
            Some(entry) => {
                let shown = Arc::new(Shown(Arc::new(certified_key(entry)?)));
                builder.with_client_cert_resolver(shown)
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = policy.sends_name;
        let mut http2 = config.clone();
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { http1: Arc::new(config).into(), http2: Arc::new(http2).into() })
    }
}

/// Our certificate, whoever asks for one: the endpoint may name other authorities than ours has (as nginx).
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.key.choose_scheme(schemes).map(|_| Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Believes endpoints that somebody vouches for, and that are who they are to be.
#[derive(Debug)]
struct Known {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

impl Known {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Untrusted> {
        let chain: Vec<CertificateDer<'_>> =
            std::iter::once(leaf).chain(between).map(|der| CertificateDer::from(der.as_ref())).collect();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        self.trust.judge(&chain, Peer::Server, now)?;
        let read = Certificate::from_der(leaf).map_err(|_| Untrusted::Unreadable)?;
        if read.covers(&name.to_str()) { Ok(()) } else { Err(Untrusted::Name) }
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge(end_entity, intermediates, server_name, now);
        judged.map(|()| ServerCertVerified::assertion()).map_err(|untrusted| {
            Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(Arc::new(untrusted))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key_12(&self.provider, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        holds_key_13(&self.provider, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
