//! What a Certificate wants in its Secret beside `tls.crt` and `tls.key`: keystores and other forms of the key.

use jamul_api::SecretKeySelector;
use jamul_api::certificate::CertificateSpec;
use jamul_pki::{Certificate as X509, KeystoreEntry, Pkcs12Profile, PrivateKey};
use sha2::{Digest, Sha256};

/// All data keys that are made here; a Secret loses the ones that its Certificate does not want any more.
pub(crate) const ALL: [&str; 6] =
    [KEY_DER, COMBINED, "keystore.jks", "truststore.jks", "keystore.p12", "truststore.p12"];
const KEY_DER: &str = "key.der";
const COMBINED: &str = "tls-combined.pem";

/// The passwords of a Certificate's keystores; `None` where its Secret has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passwords {
    jks: Option<String>,
    pkcs12: Option<String>,
}

/// The names of the Secrets in which the passwords are.
#[must_use]
pub fn password_secrets(spec: &CertificateSpec) -> Vec<String> {
    let keystores = spec.keystores.clone().unwrap_or_default();
    let jks = keystores.jks.and_then(|jks| jks.password_secret_ref);
    let pkcs12 = keystores.pkcs12.and_then(|store| store.password_secret_ref);
    jks.into_iter().chain(pkcs12).map(|secret| secret.name).collect()
}

/// Finds the passwords: literal ones, or by `look_up` (Secret and key; the key's default is `password`).
#[must_use]
pub fn passwords(
    spec: &CertificateSpec,
    look_up: impl Fn(&SecretKeySelector) -> Option<String>,
) -> Passwords {
    let keystores = spec.keystores.clone().unwrap_or_default();
    let find = |literal: Option<String>, secret: Option<SecretKeySelector>| {
        literal.or_else(|| look_up(&secret?)).filter(|password| !password.is_empty())
    };
    Passwords {
        jks: keystores.jks.and_then(|jks| find(jks.password, jks.password_secret_ref)),
        pkcs12: keystores.pkcs12.and_then(|store| find(store.password, store.password_secret_ref)),
    }
}

/// What the forms are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material<'a> {
    pub(crate) key: &'a PrivateKey,
    pub(crate) key_pem: &'a str,
    pub(crate) chain: &'a [X509],
    pub(crate) chain_pem: &'a str,
    /// `ca.crt`.
    pub(crate) authorities: &'a [X509],
}

/// Why a form could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A keystore whose password is not there (yet).
    #[error("the password of spec.keystores.{keystore} was not found: {expected}")]
    NoPassword {
        /// `jks` or `pkcs12`.
        keystore: &'static str,
        /// Where it was looked for.
        expected: String,
    },
    /// The library refused.
    #[error("cannot write a keystore")]
    Keystore(#[source] jamul_pki::KeyError),
}

/// The additional forms of a key pair; cheap.
pub(crate) fn formats(spec: &CertificateSpec, material: &Material<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let wants = |name: &str| spec.additional_output_formats.iter().any(|format| format.type_ == name);
    let mut formats = Vec::new();
    if wants("DER")
        && let Ok(der) = jamul_pki::pem_content(material.key_pem)
    {
        formats.push((KEY_DER, der));
    }
    if wants("CombinedPEM") {
        formats.push((COMBINED, format!("{}\n{}", material.key_pem, material.chain_pem).into_bytes()));
    }
    formats
}

/// The names of the keystores that a spec wants.
pub(crate) fn keystore_names(spec: &CertificateSpec, has_authority: bool) -> Vec<&'static str> {
    let keystores = spec.keystores.clone().unwrap_or_default();
    let mut names = Vec::new();
    if keystores.jks.is_some_and(|jks| jks.create) {
        names.push("keystore.jks");
        names.extend(has_authority.then_some("truststore.jks"));
    }
    if keystores.pkcs12.is_some_and(|store| store.create) {
        names.push("keystore.p12");
        names.extend(has_authority.then_some("truststore.p12"));
    }
    names
}

/// The keystores; deriving their keys takes milliseconds.
///
/// # Errors
/// A password is missing; the library refuses.
pub(crate) fn keystores(
    spec: &CertificateSpec,
    material: &Material<'_>,
    passwords: &Passwords,
) -> Result<Vec<(&'static str, Vec<u8>)>, OutputError> {
    let (key, chain, authorities) = (material.key, material.chain, material.authorities);
    let entry = KeystoreEntry { key, chain, authorities };
    let created = chain.first().map(X509::not_before).unwrap_or_default();
    let keystores = spec.keystores.clone().unwrap_or_default();
    let mut made = Vec::new();
    if let Some(jks) = keystores.jks.filter(|jks| jks.create) {
        let password = required(passwords.jks.as_ref(), "jks", jks.password_secret_ref.as_ref())?;
        let alias = if jks.alias.is_empty() { "certificate" } else { &jks.alias };
        let store = jamul_pki::jks_keystore(&entry, alias, password, created);
        made.push(("keystore.jks", store.map_err(OutputError::Keystore)?));
        if !authorities.is_empty() {
            let store = jamul_pki::jks_truststore(authorities, password, created);
            made.push(("truststore.jks", store.map_err(OutputError::Keystore)?));
        }
    }
    if let Some(pkcs12) = keystores.pkcs12.filter(|store| store.create) {
        let password = required(passwords.pkcs12.as_ref(), "pkcs12", pkcs12.password_secret_ref.as_ref())?;
        let profile = Pkcs12Profile::parse(&pkcs12.profile).unwrap_or_default();
        let store = jamul_pki::pkcs12_keystore(&entry, profile, password);
        made.push(("keystore.p12", store.map_err(OutputError::Keystore)?));
        if !authorities.is_empty() {
            let store = jamul_pki::pkcs12_truststore(authorities, profile, password);
            made.push(("truststore.p12", store.map_err(OutputError::Keystore)?));
        }
    }
    Ok(made)
}

fn required<'a>(
    password: Option<&'a String>,
    keystore: &'static str,
    secret: Option<&SecretKeySelector>,
) -> Result<&'a str, OutputError> {
    let expected = match secret {
        Some(secret) => format!("expected Secret {:?} with key {:?}", secret.name, key_of(secret)),
        None => "expected password or passwordSecretRef".to_owned(),
    };
    password.map(String::as_str).ok_or(OutputError::NoPassword { keystore, expected })
}

/// The data key that a password is under.
#[must_use]
pub fn key_of(secret: &SecretKeySelector) -> &str {
    if secret.key.is_empty() { "password" } else { &secret.key }
}

/// What the keystores were made from; they hold random salts, so that they themselves cannot be compared. The
/// private key is part of it: nobody learns anything about the password from this.
pub(crate) fn fingerprint(spec: &CertificateSpec, material: &Material<'_>, passwords: &Passwords) -> String {
    let keystores = spec.keystores.clone().unwrap_or_default();
    let mut hash = Sha256::new();
    let mut add = |octets: &[u8]| {
        hash.update(u64::try_from(octets.len()).unwrap_or(0).to_be_bytes());
        hash.update(octets);
    };
    add(material.key.pkcs8_der());
    for certificate in material.chain.iter().chain(material.authorities) {
        add(certificate.der());
    }
    for password in [&passwords.jks, &passwords.pkcs12] {
        add(password.as_deref().unwrap_or_default().as_bytes());
    }
    add(keystores.jks.map(|jks| jks.alias).unwrap_or_default().as_bytes());
    add(keystores.pkcs12.map(|store| store.profile).unwrap_or_default().as_bytes());
    hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}
