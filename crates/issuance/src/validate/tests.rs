use jamul_api::certificate::{
    AdditionalOutputFormat, CertificatePrivateKey, CertificateRenewal, NameConstraints, OtherName,
    Pkcs12Keystore, RenewalWindow,
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
    let window =
        RenewalWindow { cron: "0 2 * *".into(), window_duration: "1h".into(), ..RenewalWindow::default() };
    let renewal = CertificateRenewal { windows: vec![window.clone()], ..CertificateRenewal::default() };
    with(|spec| spec.renewal = Some(renewal), "spec.renewal.windows[0].cron", "exactly 5 fields");
    let window = RenewalWindow { cron: "@daily".into(), ..window };
    let renewal =
        CertificateRenewal { policy: "Disabled".into(), windows: vec![window], ..Default::default() };
    with(|spec| spec.renewal = Some(renewal), "spec.renewal.windows", "Forbidden");
    let renewal = CertificateRenewal { policy: "Never".into(), ..CertificateRenewal::default() };
    with(|spec| spec.renewal = Some(renewal), "spec.renewal.policy", "\"Never\"");
    with(|spec| spec.usages = vec!["serve".into()], "spec.usages[0]", "unknown keyusage");
    with(|spec| spec.revision_history_limit = Some(0), "spec.revisionHistoryLimit", "less than 1");
    with(|spec| spec.literal_subject = "CN".into(), "spec.literalSubject", "CN");
    let other = OtherName { oid: "1.2.x".into(), utf8_value: "a".into() };
    with(|spec| spec.other_names = vec![other], "spec.otherNames[0].oid", "1.2.x");
    let format = AdditionalOutputFormat { type_: "DER".into() };
    let twice = vec![format.clone(), format];
    with(|spec| spec.additional_output_formats = twice, "spec.additionalOutputFormats[1].type", "Duplicate");
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
