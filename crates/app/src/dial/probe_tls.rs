//! TLS for looking at proofs: the server's certificate is what is asked about, so it is not a reason to believe it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::any_certificate::AnyCertificate;
use super::{provider, server_name};

/// Connections of the CA's validator, and of nobody else: whatever certificate is shown is accepted, since no secret is
/// sent and what is read is compared with what only the account's holder can make (RFC 8555 section 8.3, RFC 8737).
#[derive(Clone, Debug)]
pub(crate) struct ProbeTls {
    http: Arc<ClientConfig>,
    alpn: Arc<ClientConfig>,
}

/// What a server showed to a client that speaks `acme-tls/1` only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AlpnProof {
    /// The protocol that it chose.
    pub(crate) protocol: Option<Vec<u8>>,
    /// Its leaf certificate, DER.
    pub(crate) certificate: Vec<u8>,
}

impl ProbeTls {
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let speaking = |protocol: &[u8]| -> anyhow::Result<Arc<ClientConfig>> {
            let mut config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            // A resumed session would show no certificate.
            config.resumption = rustls::client::Resumption::disabled();
            Ok(Arc::new(config))
        };
        Ok(Self { http: speaking(b"http/1.1")?, alpn: speaking(ACME_TLS)? })
    }

    /// The handshake at the end of a redirect to https.
    ///
    /// # Errors
    /// It fails, or takes longer than `wait`.
    pub(crate) async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
        wait: Duration,
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        connect(&self.http, host, stream, wait).await
    }

    /// What is shown for `name` to a client that speaks `acme-tls/1` (RFC 8737 section 3).
    ///
    /// # Errors
    /// The handshake fails, or takes longer than `wait`.
    pub(crate) async fn alpn_proof(
        &self,
        name: &str,
        stream: TcpStream,
        wait: Duration,
    ) -> anyhow::Result<AlpnProof> {
        let stream = connect(&self.alpn, name, stream, wait).await?;
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.context("the server shows no certificate")?.to_vec();
        Ok(AlpnProof { protocol: session.alpn_protocol().map(<[u8]>::to_vec), certificate })
    }
}

async fn connect(
    config: &Arc<ClientConfig>,
    name: &str,
    stream: TcpStream,
    wait: Duration,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let handshake = TlsConnector::from(Arc::clone(config)).connect(server_name(name)?, stream);
    let handshake = tokio::time::timeout(wait, handshake).await;
    let handshake = handshake.with_context(|| format!("TLS with {name} took too long"))?;
    handshake.with_context(|| format!("TLS with {name} failed"))
}

/// RFC 8737 section 6.2.
const ACME_TLS: &[u8] = b"acme-tls/1";
