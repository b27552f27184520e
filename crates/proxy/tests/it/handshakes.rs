//! Handshakes as openssl and rustls see them: versions, protocols, sessions, certificates, key exchange.

use std::sync::Arc;

use jamul_routing::{CertEntry, CertTable, Globals, HostPattern};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use crate::client_certificates::secured;
use crate::openssl::{Files, s_client};
use crate::origin::Origin;
use crate::stage::{SnapshotBuilder, Stage};
use crate::tls::certificate;

fn builder(settings: &[(&str, &str)]) -> SnapshotBuilder {
    let mut builder = SnapshotBuilder::default();
    builder.0.certs = CertTable::new(Some(certificate("default.example").0));
    let find =
        |key: &str| settings.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    let (globals, invalid) = Globals::compile(find);
    assert_eq!(invalid, []);
    builder.0.globals = Arc::new(globals);
    builder
}

fn protocol(told: &str) -> Option<&str> {
    let line = told.lines().find(|line| line.starts_with("New, ") || line.starts_with("Reused, "))?;
    line.split(", ").nth(1).filter(|version| *version != "(NONE)")
}

#[tokio::test]
async fn versions_and_protocols_are_those_of_the_settings_and_of_the_host() {
    let origin = Origin::start("one").await;
    let strict = [("ssl-protocols", "TLSv1.3")];
    let stage = Stage::start(secured(builder(&[]), "strict.example", origin.address, &strict, &[vec![]]));
    for (name, arguments, expected) in [
        ("a.example", ["-tls1_2"], Some("TLSv1.2")),
        ("a.example", ["-tls1_3"], Some("TLSv1.3")),
        ("strict.example", ["-tls1_2"], None),
        ("strict.example", ["-tls1_3"], Some("TLSv1.3")),
    ] {
        let told = s_client(stage.https, name, &arguments).await;
        assert_eq!(protocol(&told), expected, "{name} {arguments:?}: {told}");
    }
    let old = s_client(stage.https, "a.example", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).await;
    assert_eq!(protocol(&old), None, "{old}");
    for (offered, chosen) in [("h2,http/1.1", "h2"), ("http/1.1", "http/1.1")] {
        let told = s_client(stage.https, "a.example", &["-alpn", offered]).await;
        assert!(told.contains(&format!("ALPN protocol: {chosen}\n")), "{told}");
    }
    let stage = Stage::start(builder(&[("ssl-protocols", "TLSv1.2"), ("ssl-ciphers", "EECDH+CHACHA20")]));
    let told = s_client(stage.https, "a.example", &[]).await;
    assert_eq!(protocol(&told), Some("TLSv1.2"), "{told}");
    assert!(told.contains("Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"), "{told}");
}

#[tokio::test]
async fn sessions_are_resumed_as_the_settings_say() {
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3";
    let both = |settings: &[(&str, &str)]| [Stage::start(builder(settings)), Stage::start(builder(settings))];
    let files = Files::new("sessions");
    let resumed = async |first: &Stage, second: &Stage, version: &str, ticket: &[&str]| {
        let path = files.path("session");
        let _: std::io::Result<()> = std::fs::remove_file(&path);
        let mut arguments = vec![version, "-sess_out", &path];
        arguments.extend(ticket);
        // In TLS 1.3 the tickets come after the handshake: openssl reads on while it waits for an answer.
        let told = s_client_waiting(first, &arguments).await;
        assert!(std::fs::exists(&path).unwrap(), "{told}");
        let mut arguments = vec![version, "-sess_in", &path];
        arguments.extend(ticket);
        s_client(second.https, "a.example", &arguments).await.contains("Reused, ")
    };
    let [one, other] = both(&[]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(resumed(&one, &one, version, &[]).await, "{version}");
        assert!(!resumed(&one, &other, version, &[]).await, "keys of their own, {version}");
    }
    let [one, other] = both(&[("ssl-session-ticket-key", key)]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(resumed(&one, &other, version, &[]).await, "replicas with one key, {version}");
    }
    let [one, other] = both(&[("ssl-session-tickets", "false"), ("ssl-session-ticket-key", key)]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(resumed(&one, &one, version, &[]).await, "kept by us, {version}");
        assert!(!resumed(&one, &other, version, &[]).await, "{version}");
    }
}

/// [`s_client`] with a request, so that openssl reads until the answer has come.
async fn s_client_waiting(stage: &Stage, arguments: &[&str]) -> String {
    let mut all = vec!["-ign_eof"];
    all.extend(arguments);
    crate::openssl::s_client_with(
        stage.https,
        "a.example",
        &all,
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
    )
    .await
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_that_it_can_take() {
    let made = |algorithm, name: &str| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate =
            rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let fingerprint = if algorithm == &rcgen::PKCS_RSA_SHA256 { [1; 32] } else { [2; 32] };
        let chain = vec![certificate.der().to_vec()];
        Arc::new(CertEntry {
            fingerprint,
            chain,
            key: key.serialize_der(),
            source: name.into(),
            not_after: i64::MAX,
        })
    };
    let (rsa, ecdsa) =
        (made(&rcgen::PKCS_RSA_SHA256, "a.example"), made(&rcgen::PKCS_ECDSA_P256_SHA256, "a.example"));
    let mut builder = builder(&[]);
    builder.0.certs.insert_two(HostPattern::parse("a.example").unwrap(), ecdsa, rsa);
    let stage = Stage::start(builder);
    for (arguments, expected) in [
        (vec![], "ECDSA"),
        (vec!["-tls1_2"], "ECDSA"),
        (vec!["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "RSA-PSS"),
        (vec!["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"], "RSA-PSS"),
        (vec!["-tls1_2", "-sigalgs", "RSA-PSS+SHA256"], "RSA-PSS"),
    ] {
        let told = s_client(stage.https, "a.example", &arguments).await;
        let kind = told.lines().find_map(|line| line.strip_prefix("Peer signature type: "));
        assert_eq!(kind, Some(expected), "{arguments:?}: {told}");
    }
}

#[tokio::test]
async fn unknown_names_are_refused_where_the_settings_say_so() {
    let origin = Origin::start("one").await;
    let lenient = Stage::start(builder(&[]).route("a.example", &[origin.address]));
    let strict =
        Stage::start(builder(&[("ssl-reject-handshake", "true")]).route("a.example", &[origin.address]));
    for (stage, name, expected) in
        [(&lenient, "b.example", true), (&strict, "b.example", false), (&strict, "a.example", true)]
    {
        let told = s_client(stage.https, name, &[]).await;
        assert_eq!(protocol(&told).is_some(), expected, "{name}: {told}");
    }
}

#[tokio::test]
async fn keys_are_exchanged_by_x25519mlkem768_with_clients_that_can() {
    let stage = Stage::start(builder(&[]));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(jamul_proxy::AnyCertificate(provider)))
        .with_no_client_auth();
    let stream = TcpStream::connect(stage.https).await.unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(group, Some(rustls::NamedGroup::X25519MLKEM768));
}
