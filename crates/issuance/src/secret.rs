//! The Secret that holds the key of an issuance under way.

use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::{Certificate, Object, names};
use jamul_pki::{KeyEncoding, KeyError, PrivateKey};

/// The name of the Secret that holds a Certificate's next key while it is being issued: the one in the status
/// (cert-manager may have begun), else one that follows from the Certificate, so that a crash never loses a key
/// that was stored.
#[must_use]
pub fn next_key_name(certificate: &Certificate) -> String {
    if let Some(name) =
        certificate.status.as_ref().and_then(|status| status.next_private_key_secret_name.clone())
    {
        return name;
    }
    format!("{}-next-key", certificate.metadata.name.as_deref().unwrap_or_default())
}

/// The Secret for a Certificate's next key; always PKCS#8, whatever the spec's encoding.
///
/// # Errors
/// The key cannot be written as PEM.
pub fn next_key(certificate: &Certificate, key: &PrivateKey) -> Result<Secret, KeyError> {
    let labels = [names::NEXT_PRIVATE_KEY_LABEL, names::FAO_LABEL];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(next_key_name(certificate)),
            namespace: certificate.metadata.namespace.clone(),
            labels: Some(labels.iter().map(|label| ((*label).to_owned(), "true".to_owned())).collect()),
            owner_references: Some(vec![certificate.owner_reference()]),
            ..ObjectMeta::default()
        },
        data: Some([(names::TLS_KEY.to_owned(), bytes(&key.to_pem(KeyEncoding::Pkcs8)?))].into()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    })
}

/// The key of such a Secret, if there is one that can be read.
#[must_use]
pub fn key(secret: &Secret) -> Option<PrivateKey> {
    let pem = secret.data.as_ref()?.get(names::TLS_KEY)?;
    PrivateKey::from_pem(std::str::from_utf8(&pem.0).ok()?).ok()
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}
