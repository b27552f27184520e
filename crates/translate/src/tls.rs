//! Secrets to the certificate of a host.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jamul_api::core::Secret;
use jamul_api::{ObjectKey, names};
use jamul_pki::{Certificate, KeyAlgorithm, PrivateKey};
use jamul_routing::{CertEntry, Diagnostic, HostPattern, Severity};

use crate::ingress::{CompiledIngress, TlsEntry};
use crate::objects::{Table, secret_data};
use crate::trust::cert_entry;

/// What one host shows to TLS clients.
#[derive(Debug, Default)]
pub(crate) struct HostCertificate {
    /// `None`: the default certificate.
    pub(crate) entry: Option<Arc<CertEntry>>,
    /// One with a key of another kind, for clients that cannot take the first.
    pub(crate) other: Option<Arc<CertEntry>>,
    /// The Secrets that were looked at: a change of one of them may change the choice.
    pub(crate) secrets: BTreeSet<ObjectKey>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl HostCertificate {
    /// Signatures of other kinds than RSA cost us less: where there are both, RSA is for clients that know nothing else.
    fn with(&mut self, found: &Loaded, second: Option<&Loaded>) {
        let (first, other) = match second {
            Some(second) if found.is_rsa() => (second, Some(found)),
            Some(_) | None => (found, second),
        };
        self.entry = Some(Arc::clone(&first.entry));
        self.other = other.map(|other| Arc::clone(&other.entry));
    }
}

/// The certificate for unknown names: that of `--default-ssl-certificate`, as long as it can be used.
///
/// # Errors
/// What a user has to mend.
pub(crate) fn default(
    secret: &ObjectKey,
    certificates: &mut Certificates,
    secrets: &Table<Secret>,
) -> Result<Arc<CertEntry>, Diagnostic> {
    let found = certificates.load(secret, secrets);
    found.map(|found| Arc::clone(&found.entry)).map_err(|fault| Diagnostic {
        severity: fault.severity,
        object: format!("Secret {secret}"),
        field: "--default-ssl-certificate".to_owned(),
        reason: fault.reason,
        message: format!("{}; unknown names are served with a certificate of our own", fault.message),
    })
}

/// Chooses the certificate of `pattern` as ingress-nginx does. The oldest Ingress with a `spec.tls` decides:
/// the first entry that lists the host names the Secret, and one after it may name a certificate with a key of another
/// kind (RSA beside ECDSA); failing that, the first Secret whose certificate
/// covers the host. Whatever is wrong with it, the host is served with the default certificate.
pub(crate) fn choose(
    pattern: &HostPattern,
    ingresses: &[&CompiledIngress],
    certificates: &mut Certificates,
    secrets: &Table<Secret>,
) -> HostCertificate {
    let mut choice = HostCertificate::default();
    let Some(ingress) = ingresses.iter().find(|ingress| !ingress.tls.is_empty()) else { return choice };
    let host = match pattern {
        HostPattern::Any => return choice,
        HostPattern::Wildcard(_) | HostPattern::Exact(_) => pattern.to_string(),
    };
    let lists_host = |(_, entry): &(usize, &TlsEntry)| entry.hosts.contains(&host);
    let Some((index, entry)) = ingress.tls.iter().enumerate().find(lists_host) else {
        for secret in ingress.tls.iter().filter_map(|entry| entry.secret.as_ref()) {
            choice.secrets.insert(secret.clone());
            if let Ok(found) = certificates.load(secret, secrets)
                && found.covers(&host)
            {
                choice.entry = Some(Arc::clone(&found.entry));
                break;
            }
        }
        return choice;
    };
    // An entry without a Secret asks for the default certificate.
    let Some(secret) = &entry.secret else { return choice };
    choice.secrets.insert(secret.clone());
    let fault = match certificates.load(secret, secrets) {
        Ok(found) if found.covers(&host) => {
            let more = ingress.tls.iter().skip(index + 1).filter(|entry| entry.hosts.contains(&host));
            let mut second = None;
            for secret in more.filter_map(|entry| entry.secret.as_ref()) {
                choice.secrets.insert(secret.clone());
                let usable = certificates.load(secret, secrets).ok().filter(|other| other.covers(&host));
                second = second.or(usable.filter(|other| other.is_rsa() != found.is_rsa()));
            }
            choice.with(&found, second.as_deref());
            return choice;
        }
        Ok(found) => SecretFault {
            severity: Severity::Warning,
            reason: "CertificateMismatch",
            message: format!("its certificate is for {}, not for {host}", found.names()),
        },
        Err(fault) => fault,
    };
    choice.diagnostics.push(Diagnostic {
        severity: fault.severity,
        object: format!("Ingress {}", ingress.age.key),
        field: format!("spec.tls[{index}].secretName"),
        reason: fault.reason,
        message: format!("Secret {secret}: {}; {host} is served with the default certificate", fault.message),
    });
    choice
}

/// The certificates of the Secrets that hosts name, parsed once for each content.
#[derive(Debug, Default)]
pub(crate) struct Certificates(HashMap<ObjectKey, Result<Arc<Loaded>, SecretFault>>);

impl Certificates {
    /// Parses anew at the next use: the Secret has changed, or nobody names it any more.
    pub(crate) fn forget(&mut self, secret: &ObjectKey) {
        self.0.remove(secret);
    }

