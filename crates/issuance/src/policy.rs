//! Why a Certificate must be issued: ordered checks, the first violation wins (cert-manager's policy chain).

use std::collections::BTreeSet;

use jamul_api::certificate::{Certificate, CertificateAcmeStatus, CertificateSpec};
use jamul_api::core::Secret;
use jamul_api::issuer::IssuerRef;
use jamul_api::names;
use jamul_api::{CertificateRequest, Object};
use jamul_pki::{Certificate as X509, Csr, PrivateKey, San, Subject};
use jiff::{SignedDuration, Timestamp};

use crate::{ari, duration, fallback, fnv, keys, windows};

/// The first check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// cert-manager's word for it; becomes the condition's reason.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Violation {
    fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Whether only time asks for a new certificate: the present one still serves.
    #[must_use]
    pub fn is_renewal(&self) -> bool {
        self.reason == RENEWING
    }
}

/// Reason of a renewal by time.
pub const RENEWING: &str = "Renewing";

/// What is in the target Secret, once it could be read.
#[derive(Debug)]
pub struct KeyPair {
    /// Leaf first.
    pub chain: Vec<X509>,
    /// Its key.
    pub key: PrivateKey,
}

impl KeyPair {
    /// The leaf's validity.
    #[must_use]
    pub fn validity(&self) -> Option<(Timestamp, Timestamp)> {
        self.chain.first().map(|leaf| (leaf.not_before(), leaf.not_after()))
    }
}

/// Reads the key pair of a Secret.
///
/// # Errors
/// Checks 1 to 3: missing Secret or data, a key that is none, a key that does not fit.
pub fn key_pair(certificate: &Certificate, secret: Option<&Secret>) -> Result<KeyPair, Violation> {
    let name = &certificate.spec.secret_name;
    let secret = secret.ok_or_else(|| {
        Violation::new("DoesNotExist", format!("Issuing certificate as Secret {name:?} does not exist"))
    })?;
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).filter(|value| !value.0.is_empty());
        let bytes = bytes.ok_or_else(|| {
            Violation::new(
                "MissingData",
                format!("Issuing certificate as Secret {name:?} has no data {key:?}"),
            )
        })?;
        Ok(String::from_utf8_lossy(&bytes.0).into_owned())
    };
    let (key, chain) = (text(names::TLS_KEY)?, text(names::TLS_CRT)?);
    let key = PrivateKey::from_pem(&key).map_err(|error| {
        Violation::new("InvalidKeyPair", format!("Secret {name:?}: tls.key cannot be read: {error}"))
    })?;
    let chain = X509::chain_from_pem(&chain).map_err(|error| {
        Violation::new("InvalidCertificate", format!("Secret {name:?}: tls.crt cannot be read: {error}"))
    })?;
    let Some(leaf) = chain.first() else {
        return Err(Violation::new(
            "InvalidCertificate",
            format!("Secret {name:?}: tls.crt holds no certificate"),
        ));
    };
    if *leaf.public_key() != key.public_key() {
        let message = format!("Secret {name:?}: the key in tls.key does not fit the certificate in tls.crt");
        return Err(Violation::new("InvalidKeyPair", message));
    }
    Ok(KeyPair { chain, key })
}

/// Runs the whole chain. `current` is the request of `status.revision`, `acme` what the server of the issuer says.
#[must_use]
pub fn check(
    certificate: &Certificate,
    secret: Option<&Secret>,
    current: Option<&CertificateRequest>,
    acme: Option<&CertificateAcmeStatus>,
    now: Timestamp,
) -> Option<Violation> {
    let pair = match key_pair(certificate, secret) {
        Ok(pair) => pair,
        Err(violation) => return Some(violation),
    };
    secret
        .and_then(|secret| annotations_violation(certificate, secret))
        .or_else(|| key_violation(certificate, &pair))
        .or_else(|| match current {
            Some(request) => request_violation(certificate, request, &pair.key),
            None => names_violation(&certificate.spec, &pair),
        })
        .or_else(|| renewal_violation(certificate, &pair, acme, now))
}

fn annotations_violation(certificate: &Certificate, secret: &Secret) -> Option<Violation> {
    let wanted = &certificate.spec.issuer_ref;
    let any = [names::ISSUER_NAME, names::ISSUER_KIND, names::ISSUER_GROUP];
    if any.iter().any(|name| secret.annotation(name).is_some()) {
        let text = |name| secret.annotation(name).unwrap_or_default().to_owned();
        let found = IssuerRef {
            name: text(names::ISSUER_NAME),
            kind: text(names::ISSUER_KIND),
            group: text(names::ISSUER_GROUP),
        };
        if !fallback::may_sign(certificate, &found) {
            let message = format!(
                "Issuing certificate as Secret was issued by {} {:?}, spec.issuerRef names {} {:?}",
                found.kind(),
                found.name,
                wanted.kind(),
                wanted.name
            );
            return Some(Violation::new("IncorrectIssuer", message));
        }
    } else {
        // Only the annotations that cert-manager writes make a Secret of somebody else's acceptable.
        let message =
            "Issuing certificate as Secret has no issuer annotations: it was not issued for this Certificate";
        return Some(Violation::new("IncorrectIssuer", message));
    }
    let name = secret.annotation(names::CERTIFICATE_NAME)?;
    (Some(name) != certificate.metadata.name.as_deref()).then(|| {
        Violation::new("IncorrectCertificate", format!("Secret was issued for Certificate {name:?}"))
    })
}

