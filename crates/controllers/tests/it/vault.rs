//! The vault issuer against a scripted Vault: logins, a PKI backend, namespaces, and a seal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use jamul_acme::{BoxFuture, Transport, TransportError};
use jamul_api::core::Secret;
use jamul_api::{Certificate, CertificateRequest, Object, names};
use jamul_pki::KeyEncoding;
use serde_json::{Value, json};

use crate::stage::{Authority, Stage, World, certificate, issuer, secret};

/// Answers as Vault's HTTP API documents.
struct Vault {
    authority: Authority,
    is_sealed: AtomicBool,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    fn new() -> Arc<Self> {
        Arc::new(Self { authority: Authority::new(), is_sealed: AtomicBool::new(false) })
    }

    fn answer(&self, request: &Request<Vec<u8>>) -> (u16, Value) {
        let path = request.uri().path();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let error = |status: u16, text: &str| (status, json!({ "errors": [text] }));
        if self.is_sealed.load(Ordering::SeqCst) {
            return error(503, "Vault is sealed");
        }
        if path == "/v1/sys/health" {
            return (200, json!({ "initialized": true, "sealed": false }));
        }
        if header("x-vault-namespace") != Some("team") {
            return error(404, "no handler for route");
        }
        let token = |name: &str| (200, json!({ "auth": { "client_token": name } }));
        match path {
            "/v1/auth/approle/login" if body == json!({ "role_id": "me", "secret_id": "s3cret" }) => {
                token("by-role")
            }
            "/v1/auth/approle/login" => error(400, "invalid role or secret ID"),
            "/v1/auth/kubernetes/login" if body == json!({ "role": "web", "jwt": "j.w.t" }) => {
                token("by-account")
            }
            "/v1/auth/cert/login" if body == json!({ "name": "web" }) => token("by-certificate"),
            "/v1/pki/sign/web" => match header("x-vault-token") {
                Some("by-role" | "by-account" | "by-certificate" | "given") => self.sign(&body),
                _ => error(403, "permission denied"),
            },
            _ => error(404, "no handler for route"),
        }
    }

    fn sign(&self, body: &Value) -> (u16, Value) {
        if body["alt_names"] == "forbidden.localhost" {
            return (
                400,
                json!({ "errors": ["subject alternate name forbidden.localhost not allowed by this role"] }),
            );
        }
        assert_eq!(
            (body["ttl"].as_str(), body["exclude_cn_from_sans"].as_str()),
            (Some("7776000s"), Some("true"))
        );
        let leaf = self.authority.sign(body["csr"].as_str().unwrap());
        let root = self.authority.certificate.to_pem().unwrap();
        (
            200,
            json!({ "data": { "certificate": leaf.to_pem().unwrap(), "issuing_ca": root, "ca_chain": [root] } }),
        )
    }
}

impl Transport for Vault {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        let (status, body) = self.answer(&request);
        let answer = Response::builder().status(status).body(body.to_string().into_bytes()).unwrap();
        Box::pin(async move { Ok(answer) })
    }
}

fn spec(auth: &Value) -> Value {
    json!({ "vault": {
        "server": "https://vault.test:8200", "path": "pki/sign/web", "namespace": "team",
        "serverName": "vault.internal", "caBundleSecretRef": { "name": "trust" }, "auth": auth,
    } })
}

fn world(vault: &Arc<Vault>) -> Arc<World> {
    let server: Arc<dyn Transport> = Arc::<Vault>::clone(vault);
    Arc::new(World { server: Some(server), ..World::default() })
}

