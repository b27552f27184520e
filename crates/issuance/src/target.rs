//! The target Secret of a Certificate: written whole when a certificate was issued, and kept as the spec says
//! afterwards, without a new certificate.

use std::collections::BTreeMap;

use jamul_api::certificate::SecretTemplate;
use jamul_api::core::{ByteString, ObjectMeta, Secret};
use jamul_api::issuer::IssuerRef;
use jamul_api::{Certificate, CertificateRequest, Object, names};
use jamul_pki::{Certificate as X509, KeyError, PrivateKey, San};

use crate::managed::Managed;
use crate::outputs::{self, Material, OutputError, Passwords};
use crate::{keys, policy};

/// Who the target Secret belongs to (`--enable-certificate-owner-ref`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretOwner {
    /// Nobody: it stays when its Certificate goes.
    #[default]
    Nobody,
    /// Its Certificate, with which it goes.
    Certificate,
}

/// What the Secret depends on beside the Certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) passwords: &'a Passwords,
    pub(crate) owner: SecretOwner,
}

/// Why the Secret could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("cannot write a private key as PEM")]
    Key(#[source] KeyError),
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// The Secret with what was just issued (`pem` is the text of `chain`). Labels, annotations and data of others in
/// `existing` stay.
///
/// # Errors
/// [`TargetError`].
pub(crate) fn issued(
    certificate: &Certificate,
    request: &CertificateRequest,
    chain: &[X509],
    pem: &str,
    key: &PrivateKey,
    existing: Option<&Secret>,
    around: &Surroundings<'_>,
) -> Result<Secret, TargetError> {
    let mut secret = existing.cloned().unwrap_or_else(|| fresh(certificate));
    let key_pem = key.to_pem(keys::encoding(&certificate.spec)).map_err(TargetError::Key)?;
    let data = secret.data.get_or_insert_default();
    data.insert(names::TLS_CRT.to_owned(), bytes(pem));
    data.insert(names::TLS_KEY.to_owned(), bytes(&key_pem));
    match request.status.as_ref().and_then(|status| status.ca.clone()).filter(|ca| !ca.0.is_empty()) {
        Some(ca) => data.insert(names::CA_CRT.to_owned(), ca),
        None => data.remove(names::CA_CRT),
    };
    describe(&mut secret, certificate, chain, Some(&request.spec.issuer_ref));
    complete(&mut secret, certificate, key, chain, around)?;
    Ok(secret)
}

/// A certificate for the time until the issuer answers: nothing says who issued it, so it satisfies nobody.
///
/// # Errors
/// [`TargetError`].
pub(crate) fn temporary(
    certificate: &Certificate,
    chain: &[X509],
    pem: &str,
    key: &PrivateKey,
    existing: Option<&Secret>,
) -> Result<Secret, TargetError> {
    let mut secret = existing.cloned().unwrap_or_else(|| fresh(certificate));
    let key_pem = key.to_pem(keys::encoding(&certificate.spec)).map_err(TargetError::Key)?;
    let data = secret.data.get_or_insert_default();
    data.insert(names::TLS_CRT.to_owned(), bytes(pem));
    data.insert(names::TLS_KEY.to_owned(), bytes(&key_pem));
    data.remove(names::CA_CRT);
    describe(&mut secret, certificate, chain, None);
    Ok(secret)
}

/// `secret` as the spec wants it now, around the key pair that it holds: template, additional forms, keystores and
/// owner. `None` if it is so, or is not what this Certificate wrote.
///
/// # Errors
/// [`TargetError`].
pub(crate) fn kept(
    certificate: &Certificate,
    secret: &Secret,
    around: &Surroundings<'_>,
) -> Result<Option<Secret>, TargetError> {
    let is_own = secret.annotation(names::CERTIFICATE_NAME) == certificate.metadata.name.as_deref()
        && secret.annotation(names::ISSUER_NAME).is_some();
    let Ok(pair) = policy::key_pair(certificate, Some(secret)) else { return Ok(None) };
    if !is_own {
        return Ok(None);
    }
    let mut wanted = secret.clone();
    let text = |name| secret.annotation(name).unwrap_or_default().to_owned();
    let issuer = IssuerRef {
        name: text(names::ISSUER_NAME),
        kind: text(names::ISSUER_KIND),
        group: text(names::ISSUER_GROUP),
    };
    describe(&mut wanted, certificate, &pair.chain, Some(&issuer));
    complete(&mut wanted, certificate, &pair.key, &pair.chain, around)?;
    Ok((wanted != *secret).then_some(wanted))
}

fn fresh(certificate: &Certificate) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(certificate.spec.secret_name.clone()),
            namespace: certificate.metadata.namespace.clone(),
            ..ObjectMeta::default()
        },
        type_: Some(names::TLS_SECRET_TYPE.to_owned()),
        ..Secret::default()
    }
}

