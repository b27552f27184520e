//! What is wrong with a Certificate's spec: the checks of cert-manager's webhook, with its words, and the way out.
//!
//! On a folder nobody refuses an object before it is there; so the same list ends an issuance before anybody is
//! asked for a certificate.

use std::collections::BTreeSet;
use std::fmt;

use jamul_api::certificate::{CertificateSpec, SecretTemplate, X509Subject};
use jamul_api::issuer::IssuerRef;
use jamul_api::{SecretKeySelector, names};
use jamul_pki::Pkcs12Profile;
use jiff::SignedDuration;

use crate::{duration, keys};

/// The shortest lifetime that may be asked for.
const SHORTEST_DURATION: SignedDuration = SignedDuration::from_hours(1);
/// The shortest time before the end at which a renewal may begin.
const SHORTEST_RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// RFC 5280 appendix A.1, ub-common-name.
const LONGEST_COMMON_NAME: usize = 64;

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `spec.privateKey.size`
    pub field: String,
    /// The value, what is wrong with it, what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// All that is wrong with a spec, in the order of its fields.
#[must_use]
pub fn certificate(spec: &CertificateSpec) -> Vec<Problem> {
    let mut found = Found::default();
    found.target(spec);
    found.names(spec);
    found.subject(spec);
    found.times(spec);
    found.key(spec);
    found.constraints(spec);
    found.template(spec.secret_template.as_ref());
    found.outputs(spec);
    found.0
}

