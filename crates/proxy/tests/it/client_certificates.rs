//! Certificates of clients: who gets in, and what upstreams are told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use jamul_routing::annotation::{Lookup, Values};
use jamul_routing::annotations::compile;
use jamul_routing::annotations::tls_versions::only_under;
use jamul_routing::{Authorities, CertEntry, CertTable, Draft, HostPattern, HostRoutes};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use crate::clients::{exchange, status};
use crate::openssl::{Files, curl};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

/// One Secret, with these CA certificates.
pub(crate) struct Secret(pub(crate) Authorities);

impl Lookup for Secret {
    fn config_map(&self, _name: &str) -> Option<BTreeMap<String, String>> {
        None
    }

    fn controllers_config_map(&self, _name: &str) -> Option<BTreeMap<String, String>> {
        None
    }

    fn secret(&self, _name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        None
    }

    fn authorities(&self, _secret: &str) -> Result<Authorities, String> {
        Ok(self.0.clone())
    }

    fn key_pair(&self, _secret: &str) -> Result<Option<Arc<CertEntry>>, String> {
        Ok(None)
    }

    fn setting(&self, _key: &str) -> Option<String> {
        None
    }
}

/// `host` as an Ingress with these annotations serves it.
pub(crate) fn secured(
    builder: SnapshotBuilder,
    host: &str,
    origin: SocketAddr,
    pairs: &[(&str, &str)],
    roots: &[Vec<u8>],
) -> SnapshotBuilder {
    let annotations: BTreeMap<String, String> =
        pairs.iter().map(|(key, value)| (format!("p/{key}"), (*value).to_owned())).collect();
    let mut draft = Draft::default();
    let secret = Secret(Authorities { roots: roots.to_vec(), lists: Vec::new() });
    assert_eq!(compile(&mut Values::new("p", &annotations), &mut draft, &secret), []);
    let policy = Arc::new(draft.host.tls);
    let mut filters = vec![only_under(Arc::clone(&policy))];
    filters
        .extend(draft.host.client_checks.into_iter().flat_map(|checks| [checks.over_tls, checks.in_plain]));
    let mut builder = builder.route_with(host, &[origin], |route| route.filters = filters);
    let pattern = HostPattern::parse(host).unwrap();
    let (_, routes) = builder.0.router.iter().find(|(at, _)| **at == pattern).unwrap();
    let mut routes = HostRoutes::new(routes.routes().to_vec(), true);
    routes.tls = Some(policy);
    builder.0.router.insert(pattern, Arc::new(routes));
    builder
}

const ON: (&str, &str) = ("auth-tls-secret", "default/ca");

fn with_default_certificate(mut builder: SnapshotBuilder) -> SnapshotBuilder {
    builder.0.certs = CertTable::new(Some(certificate("default.example").0));
    builder
}

#[tokio::test]
async fn who_shows_a_certificate_that_is_believed_gets_in_and_the_upstream_is_told() {
    let files = Files::new("believed");
    files.ca("ca");
    files.ca("stranger");
    files.leaf("ca", "jane", "extendedKeyUsage=clientAuth\n");
    files.leaf("ca", "old", "");
    files.leaf("stranger", "eve", "extendedKeyUsage=clientAuth\n");
    files.leaf("ca", "server", "extendedKeyUsage=serverAuth\n");
    let origin = Origin::start("one").await;
    let roots = [files.der("ca")];
    let pass = ("auth-tls-pass-certificate-to-upstream", "true");
    let optional = [ON, ("auth-tls-verify-client", "optional_no_ca")];
    let builder = with_default_certificate(SnapshotBuilder::default());
    let builder = secured(builder, "on.example", origin.address, &[ON, pass], &roots);
    let builder = secured(builder, "any.example", origin.address, &optional, &roots);
    let stage = Stage::start(builder.route("open.example", &[origin.address]));
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let ask = async |host: &str, name: &str| {
            let (certificate, key) = (files.path(name), files.path(&format!("{name}.key")));
            let mut arguments = version.to_vec();
            if !name.is_empty() {
                arguments.extend(["--cert", &certificate, "--key", &key]);
            }
            arguments.extend(["-H", "ssl-client-verify: SUCCESS", "-H", "SSL-Client-Subject-DN: CN=admin"]);
            curl(stage.https, host, &arguments).await
        };
        let (code, body) = ask("on.example", "jane").await;
        assert_eq!(code, 200, "{version:?}: {body}");
        for line in [
            "ssl-client-verify: SUCCESS\n",
            "ssl-client-subject-dn: CN=jane,O=Acme\n",
            "ssl-client-issuer-dn: CN=ca\n",
            "ssl-client-cert: -----BEGIN%20CERTIFICATE-----%0A",
        ] {
            assert!(body.contains(line), "{line:?} is missing in {body}");
        }
        assert_eq!(ask("on.example", "old").await.0, 200, "X.509 version 1, {version:?}");
        assert_eq!(ask("on.example", "ca").await.0, 200, "its own CA, {version:?}");
        for name in ["", "eve", "server", "stranger"] {
            let (code, body) = ask("on.example", name).await;
            assert_eq!(code, 400, "{name:?} {version:?}: {body}");
            assert!(!body.contains("GET /"), "the origin was asked: {body}");
        }
        let (code, body) = ask("any.example", "eve").await;
        let told = "ssl-client-verify: FAILED:unable to get local issuer certificate\n";
        assert!(code == 200 && body.contains(told) && !body.contains("ssl-client-cert"), "{body}");
        let (code, body) = ask("any.example", "").await;
        assert!(code == 200 && body.contains("ssl-client-verify: NONE\n"), "{body}");
        assert!(!body.contains("admin"), "a client says who it is: {body}");
        let (code, body) = ask("open.example", "jane").await;
        assert!(code == 200 && !body.contains("ssl-client-"), "{body}");
    }
}

