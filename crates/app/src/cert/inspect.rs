//! What is in a certificate's Secret, down to the bytes that clients judge it by.

use anyhow::{Context as _, bail};
use jamul_api::core::Secret;
use jamul_api::{Certificate, CertificateRequest, Object as _, ObjectKey, names};
use jamul_issuance::policy;
use jamul_pki::{Certificate as X509, PrivateKey, San, Subject};
use jamul_store::Store;
use jiff::Timestamp;
use serde::Serialize;

use crate::dial::{self, Anchors};

/// A Secret, read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inspection {
    secret: String,
    /// The Certificate that names it, if one does.
    certificate: Option<String>,
    /// Leaf first.
    chain: Vec<LinkView>,
    /// Kind and size of the private key; never the key.
    private_key: String,
    key_fits: bool,
    /// Whether each certificate is signed by the next.
    chain_is_complete: bool,
    trust: TrustView,
    /// Whether it is time for a new one, and why.
    due: Option<DueView>,
}

/// One certificate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkView {
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
    dns_names: Vec<String>,
    ip_addresses: Vec<String>,
    uris: Vec<String>,
    email_addresses: Vec<String>,
    usages: Vec<String>,
    public_key: String,
    is_ca: bool,
}

/// Who believes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TrustView {
    /// By the roots of this machine.
    system: bool,
    /// By the `ca.crt` beside it; `null` without one.
    ca_crt: Option<bool>,
    /// Why this machine does not.
    reason: Option<String>,
}

/// When it is due.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DueView {
    is_due: bool,
    reason: Option<String>,
    message: Option<String>,
    renewal_time: Option<String>,
}

/// Reads the Secret of the Certificate at `key`, or the Secret of that name.
///
/// # Errors
/// Neither exists, or the Secret holds no certificate.
pub(super) fn of(store: &Store, key: &ObjectKey) -> anyhow::Result<Inspection> {
    let certificate = store.get::<Certificate>(key).or_else(|| {
        let all = store.list::<Certificate>();
        all.into_iter()
            .find(|found| found.key().namespace == key.namespace && found.spec.secret_name == key.name)
    });
    let secret_key = match &certificate {
        Some(certificate) => ObjectKey::new(&*key.namespace, &*certificate.spec.secret_name),
        None => key.clone(),
    };
    let Some(secret) = store.get::<Secret>(&secret_key) else {
        match &certificate {
            Some(certificate) => bail!(
                "Secret {secret_key} of Certificate {} does not exist (yet); see `jamul cert status {}`",
                certificate.key(),
                certificate.key().name
            ),
            None => bail!("there is no Certificate {key}, and no Secret of that name"),
        }
    };
    let data = |name: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(name)).filter(|bytes| !bytes.0.is_empty());
        bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
    };
    let pem =
        data(names::TLS_CRT).with_context(|| format!("Secret {secret_key} has no {}", names::TLS_CRT))?;
    let chain = X509::chain_from_pem(&pem)
        .with_context(|| format!("{} of Secret {secret_key} cannot be read", names::TLS_CRT))?;
    let leaf = chain.first().with_context(|| format!("Secret {secret_key} holds no certificate"))?;
    let private = data(names::TLS_KEY).map(|pem| PrivateKey::from_pem(&pem));
    let (private_key, key_fits) = match &private {
        Some(Ok(private)) => (private.algorithm().to_string(), private.public_key() == *leaf.public_key()),
        Some(Err(error)) => (format!("cannot be read: {error}"), false),
        None => ("missing".to_owned(), false),
    };
    Ok(Inspection {
        secret: secret_key.to_string(),
        certificate: certificate.as_ref().map(|certificate| certificate.key().to_string()),
        private_key,
        key_fits,
        chain_is_complete: chain.windows(2).all(|pair| match pair {
            [below, above] => below.is_issued_by(above),
            _ => true,
        }),
        trust: trust(&chain, data(names::CA_CRT).as_deref()),
        due: certificate.as_ref().map(|certificate| due(store, certificate, &secret, leaf)),
        chain: chain.iter().map(link).collect(),
    })
}

fn link(certificate: &X509) -> LinkView {
    let sans = |wanted: fn(&San) -> bool| {
        certificate.sans().iter().filter(|san| wanted(san)).map(ToString::to_string).collect()
    };
    LinkView {
        subject: distinguished_name(certificate.subject()),
        issuer: distinguished_name(certificate.issuer()),
        serial: certificate.serial_hex(),
        not_before: certificate.not_before().to_string(),
        not_after: certificate.not_after().to_string(),
        dns_names: sans(|san| matches!(san, San::Dns(_))),
        ip_addresses: sans(|san| matches!(san, San::Ip(_))),
        uris: sans(|san| matches!(san, San::Uri(_))),
        email_addresses: sans(|san| matches!(san, San::Email(_))),
        usages: certificate.usages().iter().map(|usage| usage.name().to_owned()).collect(),
        public_key: certificate.public_key().algorithm().to_string(),
        is_ca: certificate.is_ca(),
    }
}