#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    fn target(&mut self, spec: &CertificateSpec) {
        if spec.secret_name.is_empty() {
            self.add("spec.secretName", "Required value: must be specified");
        } else if !is_subdomain(&spec.secret_name) {
            let message = "expected lower case letters, digits, \"-\" and \".\", as Secrets are named";
            self.add("spec.secretName", format!("Invalid value: {:?}: {message}", spec.secret_name));
        }
        self.issuer("spec.issuerRef", &spec.issuer_ref);
        if spec.revision_history_limit.is_some_and(|limit| limit < 1) {
            let limit = spec.revision_history_limit.unwrap_or_default();
            self.add("spec.revisionHistoryLimit", format!("Invalid value: {limit}: must not be less than 1"));
        }
    }

    fn issuer(&mut self, field: &str, issuer: &IssuerRef) {
        if issuer.name.is_empty() {
            self.add(format!("{field}.name"), "Required value: must be specified");
        }
        if issuer.group() == names::CERT_MANAGER_GROUP
            && !["Issuer", "ClusterIssuer"].contains(&issuer.kind())
        {
            let hint =
                "must be one of Issuer or ClusterIssuer (an issuer of another kind needs its group too)";
            self.add(format!("{field}.kind"), format!("Invalid value: {:?}: {hint}", issuer.kind));
        }
    }

    fn names(&mut self, spec: &CertificateSpec) {
        let has_name = !spec.common_name.is_empty()
            || keys::literal_common_name(spec).is_some()
            || [&spec.dns_names, &spec.ip_addresses, &spec.uris, &spec.email_addresses]
                .iter()
                .any(|names| !names.is_empty())
            || !spec.other_names.is_empty();
        if !has_name {
            let message = "at least one of commonName (from the commonName field or from a literalSubject), \
                           dnsNames, uris, ipAddresses, emailAddresses or otherNames must be set";
            self.add("spec", format!("Invalid value: \"\": {message}"));
        }
        if spec.common_name.len() > LONGEST_COMMON_NAME {
            let message = format!("must have at most {LONGEST_COMMON_NAME} bytes; dnsNames may be longer");
            self.add("spec.commonName", format!("Too long: {:?}: {message}", spec.common_name));
        }
        for (index, address) in spec.ip_addresses.iter().enumerate() {
            if address.parse::<std::net::IpAddr>().is_err() {
                let message = format!("Invalid value: {address:?}: invalid IP address");
                self.add(format!("spec.ipAddresses[{index}]"), message);
            }
        }
        for (index, address) in spec.email_addresses.iter().enumerate() {
            if !is_mailbox(address) {
                let message =
                    format!("Invalid value: {address:?}: expected a bare address such as me@example.com");
                self.add(format!("spec.emailAddresses[{index}]"), message);
            }
        }
        for (index, other) in spec.other_names.iter().enumerate() {
            if !jamul_pki::is_oid(&other.oid) {
                let message = format!("Invalid value: {:?}: oid syntax invalid", other.oid);
                self.add(format!("spec.otherNames[{index}].oid"), message);
            }
            if other.utf8_value.is_empty() {
                let message = "Required value: must be set to a valid non-empty UTF8 string";
                self.add(format!("spec.otherNames[{index}].utf8Value"), message);
            }
        }
    }

    fn subject(&mut self, spec: &CertificateSpec) {
        if spec.literal_subject.is_empty() {
            return;
        }
        if !spec.common_name.is_empty() || spec.subject.as_ref().is_some_and(|s| *s != X509Subject::default())
        {
            let message =
                "Invalid value: when providing a literalSubject, commonName and subject must be empty";
            self.add("spec.literalSubject", message);
        }
        if let Err(error) = keys::literal(spec) {
            self.add("spec.literalSubject", error);
        }
    }

    fn times(&mut self, spec: &CertificateSpec) {
        let mut read = |field: &str, value: &Option<String>| {
            let text = value.as_deref()?;
            match duration::parse(text) {
                Ok(duration) => Some(duration),
                Err(error) => {
                    self.add(field, format!("Invalid value: {error}"));
                    None
                }
            }
        };
        let wanted = read("spec.duration", &spec.duration);
        let before = read("spec.renewBefore", &spec.renew_before);
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        if wanted.is_some_and(|duration| duration < SHORTEST_DURATION) {
            let message = "certificate duration must be greater than or equal to 1h0m0s";
            self.add("spec.duration", format!("Invalid value: {:?}: {message}", text(&spec.duration)));
        }
        let lifetime = wanted.unwrap_or(crate::issuers::ca::DEFAULT_DURATION);
        if before.is_some() && spec.renew_before_percentage.is_some() {
            let message = "Invalid value: renewBefore and renewBeforePercentage are mutually exclusive";
            self.add("spec.renewBeforePercentage", message);
        }
        if let Some(before) = before {
            let value = text(&spec.renew_before);
            if before < SHORTEST_RENEW_BEFORE {
                let message = "certificate renewBefore must be greater than or equal to 5m0s";
                self.add("spec.renewBefore", format!("Invalid value: {value:?}: {message}"));
            } else if before >= lifetime {
                let duration = spec.duration.as_deref().unwrap_or("2160h");
                let message = format!("certificate duration {duration} must be greater than renewBefore");
                self.add("spec.renewBefore", format!("Invalid value: {value:?}: {message}"));
            }
        }
        if let Some(percent) = spec.renew_before_percentage
            && (!(1..100).contains(&percent) || lifetime * percent / 100 < SHORTEST_RENEW_BEFORE)
        {
            let message = "expected 1 to 99 percent of the lifetime, and no less than 5m0s";
            self.add("spec.renewBeforePercentage", format!("Invalid value: {percent}: {message}"));
        }
    }

    fn key(&mut self, spec: &CertificateSpec) {
        let options = spec.private_key.clone().unwrap_or_default();
        match keys::algorithm(spec) {
            Err((field, message)) => self.add(field, message),
            Ok(algorithm) => {
                if let Err(message) = keys::signature_algorithm(spec, algorithm) {
                    self.add("spec.signatureAlgorithm", message);
                }
            }
        }
        for (field, value, expected) in [
            ("spec.privateKey.encoding", &options.encoding, ["PKCS1", "PKCS8"]),
            ("spec.privateKey.rotationPolicy", &options.rotation_policy, ["Never", "Always"]),
        ] {
            if !value.is_empty() && !expected.contains(&value.as_str()) {
                let [one, two] = expected;
                self.add(field, format!("Unsupported value: {value:?}: supported values: {one:?}, {two:?}"));
            }
        }
        for (index, usage) in spec.usages.iter().enumerate() {
            if jamul_pki::Usage::parse(usage).is_err() {
                let message =
                    format!("Invalid value: {usage:?}: unknown keyusage; expected such as \"server auth\"");
                self.add(format!("spec.usages[{index}]"), message);
            }
        }
    }

    fn constraints(&mut self, spec: &CertificateSpec) {
        let Some(constraints) = &spec.name_constraints else { return };
        let field = "spec.nameConstraints";
        if !spec.is_ca {
            self.add(field, "Invalid value: isCA must be true when nameConstraints is set");
        }
        match keys::name_constraints(constraints) {
            Err(message) => self.add(field, message),
            Ok((permitted, excluded)) if permitted.is_empty() && excluded.is_empty() => {
                self.add(field, "Invalid value: either permitted or excluded must be set");
            }
            Ok(_) => {}
        }
    }

    fn template(&mut self, template: Option<&SecretTemplate>) {
        const ALLOWED: &str = "cert-manager.io/allow-direct-injection";
        for name in template.iter().flat_map(|template| template.annotations.keys()) {
            if name.starts_with("cert-manager.io/") && name != ALLOWED {
                let message =
                    format!("Invalid value: {name:?}: cert-manager.io/* annotations are not allowed");
                self.add("spec.secretTemplate.annotations", message);
            }
        }
        for (name, value) in template.iter().flat_map(|template| &template.labels) {
            let is_value = value.is_empty() || (value.len() <= 63 && is_label(value));
            let bare = name.rsplit('/').next().unwrap_or_default();
            if !is_value || bare.len() > 63 || !is_label(bare) {
                let message =
                    format!("Invalid value: \"{name}={value}\": expected a label as Kubernetes takes it");
                self.add("spec.secretTemplate.labels", message);
            }
        }
    }

    fn outputs(&mut self, spec: &CertificateSpec) {
        let mut seen = BTreeSet::new();
        for (index, format) in spec.additional_output_formats.iter().enumerate() {
            let field = format!("spec.additionalOutputFormats[{index}].type");
            if !["DER", "CombinedPEM"].contains(&format.type_.as_str()) {
                let message = "supported values: \"CombinedPEM\", \"DER\"";
                self.add(field, format!("Unsupported value: {:?}: {message}", format.type_));
            } else if !seen.insert(&format.type_) {
                self.add(field, format!("Duplicate value: {:?}", format.type_));
            }
        }
        let keystores = spec.keystores.clone().unwrap_or_default();
        if let Some(jks) = &keystores.jks {
            self.password("spec.keystores.jks", jks.password.as_ref(), jks.password_secret_ref.as_ref());
        }
        if let Some(pkcs12) = &keystores.pkcs12 {
            let field = "spec.keystores.pkcs12";
            self.password(field, pkcs12.password.as_ref(), pkcs12.password_secret_ref.as_ref());
            if Pkcs12Profile::parse(&pkcs12.profile).is_none() {
                let expected = "\"LegacyRC2\", \"LegacyDES\", \"Modern2023\", \"Modern2026\"";
                let message =
                    format!("Unsupported value: {:?}: supported values: {expected}", pkcs12.profile);
                self.add(format!("{field}.profile"), message);
            }
        }
    }

    fn password(&mut self, field: &str, literal: Option<&String>, secret: Option<&SecretKeySelector>) {
        match (literal, secret) {
            (Some(_), Some(_)) => {
                self.add(
                    field,
                    "Forbidden: password and passwordSecretRef are mutually exclusive; expected one",
                );
            }
            (None, None) => {
                self.add(field, "Required value: one of password and passwordSecretRef must be set");
            }
            (Some(password), None) if password.is_empty() => {
                self.add(format!("{field}.password"), "Invalid value: \"\": must not be empty");
            }
            (None, Some(secret)) if secret.name.is_empty() => {
                self.add(format!("{field}.passwordSecretRef.name"), "Required value: must be specified");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

/// RFC 1123, as Kubernetes names objects.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(is_inner)
        })
}

