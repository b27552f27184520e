//! What is wrong with the spec of an Issuer or ClusterIssuer.

use jamul_api::SecretKeySelector;
use jamul_api::issuer::{AcmeIssuer, IssuerSpec, Solver};
use jamul_pki::Certificate;
use serde_json::Value;

use super::problem::problem;
use crate::validate::Problem;

/// The types of issuers that upstream knows.
const TYPES: [&str; 5] = ["acme", "ca", "selfSigned", "vault", "venafi"];
/// Beside a provider in a `dns01` block.
const NO_PROVIDERS: [&str; 2] = ["cnameStrategy", "nameservers"];

/// All that is wrong, in the order of the fields.
pub(super) fn problems(spec: &IssuerSpec) -> Vec<Problem> {
    let is_set = |type_: &&&str| match **type_ {
        "acme" => spec.acme.is_some(),
        "ca" => spec.ca.is_some(),
        "selfSigned" => spec.self_signed.is_some(),
        "vault" => spec.vault.is_some(),
        other => spec.other.contains_key(other),
    };
    let mut set = TYPES.iter().filter(is_set);
    if set.next().is_none() {
        return vec![problem("spec", "Required value: at least one issuer must be configured")];
    }
    let more = "Forbidden: may not specify more than one issuer type";
    let mut found: Vec<Problem> = set.map(|type_| problem(format!("spec.{type_}"), more)).collect();
    if let Some(acme) = &spec.acme {
        found.extend(of_acme(acme));
    }
    if let Some(ca) = &spec.ca {
        if ca.secret_name.is_empty() {
            found.push(problem("spec.ca.secretName", "Required value"));
        }
        for (field, urls) in
            [("ocspServers", &ca.ocsp_servers), ("issuingCertificateURLs", &ca.issuing_certificate_urls)]
        {
            let empty = urls.iter().enumerate().filter(|(_, url)| url.is_empty());
            found.extend(empty.map(|(index, _)| {
                let message =
                    "Invalid value: \"\": must be a valid URL, e.g., http://ocsp.int-x3.letsencrypt.org";
                problem(format!("spec.ca.{field}[{index}]"), message)
            }));
        }
    }
    found
}

fn of_acme(acme: &AcmeIssuer) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Some(bundle) = &acme.ca_bundle {
        if Certificate::chain_from_pem(&String::from_utf8_lossy(&bundle.0)).is_err() {
            found.push(problem("spec.acme.caBundle", "Invalid value: expected certificates in PEM"));
        }
        if acme.skip_tls_verify {
            let message =
                "Invalid value: caBundle and skipTLSVerify are mutually exclusive and cannot both be set";
            found.push(problem("spec.acme.caBundle", message));
        }
    }
    if acme.private_key_secret_ref.name.is_empty() {
        let message = "Required value: private key secret name is a required field";
        found.push(problem("spec.acme.privateKeySecretRef.name", message));
    }
    if acme.server.is_empty() {
        found.push(problem("spec.acme.server", "Required value: acme server URL is a required field"));
    }
    if let Some(binding) = &acme.external_account_binding {
        let field = "spec.acme.externalAccountBinding";
        if binding.key_id.is_empty() {
            let message = "Required value: the keyID field is required when using externalAccountBinding";
            found.push(problem(format!("{field}.keyID"), message));
        }
        found.extend(selector(&format!("{field}.keySecretRef"), &binding.key_secret_ref));
    }
    for (index, solver) in acme.solvers.iter().enumerate() {
        found.extend(of_solver(&format!("spec.acme.solvers[{index}]"), solver));
    }
    found
}

fn of_solver(field: &str, solver: &Solver) -> Vec<Problem> {
    match (&solver.http01, &solver.dns01) {
        (None, None) => vec![problem(field, "Required value: no solver type configured")],
        (Some(_), Some(_)) => {
            vec![problem(format!("{field}.dns01"), "Forbidden: may not specify more than one solver type")]
        }
        (Some(http01), None) => of_http01(&format!("{field}.http01"), http01),
        (None, Some(dns01)) => of_dns01(&format!("{field}.dns01"), dns01),
    }
}

fn of_http01(field: &str, http01: &Value) -> Vec<Problem> {
    let set = |name: &&&str| http01.get(**name).is_some_and(|value| !value.is_null());
    match ["ingress", "gatewayHTTPRoute"].iter().filter(set).count() {
        1 => {}
        0 => return vec![problem(field, "Required value: no HTTP01 solver type configured")],
        _ => return vec![problem(field, "Required value: only 1 HTTP01 solver type may be configured")],
    }
    let Some(ingress) = http01.get("ingress") else { return Vec::new() };
    let named = ["ingressClassName", "class", "name"];
    let text = |name: &str| ingress.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut found = Vec::new();
    if named.iter().filter(|name| !text(name).is_empty()).count() > 1 {
        let message = "Forbidden: only one of 'ingressClassName', 'name' or 'class' should be specified";
        found.push(problem(format!("{field}.ingress"), message));
    }
    if !["", "ClusterIP", "NodePort"].contains(&text("serviceType")) {
        let message = "must be empty, ClusterIP or NodePort";
        let value = text("serviceType");
        found.push(problem(
            format!("{field}.ingress.serviceType"),
            format!("Invalid value: {value:?}: {message}"),
        ));
    }
    found
}

fn of_dns01(field: &str, dns01: &Value) -> Vec<Problem> {
    let providers = dns01.as_object().into_iter().flatten();
    let providers: Vec<&String> = providers
        .filter(|(name, value)| !NO_PROVIDERS.contains(&name.as_str()) && !value.is_null())
        .map(|(name, _)| name)
        .collect();
    let mut found = Vec::new();
    match providers.as_slice() {
        [] => found.push(problem(field, "Required value: no DNS01 provider configured")),
        [_] => {}
        [_, more @ ..] => {
            let message = "Forbidden: may not specify more than one provider type";
            found.extend(more.iter().map(|name| problem(format!("{field}.{name}"), message)));
        }
    }
    let strategy = dns01.get("cnameStrategy").and_then(Value::as_str).unwrap_or_default();
    if !["", "None", "Follow"].contains(&strategy) {
        let message = format!("Invalid value: {strategy:?}: must be one of \"None\" or \"Follow\"");
        found.push(problem(format!("{field}.cnameStrategy"), message));
    }
    found
}

fn selector(field: &str, selector: &SecretKeySelector) -> Vec<Problem> {
    let mut found = Vec::new();
    if selector.name.is_empty() {
        found.push(problem(format!("{field}.name"), "Required value: secret name is required"));
    }
    if selector.key.is_empty() {
        found.push(problem(format!("{field}.key"), "Required value: secret key is required"));
    }
    found
}
