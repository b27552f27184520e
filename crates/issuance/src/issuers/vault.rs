//! The vault issuer: what HashiCorp Vault (or OpenBao) is asked, and what its answers mean.
//!
//! Requests and answers are those of Vault's HTTP API; whoever sends them has the Secrets and the connection.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use jamul_api::CertificateRequest;
use jamul_api::issuer::vault::{ServiceAccountRef, VaultIssuer};
use jamul_api::secret_key::SecretKeySelector;
use jamul_pki::{Certificate, Csr, San};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::duration;
use crate::issuers::ca::DEFAULT_DURATION;

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Login<'a> {
    /// It is in a Secret.
    Token(SecretKeySelector),
    /// It is given for a secret id (AppRole).
    AppRole {
        /// Of the login.
        path: String,
        /// Which role.
        role_id: &'a str,
        /// Where the secret id is.
        secret_id: SecretKeySelector,
    },
    /// It is given to whoever has a certificate.
    Certificate {
        /// Of the login.
        path: String,
        /// Which role, or any.
        name: &'a str,
        /// The Secret with the certificate and its key.
        secret: &'a str,
    },
    /// It is given to a service account.
    Kubernetes {
        /// Of the login.
        path: String,
        /// Which role.
        role: &'a str,
        /// The token of the account.
        account: Account<'a>,
    },
}

/// Where the token of a service account comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Account<'a> {
    /// It is in a Secret.
    Secret(SecretKeySelector),
    /// The API server is asked for one.
    Reference(&'a ServiceAccountRef),
}

/// Why Vault gives no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The issuer is not written as it should be.
    #[error("{0}")]
    Config(String),
    /// A Secret lacks what the issuer needs.
    #[error("{0}")]
    Secret(String),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It is away, sealed or busy: worth another try.
    #[error("{message}")]
    Away {
        /// What happened.
        message: String,
        /// How long it asked to wait.
        after: Option<Duration>,
    },
}

/// The way to a token that the issuer names; with it all that can be judged without asking anybody.
///
/// # Errors
/// [`VaultError::Config`] with the field.
pub fn login(issuer: &VaultIssuer) -> Result<Login<'_>, VaultError> {
    let config = |message: &str| VaultError::Config(message.to_owned());
    if issuer.server.is_empty() || issuer.path.is_empty() {
        return Err(config("Vault server and path are required fields"));
    }
    if issuer.path.split('/').any(|part| part == "..") {
        return Err(config(&format!("spec.vault.path is {:?}; expected a path without \"..\"", issuer.path)));
    }
    if issuer.ca_bundle.is_some() && issuer.ca_bundle_secret_ref.is_some() {
        return Err(config("spec.vault.caBundle and caBundleSecretRef are mutually exclusive; expected one"));
    }
    if issuer.client_cert_secret_ref.is_some() != issuer.client_key_secret_ref.is_some() {
        return Err(config("spec.vault.clientCertSecretRef and clientKeySecretRef must be given together"));
    }
    let auth = &issuer.auth;
    if auth.aws.is_some() {
        return Err(config(
            "spec.vault.auth.aws is not supported here; expected one of tokenSecretRef, appRole, clientCertificate, \
             kubernetes",
        ));
    }
    match (&auth.token_secret_ref, &auth.app_role, &auth.client_certificate, &auth.kubernetes) {
        (Some(token), None, None, None) => Ok(Login::Token(with_key(token, "token"))),
        (None, Some(role), None, None) => {
            if role.role_id.is_empty() || role.secret_ref.name.is_empty() || role.secret_ref.key.is_empty() {
                return Err(config(
                    "Vault AppRole auth requires both roleId and tokenSecretRef.name; expected roleId, \
                     secretRef.name and secretRef.key",
                ));
            }
            let mount = if role.path.is_empty() { "approle" } else { role.path.trim_matches('/') };
            Ok(Login::AppRole {
                path: format!("/v1/auth/{mount}/login"),
                role_id: &role.role_id,
                secret_id: role.secret_ref.clone(),
            })
        }
        (None, None, Some(certificate), None) => {
            if certificate.secret_name.is_empty() {
                return Err(config(
                    "spec.vault.auth.clientCertificate.secretName is empty; expected a Secret of type \
                     kubernetes.io/tls",
                ));
            }
            Ok(Login::Certificate {
                path: login_path(&certificate.mount_path, "/v1/auth/cert"),
                name: &certificate.name,
                secret: &certificate.secret_name,
            })
        }
        (None, None, None, Some(kubernetes)) => {
            if kubernetes.role.is_empty() {
                return Err(config("Vault Kubernetes auth requires a role to be set"));
            }
            let account = match (&kubernetes.secret_ref, &kubernetes.service_account_ref) {
                (None, Some(account)) if account.name.is_empty() => {
                    return Err(config("Vault Kubernetes auth requires serviceAccountRef.name to be set"));
                }
                (None, Some(account)) => Account::Reference(account),
                (Some(secret), None) => Account::Secret(with_key(secret, "token")),
                (None, None) | (Some(_), Some(_)) => {
                    return Err(config(
                        "Vault Kubernetes auth requires either secretRef.name or serviceAccountRef.name to be set",
                    ));
                }
            };
            Ok(Login::Kubernetes {
                path: login_path(&kubernetes.mount_path, "/v1/auth/kubernetes"),
                role: &kubernetes.role,
                account,
            })
        }
        (None, None, None, None) => Err(config(
            "Vault tokenSecretRef, appRole, clientCertificate, or kubernetes is required in spec.vault.auth",
        )),
        _ => Err(config("Multiple auth methods cannot be set on the same Vault issuer; expected one")),
    }
}