fn client(cert: Option<(&Files, &str)>) -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(jamul_proxy::AnyCertificate(provider)));
    Arc::new(match cert {
        None => builder.with_no_client_auth(),
        Some((files, name)) => {
            use rustls_pki_types::pem::PemObject;
            let key =
                rustls_pki_types::PrivateKeyDer::from_pem_file(files.path(&format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(vec![files.der(name).into()], key).unwrap()
        }
    })
}

/// One exchange on a connection of its own: the status, and how the handshake went.
async fn ask(
    stage: &Stage,
    config: &Arc<rustls::ClientConfig>,
    name: &str,
    host: &str,
) -> (u16, rustls::HandshakeKind) {
    let stream = TcpStream::connect(stage.https).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let response = exchange(&mut stream, &format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
    (status(&response), stream.get_ref().1.handshake_kind().unwrap())
}

#[tokio::test]
async fn a_session_without_a_certificate_opens_nothing_where_one_is_asked_for() {
    use rustls::HandshakeKind::{Full, FullWithHelloRetryRequest, Resumed};
    let files = Files::new("session");
    files.ca("ca");
    files.leaf("ca", "jane", "extendedKeyUsage=clientAuth\n");
    let origin = Origin::start("one").await;
    let open = || with_default_certificate(SnapshotBuilder::default()).route("a.example", &[origin.address]);
    let stage = Stage::start(open());
    let nobody = client(None);
    assert_eq!(ask(&stage, &nobody, "a.example", "a.example").await, (200, Full));
    assert_eq!(ask(&stage, &nobody, "a.example", "a.example").await, (200, Resumed));
    let closed = secured(open(), "a.example", origin.address, &[ON], &[files.der("ca")]);
    stage.snapshots.store(Arc::new(closed.0));
    let (code, kind) = ask(&stage, &nobody, "a.example", "a.example").await;
    assert!(code == 400 && matches!(kind, Full | FullWithHelloRetryRequest), "{code} {kind:?}");
    let jane = client(Some((&files, "jane")));
    assert_eq!(ask(&stage, &jane, "a.example", "a.example").await, (200, Full));
    assert_eq!(
        ask(&stage, &jane, "a.example", "a.example").await,
        (200, Resumed),
        "the certificate comes with it"
    );
    files.ca("another");
    let other = secured(open(), "a.example", origin.address, &[ON], &[files.der("another")]);
    stage.snapshots.store(Arc::new(other.0));
    assert_eq!(ask(&stage, &jane, "a.example", "a.example").await, (400, Full), "nobody vouches any more");
}

#[tokio::test]
async fn a_request_is_for_the_host_of_its_handshake_where_their_policies_differ() {
    let files = Files::new("misdirected");
    files.ca("ca");
    files.leaf("ca", "jane", "extendedKeyUsage=clientAuth\n");
    let origin = Origin::start("one").await;
    let roots = [files.der("ca")];
    let builder = with_default_certificate(SnapshotBuilder::default());
    let builder = secured(builder, "on.example", origin.address, &[ON], &roots);
    let builder = secured(builder, "too.example", origin.address, &[ON], &roots);
    let builder = secured(builder, "13.example", origin.address, &[("ssl-protocols", "TLSv1.3")], &roots);
    let stage = Stage::start(builder.route("open.example", &[origin.address]));
    let (nobody, jane) = (client(None), client(Some((&files, "jane"))));
    for (config, name, host, expected) in [
        (&nobody, "open.example", "on.example", 421),
        (&nobody, "unknown.example", "on.example", 421),
        (&jane, "open.example", "on.example", 421),
        (&nobody, "open.example", "13.example", 421),
        (&nobody, "13.example", "on.example", 421),
        (&jane, "on.example", "too.example", 200),
        (&jane, "on.example", "open.example", 200),
        (&nobody, "open.example", "unknown.example", 404),
    ] {
        assert_eq!(ask(&stage, config, name, host).await.0, expected, "{name} {host}");
    }
}
