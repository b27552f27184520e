#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;

use jamul_controllers::ClientIdentity;
use jamul_issuance::dns01::Witnesses;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

fn dns() -> Arc<NameServers> {
    Arc::new(NameServers::new(Vec::new(), Witnesses::Recursive))
}

fn trust(server: &str) -> Trust {
    Trust { server: server.to_owned(), ..Trust::default() }
}

#[test]
fn only_the_embedded_ca_is_trusted_by_its_root() {
    let embedded = Embedded { authority: "127.0.0.1:14000".to_owned(), root: b"root".to_vec() };
    let transports = HyperTransports { embedded: Some(embedded), dns: dns(), api_server: None };
    let (own, other) =
        (trust("https://127.0.0.1:14000/directory"), trust("https://127.0.0.1:14001/directory"));
    assert!(matches!(transports.anchors(&own), Anchors::Pem(b"root")));
    assert!(matches!(transports.anchors(&other), Anchors::System));
    let bundled = Trust { ca_bundle: Some(b"other".to_vec()), ..own };
    assert!(matches!(transports.anchors(&bundled), Anchors::Pem(b"other")));
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let trust = Trust { ca_bundle: Some(b"nothing".to_vec()), ..trust("https://acme.example/") };
    let transports = HyperTransports { embedded: None, dns: dns(), api_server: None };
    assert!(transports.transport(&trust).is_err());
}

#[test]
fn plain_http_leaves_this_machine_never() {
    let place = |url: &str| url.parse().ok().and_then(|url| Place::parse(&url).ok());
    assert_eq!(place("ftp://a.example/"), None);
    assert_eq!(place("/only/a/path"), None);
    assert_eq!(place("https://a.example").map(|place| place.port), Some(443));
    assert_eq!(
        place("http://a.example:14000/x").map(|place| (place.is_tls, place.port)),
        Some((false, 14000))
    );
}

/// A CA, and what it signs for `name`: chain and key.
struct Pairs(CertifiedIssuer<'static, KeyPair>);

impl Pairs {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn of(&self, name: &str) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.der().clone(), key)
    }

    fn identity(&self, name: &str) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        ClientIdentity { chain: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() }
    }
}

/// Answers one connection, if its client shows a certificate of `clients`, in the name of `vault.internal`.
async fn server(servers: &Pairs, clients: &Pairs) -> (SocketAddr, impl Future<Output = std::io::Result<()>>) {
    let mut roots = RootCertStore::empty();
    roots.add(clients.0.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), dial::provider()).build().unwrap();
    let (chain, key) = servers.of("vault.internal");
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(dial::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![chain], key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        let (stream, _) = listener.accept().await?;
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        stream.shutdown().await
    };
    (address, serve)
}

#[tokio::test]
async fn a_server_by_another_name_is_asked_with_a_certificate_and_believed_by_its_bundle_only() {
    let (servers, clients) = (Pairs::new(), Pairs::new());
    let transports = HyperTransports { embedded: None, dns: dns(), api_server: None };
    let good = Trust {
        ca_bundle: Some(servers.0.pem().into_bytes()),
        server_name: Some("vault.internal".to_owned()),
        identity: Some(clients.identity("web")),
        ..Trust::default()
    };
    let no_name = Trust { server_name: None, ..good.clone() };
    let stranger = Trust { identity: Some(servers.identity("web")), ..good.clone() };
    let unknown = Trust { ca_bundle: Some(clients.0.pem().into_bytes()), ..good.clone() };
    for (trust, is_answered) in [(good, true), (no_name, false), (stranger, false), (unknown, false)] {
        let (address, serve) = server(&servers, &clients).await;
        let request = Request::get(format!("https://{address}/v1/sys/health")).body(Vec::new()).unwrap();
        let transport = transports.transport(&trust).unwrap();
        let (answer, _) = tokio::join!(transport.send(request), serve);
        assert_eq!(answer.is_ok_and(|answer| answer.body() == b"ok"), is_answered, "{trust:?}");
    }
}

#[tokio::test]
async fn nobody_is_sent_to_where_clouds_keep_credentials() {
    let transports = HyperTransports { embedded: None, dns: dns(), api_server: None };
    let transport = transports.transport(&Trust::default()).unwrap();
    for url in ["https://169.254.169.254:8200/v1/sys/health", "https://[fd00:ec2::254]/", "http://[fe80::1]/"]
    {
        let refused = transport.send(Request::get(url).body(Vec::new()).unwrap()).await.unwrap_err();
        assert!(format!("{:#}", anyhow::Error::new(refused)).contains("never asked"), "{url}");
    }
}
