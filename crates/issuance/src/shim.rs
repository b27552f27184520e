//! ingress-shim: Certificates from an Ingress's annotations and `spec.tls`.

mod annotations;

use std::collections::BTreeSet;
use std::net::IpAddr;

use jamul_api::certificate::{Certificate, CertificateSpec};
use jamul_api::core::{Ingress, ObjectMeta};
use jamul_api::issuer::IssuerRef;
use jamul_api::{Object, names};

use crate::note::Note;
use crate::validate;

/// The issuer for Ingresses that only say `kubernetes.io/tls-acme: "true"`.
#[derive(Clone, Debug, Default)]
pub struct ShimSettings {
    /// `--default-issuer-name`; empty = none.
    pub default_issuer: IssuerRef,
}

/// What an Ingress asks for.
#[derive(Debug, Default)]
pub struct Shim {
    /// One per usable entry of `spec.tls`, named as its Secret, controlled by the Ingress.
    pub certificates: Vec<Certificate>,
    /// What is wrong.
    pub warnings: Vec<Note>,
}

/// The Certificates that an Ingress asks for; none if it names no issuer.
#[must_use]
pub fn certificates(ingress: &Ingress, settings: &ShimSettings) -> Shim {
    let mut shim = Shim::default();
    let issuer = match issuer(ingress, settings) {
        Ok(Some(issuer)) => issuer,
        Ok(None) => return shim,
        Err(message) => {
            shim.warnings.push(Note::warning("BadConfig", message));
            return shim;
        }
    };
    let mut seen = BTreeSet::new();
    for (index, tls) in ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten()).enumerate() {
        let hosts = tls.hosts.clone().unwrap_or_default();
        let secret_name = tls.secret_name.clone().unwrap_or_default();
        if hosts.is_empty() || secret_name.is_empty() {
            let message =
                format!("spec.tls[{index}] has no hosts or no secretName; expected both for a certificate");
            shim.warnings.push(Note::warning("BadConfig", message));
            continue;
        }
        if !seen.insert(secret_name.clone()) {
            let message =
                format!("spec.tls names Secret {secret_name:?} twice; expected one entry with all its hosts");
            shim.warnings.push(Note::warning("BadConfig", message));
            shim.certificates.clear();
            return shim;
        }
        match certificate(ingress, issuer.clone(), secret_name, &hosts) {
            Ok(certificate) => shim.certificates.push(certificate),
            Err(message) => shim.warnings.push(Note::warning("BadConfig", message)),
        }
    }
    shim
}

/// Annotations of Certificates that the shim sets; the others are their user's.
const OVERRIDDEN: [&str; 5] = [
    "acme.cert-manager.io/http01-override-ingress-name",
    "acme.cert-manager.io/http01-override-ingress-class",
    "acme.cert-manager.io/http01-override-ingress-ingressclassname",
    names::TEMPORARY_CERTIFICATE,
    names::FALLBACK_ISSUERS,
];

/// What the shim writes over `existing`: its labels, spec and annotations; what else is there stays.
#[must_use]
pub fn merged(existing: &Certificate, wanted: &Certificate) -> Certificate {
    let mut annotations = existing.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|name, _| !OVERRIDDEN.contains(&name.as_str()));
    annotations.extend(wanted.metadata.annotations.clone().unwrap_or_default());
    let mut merged = wanted.clone();
    merged.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    merged.spec = kept(existing, wanted);
    merged
}

/// The wanted spec with what no annotation says from the existing one: fields that a user or an API server added.
fn kept(existing: &Certificate, wanted: &Certificate) -> CertificateSpec {
    let existing = existing.spec.clone();
    CertificateSpec {
        keystores: existing.keystores,
        additional_output_formats: existing.additional_output_formats,
        signature_algorithm: existing.signature_algorithm,
        encode_usages_in_request: existing.encode_usages_in_request,
        other_names: existing.other_names,
        renewal: existing.renewal,
        other: existing.other,
        ..wanted.spec.clone()
    }
}