fn key_violation(certificate: &Certificate, pair: &KeyPair) -> Option<Violation> {
    let wanted = keys::algorithm(&certificate.spec).ok()?;
    let found = pair.key.algorithm();
    (wanted != found).then(|| {
        Violation::new(
            "SecretMismatch",
            format!("Existing private key is {found}, spec.privateKey asks for {wanted}"),
        )
    })
}

fn request_violation(
    certificate: &Certificate,
    request: &CertificateRequest,
    key: &PrivateKey,
) -> Option<Violation> {
    let csr = match Csr::from_pem(&String::from_utf8_lossy(&request.spec.request.0)) {
        Ok(csr) => csr,
        Err(error) => return Some(Violation::new("InvalidCertificateRequest", error.to_string())),
    };
    if *csr.public_key() != key.public_key() {
        let message = "Secret holds another key than the last CertificateRequest";
        return Some(Violation::new("SecretMismatch", message));
    }
    let changed = changed_fields(certificate, request, &csr);
    (!changed.is_empty()).then(|| {
        Violation::new(
            "RequestChanged",
            format!("Fields on existing CertificateRequest resource not up to date: {changed:?}"),
        )
    })
}

/// The fields of the spec in which a request differs; order and defaulted issuer fields do not count.
#[must_use]
pub fn changed_fields(
    certificate: &Certificate,
    request: &CertificateRequest,
    csr: &Csr,
) -> Vec<&'static str> {
    let spec = &certificate.spec;
    let mut changed = Vec::new();
    let wanted: BTreeSet<String> = keys::sans(spec).unwrap_or_default().iter().map(san_text).collect();
    let found: BTreeSet<String> = csr.sans().iter().map(san_text).collect();
    if wanted != found {
        changed.push("spec.dnsNames");
    }
    if !same_subject(csr.subject(), &keys::subject(spec)) {
        changed.push("spec.subject");
    }
    if request.spec.is_ca != spec.is_ca {
        changed.push("spec.isCA");
    }
    let set = |usages: &[String]| usages.iter().cloned().collect::<BTreeSet<_>>();
    if set(&request.spec.usages) != set(&spec.usages) {
        changed.push("spec.usages");
    }
    if let (Some(wanted), Some(found)) = (&spec.duration, &request.spec.duration)
        && duration::parse(wanted) != duration::parse(found)
    {
        changed.push("spec.duration");
    }
    if !fallback::may_sign(certificate, &request.spec.issuer_ref) {
        changed.push("spec.issuerRef");
    }
    changed
}

/// A literal subject is compared attribute by attribute, any other by its fields.
fn same_subject(found: &Subject, wanted: &Subject) -> bool {
    match (&found.literal, &wanted.literal) {
        (Some(found), Some(wanted)) => found.same(wanted),
        // A literal subject may say no more than the fields do.
        (None, Some(wanted)) => found.to_literal().is_some_and(|found| found.same(wanted)),
        (_, None) => sorted(found.clone()) == sorted(wanted.clone()),
    }
}

/// A request keeps the values of each attribute as a set (X.501 section 9.3): their order is lost.
fn sorted(mut subject: Subject) -> Subject {
    subject.literal = None;
    for values in [
        &mut subject.organizations,
        &mut subject.countries,
        &mut subject.organizational_units,
        &mut subject.localities,
        &mut subject.provinces,
        &mut subject.street_addresses,
        &mut subject.postal_codes,
    ] {
        values.sort();
        values.dedup();
    }
    subject
}

/// Without a request to compare, the names of the certificate itself count; a common name is a DNS name.
fn names_violation(spec: &CertificateSpec, pair: &KeyPair) -> Option<Violation> {
    let leaf = pair.chain.first()?;
    let mut wanted: BTreeSet<String> = keys::sans(spec).ok()?.iter().map(san_text).collect();
    let mut found: BTreeSet<String> = leaf.sans().iter().map(san_text).collect();
    if !spec.common_name.is_empty() {
        wanted.insert(format!("DNS:{}", spec.common_name));
    }
    if let Some(name) = &leaf.subject().common_name {
        found.insert(format!("DNS:{name}"));
    }
    let folded = |names: &BTreeSet<String>| {
        names.iter().map(|name| name.to_ascii_lowercase()).collect::<BTreeSet<_>>()
    };
    (folded(&wanted) != folded(&found)).then(|| {
        Violation::new(
            "SecretMismatch",
            format!("Secret's certificate is for {found:?}, spec asks for {wanted:?}"),
        )
    })
}