#[tokio::test]
async fn certificates_come_by_each_way_to_log_in() {
    let vault = Vault::new();
    let world = world(&vault);
    let stage = Stage::new("*", Arc::clone(&world));
    let own = vault.authority.certificate.to_pem().unwrap();
    let key = vault.authority.key.to_pem(KeyEncoding::Pkcs8).unwrap();
    for (name, data) in [
        ("trust", vec![("ca.crt", own.as_str())]),
        ("token", vec![("token", "given\n")]),
        ("role", vec![("id", "s3cret")]),
        ("account", vec![("token", "j.w.t")]),
        ("pair", vec![("tls.crt", own.as_str()), ("tls.key", key.as_str())]),
    ] {
        stage.put(secret(name, &data)).await;
    }
    let ways = [
        ("by-token", json!({ "tokenSecretRef": { "name": "token" } })),
        (
            "by-role",
            json!({ "appRole": { "path": "approle", "roleId": "me", "secretRef": { "name": "role", "key": "id" } } }),
        ),
        ("by-account", json!({ "kubernetes": { "role": "web", "secretRef": { "name": "account" } } })),
        ("by-certificate", json!({ "clientCertificate": { "name": "web", "secretName": "pair" } })),
    ];
    for (name, auth) in &ways {
        stage.put(issuer(name, &spec(auth))).await;
        stage.put(certificate(&format!("web-{name}"), name)).await;
    }
    stage
        .play(async {
            for (name, _) in &ways {
                let ready = stage.issuer(name).await;
                assert_eq!(
                    (ready.reason.as_str(), ready.is_true()),
                    ("VaultVerified", true),
                    "{name}: {ready:?}"
                );
                let name = format!("web-{name}");
                stage.certificate(&name, "Ready", true).await;
                let secret = stage.secret(&name);
                let data = secret.data.as_ref().unwrap();
                assert_eq!(data[names::CA_CRT].0, own.as_bytes(), "{name}");
            }
        })
        .await;
    let trusts = world.trusts.lock().unwrap();
    assert!(trusts.iter().all(|trust| trust.ca_bundle.as_deref() == Some(own.as_bytes())));
    assert!(trusts.iter().all(|trust| trust.server_name.as_deref() == Some("vault.internal")));
    assert!(trusts.iter().any(|trust| trust.identity.is_some()), "the login by certificate shows it");
    assert!(!format!("{trusts:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn what_vault_refuses_ends_the_request_and_what_the_issuer_lacks_is_told() {
    let vault = Vault::new();
    let stage = Stage::new("*", world(&vault));
    let own = vault.authority.certificate.to_pem().unwrap();
    stage.put(secret("trust", &[("ca.crt", &own)])).await;
    stage.put(secret("token", &[("token", "given")])).await;
    stage.put(secret("role", &[("id", "wrong")])).await;
    let role = json!({ "appRole": { "path": "approle", "roleId": "me", "secretRef": { "name": "role", "key": "id" } } });
    let account = json!({ "kubernetes": { "role": "web", "serviceAccountRef": { "name": "web" } } });
    for (name, auth) in [
        ("good", json!({ "tokenSecretRef": { "name": "token" } })),
        ("wrong", role),
        ("missing", json!({ "tokenSecretRef": { "name": "nothing" } })),
        ("folder", account),
    ] {
        stage.put(issuer(name, &spec(&auth))).await;
    }
    stage.put(certificate("forbidden", "good")).await;
    stage
        .play(async {
            for (name, part) in [
                ("wrong", "invalid role or secret ID"),
                ("missing", "Secret default/nothing not found"),
                ("folder", "a folder has no service accounts"),
            ] {
                let ready = stage.issuer(name).await;
                assert_eq!(
                    (ready.reason.as_str(), ready.is_true()),
                    ("VaultError", false),
                    "{name}: {ready:?}"
                );
                assert!(ready.message.contains(part), "{name}: {ready:?}");
            }
            let failed = stage.certificate("forbidden", "Issuing", false).await;
            assert!(failed.message.contains("not allowed by this role"), "{failed:?}");
            assert!(stage.reasons().contains(&"SigningError".to_owned()), "{:?}", stage.reasons());
            // The Secret that was missing comes: nobody has to touch the issuer.
            stage.put(secret("nothing", &[("token", "given")])).await;
            stage
                .until::<jamul_api::Issuer, _>("missing", |issuer| {
                    let conditions = &issuer.status.as_ref()?.conditions;
                    jamul_api::condition::find(conditions, "Ready").filter(|ready| ready.is_true()).cloned()
                })
                .await;
        })
        .await;
}

#[tokio::test]
async fn a_sealed_vault_is_waited_for() {
    let vault = Vault::new();
    let stage = Stage::new("*", world(&vault));
    let own = vault.authority.certificate.to_pem().unwrap();
    stage.put(secret("trust", &[("ca.crt", &own)])).await;
    stage.put(secret("token", &[("token", "given")])).await;
    stage.put(issuer("vault", &spec(&json!({ "tokenSecretRef": { "name": "token" } })))).await;
    stage
        .play(async {
            assert!(stage.issuer("vault").await.is_true());
            vault.is_sealed.store(true, Ordering::SeqCst);
            stage.put(certificate("web", "vault")).await;
            let pending = stage
                .until::<CertificateRequest, _>("web-1", |request| {
                    let status = request.status.as_ref()?;
                    jamul_api::condition::find(&status.conditions, "Ready").cloned()
                })
                .await;
            assert_eq!(pending.reason, "Pending");
            // Which of the two is seen first, the request's own try or the issuer's, is open.
            let is_told = ["sealed", "is not ready yet"].iter().any(|why| pending.message.contains(why));
            assert!(is_told, "{pending:?}");
            vault.is_sealed.store(false, Ordering::SeqCst);
            stage.certificate("web", "Ready", true).await;
        })
        .await;
    assert!(stage.store.get::<Secret>(&stage.secret("web").key()).is_some());
    assert_eq!(stage.store.list::<Certificate>().len(), 1);
}
