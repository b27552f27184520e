//! The Secret with an issuer's account key, and with the next one while the key is being changed.

use std::sync::Arc;

use jamul_acme::jose::AccountKey;
use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::issuer::AcmeIssuer;
use jamul_api::{ObjectKey, names};
use jamul_issuance::Note;
use jamul_pki::{KeyAlgorithm, KeyEncoding, PrivateKey};

use crate::account_error::AccountError;
use crate::context::Context;
use crate::runner::chain;

/// An account key as it is stored.
#[derive(Debug)]
pub(crate) struct StoredKey {
    /// The key that signs; while there is a next one, the server may know that one already.
    pub(crate) key: AccountKey,
    /// The key that shall sign from now on.
    pub(crate) next: Option<AccountKey>,
    secret: Arc<Secret>,
    data_key: String,
}

impl StoredKey {
    /// The key of an issuer; generated and stored if there is none. RSA, so that cert-manager could take it back; one
    /// that is there may be of any kind that ACME signs with.
    pub(crate) async fn read_or_generate(
        context: &Context,
        issuer: &AcmeIssuer,
        namespace: &str,
    ) -> Result<Self, AccountError> {
        let selector = &issuer.private_key_secret_ref;
        let data_key = if selector.key.is_empty() { names::TLS_KEY } else { &selector.key }.to_owned();
        let key = ObjectKey::new(namespace, selector.name.clone());
        let existing: Option<Arc<Secret>> = context.store.fetch(&key).await.map_err(AccountError::Store)?;
        let secret = match existing {
            Some(secret) if data(&secret, &data_key).is_some() => secret,
            _ if issuer.disable_account_key_generation => {
                return Err(unusable(format!(
                    "Secret {key} has no {data_key}, and disableAccountKeyGeneration is set"
                )));
            }
            existing => {
                let secret = existing.map_or_else(|| empty(&key), |secret| (*secret).clone());
                let pem = generate(KeyAlgorithm::Rsa { bits: 2048 })?.1;
                store(context, with(secret, &data_key, Some(pem))).await?
            }
        };
        let read = |name: &str| -> Result<Option<AccountKey>, AccountError> {
            let Some(pem) = data(&secret, name) else { return Ok(None) };
            let private = PrivateKey::from_pem(&String::from_utf8_lossy(&pem.0)).map_err(|error| {
                unusable(format!("Secret {key}: {name} cannot be read as a private key: {}", chain(&error)))
            })?;
            AccountKey::new(private).map(Some).map_err(|error| unusable(chain(&error)))
        };
        let Some(account_key) = read(&data_key)? else {
            return Err(unusable(format!("Secret {key} has no {data_key}")));
        };
        let next = read(&next_of(&data_key))?;
        Ok(Self { key: account_key, next, secret, data_key })
    }

    /// What the user wrote when the key was changed last.
    pub(crate) fn rollover(&self) -> Option<&str> {
        let annotations = self.secret.metadata.annotations.as_ref()?;
        annotations.get(names::ACCOUNT_KEY_ROLLOVER).map(String::as_str)
    }

    /// Stores a next key beside the one that signs: nothing is asked of the server before both are safe.
    pub(crate) async fn prepare(&mut self, context: &Context, wanted: &str) -> Result<(), AccountError> {
        let algorithm = self.key.private_key().algorithm();
        let (next, pem) = generate(algorithm)?;
        let secret = marked((*self.secret).clone(), wanted);
        self.secret = store(context, with(secret, &next_of(&self.data_key), Some(pem))).await?;
        self.next = Some(next);
        Ok(())
    }

    /// Notes what the user wrote, where there is no account yet whose key could be changed.
    pub(crate) async fn remember(&mut self, context: &Context, wanted: &str) -> Result<(), AccountError> {
        self.secret = store(context, marked((*self.secret).clone(), wanted)).await?;
        Ok(())
    }

    /// Puts the next key in the place of the old one.
    pub(crate) async fn promote(&mut self, context: &Context, next: AccountKey) -> Result<(), AccountError> {
        let pem = pem(next.private_key())?;
        let secret = with((*self.secret).clone(), &next_of(&self.data_key), None);
        self.secret = store(context, with(secret, &self.data_key, Some(pem))).await?;
        self.key = next;
        self.next = None;
        Ok(())
    }

    /// Drops the next key: the server changes none.
    pub(crate) async fn give_up(&mut self, context: &Context) -> Result<(), AccountError> {
        self.secret = store(context, with((*self.secret).clone(), &next_of(&self.data_key), None)).await?;
        self.next = None;
        Ok(())
    }
}

fn next_of(data_key: &str) -> String {
    format!("{data_key}.next")
}

fn data<'a>(secret: &'a Secret, name: &str) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(name).filter(|value| !value.0.is_empty())
}

fn with(mut secret: Secret, name: &str, value: Option<String>) -> Secret {
    let data = secret.data.get_or_insert_default();
    match value {
        Some(value) => data.insert(name.to_owned(), ByteString(value.into_bytes())),
        None => data.remove(name),
    };
    secret
}

fn marked(mut secret: Secret, wanted: &str) -> Secret {
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(names::ACCOUNT_KEY_ROLLOVER.to_owned(), wanted.to_owned());
    secret
}

fn empty(key: &ObjectKey) -> Secret {
    let labels = [("app.kubernetes.io/managed-by".to_owned(), "cert-manager".to_owned())];
    Secret {
        metadata: ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

async fn store(context: &Context, secret: Secret) -> Result<Arc<Secret>, AccountError> {
    context.store.apply(secret).await.map_err(AccountError::Store)
}

fn generate(algorithm: KeyAlgorithm) -> Result<(AccountKey, String), AccountError> {
    let private = PrivateKey::generate(algorithm).map_err(|error| unusable(chain(&error)))?;
    let pem = pem(&private)?;
    Ok((AccountKey::new(private).map_err(|error| unusable(chain(&error)))?, pem))
}

fn pem(private: &PrivateKey) -> Result<String, AccountError> {
    private.to_pem(KeyEncoding::Pkcs1).map_err(|error| unusable(chain(&error)))
}

fn unusable(message: String) -> AccountError {
    AccountError::Key(Note::warning("ErrVerifyACMEAccount", message))
}
