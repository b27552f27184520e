//! What the annotations of an Ingress say about its Certificates, as cert-manager's ingress-shim reads them.

use jamul_api::certificate::{Certificate, CertificatePrivateKey, SecretTemplate, X509Subject};
use jamul_api::core::Ingress;
use jamul_api::{Object, names};

use crate::duration;

/// Annotations of the Certificate that follow from annotations of the Ingress.
const OVERRIDES: [(&str, &str); 2] = [
    ("acme.cert-manager.io/http01-ingress-class", "acme.cert-manager.io/http01-override-ingress-class"),
    (
        "acme.cert-manager.io/http01-ingress-ingressclassname",
        "acme.cert-manager.io/http01-override-ingress-ingressclassname",
    ),
];
const EDIT_IN_PLACE: &str = "acme.cert-manager.io/http01-edit-in-place";
const OVERRIDE_NAME: &str = "acme.cert-manager.io/http01-override-ingress-name";

/// Takes over what the annotations say.
///
/// # Errors
/// Annotation, value and what was expected.
pub(super) fn apply(ingress: &Ingress, certificate: &mut Certificate) -> Result<(), String> {
    let read = Annotations(ingress);
    let spec = &mut certificate.spec;
    spec.common_name = read.text(names::COMMON_NAME).unwrap_or_default();
    spec.dns_names.extend(read.list(names::ALT_NAMES));
    spec.ip_addresses.extend(read.list(names::IP_SANS));
    spec.uris = read.list(names::URI_SANS);
    spec.email_addresses = read.list("cert-manager.io/email-sans");
    spec.subject = read.subject()?;
    spec.duration = read.duration(names::DURATION)?;
    spec.renew_before = read.duration(names::RENEW_BEFORE)?;
    spec.renew_before_percentage = read.number("cert-manager.io/renew-before-percentage")?;
    spec.revision_history_limit = read.number("cert-manager.io/revision-history-limit")?;
    let usages = read.list("cert-manager.io/usages");
    if !usages.is_empty() {
        spec.usages = usages;
    }
    spec.private_key = read.private_key()?;
    spec.secret_template = read.secret_template()?;
    let annotations = read.overrides();
    if !annotations.is_empty() {
        certificate.metadata.annotations = Some(annotations.into_iter().collect());
    }
    Ok(())
}

struct Annotations<'a>(&'a Ingress);

impl Annotations<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.annotation(name).map(str::to_owned)
    }

    /// Values between commas; blanks around them do not count.
    fn list(&self, name: &str) -> Vec<String> {
        let items = self.0.annotation(name).unwrap_or_default().split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn duration(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.text(name) else { return Ok(None) };
        duration::parse(&value).map(|_| Some(value)).map_err(|error| format!("{name}: {error}"))
    }

    fn number(&self, name: &str) -> Result<Option<i32>, String> {
        let Some(value) = self.0.annotation(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("{name} is {value:?}; expected a whole number"))
    }

    fn subject(&self) -> Result<Option<X509Subject>, String> {
        let field = |name: &str| {
            let name = format!("cert-manager.io/subject-{name}");
            let Some(value) = self.0.annotation(&name) else { return Ok(Vec::new()) };
            csv(value).ok_or_else(|| {
                format!("{name} is {value:?}; expected values between commas, quoted if they hold one")
            })
        };
        let subject = X509Subject {
            organizations: field("organizations")?,
            countries: field("countries")?,
            organizational_units: field("organizationalunits")?,
            localities: field("localities")?,
            provinces: field("provinces")?,
            street_addresses: field("streetaddresses")?,
            postal_codes: field("postalcodes")?,
            serial_number: self.text("cert-manager.io/subject-serialnumber").unwrap_or_default(),
        };
        Ok((subject != X509Subject::default()).then_some(subject))
    }

    fn private_key(&self) -> Result<Option<CertificatePrivateKey>, String> {
        let text = |name: &str| self.text(name).unwrap_or_default();
        let options = CertificatePrivateKey {
            algorithm: text("cert-manager.io/private-key-algorithm"),
            encoding: text("cert-manager.io/private-key-encoding"),
            size: self.number("cert-manager.io/private-key-size")?.map(i64::from),
            rotation_policy: text("cert-manager.io/private-key-rotation-policy"),
        };
        Ok((options != CertificatePrivateKey::default()).then_some(options))
    }

    /// Strict: a field that is no part of a template is more likely a mistake than for a newer version.
    fn secret_template(&self) -> Result<Option<SecretTemplate>, String> {
        const NAME: &str = "cert-manager.io/secret-template";
        let Some(text) = self.0.annotation(NAME) else { return Ok(None) };
        let refuse =
            |why: String| format!("{NAME}: {why}; expected JSON with \"annotations\" and \"labels\"");
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        let fields = value.as_object().ok_or_else(|| refuse("it is no object".to_owned()))?;
        if let Some(unknown) = fields.keys().find(|name| !["annotations", "labels"].contains(&name.as_str()))
        {
            return Err(refuse(format!("unknown field {unknown:?}")));
        }
        serde_json::from_value(value).map(Some).map_err(|error| refuse(error.to_string()))
    }

    fn overrides(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (from, to) in OVERRIDES.into_iter().chain([(names::FALLBACK_ISSUERS, names::FALLBACK_ISSUERS)]) {
            found.extend(self.text(from).map(|value| (to.to_owned(), value)));
        }
        if self.0.annotation(EDIT_IN_PLACE) == Some("true") {
            found.push((OVERRIDE_NAME.to_owned(), self.0.key().name));
            found.push((names::TEMPORARY_CERTIFICATE.to_owned(), "true".to_owned()));
        }
        found
    }
}

/// One record of CSV (RFC 4180); `None` if a quote is not closed.
fn csv(text: &str) -> Option<Vec<String>> {
    let (mut values, mut value, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => values.push(std::mem::take(&mut value)),
            c => value.push(c),
        }
    }
    values.push(value);
    let values = values.into_iter().map(|value| value.trim().to_owned());
    (!is_quoted).then(|| values.filter(|value| !value.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_may_hold_commas_and_quotes() {
        assert_eq!(
            csv("a, \"B, Inc.\",\"say \"\"x\"\"\"").unwrap_or_default(),
            ["a", "B, Inc.", "say \"x\""]
        );
        assert_eq!(csv("\"open"), None);
    }
}