/// cert-manager's label and annotations.
fn describe(secret: &mut Secret, certificate: &Certificate, chain: &[X509], issuer: Option<&IssuerRef>) {
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.insert(names::FAO_LABEL.to_owned(), "true".to_owned());
    let annotations = secret.metadata.annotations.get_or_insert_default();
    for name in [names::ISSUER_NAME, names::ISSUER_KIND, names::ISSUER_GROUP] {
        annotations.remove(name);
    }
    if let Some(issuer) = issuer {
        let values = [&issuer.name, &issuer.kind, &issuer.group];
        for (name, value) in [names::ISSUER_NAME, names::ISSUER_KIND, names::ISSUER_GROUP].iter().zip(values)
        {
            annotations.insert((*name).to_owned(), value.clone());
        }
    }
    let own = certificate.metadata.name.clone().unwrap_or_default();
    annotations.insert(names::CERTIFICATE_NAME.to_owned(), own);
    for (name, value, is_always) in details(chain) {
        if is_always || !value.is_empty() {
            annotations.insert(name.to_owned(), value);
        } else {
            annotations.remove(name);
        }
    }
}

/// What the leaf says: annotation, value, and whether it is there when empty.
fn details(chain: &[X509]) -> Vec<(&'static str, String, bool)> {
    let (mut dns, mut ips, mut uris, mut emails) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for san in chain.first().map(X509::sans).unwrap_or_default() {
        match san {
            San::Dns(name) => dns.push(name.clone()),
            San::Ip(address) => ips.push(address.to_string()),
            San::Uri(uri) => uris.push(uri.clone()),
            San::Email(address) => emails.push(address.clone()),
            San::Other { .. } => {}
        }
    }
    let subject = chain.first().map(|leaf| leaf.subject().clone()).unwrap_or_default();
    vec![
        (names::COMMON_NAME, subject.common_name.unwrap_or_default(), true),
        (names::ALT_NAMES, csv(&dns), true),
        (names::IP_SANS, csv(&ips), true),
        (names::URI_SANS, csv(&uris), true),
        ("cert-manager.io/email-sans", csv(&emails), false),
        ("cert-manager.io/subject-serialnumber", subject.serial_number.unwrap_or_default(), false),
        ("cert-manager.io/subject-organizations", csv(&subject.organizations), false),
        ("cert-manager.io/subject-organizationalunits", csv(&subject.organizational_units), false),
        ("cert-manager.io/subject-countries", csv(&subject.countries), false),
        ("cert-manager.io/subject-provinces", csv(&subject.provinces), false),
        ("cert-manager.io/subject-localities", csv(&subject.localities), false),
        ("cert-manager.io/subject-postalcodes", csv(&subject.postal_codes), false),
        ("cert-manager.io/subject-streetaddresses", csv(&subject.street_addresses), false),
    ]
}

/// One record of CSV (RFC 4180), as Go writes it.
fn csv(values: &[String]) -> String {
    let field = |value: &String| {
        let is_plain =
            !value.contains([',', '"', '\n', '\r']) && !value.starts_with([' ', '\t']) && value != "\\.";
        if is_plain { value.clone() } else { format!("\"{}\"", value.replace('"', "\"\"")) }
    };
    values.iter().map(field).collect::<Vec<_>>().join(",")
}