fn san_text(san: &San) -> String {
    match san {
        San::Dns(name) => format!("DNS:{name}"),
        San::Ip(address) => format!("IP:{address}"),
        San::Uri(uri) => format!("URI:{uri}"),
        San::Email(email) => format!("email:{email}"),
        San::Other { oid, value } => format!("{oid}:{value}"),
    }
}

fn renewal_violation(
    certificate: &Certificate,
    pair: &KeyPair,
    acme: Option<&CertificateAcmeStatus>,
    now: Timestamp,
) -> Option<Violation> {
    let (not_before, not_after) = pair.validity()?;
    let renewal = planned_renewal(certificate, acme, not_before, not_after)?.at;
    (now >= renewal).then(|| {
        Violation::new(RENEWING, format!("Renewing certificate as renewal was scheduled at {renewal}"))
    })
}

/// When a Certificate is renewed by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRenewal {
    /// In whole seconds.
    pub at: Timestamp,
    /// Why none of the windows of `spec.renewal` was taken, for people.
    pub window_problem: Option<String>,
}

/// When this Certificate is renewed: as its ACME server suggests, else by its own rule, moved into one of the windows of
/// `spec.renewal`. A time that the user wrote (`renewBefore`, `renewBeforePercentage`) is the latest. `None` if
/// `spec.renewal` forbids renewals by time.
#[must_use]
pub fn planned_renewal(
    certificate: &Certificate,
    acme: Option<&CertificateAcmeStatus>,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Option<PlannedRenewal> {
    let spec = &certificate.spec;
    let renewal = spec.renewal.as_ref();
    if renewal.is_some_and(|renewal| renewal.policy == "Disabled") {
        return None;
    }
    let own = own_renewal(certificate, not_before, not_after);
    let desired = match suggested_renewal(certificate, acme, not_before, not_after) {
        Some(suggested) if says_when(spec) => own.min(suggested),
        Some(suggested) => suggested,
        None => own,
    };
    let windows = renewal.map(|renewal| renewal.windows.as_slice()).unwrap_or_default();
    if windows.is_empty() {
        return Some(PlannedRenewal { at: desired, window_problem: None });
    }
    Some(match windows::fit(windows, desired, not_after) {
        Ok(at) => PlannedRenewal { at, window_problem: None },
        // A certificate is worth more than the hour at which it is renewed.
        Err(problem) => PlannedRenewal { at: desired, window_problem: Some(problem) },
    })
}

/// The instant that the ACME server suggests, if it is one before the end. A certificate that has just begun is left
/// alone for a while: a server that never is content would have it ordered anew without end.
fn suggested_renewal(
    certificate: &Certificate,
    acme: Option<&CertificateAcmeStatus>,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Option<Timestamp> {
    let suggested = ari::instant(certificate, acme, not_before)?;
    let young = (not_after.duration_since(not_before) / 20).min(LEFT_ALONE);
    let earliest = not_before.checked_add(young).unwrap_or(not_before);
    Some(suggested.max(earliest)).filter(|instant| *instant < not_after)
}

/// The longest time for which a new certificate is not renewed whatever its server suggests.
const LEFT_ALONE: SignedDuration = SignedDuration::from_hours(6);

fn says_when(spec: &CertificateSpec) -> bool {
    spec.renew_before.is_some() || spec.renew_before_percentage.is_some()
}

/// [`renewal_time`], and where nobody said how long before the end, up to a thirtieth of the lifetime later, so that
/// Certificates that were issued together are not renewed together.
fn own_renewal(certificate: &Certificate, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let renewal = renewal_time(not_before, not_after, &certificate.spec);
    if says_when(&certificate.spec) {
        return renewal;
    }
    let most = not_after.duration_since(not_before) / 30;
    let later = most.mul_f64(fnv::fraction(&certificate.key().to_string()));
    let planned = renewal.checked_add(later).unwrap_or(renewal);
    Timestamp::from_second(planned.as_second()).unwrap_or(renewal)
}

/// When a certificate is renewed: `notAfter - R`, where R is `renewBefore` if it is shorter than the actual
/// lifetime, else `renewBeforePercentage` of it, else a third of it. Whole seconds.
#[must_use]
pub fn renewal_time(not_before: Timestamp, not_after: Timestamp, spec: &CertificateSpec) -> Timestamp {
    let lifetime = not_after.duration_since(not_before);
    let by_time = spec.renew_before.as_deref().and_then(|text| duration::parse(text).ok());
    let by_time = by_time.filter(|before| *before > SignedDuration::ZERO && *before < lifetime);
    let by_percentage = spec.renew_before_percentage.filter(|percent| (1..100).contains(percent));
    let before = match (by_time, by_percentage) {
        (Some(before), _) => before,
        (None, Some(percent)) => lifetime.checked_mul(percent).map_or(lifetime / 3, |scaled| scaled / 100),
        (None, None) => lifetime / 3,
    };
    let renewal = not_after.checked_sub(before).unwrap_or(not_before);
    Timestamp::from_second(renewal.as_second()).unwrap_or(renewal)
}
