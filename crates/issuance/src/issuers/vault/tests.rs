#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jamul_api::issuer::vault::{VaultAppRole, VaultAuth, VaultClientCertificate, VaultKubernetes};

use super::*;
use crate::issuers::ca;
use crate::testing::{at, ca_secret, certificate, key, request as wanted};

fn selector(name: &str, key: &str) -> SecretKeySelector {
    SecretKeySelector { name: name.to_owned(), key: key.to_owned() }
}

fn issuer(auth: VaultAuth) -> VaultIssuer {
    VaultIssuer {
        auth,
        server: "https://vault.test:8200/".to_owned(),
        path: "pki/sign/web".to_owned(),
        namespace: "team".to_owned(),
        ..VaultIssuer::default()
    }
}

fn by_role() -> VaultAuth {
    let app_role = VaultAppRole {
        path: "approle".to_owned(),
        role_id: "me".to_owned(),
        secret_ref: selector("role", "id"),
    };
    VaultAuth { app_role: Some(app_role), ..VaultAuth::default() }
}

fn answer(status: u16, body: &str) -> Response<Vec<u8>> {
    Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
}

#[test]
fn each_way_to_a_token_is_asked_at_its_place() {
    let sent = |issuer: &VaultIssuer| {
        let login = login(issuer).unwrap();
        login_request(issuer, &login, "s3cret").unwrap().map(|request| {
            let body = String::from_utf8(request.body().clone()).unwrap();
            (request.uri().to_string(), body, request.headers()["x-vault-namespace"].clone())
        })
    };
    let (url, body, namespace) = sent(&issuer(by_role())).unwrap();
    assert_eq!(url, "https://vault.test:8200/v1/auth/approle/login");
    assert_eq!(body, r#"{"role_id":"me","secret_id":"s3cret"}"#);
    assert_eq!(namespace, "team");
    let kubernetes = VaultKubernetes {
        mount_path: "/v1/auth/k8s-1".to_owned(),
        role: "web".to_owned(),
        secret_ref: Some(selector("sa", "")),
        service_account_ref: None,
    };
    let kubernetes = VaultAuth { kubernetes: Some(kubernetes), ..VaultAuth::default() };
    let (url, body, _) = sent(&issuer(kubernetes)).unwrap();
    assert_eq!(url, "https://vault.test:8200/v1/auth/k8s-1/login");
    assert_eq!(body, r#"{"jwt":"s3cret","role":"web"}"#);
    let certificate = VaultClientCertificate { secret_name: "pair".to_owned(), ..Default::default() };
    let certificate = VaultAuth { client_certificate: Some(certificate), ..VaultAuth::default() };
    let (url, body, _) = sent(&issuer(certificate)).unwrap();
    assert_eq!((url.as_str(), body.as_str()), ("https://vault.test:8200/v1/auth/cert/login", "{}"));
    let token = VaultAuth { token_secret_ref: Some(selector("token", "")), ..VaultAuth::default() };
    assert_eq!(sent(&issuer(token.clone())), None);
    assert_eq!(login(&issuer(token)), Ok(Login::Token(selector("token", "token"))));
}

#[test]
fn an_issuer_that_cannot_be_is_refused_with_the_field() {
    let refused = |change: fn(&mut VaultIssuer), part: &str| {
        let mut wrong = issuer(by_role());
        change(&mut wrong);
        let error = login(&wrong).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(|issuer| issuer.server.clear(), "server and path are required");
    refused(|issuer| issuer.path = "pki/../sys".to_owned(), "pki/../sys");
    refused(|issuer| issuer.auth = VaultAuth::default(), "is required in spec.vault.auth");
    refused(|issuer| issuer.auth.token_secret_ref = Some(selector("a", "")), "Multiple auth methods");
    refused(|issuer| issuer.auth.aws = Some(json!({})), "spec.vault.auth.aws is not supported");
    refused(|issuer| issuer.client_cert_secret_ref = Some(selector("a", "")), "must be given together");
    refused(|issuer| issuer.auth.app_role.as_mut().unwrap().role_id.clear(), "roleId");
    refused(
        |issuer| {
            issuer.ca_bundle = Some(jamul_api::core::ByteString(b"x".to_vec()));
            issuer.ca_bundle_secret_ref = Some(selector("a", ""));
        },
        "mutually exclusive",
    );
    let mut wrong = issuer(by_role());
    wrong.server = "vault test".to_owned();
    assert!(matches!(health_request(&wrong), Err(VaultError::Config(_))));
}

#[test]
fn a_request_is_handed_over_with_its_names_and_its_lifetime() {
    let mut certificate = certificate(&["web.example", "www.web.example"]);
    certificate.spec.common_name = "web.example".to_owned();
    certificate.spec.ip_addresses = vec!["192.0.2.1".to_owned()];
    certificate.spec.uris = vec!["spiffe://web/a".to_owned()];
    certificate.spec.duration = Some("1h30m".to_owned());
    let asked = sign_request(&issuer(by_role()), "t0ken", &wanted(&certificate, &key())).unwrap();
    assert_eq!(asked.uri(), "https://vault.test:8200/v1/pki/sign/web");
    assert_eq!(asked.headers()["x-vault-token"], "t0ken");
    let body: Value = serde_json::from_slice(asked.body()).unwrap();
    for (field, value) in [
        ("common_name", "web.example"),
        ("alt_names", "web.example,www.web.example"),
        ("ip_sans", "192.0.2.1"),
        ("uri_sans", "spiffe://web/a"),
        ("ttl", "5400s"),
        ("exclude_cn_from_sans", "true"),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    assert!(body["csr"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST"));
}

#[test]
fn the_chain_is_put_in_order_and_the_root_becomes_the_ca() {
    let now = at("2026-01-01T00:00:00Z");
    let pair = ca_secret(now, at("2030-01-01T00:00:00Z"));
    let root = String::from_utf8(pair.data.as_ref().unwrap()["tls.crt"].0.clone()).unwrap();
    let config = jamul_api::issuer::CaIssuer { secret_name: "ca-pair".to_owned(), ..Default::default() };
    let issued = ca::sign(&wanted(&certificate(&["web.example"]), &key()), &config, Some(&pair), now);
    let crate::issuers::Outcome::Issued { chain, .. } = issued else { panic!("{issued:?}") };
    let body = json!({ "data": { "certificate": chain, "issuing_ca": root, "ca_chain": [root] } });
    let found = signed(&answer(200, &body.to_string())).unwrap();
    assert_eq!(Certificate::chain_from_pem(&found.chain).unwrap().len(), 1, "the root is not sent");
    let der = |pem: &str| Certificate::from_pem(pem).unwrap().der().to_vec();
    assert_eq!(der(&found.ca.unwrap()), der(&root));
    let alone = json!({ "data": { "certificate": chain } });
    assert_eq!(signed(&answer(200, &alone.to_string())).unwrap().ca, None);
}

#[test]
fn a_refusal_is_final_and_a_sealed_or_busy_server_is_asked_again() {
    let refused = signed(&answer(400, r#"{"errors":["common name not allowed by this role"]}"#));
    let Err(VaultError::Refused(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("sign certificate by Vault") && message.contains("not allowed by this role"));
    assert!(matches!(
        token(&answer(403, r#"{"errors":["permission denied"]}"#)),
        Err(VaultError::Refused(_))
    ));
    for status in [429, 500, 502, 503] {
        assert!(matches!(signed(&answer(status, "<html>")), Err(VaultError::Away { .. })), "{status}");
    }
    for status in [200, 429, 472, 473] {
        assert_eq!(health(&answer(status, "")), Ok(()));
    }
    for (status, part) in [(501, "not initialized"), (503, "sealed"), (404, "404")] {
        assert!(health(&answer(status, "")).unwrap_err().to_string().contains(part));
    }
    for body in ["", "{}", r#"{"data":{"certificate":"x"}}"#] {
        assert!(matches!(signed(&answer(200, body)), Err(VaultError::Refused(_))), "{body}");
    }
}