/// Template, forms, keystores and owner.
fn complete(
    secret: &mut Secret,
    certificate: &Certificate,
    key: &PrivateKey,
    chain: &[X509],
    around: &Surroundings<'_>,
) -> Result<(), TargetError> {
    let before = Managed::of(secret);
    let mut managed = Managed::default();
    own(secret, certificate, around.owner);
    apply_template(secret, certificate.spec.secret_template.as_ref(), &before, &mut managed);
    apply_outputs(secret, certificate, key, chain, around, &mut managed)?;
    let data = secret.data.get_or_insert_default();
    for name in before.data.difference(&managed.data) {
        if outputs::ALL.contains(&name.as_str()) {
            data.remove(name);
        }
    }
    let annotations = secret.metadata.annotations.get_or_insert_default();
    if managed.is_empty() {
        annotations.remove(names::MANAGED);
    } else {
        annotations.insert(names::MANAGED.to_owned(), managed.to_text());
    }
    Ok(())
}

fn own(secret: &mut Secret, certificate: &Certificate, owner: SecretOwner) {
    let reference = certificate.owner_reference();
    let owners = secret.metadata.owner_references.get_or_insert_default();
    match owner {
        SecretOwner::Certificate => {
            let is_same = |owner: &jamul_api::core::OwnerReference| owner.kind == reference.kind;
            if !owners.contains(&reference) {
                owners.retain(|owner| !is_same(owner));
                owners.push(reference);
            }
        }
        SecretOwner::Nobody => owners.retain(|owner| {
            owner.kind != reference.kind || owner.name != reference.name || owner.controller != Some(true)
        }),
    }
    if owners.is_empty() {
        secret.metadata.owner_references = None;
    }
}

fn apply_template(
    secret: &mut Secret,
    template: Option<&SecretTemplate>,
    before: &Managed,
    managed: &mut Managed,
) {
    let template = template.cloned().unwrap_or_default();
    // cert-manager's own names are not the template's to set; the webhook refuses them.
    let is_free = |name: &String| name != names::FAO_LABEL && !name.starts_with("jamul.dev/");
    let wanted = |values: BTreeMap<String, String>| -> BTreeMap<String, String> {
        values.into_iter().filter(|(name, _)| is_free(name)).collect()
    };
    let (labels, annotations) = (wanted(template.labels), wanted(template.annotations));
    let metadata = &mut secret.metadata;
    for (values, before, wanted) in [
        (metadata.labels.get_or_insert_default(), &before.labels, &labels),
        (metadata.annotations.get_or_insert_default(), &before.annotations, &annotations),
    ] {
        for name in before {
            if !wanted.contains_key(name) {
                values.remove(name);
            }
        }
        values.extend(wanted.clone());
    }
    managed.labels = labels.into_keys().collect();
    managed.annotations = annotations.into_keys().collect();
}

fn apply_outputs(
    secret: &mut Secret,
    certificate: &Certificate,
    key: &PrivateKey,
    chain: &[X509],
    around: &Surroundings<'_>,
    managed: &mut Managed,
) -> Result<(), TargetError> {
    let spec = &certificate.spec;
    let data = secret.data.get_or_insert_default();
    let text = |data: &BTreeMap<String, ByteString>, name: &str| {
        data.get(name).map(|value| String::from_utf8_lossy(&value.0).into_owned()).unwrap_or_default()
    };
    let (key_pem, chain_pem) = (text(data, names::TLS_KEY), text(data, names::TLS_CRT));
    let authorities = X509::chain_from_pem(&text(data, names::CA_CRT)).unwrap_or_default();
    let material =
        Material { key, key_pem: &key_pem, chain, chain_pem: &chain_pem, authorities: &authorities };
    for (name, value) in outputs::formats(spec, &material) {
        data.insert(name.to_owned(), ByteString(value));
        managed.data.insert(name.to_owned());
    }
    let stores = outputs::keystore_names(spec, !authorities.is_empty());
    let annotations = secret.metadata.annotations.get_or_insert_default();
    if stores.is_empty() {
        annotations.remove(names::KEYSTORES);
        return Ok(());
    }
    let fingerprint = outputs::fingerprint(spec, &material, around.passwords);
    let are_there = stores.iter().all(|name| data.contains_key(*name));
    if !are_there || annotations.get(names::KEYSTORES) != Some(&fingerprint) {
        for (name, value) in outputs::keystores(spec, &material, around.passwords)? {
            data.insert(name.to_owned(), ByteString(value));
        }
        annotations.insert(names::KEYSTORES.to_owned(), fingerprint);
    }
    managed.data.extend(stores.into_iter().map(str::to_owned));
    Ok(())
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}
