//! Speaks to Vault with the Secrets of an issuer.

use std::sync::Arc;

use http::{Request, Response};
use jamul_acme::Transport;
use jamul_api::core::Secret;
use jamul_api::issuer::IssuerRef;
use jamul_api::issuer::vault::{ServiceAccountRef, VaultIssuer};
use jamul_api::secret_key::SecretKeySelector;
use jamul_api::{CertificateRequest, Object, ObjectKey, names};
use jamul_issuance::issuers::vault::{self, Account, Login, Signed, VaultError};
use jamul_store::StoreError;

use crate::context::{ClientIdentity, Context, Trust};
use crate::runner::{Retry, chain};

/// An issuer whose Secrets are read.
struct Vault<'a> {
    issuer: &'a VaultIssuer,
    transport: Arc<dyn Transport>,
    login: Login<'a>,
    /// What the login needs: a token, a secret id, or nothing.
    secret: String,
}

/// Whether Vault could be asked to sign: it is unsealed and gives a token.
///
/// # Errors
/// Why not; outside of it, that the store could not be asked.
pub(crate) async fn verify(
    context: &Context,
    issuer: &VaultIssuer,
    reference: &IssuerRef,
    namespace: &str,
) -> Result<Result<(), VaultError>, Retry> {
    let vault = match Vault::open(context, issuer, reference, namespace).await? {
        Ok(vault) => vault,
        Err(error) => return Ok(Err(error)),
    };
    Ok(vault.verify().await)
}

/// Has Vault sign a request.
///
/// # Errors
/// As for [`verify`].
pub(crate) async fn sign(
    context: &Context,
    issuer: &VaultIssuer,
    request: &CertificateRequest,
) -> Result<Result<Signed, VaultError>, Retry> {
    let namespace = request.key().namespace;
    let vault = match Vault::open(context, issuer, &request.spec.issuer_ref, &namespace).await? {
        Ok(vault) => vault,
        Err(error) => return Ok(Err(error)),
    };
    Ok(vault.sign(request).await)
}

impl<'a> Vault<'a> {
    async fn open(
        context: &Context,
        issuer: &'a VaultIssuer,
        reference: &IssuerRef,
        namespace: &str,
    ) -> Result<Result<Self, VaultError>, Retry> {
        let login = match vault::login(issuer) {
            Ok(login) => login,
            Err(error) => return Ok(Err(error)),
        };
        let secrets = Secrets { context, namespace: context.issuer_namespace(reference, namespace) };
        let [bundle, certificate, key] = vault::trust_secrets(issuer);
        let mut trust = Trust {
            server: issuer.server.clone(),
            ca_bundle: issuer.ca_bundle.as_ref().map(|bundle| bundle.0.clone()),
            server_name: Some(issuer.server_name.clone()).filter(|name| !name.is_empty()),
            ..Trust::default()
        };
        // The certificate of the login, and the one that the server wants of everybody, are the same to TLS.
        let pair = match &login {
            Login::Certificate { secret, .. } => {
                let item = |key: &str| SecretKeySelector { name: (*secret).to_owned(), key: key.to_owned() };
                Some((item(names::TLS_CRT), item(names::TLS_KEY)))
            }
            Login::Token(_) | Login::AppRole { .. } | Login::Kubernetes { .. } => certificate.zip(key),
        };
        let read = async {
            if let Some(bundle) = &bundle {
                trust.ca_bundle = Some(secrets.octets(bundle).await?);
            }
            if let Some((certificate, key)) = &pair {
                let (chain, key) = (secrets.octets(certificate).await?, secrets.octets(key).await?);
                trust.identity = Some(ClientIdentity { chain, key });
            }
            secrets.of_login(&login, reference, namespace).await
        };
        let secret = match read.await {
            Ok(secret) => secret,
            Err(Missing::Store(retry)) => return Err(retry),
            Err(Missing::Told(error)) => return Ok(Err(error)),
        };
        Ok(match context.transports.transport(&trust) {
            Ok(transport) => Ok(Self { issuer, transport, login, secret }),
            Err(reason) => Err(VaultError::Config(format!("Failed to initialize Vault client: {reason}"))),
        })
    }

    async fn verify(&self) -> Result<(), VaultError> {
        vault::health(&self.send(vault::health_request(self.issuer)?).await?)?;
        self.token().await.map(drop)
    }

    async fn sign(&self, request: &CertificateRequest) -> Result<Signed, VaultError> {
        let token = self.token().await?;
        vault::signed(&self.send(vault::sign_request(self.issuer, &token, request)?).await?)
    }

    async fn token(&self) -> Result<String, VaultError> {
        match vault::login_request(self.issuer, &self.login, &self.secret)? {
            None => Ok(self.secret.clone()),
            Some(request) => vault::token(&self.send(request).await?),
        }
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, VaultError> {
        let answer = self.transport.send(request).await;
        answer.map_err(|error| VaultError::Away { message: chain(&error), after: None })
    }
}

/// Why something that the issuer refers to could not be read.
enum Missing {
    Store(Retry),
    Told(VaultError),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// The Secrets of one issuer.
struct Secrets<'a> {
    context: &'a Context,
    namespace: String,
}

impl Secrets<'_> {
    async fn of_login(
        &self,
        login: &Login<'_>,
        reference: &IssuerRef,
        namespace: &str,
    ) -> Result<String, Missing> {
        match login {
            Login::Token(secret)
            | Login::AppRole { secret_id: secret, .. }
            | Login::Kubernetes { account: Account::Secret(secret), .. } => self.text(secret).await,
            Login::Kubernetes { account: Account::Reference(account), .. } => {
                self.account_token(account, reference, namespace).await
            }
            Login::Certificate { .. } => Ok(String::new()),
        }
    }

    async fn account_token(
        &self,
        account: &ServiceAccountRef,
        reference: &IssuerRef,
        namespace: &str,
    ) -> Result<String, Missing> {
        // What cert-manager puts there, so that a role of Vault can be bound to one issuer.
        let own = match reference.kind() {
            "ClusterIssuer" => format!("vault://{}", reference.name),
            _ => format!("vault://{namespace}/{}", reference.name),
        };
        let mut audiences = account.audiences.clone();
        audiences.push(own);
        let key = ObjectKey::new(self.namespace.clone(), account.name.clone());
        let token = self.context.store.service_account_token(&key, &audiences).await?;
        token.ok_or_else(|| {
            let message = format!(
                "spec.vault.auth.kubernetes.serviceAccountRef names {:?}, but a folder has no service accounts; expected \
                 secretRef",
                account.name
            );
            Missing::Told(VaultError::Config(message))
        })
    }

    async fn octets(&self, selector: &SecretKeySelector) -> Result<Vec<u8>, Missing> {
        let key = ObjectKey::new(self.namespace.clone(), selector.name.clone());
        let secret = self.context.store.fetch::<Secret>(&key).await?;
        let told = |message| Missing::Told(VaultError::Secret(message));
        let secret = secret.ok_or_else(|| told(format!("Secret {key} not found")))?;
        let value = secret.data.as_ref().and_then(|data| data.get(&selector.key));
        let value = value.filter(|value| !value.0.is_empty());
        value
            .map(|value| value.0.clone())
            .ok_or_else(|| told(format!("Secret {key} has no data for the key {:?}", selector.key)))
    }

    /// Files end in a newline that nobody means.
    async fn text(&self, selector: &SecretKeySelector) -> Result<String, Missing> {
        let octets = self.octets(selector).await?;
        Ok(String::from_utf8_lossy(&octets).trim().to_owned())
    }
}
