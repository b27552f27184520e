//! The certificate that is in a Secret now, as its issuer knows it.

use jamul_acme::wire::renewal_identifier;
use jamul_api::core::Secret;
use jamul_api::issuer::IssuerRef;
use jamul_api::{Certificate, Object, ObjectKey, names};
use jamul_pki::Certificate as X509;
use jiff::Timestamp;

use crate::context::Context;

/// What is in the Secret of a Certificate.
#[derive(Debug)]
pub(crate) struct Held {
    /// Who made it.
    pub(crate) issued_by: IssuerRef,
    /// What renewal information calls it (RFC 9773 section 4.1).
    pub(crate) identifier: String,
    pub(crate) not_before: Timestamp,
}

impl Held {
    /// `None` without a certificate, or for one that does not say who made it.
    pub(crate) fn of(context: &Context, certificate: &Certificate) -> Option<Self> {
        let secret = secret(context, certificate)?;
        let issued_by = issuer(&secret)?;
        let pem = secret.data.as_ref()?.get(names::TLS_CRT)?;
        let leaf = X509::from_pem(std::str::from_utf8(&pem.0).ok()?).ok()?;
        Some(Self { issued_by, identifier: renewal_identifier(&leaf)?, not_before: leaf.not_before() })
    }

    /// Who made what is in the Secret, without a look at it.
    pub(crate) fn issued_by(context: &Context, certificate: &Certificate) -> Option<IssuerRef> {
        issuer(&*secret(context, certificate)?)
    }
}

fn secret(context: &Context, certificate: &Certificate) -> Option<std::sync::Arc<Secret>> {
    let key = ObjectKey::new(certificate.key().namespace, certificate.spec.secret_name.clone());
    context.store.get::<Secret>(&key)
}

fn issuer(secret: &Secret) -> Option<IssuerRef> {
    Some(IssuerRef {
        name: secret.annotation(names::ISSUER_NAME)?.to_owned(),
        kind: secret.annotation(names::ISSUER_KIND).unwrap_or_default().to_owned(),
        group: secret.annotation(names::ISSUER_GROUP).unwrap_or_default().to_owned(),
    })
}