    fn load(&mut self, key: &ObjectKey, secrets: &Table<Secret>) -> Result<Arc<Loaded>, SecretFault> {
        let loaded = self.0.entry(key.clone());
        loaded.or_insert_with(|| load(key, secrets.get(key).map(AsRef::as_ref)).map(Arc::new)).clone()
    }
}

/// A checked certificate and what it is for.
#[derive(Debug)]
struct Loaded {
    entry: Arc<CertEntry>,
    leaf: Certificate,
}

impl Loaded {
    /// Whether it is valid for a host or, literally, for a wildcard.
    fn covers(&self, host: &str) -> bool {
        self.leaf.covers(host) || self.leaf.dns_names().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn is_rsa(&self) -> bool {
        matches!(self.leaf.public_key().algorithm(), KeyAlgorithm::Rsa { .. })
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.leaf.dns_names().map(ToOwned::to_owned).collect();
        if names.is_empty() { "no DNS name".to_owned() } else { names.join(", ") }
    }
}

/// Why a Secret's certificate cannot be used.
#[derive(Clone, Debug)]
struct SecretFault {
    severity: Severity,
    reason: &'static str,
    message: String,
}

impl SecretFault {
    fn invalid(message: String) -> Self {
        Self { severity: Severity::Error, reason: "SecretInvalid", message }
    }

    fn unreadable(data_key: &str, error: &dyn std::error::Error) -> Self {
        let mut message = format!("{data_key} cannot be read: {error}");
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        for cause in causes {
            message.push_str(&format!(": {cause}"));
        }
        Self::invalid(message)
    }
}

/// Parses the chain and the key, and makes sure that they belong together.
fn load(key: &ObjectKey, secret: Option<&Secret>) -> Result<Loaded, SecretFault> {
    let Some(secret) = secret else {
        // Ordinary while a certificate is being issued.
        let message = "there is no such Secret (yet)".to_owned();
        return Err(SecretFault { severity: Severity::Warning, reason: "SecretMissing", message });
    };
    let data = secret_data(secret);
    let text = |name: &str| -> Result<&str, SecretFault> {
        let value = data.get(name).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| SecretFault::invalid(format!("it has no data key {name:?}")))?;
        std::str::from_utf8(value).map_err(|_| SecretFault::invalid(format!("{name} is not PEM")))
    };
    let chain = Certificate::chain_from_pem(text(names::TLS_CRT)?)
        .map_err(|error| SecretFault::unreadable(names::TLS_CRT, &error))?;
    let private = PrivateKey::from_pem(text(names::TLS_KEY)?)
        .map_err(|error| SecretFault::unreadable(names::TLS_KEY, &error))?;
    let leaf = chain.first().cloned();
    let leaf =
        leaf.ok_or_else(|| SecretFault::invalid(format!("{} holds no certificate", names::TLS_CRT)))?;
    if private.public_key() != *leaf.public_key() {
        let message = format!("{} does not belong to the certificate in {}", names::TLS_KEY, names::TLS_CRT);
        return Err(SecretFault::invalid(message));
    }
    let entry = cert_entry(&chain, &private, &key.to_string());
    Ok(Loaded { entry: Arc::new(entry), leaf })
}