fn login_path(mount: &str, default: &str) -> String {
    let mount = if mount.is_empty() { default } else { mount };
    format!("/{}/login", mount.trim_matches('/'))
}

fn with_key(selector: &SecretKeySelector, default: &str) -> SecretKeySelector {
    let key = if selector.key.is_empty() { default } else { &selector.key };
    SecretKeySelector { name: selector.name.clone(), key: key.to_owned() }
}

/// `caBundleSecretRef`, `clientCertSecretRef` and `clientKeySecretRef` with their keys, as far as they are set.
#[must_use]
pub fn trust_secrets(issuer: &VaultIssuer) -> [Option<SecretKeySelector>; 3] {
    let with =
        |selector: &Option<SecretKeySelector>, default| selector.as_ref().map(|s| with_key(s, default));
    [
        with(&issuer.ca_bundle_secret_ref, "ca.crt"),
        with(&issuer.client_cert_secret_ref, "tls.crt"),
        with(&issuer.client_key_secret_ref, "tls.key"),
    ]
}

/// The names of all Secrets that the issuer refers to.
#[must_use]
pub fn secret_names(issuer: &VaultIssuer) -> Vec<String> {
    let mut names: Vec<String> = trust_secrets(issuer).into_iter().flatten().map(|s| s.name).collect();
    match login(issuer) {
        Ok(Login::Token(secret) | Login::AppRole { secret_id: secret, .. }) => names.push(secret.name),
        Ok(Login::Certificate { secret, .. }) => names.push(secret.to_owned()),
        Ok(Login::Kubernetes { account: Account::Secret(secret), .. }) => names.push(secret.name),
        Ok(Login::Kubernetes { account: Account::Reference(_), .. }) | Err(_) => {}
    }
    names
}

/// The question whether the server is initialized and unsealed.
///
/// # Errors
/// [`VaultError::Config`]: `spec.vault.server` is no URL.
pub fn health_request(issuer: &VaultIssuer) -> Result<Request<Vec<u8>>, VaultError> {
    // The health of a server is the same in all namespaces, and asked outside of them.
    let root = VaultIssuer { namespace: String::new(), ..issuer.clone() };
    request(&root, Method::GET, "/v1/sys/health", None, &Value::Null)
}

