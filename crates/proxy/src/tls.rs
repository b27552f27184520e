//! TLS towards clients and upstreams. The only file that knows rustls.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use jamul_routing::{CertEntry, CertTable, Host};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::snapshots::Snapshots;
use crate::wire::Version;

/// A chain and key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// The key is of no kind that TLS can sign with, or is not the key of the certificate.
    #[error("the certificate {name} and its key cannot be used for TLS")]
    Unusable {
        /// Where the certificate comes from.
        name: String,
        /// What TLS says.
        source: rustls::Error,
    },
    /// TLS itself could not be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// TLS of one port: with the certificates of Snapshots, or with one of its own (admin, ACME).
#[derive(Clone)]
pub struct ServerTls {
    acceptor: tokio_rustls::TlsAcceptor,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// Server side of a TLS connection.
pub(crate) type ServerStream<T> = tokio_rustls::server::TlsStream<T>;
/// Client side of a TLS connection.
pub(crate) type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

impl ServerTls {
    /// One certificate for every name: `chain` in DER, leaf first, and its PKCS#8 `key`. Speaks http/1.1.
    ///
    /// # Errors
    /// [`BadCertificate`] if key and chain do not belong together or are of no use for TLS.
    pub fn from_der(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<Self, BadCertificate> {
        Ok(Self::renewable(chain, key)?.0)
    }

    /// As [`Self::from_der`], with a handle that puts another certificate in its place while connections come in.
    ///
    /// # Errors
    /// Those of [`Self::from_der`].
    pub fn renewable(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<(Self, PortCertificate), BadCertificate> {
        let certificate = PortCertificate(Arc::new(ArcSwap::new(port_key(chain, key)?)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(BadCertificate::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificate.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((Self { acceptor: Arc::new(config).into() }, certificate))
    }

    /// TLS for the https port: certificates by server name from the current Snapshot; h2 and http/1.1.
    ///
    /// # Errors
    /// [`BadCertificate::Setup`].
    pub(crate) fn from_snapshots(snapshots: Snapshots) -> Result<Self, BadCertificate> {
        let resolver = CertResolver { snapshots, cache: RwLock::new(Cache::default()) };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(BadCertificate::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // One policy only (no client certificates), so one ticket key may serve all hosts.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(BadCertificate::Setup)?;
        Ok(Self { acceptor: Arc::new(config).into() })
    }

    /// The handshake. The caller sets a limit to the wait.
    pub(crate) async fn accept<T>(&self, stream: T) -> io::Result<ServerStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }
}

/// The certificate of one port of Jamul's own, replaced while the port is open. Clones are the same certificate.
#[derive(Clone)]
pub struct PortCertificate(Arc<ArcSwap<CertifiedKey>>);

impl PortCertificate {
    /// Shows another chain from the next handshake on.
    ///
    /// # Errors
    /// Those of [`ServerTls::from_der`]; the old one stays then.
    pub fn replace(&self, chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<(), BadCertificate> {
        self.0.store(port_key(chain, key)?);
        Ok(())
    }
}

impl fmt::Debug for PortCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortCertificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for PortCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn port_key(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<Arc<CertifiedKey>, BadCertificate> {
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let key = CertifiedKey::from_der(chain, key, &provider());
    key.map(Arc::new).map_err(|source| BadCertificate::Unusable { name: "of this port".to_owned(), source })
}

/// Whether the client chose HTTP/2 by ALPN.
pub(crate) fn is_h2<T>(stream: &ServerStream<T>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice())
}

/// Finds the certificate for a ClientHello; parsed keys are kept by fingerprint, so a new Snapshot costs
/// nothing.
struct CertResolver {
    snapshots: Snapshots,
    cache: RwLock<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<[u8; 32], Arc<CertifiedKey>, foldhash::fast::RandomState>,
    /// At this size, keys that the table no longer holds are dropped.
    sweep_at: usize,
}

const MIN_SWEEP: usize = 1024;

impl fmt::Debug for CertResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertResolver").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(Host::parse);
        let snapshot = self.snapshots.load();
        let entry = snapshot.certs.find(name.as_ref())?;
        self.key(entry, &snapshot.certs)
    }
}

impl CertResolver {
    fn key(&self, entry: &CertEntry, table: &CertTable) -> Option<Arc<CertifiedKey>> {
        let cached =
            self.cache.read().unwrap_or_else(PoisonError::into_inner).keys.get(&entry.fingerprint).cloned();
        if cached.is_some() {
            return cached;
        }
        let key = match certified_key(entry) {
            Ok(key) => Arc::new(key),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "TLS handshake without certificate"
                );
                return None;
            }
        };
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.insert(entry.fingerprint, Arc::clone(&key), table);
        Some(key)
    }
}

impl Cache {
    fn insert(&mut self, fingerprint: [u8; 32], key: Arc<CertifiedKey>, table: &CertTable) {
        if self.keys.len() >= self.sweep_at.max(MIN_SWEEP) {
            let live: std::collections::HashSet<_> =
                table.iter().map(|(_, entry)| entry.fingerprint).collect();
            self.keys.retain(|fingerprint, _| live.contains(fingerprint));
            self.sweep_at = self.keys.len() * 2;
        }
        self.keys.insert(fingerprint, key);
    }
}

fn certified_key(entry: &CertEntry) -> Result<CertifiedKey, BadCertificate> {
    let chain = entry.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(entry.key.clone()));
    CertifiedKey::from_der(chain, key, &provider())
        .map_err(|source| BadCertificate::Unusable { name: entry.source.to_string(), source })
}

/// TLS towards endpoints of `backend-protocol: HTTPS` and `GRPCS`.
pub(crate) struct UpstreamTls {
    http1: tokio_rustls::TlsConnector,
    http2: tokio_rustls::TlsConnector,
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls").finish_non_exhaustive()
    }
}

impl UpstreamTls {
    /// Accepts any certificate and sends no SNI: ingress-nginx's `proxy_ssl_verify off` and
    /// `proxy_ssl_server_name off`.
    ///
    /// # Errors
    /// [`BadCertificate::Setup`].
    pub(crate) fn unverified() -> Result<Self, BadCertificate> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(BadCertificate::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
            .with_no_client_auth();
        config.enable_sni = false;
        let mut http2 = config.clone();
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { http1: Arc::new(config).into(), http2: Arc::new(http2).into() })
    }

    /// The handshake with an endpoint at `address` that is to speak `version`. The caller sets a limit to the
    /// wait.
    pub(crate) async fn connect(
        &self,
        address: IpAddr,
        version: Version,
        stream: TcpStream,
    ) -> io::Result<ClientStream> {
        let connector = match version {
            Version::Http1 => &self.http1,
            Version::Http2 => &self.http2,
        };
        connector.connect(ServerName::IpAddress(address.into()), stream).await
    }
}

/// Believes everybody, but still checks that the peer holds the key of what it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
