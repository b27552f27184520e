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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rcgen::{CertificateParams, CustomExtension, KeyPair};
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    use rustls::{ServerConfig, SupportedProtocolVersion, version};
    use rustls_pki_types::PrivateKeyDer;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    #[tokio::test]
    async fn a_proof_with_its_critical_extension_is_seen_by_both_versions_of_tls() {
        for version in [&version::TLS12, &version::TLS13] {
            let (config, shown) = server(version);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let serving =
                async { TlsAcceptor::from(config).accept(listener.accept().await.unwrap().0).await };
            let probe = ProbeTls::new().unwrap();
            let asking = probe.alpn_proof("a.example", stream, Duration::from_secs(10));
            let (proof, served) = tokio::join!(asking, serving);
            served.unwrap();
            assert_eq!(proof.unwrap(), AlpnProof { protocol: Some(ACME_TLS.to_vec()), certificate: shown });
        }
    }

    /// Shows a certificate as RFC 8737 section 3 has it.
    fn server(version: &'static SupportedProtocolVersion) -> (Arc<ServerConfig>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
        let shown = params.self_signed(&key).unwrap().der().to_vec();
        let provider = provider();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let resolver = SingleCertAndKey::from(CertifiedKey::new(vec![shown.clone().into()], key));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        (Arc::new(config), shown)
    }
}