/// Whether `existing` differs from `wanted` in what the shim manages.
#[must_use]
pub fn needs_update(existing: &Certificate, wanted: &Certificate) -> bool {
    existing.metadata.labels.clone().unwrap_or_default() != wanted.metadata.labels.clone().unwrap_or_default()
        || OVERRIDDEN.iter().any(|name| existing.annotation(name) != wanted.annotation(name))
        || !existing.spec.issuer_ref.same(&wanted.spec.issuer_ref)
        || existing.spec
            != CertificateSpec { issuer_ref: existing.spec.issuer_ref.clone(), ..kept(existing, wanted) }
}

fn issuer(ingress: &Ingress, settings: &ShimSettings) -> Result<Option<IssuerRef>, String> {
    let (issuer, cluster) = (ingress.annotation(names::ISSUER), ingress.annotation(names::CLUSTER_ISSUER));
    let (kind, group) = (ingress.annotation(names::ISSUER_KIND), ingress.annotation(names::ISSUER_GROUP));
    let default = &settings.default_issuer;
    let default = IssuerRef {
        name: default.name.clone(),
        kind: default.kind().to_owned(),
        group: default.group().to_owned(),
    };
    let mut reference = match (issuer, cluster) {
        (Some(_), Some(_)) => {
            return Err(format!(
                "both {} and {} are set; expected one",
                names::ISSUER,
                names::CLUSTER_ISSUER
            ));
        }
        (None, Some(_)) if kind.is_some() || group.is_some() => {
            return Err(format!("{} does not go with issuer-kind or issuer-group", names::CLUSTER_ISSUER));
        }
        (Some(name), None) => IssuerRef { name: name.to_owned(), kind: "Issuer".to_owned(), ..default },
        (None, Some(name)) => {
            IssuerRef { name: name.to_owned(), kind: "ClusterIssuer".to_owned(), ..default }
        }
        (None, None) => match ingress.annotation(names::TLS_ACME) {
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => default,
            Some(_) | None => return Ok(None),
        },
    };
    reference.kind = kind.map_or(reference.kind, str::to_owned);
    reference.group = group.map_or(reference.group, str::to_owned);
    if reference.name.is_empty() {
        return Err(
            "no issuer is named; expected cert-manager.io/issuer, or --default-issuer-name with tls-acme"
                .to_owned(),
        );
    }
    Ok(Some(reference))
}

fn certificate(
    ingress: &Ingress,
    issuer_ref: IssuerRef,
    secret_name: String,
    hosts: &[String],
) -> Result<Certificate, String> {
    let (ip_addresses, dns_names): (Vec<_>, Vec<_>) =
        hosts.iter().cloned().partition(|host| host.parse::<IpAddr>().is_ok());
    let mut labels = ingress.metadata.labels.clone();
    if let Some(labels) = &mut labels {
        labels.remove("applyset.kubernetes.io/part-of");
    }
    let mut certificate = Certificate {
        metadata: ObjectMeta {
            name: Some(secret_name.clone()),
            namespace: ingress.metadata.namespace.clone(),
            labels,
            owner_references: Some(vec![ingress.owner_reference()]),
            ..ObjectMeta::default()
        },
        spec: CertificateSpec {
            secret_name,
            issuer_ref,
            dns_names,
            ip_addresses,
            usages: vec!["digital signature".to_owned(), "key encipherment".to_owned()],
            ..CertificateSpec::default()
        },
        status: None,
    };
    annotations::apply(ingress, &mut certificate)?;
    // What an annotation got wrong is told here, not by an issuance that fails later.
    let problems: Vec<_> = validate::certificate(&certificate.spec).iter().map(ToString::to_string).collect();
    if problems.is_empty() { Ok(certificate) } else { Err(problems.join("; ")) }
}

#[cfg(test)]
mod tests;