/// Reads the answer to [`health_request`].
///
/// # Errors
/// It cannot sign now.
pub fn health(answer: &Response<Vec<u8>>) -> Result<(), VaultError> {
    let state = match answer.status().as_u16() {
        // Active; standby; secondary for disaster recovery; standby for performance.
        200 | 429 | 472 | 473 => return Ok(()),
        501 => "Vault is not initialized".to_owned(),
        503 => "Vault is sealed".to_owned(),
        _ => told(answer),
    };
    let message = format!("Failed to verify Vault is initialized and unsealed: {state}");
    Err(VaultError::Away { message, after: None })
}

/// The login with the secret that belongs to it: a secret id, or the token of a service account.
///
/// # Errors
/// [`VaultError::Config`]: `spec.vault.server` is no URL.
pub fn login_request(
    issuer: &VaultIssuer,
    login: &Login<'_>,
    secret: &str,
) -> Result<Option<Request<Vec<u8>>>, VaultError> {
    let (path, body) = match login {
        Login::Token(_) => return Ok(None),
        Login::AppRole { path, role_id, .. } => (path, json!({ "role_id": role_id, "secret_id": secret })),
        Login::Certificate { path, name: "", .. } => (path, json!({})),
        Login::Certificate { path, name, .. } => (path, json!({ "name": name })),
        Login::Kubernetes { path, role, .. } => (path, json!({ "role": role, "jwt": secret })),
    };
    request(issuer, Method::POST, path, None, &body).map(Some)
}

/// The token in the answer to a login.
///
/// # Errors
/// It refused, is away, or gave none.
pub fn token(answer: &Response<Vec<u8>>) -> Result<String, VaultError> {
    let body = success(answer, "log in to Vault")?;
    let token = body.pointer("/auth/client_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    token
        .map(str::to_owned)
        .ok_or_else(|| VaultError::Refused("no token in the answer of Vault to a login".to_owned()))
}

/// What a CertificateRequest is for Vault's `sign` endpoint.
///
/// # Errors
/// [`VaultError::Config`]: the server is no URL. [`VaultError::Refused`]: the request cannot be read.
pub fn sign_request(
    issuer: &VaultIssuer,
    token: &str,
    wanted: &CertificateRequest,
) -> Result<Request<Vec<u8>>, VaultError> {
    let unreadable =
        |error: String| VaultError::Refused(format!("failed to decode CSR for signing: {error}"));
    let pem = String::from_utf8_lossy(&wanted.spec.request.0).into_owned();
    let csr = Csr::from_pem(&pem).map_err(|error| unreadable(error.to_string()))?;
    let lifetime = match &wanted.spec.duration {
        Some(text) => duration::parse(text).map_err(unreadable)?,
        None => DEFAULT_DURATION,
    };
    let (mut dns, mut ips, mut uris) = (Vec::new(), Vec::new(), Vec::new());
    for san in csr.sans() {
        match san {
            San::Dns(name) => dns.push(name.clone()),
            San::Ip(address) => ips.push(address.to_string()),
            San::Uri(uri) => uris.push(uri.clone()),
            // Vault takes them from the request itself, if its role says so.
            San::Email(_) | San::Other { .. } => {}
        }
    }
    let body = json!({
        "csr": pem,
        "common_name": csr.subject().common_name.clone().unwrap_or_default(),
        "alt_names": dns.join(","),
        "ip_sans": ips.join(","),
        "uri_sans": uris.join(","),
        "ttl": seconds(lifetime),
        "exclude_cn_from_sans": "true",
    });
    let path = format!("/v1/{}", issuer.path.trim_matches('/'));
    request(issuer, Method::POST, &path, Some(token), &body)
}

/// A certificate with what stands above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// PEM, leaf first, without the root.
    pub chain: String,
    /// PEM of the root, or of the topmost CA that Vault knows.
    pub ca: Option<String>,
}