/// The attributes that are known, the most specific first.
fn distinguished_name(subject: &Subject) -> String {
    let one = |name: &'static str, value: &Option<String>| {
        value.iter().map(|value| format!("{name}={value}")).collect()
    };
    let many = |name: &'static str, values: &[String]| {
        values.iter().map(|value| format!("{name}={value}")).collect()
    };
    let parts: [Vec<String>; 9] = [
        one("CN", &subject.common_name),
        many("OU", &subject.organizational_units),
        many("O", &subject.organizations),
        many("STREET", &subject.street_addresses),
        many("POSTALCODE", &subject.postal_codes),
        many("L", &subject.localities),
        many("ST", &subject.provinces),
        many("C", &subject.countries),
        one("SERIALNUMBER", &subject.serial_number),
    ];
    parts.concat().join(", ")
}

fn trust(chain: &[X509], ca_crt: Option<&str>) -> TrustView {
    let ders: Vec<&[u8]> = chain.iter().map(X509::der).collect();
    let name =
        chain.first().and_then(|leaf| leaf.sans().iter().find(|san| matches!(san, San::Dns(_) | San::Ip(_))));
    // A wildcard is no name that a client asks for; any one below it is.
    let name = name.map(|name| name.to_string().replace('*', "any")).unwrap_or_default();
    let system = dial::judge(&ders, &name, Anchors::System);
    TrustView {
        system: system.is_ok(),
        ca_crt: ca_crt.map(|pem| dial::judge(&ders, &name, Anchors::Pem(pem.as_bytes())).is_ok()),
        reason: system.err(),
    }
}

fn due(store: &Store, certificate: &Certificate, secret: &Secret, leaf: &X509) -> DueView {
    let revision = certificate.status.as_ref().and_then(|status| status.revision).unwrap_or(0);
    let key = certificate.key();
    let request =
        store.get::<CertificateRequest>(&ObjectKey::new(&*key.namespace, format!("{}-{revision}", key.name)));
    let request = request.filter(|request| request.is_controlled_by(certificate));
    let acme = certificate.status.as_ref().and_then(|status| status.acme.as_ref());
    let violation = policy::check(certificate, Some(secret), request.as_deref(), acme, Timestamp::now());
    let renewal = policy::planned_renewal(certificate, acme, leaf.not_before(), leaf.not_after());
    DueView {
        is_due: violation.is_some(),
        reason: violation.as_ref().map(|violation| violation.reason.to_owned()),
        message: violation.map(|violation| violation.message),
        renewal_time: renewal.map(|renewal| renewal.at.to_string()),
    }
}

impl Inspection {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![format!("Secret {}", self.secret)];
        if let Some(certificate) = &self.certificate {
            lines.push(format!("  of           Certificate {certificate}"));
        }
        let fits = if self.key_fits { "fits the certificate" } else { "does NOT fit the certificate" };
        lines.push(format!("  private key  {}, {fits}", self.private_key));
        lines.push(format!("  trust        {}", self.trust.text()));
        if !self.chain_is_complete {
            lines.push("  chain        broken: a certificate is not signed by the next one".to_owned());
        }
        lines.extend(self.due.as_ref().map(|due| format!("  due          {}", due.text())));
        for (index, link) in self.chain.iter().enumerate() {
            lines.push(format!(
                "{}. {}",
                index + 1,
                if link.subject.is_empty() { "(no subject)" } else { &link.subject }
            ));
            lines.extend(link.lines());
        }
        lines.join("\n")
    }
}

impl TrustView {
    fn text(&self) -> String {
        let system = match &self.reason {
            None => "by the roots of this machine".to_owned(),
            Some(reason) => format!("not by the roots of this machine ({reason})"),
        };
        match self.ca_crt {
            Some(true) => format!("{system}; by the ca.crt beside it"),
            Some(false) => format!("{system}; not by the ca.crt beside it"),
            None => system,
        }
    }
}

impl DueView {
    fn text(&self) -> String {
        let renewal = self.renewal_time.as_deref().unwrap_or("unknown");
        match (&self.reason, &self.message) {
            (Some(reason), Some(message)) => format!("now, {reason}: {message}"),
            (Some(reason), None) => format!("now, {reason}"),
            (None, _) => format!("not before {renewal}"),
        }
    }
}

impl LinkView {
    fn lines(&self) -> Vec<String> {
        let names: Vec<&str> = [&self.dns_names, &self.ip_addresses, &self.uris, &self.email_addresses]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let mut lines =
            vec![format!("  issuer       {}", self.issuer), format!("  serial       {}", self.serial)];
        lines.push(format!("  valid        {} to {}", self.not_before, self.not_after));
        if !names.is_empty() {
            lines.push(format!("  names        {}", names.join(", ")));
        }
        lines.push(format!("  usages       {}", self.usages.join(", ")));
        let ca = if self.is_ca { ", may sign certificates" } else { "" };
        lines.push(format!("  public key   {}{ca}", self.public_key));
        lines
    }
}
