//! ingress-shim: Certificates from an Ingress's annotations and `spec.tls`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jamul_api::certificate::{Certificate, CertificatePrivateKey, CertificateSpec};
use jamul_api::core::{Ingress, ObjectMeta};
use jamul_api::issuer::IssuerRef;
use jamul_api::{Object, names};

use crate::note::Note;
use crate::{duration, keys};

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

/// Whether `existing` differs from `wanted` in what the shim manages.
#[must_use]
pub fn needs_update(existing: &Certificate, wanted: &Certificate) -> bool {
    existing.metadata.labels.clone().unwrap_or_default() != wanted.metadata.labels.clone().unwrap_or_default()
        || !existing.spec.issuer_ref.same(&wanted.spec.issuer_ref)
        || existing.spec
            != CertificateSpec {
                // Both may differ by what an API server adds: defaults, and fields of a newer version.
                issuer_ref: existing.spec.issuer_ref.clone(),
                other: existing.spec.other.clone(),
                ..wanted.spec.clone()
            }
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
    let (ips, names_of_hosts): (Vec<_>, Vec<_>) =
        hosts.iter().cloned().partition(|host| host.parse::<IpAddr>().is_ok());
    let text = |name: &str| ingress.annotation(name).map(str::to_owned);
    let list = |name: &str| -> Vec<String> {
        let items = ingress.annotation(name).unwrap_or_default().split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let checked = |name: &str| match text(name) {
        Some(value) => {
            duration::parse(&value).map(|_| Some(value)).map_err(|error| format!("{name}: {error}"))
        }
        None => Ok(None),
    };
    let mut dns_names = names_of_hosts;
    dns_names.extend(list(names::ALT_NAMES));
    let mut ip_addresses = ips;
    ip_addresses.extend(list(names::IP_SANS));
    let usages = list("cert-manager.io/usages");
    let usages = if usages.is_empty() {
        vec!["digital signature".to_owned(), "key encipherment".to_owned()]
    } else {
        usages
    };
    let mut labels = ingress.metadata.labels.clone();
    if let Some(labels) = &mut labels {
        labels.remove("applyset.kubernetes.io/part-of");
    }
    let certificate = Certificate {
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
            common_name: text(names::COMMON_NAME).unwrap_or_default(),
            dns_names,
            ip_addresses,
            duration: checked(names::DURATION)?,
            renew_before: checked(names::RENEW_BEFORE)?,
            usages,
            private_key: private_key(ingress)?,
            revision_history_limit: number(ingress, "cert-manager.io/revision-history-limit")?,
            ..CertificateSpec::default()
        },
        status: None,
    };
    check(&certificate.spec)?;
    Ok(certificate)
}

/// What an annotation got wrong is told here, not by an issuance that fails later.
fn check(spec: &CertificateSpec) -> Result<(), String> {
    keys::algorithm(spec)?;
    keys::usages(&spec.usages, spec.is_ca)?;
    keys::sans(spec)?;
    let options = spec.private_key.clone().unwrap_or_default();
    if !["", "PKCS1", "PKCS8"].contains(&options.encoding.as_str()) {
        return Err(format!("spec.privateKey.encoding is {:?}; expected PKCS1 or PKCS8", options.encoding));
    }
    if !["", "Always", "Never"].contains(&options.rotation_policy.as_str()) {
        let found = options.rotation_policy;
        return Err(format!("spec.privateKey.rotationPolicy is {found:?}; expected Always or Never"));
    }
    match spec.revision_history_limit {
        Some(limit) if limit < 1 => Err(format!("spec.revisionHistoryLimit is {limit}; expected 1 or more")),
        Some(_) | None => Ok(()),
    }
}

fn private_key(ingress: &Ingress) -> Result<Option<CertificatePrivateKey>, String> {
    let text = |name: &str| ingress.annotation(name).unwrap_or_default().to_owned();
    let options = CertificatePrivateKey {
        algorithm: text("cert-manager.io/private-key-algorithm"),
        encoding: text("cert-manager.io/private-key-encoding"),
        size: number(ingress, "cert-manager.io/private-key-size")?.map(i64::from),
        rotation_policy: text("cert-manager.io/private-key-rotation-policy"),
    };
    Ok((options != CertificatePrivateKey::default()).then_some(options))
}

fn number(ingress: &Ingress, name: &str) -> Result<Option<i32>, String> {
    let Some(value) = ingress.annotation(name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| format!("{name} is {value:?}; expected a whole number"))
}

#[cfg(test)]
mod tests;