/// Reads the answer to [`sign_request`].
///
/// # Errors
/// It refused, is away, or answered with something else than a certificate.
pub fn signed(answer: &Response<Vec<u8>>) -> Result<Signed, VaultError> {
    let body = success(answer, "sign certificate by Vault")?;
    let odd = |what: &str| VaultError::Refused(format!("the answer of Vault {what}"));
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let read = |pem: &str| {
        Certificate::chain_from_pem(pem).map_err(|error| odd(&format!("cannot be read: {error}")))
    };
    let mut own = read(text("/data/certificate"))?.into_iter();
    let leaf = own.next().ok_or_else(|| odd("has no certificate"))?;
    let mut above: Vec<Certificate> = own.collect();
    let listed = body.pointer("/data/ca_chain").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str).chain([text("/data/issuing_ca")]);
    for pem in listed.filter(|pem| !pem.is_empty()) {
        above.extend(read(pem)?);
    }
    let mut chain = vec![leaf];
    let mut root = None;
    while let Some(top) = chain.last()
        && root.is_none()
        && let Some(index) = above.iter().position(|candidate| top.is_issued_by(candidate))
    {
        let next = above.swap_remove(index);
        if next.is_self_signed() {
            root = Some(next);
        } else {
            chain.push(next);
        }
    }
    let top = root.as_ref().or_else(|| chain.get(1..).and_then(<[Certificate]>::last));
    let unwritable = |error: jamul_pki::X509Error| odd(&format!("cannot be written: {error}"));
    Ok(Signed {
        ca: top.map(Certificate::to_pem).transpose().map_err(unwritable)?,
        chain: Certificate::chain_to_pem(&chain).map_err(unwritable)?,
    })
}

/// Go's notation, which Vault reads.
fn seconds(lifetime: SignedDuration) -> String {
    format!("{}s", lifetime.as_secs())
}

fn request(
    issuer: &VaultIssuer,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<Request<Vec<u8>>, VaultError> {
    let url = format!("{}{path}", issuer.server.trim_end_matches('/'));
    let mut builder = Request::builder().method(method).uri(&url).header("X-Vault-Request", "true");
    if !issuer.namespace.is_empty() {
        builder = builder.header("X-Vault-Namespace", &issuer.namespace);
    }
    if let Some(token) = token {
        builder = builder.header("X-Vault-Token", token);
    }
    let body = match body {
        Value::Null => Vec::new(),
        body => {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
            body.to_string().into_bytes()
        }
    };
    builder.body(body).map_err(|error| {
        VaultError::Config(format!(
            "spec.vault.server, namespace or token cannot be sent ({url:?}: {error}); expected https://HOST:PORT"
        ))
    })
}

/// The body of a success.
fn success(answer: &Response<Vec<u8>>, what: &str) -> Result<Value, VaultError> {
    let status = answer.status();
    if status.is_success() {
        return serde_json::from_slice(answer.body()).map_err(|error| {
            VaultError::Refused(format!("failed to {what}: the answer is no JSON: {error}"))
        });
    }
    let message = format!("failed to {what}: {}", told(answer));
    if status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::PRECONDITION_FAILED)
    {
        let after =
            answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        return Err(VaultError::Away { message, after: after.map(Duration::from_secs) });
    }
    Err(VaultError::Refused(message))
}

/// Status and errors, as Vault lists them; never the whole body, which may be somebody else's page.
fn told(answer: &Response<Vec<u8>>) -> String {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let errors = body.get("errors").and_then(Value::as_array);
    let errors: Vec<&str> = errors.into_iter().flatten().filter_map(Value::as_str).collect();
    match errors.as_slice() {
        [] => format!("{}", answer.status()),
        errors => format!("{}: {}", answer.status(), errors.join("; ")),
    }
}

#[cfg(test)]
mod tests;
