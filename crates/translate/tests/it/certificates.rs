//! Which certificates names are served with.

use jamul_api::ObjectKey;
use jamul_pki::{CertificateTemplate, KeyAlgorithm, PrivateKey, San, Serial, Subject};
use jamul_routing::Host;
use jamul_translate::{Settings, Translator};

use crate::fixture::objects;

fn secret(name: &str, host: &str, algorithm: KeyAlgorithm) -> String {
    let key = PrivateKey::generate(algorithm).expect("a key");
    let template = CertificateTemplate {
        serial: Serial::random().expect("a number"),
        subject: Subject::default(),
        sans: vec![San::Dns(host.to_owned())],
        usages: Vec::new(),
        is_ca: false,
        path_len: None,
        not_before: "2026-01-01T00:00:00Z".parse().expect("a time"),
        not_after: "2056-01-01T00:00:00Z".parse().expect("a time"),
        public_key: key.public_key(),
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    };
    let certificate = template.self_sign(&key).expect("a certificate").to_pem().expect("PEM");
    let key = key.to_pem(jamul_pki::KeyEncoding::Pkcs8).expect("PEM");
    let data = serde_json::json!({ "tls.crt": certificate, "tls.key": key.as_str() });
    let metadata = serde_json::json!({ "name": name, "namespace": "default" });
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "stringData": data,
    });
    secret.to_string()
}

fn apply(translator: &mut Translator, yaml: &str) {
    for change in objects(yaml) {
        translator.apply(change);
    }
    translator.publish();
}

fn shown(translator: &Translator, name: Option<&str>) -> Option<String> {
    let host = name.and_then(Host::parse);
    translator.snapshot().certs.find(host.as_ref()).map(|entry| entry.source.to_string())
}

#[test]
fn the_default_certificate_follows_its_secret() {
    let own = jamul_translate::cert_entry(
        &[],
        &PrivateKey::generate(KeyAlgorithm::EcdsaP256).expect("a key"),
        "own",
    );
    let settings = Settings {
        default_secret: Some(ObjectKey::new("default", "fallback")),
        default_certificate: Some(std::sync::Arc::new(own)),
        ..Settings::folder()
    };
    let mut translator = Translator::new(settings);
    translator.publish();
    assert_eq!(shown(&translator, None).as_deref(), Some("own"));
    let reasons = |translator: &Translator| -> Vec<&'static str> {
        translator.diagnostics().iter().map(|diagnostic| diagnostic.reason).collect()
    };
    assert_eq!(reasons(&translator), ["SecretMissing"]);
    assert_eq!(translator.take_missing().len(), 1, "whoever reads Secrets on demand is told");
    let made = secret("fallback", "a.example", KeyAlgorithm::EcdsaP256);
    apply(&mut translator, &made);
    assert_eq!(shown(&translator, Some("unknown.example")).as_deref(), Some("default/fallback"));
    assert_eq!(reasons(&translator), [""; 0]);
    let before = translator.snapshot().certs.find(None).map(|entry| entry.fingerprint);
    apply(&mut translator, &secret("fallback", "a.example", KeyAlgorithm::EcdsaP256));
    assert_ne!(translator.snapshot().certs.find(None).map(|entry| entry.fingerprint), before, "renewed");
    for change in objects(&made) {
        translator.apply(crate::fixture::deleted(&change));
    }
    translator.publish();
    assert_eq!(shown(&translator, None).as_deref(), Some("own"));
}

#[test]
fn a_name_may_have_a_certificate_of_each_kind_of_key() {
    let ingress = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: a, namespace: default }
spec:
  tls:
    - { hosts: [a.example], secretName: rsa }
    - { hosts: [a.example], secretName: ecdsa }
  rules: [{ host: a.example }]
---
";
    let mut translator = Translator::new(Settings::folder());
    apply(
        &mut translator,
        &format!("{ingress}{}", secret("rsa", "a.example", KeyAlgorithm::Rsa { bits: 2048 })),
    );
    let other = |translator: &Translator| {
        let name = Host::parse("a.example").expect("a name");
        translator.snapshot().certs.other(&name).map(|entry| entry.source.to_string())
    };
    assert_eq!(
        (shown(&translator, Some("a.example")).as_deref(), other(&translator)),
        (Some("default/rsa"), None)
    );
    apply(&mut translator, &secret("ecdsa", "a.example", KeyAlgorithm::EcdsaP256));
    assert_eq!(shown(&translator, Some("a.example")).as_deref(), Some("default/ecdsa"), "it costs us less");
    assert_eq!(other(&translator).as_deref(), Some("default/rsa"));
    apply(&mut translator, &secret("ecdsa", "b.example", KeyAlgorithm::EcdsaP256));
    assert_eq!(
        (shown(&translator, Some("a.example")).as_deref(), other(&translator)),
        (Some("default/rsa"), None)
    );
}