fn is_label(text: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_mailbox(address: &str) -> bool {
    let has_blank = address.chars().any(|c| c.is_whitespace() || "<>(),;:\"".contains(c));
    let halves = address.rsplit_once('@');
    !has_blank
        && halves.is_some_and(|(user, host)| !user.is_empty() && !user.contains('@') && !host.is_empty())
}

#[cfg(test)]
mod tests {
    use jamul_api::certificate::{
        AdditionalOutputFormat, CertificatePrivateKey, NameConstraints, OtherName, Pkcs12Keystore,
    };

    use super::*;
    use crate::testing;

    /// The fields that are wrong after a change to a good spec.
    fn wrong(change: impl FnOnce(&mut CertificateSpec)) -> Vec<String> {
        let mut spec = testing::certificate(&["web.example"]).spec;
        change(&mut spec);
        certificate(&spec).into_iter().map(|problem| problem.to_string()).collect()
    }

    fn with(change: impl FnOnce(&mut CertificateSpec), field: &str, part: &str) {
        let found = wrong(change);
        let [problem] = found.as_slice() else { panic!("{field}: {found:?}") };
        assert!(problem.starts_with(&format!("{field}: ")) && problem.contains(part), "{problem}");
    }

    fn key(algorithm: &str, size: i64) -> Option<CertificatePrivateKey> {
        let algorithm = algorithm.to_owned();
        Some(CertificatePrivateKey { algorithm, size: Some(size), ..CertificatePrivateKey::default() })
    }

    #[test]
    fn a_good_spec_has_no_problem() {
        assert_eq!(wrong(|_| {}), Vec::<String>::new());
        assert_eq!(wrong(|spec| spec.private_key = key("RSA", 4096)), Vec::<String>::new());
        assert_eq!(wrong(|spec| spec.renew_before_percentage = Some(25)), Vec::<String>::new());
    }

    #[test]
    fn each_wrong_field_is_told_with_its_value() {
        with(|spec| spec.secret_name.clear(), "spec.secretName", "Required value");
        with(|spec| spec.secret_name = "Web_TLS".into(), "spec.secretName", "Web_TLS");
        with(|spec| spec.issuer_ref.name.clear(), "spec.issuerRef.name", "Required value");
        with(|spec| spec.issuer_ref.kind = "Foo".into(), "spec.issuerRef.kind", "Issuer or ClusterIssuer");
        with(|spec| spec.dns_names.clear(), "spec", "at least one of commonName");
        with(|spec| spec.common_name = "x".repeat(65), "spec.commonName", "64 bytes");
        with(|spec| spec.ip_addresses = vec!["1.2.3".into()], "spec.ipAddresses[0]", "invalid IP address");
        with(|spec| spec.email_addresses = vec!["Me <a@b>".into()], "spec.emailAddresses[0]", "bare address");
        with(|spec| spec.private_key = key("RSA", 1024), "spec.privateKey.size", "between 2048 and 8192");
        with(|spec| spec.private_key = key("ECDSA", 255), "spec.privateKey.size", "255");
        with(|spec| spec.private_key = key("DSA", 0), "spec.privateKey.algorithm", "DSA");
        with(|spec| spec.signature_algorithm = "SHA256WithRSA".into(), "spec.signatureAlgorithm", "ECDSA");
        with(|spec| spec.duration = Some("30m".into()), "spec.duration", "1h0m0s");
        with(|spec| spec.duration = Some("90d".into()), "spec.duration", "90d");
        with(|spec| spec.renew_before = Some("1m".into()), "spec.renewBefore", "5m0s");
        with(|spec| spec.renew_before = Some("2160h".into()), "spec.renewBefore", "greater than renewBefore");
        with(|spec| spec.renew_before_percentage = Some(100), "spec.renewBeforePercentage", "100");
        with(|spec| spec.usages = vec!["serve".into()], "spec.usages[0]", "unknown keyusage");
        with(|spec| spec.revision_history_limit = Some(0), "spec.revisionHistoryLimit", "less than 1");
        with(|spec| spec.literal_subject = "CN".into(), "spec.literalSubject", "CN");
        let other = OtherName { oid: "1.2.x".into(), utf8_value: "a".into() };
        with(|spec| spec.other_names = vec![other], "spec.otherNames[0].oid", "1.2.x");
        let format = AdditionalOutputFormat { type_: "DER".into() };
        let twice = vec![format.clone(), format];
        with(
            |spec| spec.additional_output_formats = twice,
            "spec.additionalOutputFormats[1].type",
            "Duplicate",
        );
        let store = Pkcs12Keystore { create: true, ..Pkcs12Keystore::default() };
        with(
            |spec| spec.keystores.get_or_insert_default().pkcs12 = Some(store),
            "spec.keystores.pkcs12",
            "passwordSecretRef",
        );
        with(
            |spec| {
                spec.is_ca = true;
                spec.name_constraints = Some(NameConstraints::default());
            },
            "spec.nameConstraints",
            "permitted or excluded",
        );
        let annotation = [("cert-manager.io/x".to_owned(), String::new())].into();
        with(
            |spec| spec.secret_template.get_or_insert_default().annotations = annotation,
            "spec.secretTemplate.annotations",
            "not allowed",
        );
    }
}
