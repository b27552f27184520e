//! What else is written into the Secret.

use std::collections::BTreeSet;

use jamul_api::SecretKeySelector;
use jamul_api::certificate::{CertificateSpec, SecretTemplate};
use jamul_pki::Pkcs12Profile;

use super::found::Found;

pub(super) fn template(found: &mut Found, template: Option<&SecretTemplate>) {
    const ALLOWED: &str = "cert-manager.io/allow-direct-injection";
    for name in template.iter().flat_map(|template| template.annotations.keys()) {
        if name.starts_with("cert-manager.io/") && name != ALLOWED {
            let message = format!("Invalid value: {name:?}: cert-manager.io/* annotations are not allowed");
            found.add("spec.secretTemplate.annotations", message);
        }
    }
    for (name, value) in template.iter().flat_map(|template| &template.labels) {
        let is_value = value.is_empty() || (value.len() <= 63 && is_label(value));
        let bare = name.rsplit('/').next().unwrap_or_default();
        if !is_value || bare.len() > 63 || !is_label(bare) {
            let message =
                format!("Invalid value: \"{name}={value}\": expected a label as Kubernetes takes it");
            found.add("spec.secretTemplate.labels", message);
        }
    }
}

pub(super) fn outputs(found: &mut Found, spec: &CertificateSpec) {
    let mut seen = BTreeSet::new();
    for (index, format) in spec.additional_output_formats.iter().enumerate() {
        let field = format!("spec.additionalOutputFormats[{index}].type");
        if !["DER", "CombinedPEM"].contains(&format.type_.as_str()) {
            let message = "supported values: \"CombinedPEM\", \"DER\"";
            found.add(field, format!("Unsupported value: {:?}: {message}", format.type_));
        } else if !seen.insert(&format.type_) {
            found.add(field, format!("Duplicate value: {:?}", format.type_));
        }
    }
    let keystores = spec.keystores.clone().unwrap_or_default();
    if let Some(jks) = &keystores.jks {
        password(found, "spec.keystores.jks", jks.password.as_ref(), jks.password_secret_ref.as_ref());
    }
    if let Some(pkcs12) = &keystores.pkcs12 {
        let field = "spec.keystores.pkcs12";
        password(found, field, pkcs12.password.as_ref(), pkcs12.password_secret_ref.as_ref());
        if Pkcs12Profile::parse(&pkcs12.profile).is_none() {
            let expected = "\"LegacyRC2\", \"LegacyDES\", \"Modern2023\", \"Modern2026\"";
            let message = format!("Unsupported value: {:?}: supported values: {expected}", pkcs12.profile);
            found.add(format!("{field}.profile"), message);
        }
    }
}

fn password(found: &mut Found, field: &str, literal: Option<&String>, secret: Option<&SecretKeySelector>) {
    match (literal, secret) {
        (Some(_), Some(_)) => {
            found
                .add(field, "Forbidden: password and passwordSecretRef are mutually exclusive; expected one");
        }
        (None, None) => {
            found.add(field, "Required value: one of password and passwordSecretRef must be set");
        }
        (Some(password), None) if password.is_empty() => {
            found.add(format!("{field}.password"), "Invalid value: \"\": must not be empty");
        }
        (None, Some(secret)) if secret.name.is_empty() => {
            found.add(format!("{field}.passwordSecretRef.name"), "Required value: must be specified");
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
}

fn is_label(text: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
