//! From a Certificate's spec to its key and its certificate request.

use std::net::IpAddr;

use jamul_api::certificate::{Certificate, CertificateSpec, NameConstraintItem, NameConstraints};
use jamul_pki::{
    Criticality, KeyAlgorithm, KeyEncoding, LiteralName, PrivateKey, RawExtension, RequestTemplate, San,
    SignatureAlgorithm, Subject, Subtrees, Usage,
};

const SIZE: &str = "spec.privateKey.size";

/// The key algorithm that the spec asks for.
///
/// # Errors
/// The field; and the value with what was expected.
pub fn algorithm(spec: &CertificateSpec) -> Result<KeyAlgorithm, (&'static str, String)> {
    let (name, size) = match &spec.private_key {
        Some(options) => (options.algorithm.as_str(), options.size),
        None => ("", None),
    };
    match (name, size.unwrap_or(0)) {
        ("" | "RSA", 0) => Ok(KeyAlgorithm::Rsa { bits: 2048 }),
        ("" | "RSA", bits @ (2048 | 3072 | 4096 | 8192)) => {
            Ok(KeyAlgorithm::Rsa { bits: usize::try_from(bits).unwrap_or(2048) })
        }
        ("ECDSA", 0 | 256) => Ok(KeyAlgorithm::EcdsaP256),
        ("ECDSA", 384) => Ok(KeyAlgorithm::EcdsaP384),
        ("ECDSA", 521) => Ok(KeyAlgorithm::EcdsaP521),
        ("Ed25519", _) => Ok(KeyAlgorithm::Ed25519),
        ("" | "RSA", bits @ 2049..8192) => {
            let message = "such RSA keys cannot be generated here; expected 2048, 3072, 4096 or 8192";
            Err((SIZE, format!("Invalid value: {bits}: {message}")))
        }
        ("" | "RSA", size) => {
            Err((SIZE, format!("Invalid value: {size}: must be between 2048 and 8192 for rsa keyAlgorithm")))
        }
        ("ECDSA", size) => {
            Err((SIZE, format!("Unsupported value: {size}: supported values: \"256\", \"384\", \"521\"")))
        }
        (name, _) => Err((
            "spec.privateKey.algorithm",
            format!("Unsupported value: {name:?}: supported values: \"RSA\", \"ECDSA\", \"Ed25519\""),
        )),
    }
}

/// The PEM encoding that the spec asks for in the Secret.
#[must_use]
pub fn encoding(spec: &CertificateSpec) -> KeyEncoding {
    match spec.private_key.as_ref().map(|options| options.encoding.as_str()) {
        Some("PKCS8") => KeyEncoding::Pkcs8,
        Some(_) | None => KeyEncoding::Pkcs1,
    }
}

/// Whether the key is kept over renewals (`rotationPolicy: Never`).
#[must_use]
pub fn is_reused(spec: &CertificateSpec) -> bool {
    spec.private_key.as_ref().is_some_and(|options| options.rotation_policy == "Never")
}

/// The usages that the spec asks for; digital signature and key encipherment if it names none.
///
/// # Errors
/// The unknown name.
pub fn usages(names: &[String], is_ca: bool) -> Result<Vec<Usage>, String> {
    let defaults = ["digital signature".to_owned(), "key encipherment".to_owned()];
    let names = if names.is_empty() { &defaults[..] } else { names };
    let mut usages = Vec::with_capacity(names.len());
    for name in names {
        let usage = Usage::parse(name)
            .map_err(|_| format!("spec.usages has {name:?}; expected names such as \"server auth\""))?;
        usages.push(usage);
    }
    if is_ca
        && let Ok(usage) = Usage::parse("cert sign")
        && !usages.contains(&usage)
    {
        usages.push(usage);
    }
    Ok(usages)
}

/// All subject alternative names of the spec.
///
/// # Errors
/// The address that is none.
pub fn sans(spec: &CertificateSpec) -> Result<Vec<San>, String> {
    let mut sans: Vec<San> = spec.dns_names.iter().cloned().map(San::Dns).collect();
    for text in &spec.ip_addresses {
        let address: IpAddr = text
            .parse()
            .map_err(|_| format!("spec.ipAddresses has {text:?}; expected an IPv4 or IPv6 address"))?;
        sans.push(San::Ip(address));
    }
    sans.extend(spec.uris.iter().cloned().map(San::Uri));
    sans.extend(spec.email_addresses.iter().cloned().map(San::Email));
    for other in &spec.other_names {
        sans.push(San::Other { oid: other.oid.clone(), value: other.utf8_value.clone() });
    }
    Ok(sans)
}

/// The distinguished name of the spec.
#[must_use]
pub fn subject(spec: &CertificateSpec) -> Subject {
    if let Ok(Some(literal)) = literal(spec) {
        return Subject {
            literal: Some(literal),
            common_name: literal_common_name(spec),
            ..Subject::default()
        };
    }
    let common_name = Some(spec.common_name.clone()).filter(|name| !name.is_empty());
    let Some(subject) = spec.subject.clone() else { return Subject { common_name, ..Subject::default() } };
    Subject {
        common_name,
        organizations: subject.organizations,
        countries: subject.countries,
        organizational_units: subject.organizational_units,
        localities: subject.localities,
        provinces: subject.provinces,
        street_addresses: subject.street_addresses,
        postal_codes: subject.postal_codes,
        serial_number: Some(subject.serial_number).filter(|number| !number.is_empty()),
        literal: None,
    }
}

