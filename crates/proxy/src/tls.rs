//! TLS towards clients and upstreams. Nothing outside of this file and its folder knows rustls.

mod any_certificate;
mod client_certificates;
mod resolver;
mod sessions;
mod suites;
mod terminator;
mod upstream;

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use any_certificate::AnyCertificate;
use suites::provider;
pub(crate) use terminator::{Arrived, Terminator};
pub(crate) use upstream::UpstreamTls;

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
    /// Certificates that are to vouch for others cannot be used.
    #[error("CA certificates or lists of revoked certificates cannot be used")]
    Authorities(#[source] jamul_pki::X509Error),
}

/// TLS of a port of Jamul's own (admin, ACME), with one certificate.
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
