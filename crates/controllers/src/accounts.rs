//! ACME accounts: from an issuer to a session with its server.

use std::sync::{Arc, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jamul_acme::client::{Client, ClientError, Session};
use jamul_acme::jose::{AccountKey, ExternalBinding};
use jamul_acme::problem::ProblemType;
use jamul_api::core::Secret;
use jamul_api::issuer::{AcmeIssuer, AcmeIssuerStatus, IssuerRef, IssuerStatus};
use jamul_api::{ClusterIssuer, Issuer, ObjectKey};
use jamul_issuance::Note;
use jamul_pki::KeyEncoding;
use sha2::{Digest, Sha256};

use crate::account_error::AccountError;
use crate::account_key::StoredKey;
use crate::context::{Context, Trust};
use crate::metrics::CountedTransport;
use crate::runner::{Retry, chain};

/// Registers the account of an issuer, or finds that it is registered. `rollover` is what the user wrote to have another
/// key: a text that differs from the one of the last time.
pub(crate) async fn register(
    context: &Context,
    issuer: &AcmeIssuer,
    namespace: &str,
    known: Option<&AcmeIssuerStatus>,
    rollover: Option<&str>,
) -> Result<AcmeIssuerStatus, AccountError> {
    let mut stored = StoredKey::read_or_generate(context, issuer, namespace).await?;
    let known = known.filter(|known| same_host(&known.uri, &issuer.server));
    if stored.next.is_none() && rollover.is_some_and(|wanted| stored.rollover() != Some(wanted)) {
        match known {
            Some(_) => stored.prepare(context, rollover.unwrap_or_default()).await?,
            // A new account gets the key that is there.
            None => stored.remember(context, rollover.unwrap_or_default()).await?,
        }
    }
    if let Some(next) = stored.next.clone() {
        let client = client(context, issuer).await?;
        finish_rollover(context, &client, &mut stored, next, known).await?;
    }
    let hash = key_hash(&stored.key);
    let email = issuer.email.to_lowercase();
    let contact: Vec<String> = if email.is_empty() { Vec::new() } else { vec![format!("mailto:{email}")] };
    let known =
        known.filter(|known| known.last_private_key_hash == hash || known.last_private_key_hash.is_empty());
    if let Some(known) = known
        && known.last_registered_email == email
        && known.last_private_key_hash == hash
    {
        return Ok(known.clone());
    }
    let client = client(context, issuer).await?;
    let session = match known {
        Some(known) => client.resume(&stored.key, &known.uri),
        None => {
            let binding = binding(context, issuer, namespace).await?;
            let registered = client.register(&stored.key, &contact, true, binding.as_ref()).await;
            registered.map_err(|error| from_client(&error))?
        }
    };
    // An account that was there already may have another contact.
    let account = session.account().await.map_err(|error| from_client(&error))?;
    if account.contact != contact {
        session.update_contact(&contact).await.map_err(|error| from_client(&error))?;
    }
    Ok(AcmeIssuerStatus {
        uri: session.account_url().to_owned(),
        last_registered_email: email,
        last_private_key_hash: hash,
    })
}

/// Closes the account for good; one that is unknown or closed is as wanted.
pub(crate) async fn deactivate(
    context: &Context,
    issuer: &AcmeIssuer,
    namespace: &str,
    known: &AcmeIssuerStatus,
) -> Result<(), AccountError> {
    let stored = StoredKey::read_or_generate(context, issuer, namespace).await?;
    let session = client(context, issuer).await?.resume(&stored.key, &known.uri);
    match session.deactivate().await.map_err(|error| from_client(&error)) {
        Ok(_) | Err(AccountError::Unknown(_) | AccountError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The second and third of the three steps of a new key: `next` is stored, the server is told, `next` takes its place. A
/// crash between any two is mended here, because the server says which of the two keys has the account.
async fn finish_rollover(
    context: &Context,
    client: &Client,
    stored: &mut StoredKey,
    next: AccountKey,
    known: Option<&AcmeIssuerStatus>,
) -> Result<(), AccountError> {
    let told = client.find(&next).await.map_err(|error| from_client(&error))?;
    if told.is_none() {
        let session = match known {
            Some(known) => Some(client.resume(&stored.key, &known.uri)),
            None => client.find(&stored.key).await.map_err(|error| from_client(&error))?,
        };
        // Without one neither key has an account: the new key will get it.
        if let Some(session) = session {
            match session.change_key(&next).await {
                Ok(_) => {}
                Err(error @ ClientError::Unsupported { .. }) => {
                    stored.give_up(context).await?;
                    return Err(AccountError::Key(Note::warning("ErrUpdateACMEAccount", chain(&error))));
                }
                Err(error) => return Err(from_client(&error)),
            }
        }
    }
    stored.promote(context, next).await
}

/// A session for the issuer that an Order or Challenge names.
pub(crate) async fn session(
    context: &Context,
    reference: &IssuerRef,
    namespace: &str,
) -> Result<(Session, AcmeIssuer), Retry> {
    let (spec, status) = context
        .issuer(reference, namespace)
        .ok_or_else(|| later(format!("{} {:?} does not exist", reference.kind(), reference.name)))?;
    let issuer = spec
        .acme
        .ok_or_else(|| later(format!("{} {:?} is no acme issuer", reference.kind(), reference.name)))?;
    let uri = status.and_then(|status| status.acme).map(|account| account.uri).unwrap_or_default();
    if uri.is_empty() {
        return Err(later(format!("{} {:?} has no ACME account yet", reference.kind(), reference.name)));
    }
    let namespace = context.issuer_namespace(reference, namespace);
    let stored = StoredKey::read_or_generate(context, &issuer, &namespace).await.map_err(into_retry)?;
    if stored.next.is_some() {
        // Which of the two signs is not known before the issuer was looked at.
        return Err(later(format!("{} {:?} is changing its account key", reference.kind(), reference.name)));
    }
    let client = client(context, &issuer).await.map_err(into_retry)?;
    Ok((client.resume(&stored.key, &uri), issuer))
}

/// What a failed request to an ACME server means for whoever asked.
pub(crate) fn from_client(error: &ClientError) -> AccountError {
    let message = chain(error);
    if error.problem_type() == Some(&ProblemType::AccountDoesNotExist) {
        AccountError::Unknown(message)
    } else if error.is_transient() || error.is_rate_limited() {
        AccountError::Away { message, after: error.retry_after() }
    } else {
        AccountError::Refused(message)
    }
}

/// Has the account of an issuer registered again, because its server does not know it: a private CA that was founded
/// anew, most often.
pub(crate) async fn forget(context: &Context, reference: &IssuerRef, namespace: &str) -> Result<(), Retry> {
    let key = Context::issuer_key(reference, namespace);
    let without = |status: Option<IssuerStatus>| {
        let mut status = status.unwrap_or_default();
        status.acme = None;
        Some(status)
    };
    if reference.kind() == "ClusterIssuer" {
        if let Some(issuer) = context.store.get::<ClusterIssuer>(&key) {
            let status = without(issuer.status.clone());
            context.store.set_status(&ClusterIssuer { status, ..(*issuer).clone() }).await?;
        }
    } else if let Some(issuer) = context.store.get::<Issuer>(&key) {
        let status = without(issuer.status.clone());
        context.store.set_status(&Issuer { status, ..(*issuer).clone() }).await?;
    }
    Ok(())
}

/// Why a session or a server could not be had; it is tried again.
pub(crate) fn into_retry(error: AccountError) -> Retry {
    match error {
        AccountError::Key(note) => later(note.message),
        AccountError::Store(error) => Retry::Store(error),
        AccountError::Refused(message) | AccountError::Unknown(message) => later(message),
        AccountError::Away { message, after } => Retry::Later { message, after },
    }
}

fn later(message: String) -> Retry {
    Retry::Later { message, after: None }
}

/// The server of an issuer.
pub(crate) async fn client(context: &Context, issuer: &AcmeIssuer) -> Result<Client, AccountError> {
    let trust = Trust {
        server: issuer.server.clone(),
        ca_bundle: issuer.ca_bundle.as_ref().map(|bundle| bundle.0.clone()),
        skip_verify: issuer.skip_tls_verify,
        ..Trust::default()
    };
    if let Some(client) = context.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&trust) {
        return Ok(client.clone());
    }
    let transport = context.transports.transport(&trust).map_err(AccountError::Refused)?;
    let transport = Arc::new(CountedTransport::new(transport, context.metrics.acme()));
    let client = Client::discover(transport, &issuer.server).await.map_err(|error| from_client(&error))?;
    context.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(trust, client.clone());
    Ok(client)
}

/// The binding to an external account, if the issuer has one.
async fn binding(
    context: &Context,
    issuer: &AcmeIssuer,
    namespace: &str,
) -> Result<Option<ExternalBinding>, AccountError> {
    let Some(wanted) = &issuer.external_account_binding else { return Ok(None) };
    let refuse = |message: String| AccountError::Key(Note::warning("ErrRegisterACMEAccount", message));
    let key = ObjectKey::new(namespace, wanted.key_secret_ref.name.clone());
    let data_key = &wanted.key_secret_ref.key;
    let secret = context.store.fetch::<Secret>(&key).await.map_err(AccountError::Store)?;
    let found = secret.as_ref().and_then(|secret| secret.data.as_ref()?.get(data_key));
    let found = found.ok_or_else(|| {
        refuse(format!("Secret {key} of externalAccountBinding.keySecretRef has no key {data_key:?}"))
    })?;
    let text = String::from_utf8_lossy(&found.0);
    ExternalBinding::parse(&wanted.key_id, &text).map(Some).map_err(|error| {
        let expected = "expected the key as handed out, base64url";
        refuse(format!("Secret {key}: {data_key:?} cannot be used ({}); {expected}", chain(&error)))
    })
}

/// The hash that cert-manager keeps: over PKCS#1 for RSA keys, so that a takeover finds its account unchanged.
fn key_hash(key: &AccountKey) -> String {
    let private = key.private_key();
    let pem = private.to_pem(KeyEncoding::Pkcs1).unwrap_or_default();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap_or_else(|_| private.pkcs8_der().to_vec());
    STANDARD.encode(Sha256::digest(der))
}

fn same_host(url: &str, server: &str) -> bool {
    let host = |url: &str| url.split('/').nth(2).map(str::to_owned);
    host(url).is_some() && host(url) == host(server)
}