/// `spec.literalSubject`, if it is set.
///
/// # Errors
/// The part that cannot be read.
pub fn literal(spec: &CertificateSpec) -> Result<Option<LiteralName>, String> {
    if spec.literal_subject.is_empty() {
        return Ok(None);
    }
    LiteralName::parse(&spec.literal_subject).map(Some).map_err(|error| format!("Invalid value: {error}"))
}

/// The common name in `spec.literalSubject`.
pub(crate) fn literal_common_name(spec: &CertificateSpec) -> Option<String> {
    literal(spec).ok().flatten()?.common_name()
}

/// How the request is signed, if the spec says so.
///
/// # Errors
/// The value and what was expected.
pub fn signature_algorithm(
    spec: &CertificateSpec,
    key: KeyAlgorithm,
) -> Result<Option<SignatureAlgorithm>, String> {
    let name = spec.signature_algorithm.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    let found = SignatureAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    found.filter(|algorithm| key.signs_with(*algorithm)).map(Some).ok_or_else(|| {
        let fitting = SignatureAlgorithm::ALL.into_iter().filter(|algorithm| key.signs_with(*algorithm));
        let fitting: Vec<_> = fitting.map(SignatureAlgorithm::name).collect();
        format!("Invalid value: {name:?}: a key {key} signs with {}", fitting.join(", "))
    })
}

/// What a CA may sign, and what not.
///
/// # Errors
/// The network that is none.
pub fn name_constraints(constraints: &NameConstraints) -> Result<(Subtrees, Subtrees), String> {
    let subtrees = |item: &Option<NameConstraintItem>| -> Result<Subtrees, String> {
        let Some(item) = item else { return Ok(Subtrees::default()) };
        let network = |text: &String| {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            Some((address, prefix.parse().ok().filter(|prefix: &u8| *prefix <= longest)?))
        };
        let ranges = item.ip_ranges.iter().map(|text| {
            network(text)
                .ok_or_else(|| format!("Invalid value: {text:?}: expected a network such as 10.0.0.0/8"))
        });
        Ok(Subtrees {
            dns_domains: item.dns_domains.clone(),
            ip_ranges: ranges.collect::<Result<_, _>>()?,
            email_addresses: item.email_addresses.clone(),
            uri_domains: item.uri_domains.clone(),
        })
    };
    Ok((subtrees(&constraints.permitted)?, subtrees(&constraints.excluded)?))
}

/// What the certificate request of a spec says.
///
/// # Errors
/// Field, value and what was expected.
pub fn template(spec: &CertificateSpec) -> Result<RequestTemplate, String> {
    let sans = sans(spec)?;
    let usages = usages(&spec.usages, spec.is_ca)?;
    let usages = if spec.encode_usages_in_request == Some(false) { Vec::new() } else { usages };
    let name_constraints = match &spec.name_constraints {
        Some(constraints) => {
            let (permitted, excluded) = name_constraints(constraints)?;
            let criticality =
                if constraints.critical { Criticality::Critical } else { Criticality::Ignorable };
            let extension = RawExtension::name_constraints(criticality, &permitted, &excluded);
            Some(extension.map_err(|error| format!("spec.nameConstraints: {error}"))?)
        }
        None => None,
    };
    let algorithm = algorithm(spec).map_err(|(field, message)| format!("{field}: {message}"))?;
    let signature_algorithm = signature_algorithm(spec, algorithm)?;
    literal(spec)?;
    let subject = subject(spec);
    Ok(RequestTemplate { subject, sans, usages, is_ca: spec.is_ca, name_constraints, signature_algorithm })
}

/// PEM of the certificate request for a Certificate, signed by `key`.
///
/// # Errors
/// Field, value and what was expected; or what cannot be encoded.
pub fn request(certificate: &Certificate, key: &PrivateKey) -> Result<String, String> {
    let template = template(&certificate.spec)?;
    template.sign(key).and_then(|csr| csr.to_pem()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use jamul_api::certificate::CertificatePrivateKey;

    use super::*;

    #[test]
    fn the_key_is_rsa_2048_unless_the_spec_asks_for_another() {
        let found = |algorithm: &str, size| {
            let options =
                CertificatePrivateKey { algorithm: algorithm.to_owned(), size, ..Default::default() };
            algorithm_of(Some(options))
        };
        assert_eq!(algorithm_of(None), Ok(KeyAlgorithm::Rsa { bits: 2048 }));
        assert_eq!(found("", Some(4096)), Ok(KeyAlgorithm::Rsa { bits: 4096 }));
        assert_eq!(found("ECDSA", None), Ok(KeyAlgorithm::EcdsaP256));
        assert_eq!(found("ECDSA", Some(521)), Ok(KeyAlgorithm::EcdsaP521));
        assert_eq!(found("Ed25519", Some(7)), Ok(KeyAlgorithm::Ed25519));
        for (algorithm, size) in [("RSA", 1024), ("RSA", 16384), ("ECDSA", 255), ("DSA", 0), ("RSA", -1)] {
            let error = found(algorithm, Some(size)).expect_err(algorithm);
            assert!(error.starts_with("spec.privateKey."), "{error}");
        }
    }

    fn algorithm_of(private_key: Option<CertificatePrivateKey>) -> Result<KeyAlgorithm, String> {
        let spec = CertificateSpec { private_key, ..CertificateSpec::default() };
        algorithm(&spec).map_err(|(field, message)| format!("{field}: {message}"))
    }
}
