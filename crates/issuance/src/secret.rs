//! The Secrets that an issuance writes.

use std::collections::BTreeMap;

use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::{Certificate, CertificateRequest, Object, names};
use jamul_pki::{Certificate as X509, KeyEncoding, KeyError, PrivateKey, San};

use crate::keys;

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

/// The target Secret: key and chain (`pem` is the text of `chain`) together, with cert-manager's annotations.
/// Labels, annotations and data of others in `existing` stay.
///
/// # Errors
/// The key cannot be written as PEM.
pub fn target(
    certificate: &Certificate,
    request: &CertificateRequest,
    chain: &[X509],
    pem: &str,
    key: &PrivateKey,
    existing: Option<&Secret>,
) -> Result<Secret, KeyError> {
    let mut secret = existing.cloned().unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(certificate.spec.secret_name.clone()),
            namespace: certificate.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        type_: Some(names::TLS_SECRET_TYPE.to_owned()),
        ..Secret::default()
    });
    let template = certificate.spec.secret_template.clone().unwrap_or_default();
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.extend(template.labels);
    labels.insert(names::FAO_LABEL.to_owned(), "true".to_owned());
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.extend(template.annotations);
    annotations.extend(details(certificate, request, chain));
    let data = secret.data.get_or_insert_default();
    data.insert(names::TLS_CRT.to_owned(), bytes(pem));
    data.insert(names::TLS_KEY.to_owned(), bytes(&key.to_pem(keys::encoding(&certificate.spec))?));
    match request.status.as_ref().and_then(|status| status.ca.clone()) {
        Some(ca) => data.insert(names::CA_CRT.to_owned(), ca),
        None => data.remove(names::CA_CRT),
    };
    Ok(secret)
}

fn details(
    certificate: &Certificate,
    request: &CertificateRequest,
    chain: &[X509],
) -> BTreeMap<String, String> {
    let (mut dns, mut ips, mut uris) = (Vec::new(), Vec::new(), Vec::new());
    for san in chain.first().map(X509::sans).unwrap_or_default() {
        match san {
            San::Dns(name) => dns.push(name.clone()),
            San::Ip(address) => ips.push(address.to_string()),
            San::Uri(uri) => uris.push(uri.clone()),
            San::Email(_) => {}
        }
    }
    let common_name = chain.first().and_then(|leaf| leaf.subject().common_name.clone()).unwrap_or_default();
    let issuer = &request.spec.issuer_ref;
    [
        (names::CERTIFICATE_NAME, certificate.metadata.name.clone().unwrap_or_default()),
        (names::ISSUER_NAME, issuer.name.clone()),
        (names::ISSUER_KIND, issuer.kind.clone()),
        (names::ISSUER_GROUP, issuer.group.clone()),
        (names::COMMON_NAME, common_name),
        (names::ALT_NAMES, dns.join(",")),
        (names::IP_SANS, ips.join(",")),
        (names::URI_SANS, uris.join(",")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}
