//! ACME accounts: from an issuer to a session with its server.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jamul_acme::client::{Client, ClientError, Session};
use jamul_acme::jose::AccountKey;
use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::issuer::{AcmeIssuer, AcmeIssuerStatus, IssuerRef};
use jamul_api::{ClusterIssuer, Issuer, ObjectKey, names};
use jamul_issuance::Note;
use jamul_pki::{KeyAlgorithm, KeyEncoding, PrivateKey};
use jamul_store::StoreError;
use sha2::{Digest, Sha256};

use crate::context::{Context, Trust};
use crate::runner::{Retry, chain};

/// Why there is no account.
#[derive(Debug)]
pub(crate) enum AccountError {
    /// The account key is missing or unusable; waits for its Secret to change.
    Key(Note),
    /// The key could not be stored.
    Store(StoreError),
    /// The server said no.
    Refused(String),
    /// The server is away or asks to wait.
    Away { message: String, after: Option<Duration> },
}

/// Registers the account of an issuer, or finds that it is registered.
pub(crate) async fn register(
    context: &Context,
    issuer: &AcmeIssuer,
    namespace: &str,
    known: Option<&AcmeIssuerStatus>,
) -> Result<AcmeIssuerStatus, AccountError> {
    let key = account_key(context, issuer, namespace).await?;
    let hash = key_hash(&key);
    let email = issuer.email.to_lowercase();
    if let Some(known) = known
        && known.last_private_key_hash == hash
        && known.last_registered_email == email
        && same_host(&known.uri, &issuer.server)
    {
        return Ok(known.clone());
    }
    let client = client(context, issuer).await?;
    let contact: Vec<String> = if email.is_empty() { Vec::new() } else { vec![format!("mailto:{email}")] };
    let session = client.register(&key, &contact, true, None).await.map_err(|error| from_client(&error))?;
    Ok(AcmeIssuerStatus {
        uri: session.account_url().to_owned(),
        last_registered_email: email,
        last_private_key_hash: hash,
    })
}

/// A session for the issuer that an Order or Challenge names.
pub(crate) async fn session(
    context: &Context,
    reference: &IssuerRef,
    namespace: &str,
) -> Result<(Session, AcmeIssuer), Retry> {
    let key = Context::issuer_key(reference, namespace);
    let (spec, status) = if reference.kind() == "ClusterIssuer" {
        context.store.get::<ClusterIssuer>(&key).map(|issuer| (issuer.spec.clone(), issuer.status.clone()))
    } else {
        context.store.get::<Issuer>(&key).map(|issuer| (issuer.spec.clone(), issuer.status.clone()))
    }
    .ok_or_else(|| later(format!("{} {:?} does not exist", reference.kind(), reference.name)))?;
    let issuer = spec
        .acme
        .ok_or_else(|| later(format!("{} {:?} is no acme issuer", reference.kind(), reference.name)))?;
    let uri = status.and_then(|status| status.acme).map(|account| account.uri).unwrap_or_default();
    if uri.is_empty() {
        return Err(later(format!("{} {:?} has no ACME account yet", reference.kind(), reference.name)));
    }
    let namespace = context.issuer_namespace(reference, namespace);
    let key = account_key(context, &issuer, &namespace).await.map_err(into_retry)?;
    let client = client(context, &issuer).await.map_err(into_retry)?;
    Ok((client.resume(&key, &uri), issuer))
}

/// What a failed request to an ACME server means for whoever asked.
pub(crate) fn from_client(error: &ClientError) -> AccountError {
    let message = chain(error);
    if error.is_transient() || error.is_rate_limited() {
        AccountError::Away { message, after: error.retry_after() }
    } else {
        AccountError::Refused(message)
    }
}

fn into_retry(error: AccountError) -> Retry {
    match error {
        AccountError::Key(note) => later(note.message),
        AccountError::Store(error) => Retry::Store(error),
        AccountError::Refused(message) => later(message),
        AccountError::Away { message, after } => Retry::Later { message, after },
    }
}

fn later(message: String) -> Retry {
    Retry::Later { message, after: None }
}

async fn client(context: &Context, issuer: &AcmeIssuer) -> Result<Client, AccountError> {
    let trust = Trust {
        server: issuer.server.clone(),
        ca_bundle: issuer.ca_bundle.as_ref().map(|bundle| bundle.0.clone()),
        skip_verify: issuer.skip_tls_verify,
    };
    if let Some(client) = context.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&trust) {
        return Ok(client.clone());
    }
    let transport = context.transports.transport(&trust).map_err(AccountError::Refused)?;
    let client = Client::discover(transport, &issuer.server).await.map_err(|error| from_client(&error))?;
    context.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(trust, client.clone());
    Ok(client)
}

/// The account key; generated and stored if there is none. RSA, so that cert-manager could take it back.
async fn account_key(
    context: &Context,
    issuer: &AcmeIssuer,
    namespace: &str,
) -> Result<AccountKey, AccountError> {
    let selector = &issuer.private_key_secret_ref;
    let data_key = if selector.key.is_empty() { names::TLS_KEY } else { &selector.key };
    let key = ObjectKey::new(namespace, selector.name.clone());
    let refuse = |message: String| AccountError::Key(Note::warning("ErrVerifyACMEAccount", message));
    let existing: Option<Arc<Secret>> = context.store.fetch(&key).await.map_err(AccountError::Store)?;
    let pem = existing
        .as_ref()
        .and_then(|secret| secret.data.as_ref()?.get(data_key))
        .filter(|pem| !pem.0.is_empty());
    let private = match pem {
        Some(pem) => PrivateKey::from_pem(&String::from_utf8_lossy(&pem.0)).map_err(|error| {
            refuse(format!("Secret {key}: {data_key} cannot be read as a private key: {}", chain(&error)))
        })?,
        None if issuer.disable_account_key_generation => {
            return Err(refuse(format!(
                "Secret {key} has no {data_key}, and disableAccountKeyGeneration is set"
            )));
        }
        None => {
            let private = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 })
                .map_err(|error| refuse(chain(&error)))?;
            let mut secret = existing.map(|secret| (*secret).clone()).unwrap_or_else(|| Secret {
                metadata: ObjectMeta {
                    name: Some(key.name.clone()),
                    namespace: Some(key.namespace.clone()),
                    labels: Some(
                        [("app.kubernetes.io/managed-by".to_owned(), "cert-manager".to_owned())].into(),
                    ),
                    ..ObjectMeta::default()
                },
                type_: Some("Opaque".to_owned()),
                ..Secret::default()
            });
            let pem = private.to_pem(KeyEncoding::Pkcs1).map_err(|error| refuse(chain(&error)))?;
            secret.data.get_or_insert_default().insert(data_key.to_owned(), ByteString(pem.into_bytes()));
            context.store.apply(secret).await.map_err(AccountError::Store)?;
            private
        }
    };
    AccountKey::new(private).map_err(|error| refuse(chain(&error)))
}

fn key_hash(key: &AccountKey) -> String {
    STANDARD.encode(Sha256::digest(key.private_key().pkcs8_der()))
}

fn same_host(url: &str, server: &str) -> bool {
    let host = |url: &str| url.split('/').nth(2).map(str::to_owned);
    host(url).is_some() && host(url) == host(server)
}
