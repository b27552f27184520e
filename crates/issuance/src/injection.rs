//! CA bundles of webhooks, conversions and API services, by the annotations of cert-manager's cainjector.

use jamul_api::core::{ByteString, Secret};
use jamul_api::injectable::Injectable;
use jamul_api::{Certificate, Object, ObjectKey, names};
use jamul_pki::Certificate as X509;
use jiff::Timestamp;

/// Where the CA of a target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the Secret of a Certificate.
    Certificate(ObjectKey),
    /// From a Secret that allows it.
    Secret(ObjectKey),
    /// It is the API server's.
    ApiServer,
}

/// What the annotations of a target ask for; one that cannot be read asks for nothing, as upstream.
#[must_use]
pub fn source<K: Object>(target: &K) -> Option<Source> {
    let key = |name: &str| {
        let (namespace, name) = target.annotation(name)?.split_once('/')?;
        (!namespace.is_empty() && !name.is_empty()).then(|| ObjectKey::new(namespace, name))
    };
    if let Some(certificate) = key(names::INJECT_CA_FROM) {
        return Some(Source::Certificate(certificate));
    }
    if let Some(secret) = key(names::INJECT_CA_FROM_SECRET) {
        return Some(Source::Secret(secret));
    }
    (target.annotation(names::INJECT_API_SERVER_CA) == Some("true")).then_some(Source::ApiServer)
}

/// The CA in the Secret of `certificate`, if that Secret is the Certificate's.
#[must_use]
pub fn of_certificate<'a>(certificate: &Certificate, secret: &'a Secret) -> Option<&'a [u8]> {
    let is_its = secret.annotation(names::CERTIFICATE_NAME) == certificate.metadata.name.as_deref();
    ca(secret).filter(|_| is_its)
}

/// The CA in a Secret that may be shown to everybody.
#[must_use]
pub fn of_secret(secret: &Secret) -> Option<&[u8]> {
    ca(secret).filter(|_| secret.annotation(names::ALLOW_DIRECT_INJECTION) == Some("true"))
}

fn ca(secret: &Secret) -> Option<&[u8]> {
    let ca = secret.data.as_ref()?.get(names::CA_CRT)?;
    (!ca.0.is_empty()).then_some(ca.0.as_slice())
}

/// `target` with `ca` in each of its places; `None` if it is there already. What is there and holds still stays, so that
/// a server that has not heard of a new CA goes on being trusted; what has ended goes.
#[must_use]
pub fn inject<K: Injectable>(target: &K, ca: &[u8], now: Timestamp) -> Option<K> {
    let before = target.bundles();
    let after: Vec<ByteString> = before
        .iter()
        .map(|bundle| merged(bundle.map(|bundle| bundle.0.as_slice()).unwrap_or_default(), ca, now))
        .collect();
    let is_same = before.iter().zip(&after).all(|(before, after)| *before == Some(after));
    (!is_same).then(|| target.with_bundles(after))
}

/// What is in `existing` and holds, then what of `ca` is not among it; `existing` itself where that is the same.
fn merged(existing: &[u8], ca: &[u8], now: Timestamp) -> ByteString {
    let read = |pem: &[u8]| X509::chain_from_pem(&String::from_utf8_lossy(pem)).unwrap_or_default();
    let wanted = read(ca);
    if wanted.is_empty() {
        return ByteString(ca.to_vec());
    }
    let there = read(existing);
    let mut all: Vec<X509> = there.iter().filter(|known| known.not_after() > now).cloned().collect();
    for certificate in wanted {
        if all.iter().all(|known| known.der() != certificate.der()) {
            all.push(certificate);
        }
    }
    let is_same =
        all.len() == there.len() && all.iter().zip(&there).all(|(one, other)| one.der() == other.der());
    match X509::chain_to_pem(&all) {
        Ok(pem) if !is_same => ByteString(pem.into_bytes()),
        Ok(_) => ByteString(existing.to_vec()),
        Err(_) => ByteString(ca.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use jamul_api::injectable::{ClientConfig, NamedWebhook, ValidatingWebhookConfiguration};
    use jamul_api::names::TLS_CRT;

    use super::*;
    use crate::testing::{at, ca_secret};

    const NOW: &str = "2026-06-01T00:00:00Z";

    fn pem(from: &str, to: &str) -> Vec<u8> {
        ca_secret(at(from), at(to)).data.unwrap()[TLS_CRT].0.clone()
    }

    fn configuration(bundle: Option<Vec<u8>>) -> ValidatingWebhookConfiguration {
        let client_config = ClientConfig { ca_bundle: bundle.map(ByteString) };
        let webhooks = vec![NamedWebhook { name: "a.example".to_owned(), client_config }];
        ValidatingWebhookConfiguration { webhooks, ..ValidatingWebhookConfiguration::default() }
    }

    fn bundle(target: &ValidatingWebhookConfiguration) -> Vec<u8> {
        target.bundles()[0].unwrap().0.clone()
    }

    #[test]
    fn a_new_ca_stands_beside_the_one_that_holds_and_replaces_what_ended() {
        let (old, new) = (
            pem("2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            pem("2026-05-01T00:00:00Z", "2027-05-01T00:00:00Z"),
        );
        let both = inject(&configuration(Some(old.clone())), &new, at(NOW)).unwrap();
        assert_eq!(X509::chain_from_pem(std::str::from_utf8(&bundle(&both)).unwrap()).unwrap().len(), 2);
        assert_eq!(inject(&both, &new, at(NOW)), None, "it is there already");
        let later = inject(&both, &new, at("2026-08-01T00:00:00Z")).unwrap();
        assert_eq!(bundle(&later), new);
        let placeholder = inject(&configuration(Some(b"\n".to_vec())), &new, at(NOW)).unwrap();
        assert_eq!(bundle(&placeholder), new);
        assert_eq!(bundle(&inject(&configuration(None), &new, at(NOW)).unwrap()), new);
    }

    #[test]
    fn a_secret_is_shown_only_where_that_is_allowed() {
        let data = Some([(names::CA_CRT.to_owned(), ByteString(b"ca".to_vec()))].into());
        let mut secret = Secret { data, ..Secret::default() };
        let mut certificate = Certificate::default();
        certificate.metadata.name = Some("web".to_owned());
        assert_eq!((of_secret(&secret), of_certificate(&certificate, &secret)), (None, None));
        let annotations = [(names::ALLOW_DIRECT_INJECTION, "true"), (names::CERTIFICATE_NAME, "web")];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
        secret.metadata.annotations = Some(annotations.into());
        let ca = Some(b"ca".as_slice());
        assert_eq!((of_secret(&secret), of_certificate(&certificate, &secret)), (ca, ca));
    }
}
