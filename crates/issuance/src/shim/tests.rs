#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::*;

fn ingress(annotations: &Value, tls: &Value) -> Ingress {
    let metadata = json!({
        "name": "web", "namespace": "shop", "uid": "1", "annotations": annotations,
        "labels": { "team": "shop", "applyset.kubernetes.io/part-of": "x" },
    });
    serde_json::from_value(json!({ "metadata": metadata, "spec": { "tls": tls } })).unwrap()
}

fn one_entry() -> Value {
    json!([{ "hosts": ["web.example"], "secretName": "web-tls" }])
}

fn reference(name: &str, kind: &str, group: &str) -> IssuerRef {
    IssuerRef { name: name.to_owned(), kind: kind.to_owned(), group: group.to_owned() }
}

fn warnings(annotations: &Value, tls: &Value) -> (usize, Vec<String>) {
    let shim = certificates(&ingress(annotations, tls), &ShimSettings::default());
    assert!(shim.warnings.iter().all(|note| note.is_warning && note.reason == "BadConfig"), "{shim:?}");
    (shim.certificates.len(), shim.warnings.into_iter().map(|note| note.message).collect())
}

#[test]
fn each_tls_entry_becomes_a_certificate_named_as_its_secret() {
    let tls = json!([
        { "hosts": ["web.example", "10.0.0.1"], "secretName": "web-tls" },
        { "hosts": ["api.example"], "secretName": "api-tls" },
    ]);
    let annotations = json!({ "cert-manager.io/cluster-issuer": "letsencrypt" });
    let ingress = ingress(&annotations, &tls);
    let shim = certificates(&ingress, &ShimSettings::default());
    assert_eq!(shim.warnings, []);
    let [web, api] = shim.certificates.as_slice() else { panic!("{shim:?}") };
    assert_eq!(
        (web.key().to_string(), web.spec.secret_name.as_str()),
        ("shop/web-tls".to_owned(), "web-tls")
    );
    assert_eq!(web.spec.dns_names, ["web.example"]);
    assert_eq!(web.spec.ip_addresses, ["10.0.0.1"]);
    assert_eq!(web.spec.usages, ["digital signature", "key encipherment"]);
    assert_eq!(web.spec.issuer_ref, reference("letsencrypt", "ClusterIssuer", "cert-manager.io"));
    assert!(web.is_controlled_by(&ingress));
    assert_eq!((web.label("team"), web.label("applyset.kubernetes.io/part-of")), (Some("shop"), None));
    assert_eq!(api.spec.dns_names, ["api.example"]);
}

#[test]
fn annotations_become_fields_of_the_spec() {
    let annotations = json!({
        "cert-manager.io/issuer": "ca", "cert-manager.io/issuer-kind": "Signer",
        "cert-manager.io/issuer-group": "x.io",
        "cert-manager.io/common-name": "web.example", "cert-manager.io/alt-names": "a.example, b.example,",
        "cert-manager.io/ip-sans": "10.0.0.2", "cert-manager.io/duration": "144h",
        "cert-manager.io/renew-before": "24h",
        "cert-manager.io/usages": "server auth, client auth", "cert-manager.io/revision-history-limit": "3",
        "cert-manager.io/private-key-algorithm": "ECDSA", "cert-manager.io/private-key-size": "384",
        "cert-manager.io/private-key-encoding": "PKCS8",
        "cert-manager.io/private-key-rotation-policy": "Never",
    });
    let shim = certificates(&ingress(&annotations, &one_entry()), &ShimSettings::default());
    let [certificate] = shim.certificates.as_slice() else { panic!("{shim:?}") };
    let expected = json!({
        "secretName": "web-tls", "issuerRef": { "name": "ca", "kind": "Signer", "group": "x.io" },
        "commonName": "web.example", "dnsNames": ["web.example", "a.example", "b.example"],
        "ipAddresses": ["10.0.0.2"], "duration": "144h", "renewBefore": "24h",
        "usages": ["server auth", "client auth"], "revisionHistoryLimit": 3,
        "privateKey": { "algorithm": "ECDSA", "size": 384, "encoding": "PKCS8", "rotationPolicy": "Never" },
    });
    assert_eq!(serde_json::to_value(&certificate.spec).unwrap(), expected);
}

#[test]
fn tls_acme_takes_the_default_issuer_and_others_keep_their_group() {
    let wanted = |annotations: &Value, default: IssuerRef| {
        let settings = ShimSettings { default_issuer: default };
        certificates(&ingress(annotations, &one_entry()), &settings)
            .certificates
            .pop()
            .map(|c| c.spec.issuer_ref)
    };
    let acme = json!({ "kubernetes.io/tls-acme": "true" });
    let default = reference("le", "", "");
    assert_eq!(wanted(&acme, default.clone()), Some(reference("le", "Issuer", "cert-manager.io")));
    let foreign = reference("le", "Signer", "x.io");
    assert_eq!(wanted(&acme, foreign.clone()), Some(foreign));
    assert_eq!(wanted(&json!({ "kubernetes.io/tls-acme": "false" }), default.clone()), None);
    assert_eq!(wanted(&json!({}), default.clone()), None);
    let named = json!({ "kubernetes.io/tls-acme": "true", "cert-manager.io/issuer": "ca" });
    assert_eq!(wanted(&named, default), Some(reference("ca", "Issuer", "cert-manager.io")));
}

#[test]
fn an_issuer_that_is_ambiguous_or_missing_is_bad_config() {
    for annotations in [
        json!({ "cert-manager.io/issuer": "a", "cert-manager.io/cluster-issuer": "b" }),
        json!({ "cert-manager.io/cluster-issuer": "b", "cert-manager.io/issuer-kind": "Issuer" }),
        json!({ "cert-manager.io/cluster-issuer": "b", "cert-manager.io/issuer-group": "cert-manager.io" }),
        json!({ "cert-manager.io/issuer": "" }),
        json!({ "kubernetes.io/tls-acme": "true" }),
    ] {
        let (certificates, warnings) = warnings(&annotations, &one_entry());
        assert_eq!((certificates, warnings.len()), (0, 1), "{annotations}");
    }
}

#[test]
fn an_entry_without_hosts_or_secret_is_skipped_and_a_secret_named_twice_refuses_all() {
    let annotations = json!({ "cert-manager.io/issuer": "ca" });
    let entry = json!({ "hosts": ["web.example"], "secretName": "web-tls" });
    let (made, found) = warnings(&annotations, &json!([{ "hosts": ["x"] }, { "secretName": "x" }, entry]));
    assert_eq!((made, found.len()), (1, 2));
    assert!(found[1].contains("spec.tls[1]"), "{found:?}");
    let (made, found) = warnings(&annotations, &json!([entry, entry]));
    assert_eq!((made, found.len()), (0, 1));
    assert!(found[0].contains("web-tls"), "{found:?}");
}

#[test]
fn an_annotation_with_a_bad_value_is_bad_config_that_names_it() {
    for (name, value) in [
        ("renew-before-percentage", "half"),
        ("renew-before-percentage", "100"),
        ("email-sans", "me"),
        ("secret-template", "{\"label\": {}}"),
        ("subject-organizations", "\"open"),
        ("duration", "90d"),
        ("renew-before", "soon"),
        ("revision-history-limit", "0"),
        ("revision-history-limit", "many"),
        ("private-key-algorithm", "DSA"),
        ("private-key-size", "1024"),
        ("private-key-encoding", "DER"),
        ("private-key-rotation-policy", "Sometimes"),
        ("usages", "flying"),
        ("ip-sans", "web"),
    ] {
        let mut annotations = json!({ "cert-manager.io/issuer": "ca" });
        annotations[format!("cert-manager.io/{name}")] = json!(value);
        let (certificates, warnings) = warnings(&annotations, &one_entry());
        assert_eq!((certificates, warnings.len()), (0, 1), "{name}");
        assert!(warnings[0].contains(value) || warnings[0].contains(name), "{warnings:?}");
    }
}

#[test]
fn only_what_the_shim_manages_needs_an_update() {
    let annotations = json!({ "cert-manager.io/issuer": "ca" });
    let wanted =
        certificates(&ingress(&annotations, &one_entry()), &ShimSettings::default()).certificates.remove(0);
    let mut existing = wanted.clone();
    existing.status = Some(jamul_api::certificate::CertificateStatus::default());
    existing.metadata.resource_version = Some("7".to_owned());
    existing.spec.issuer_ref.group = String::new();
    existing.spec.other.insert("newerField".to_owned(), json!("x"));
    existing.spec.signature_algorithm = "SHA256WithRSA".to_owned();
    assert!(!needs_update(&existing, &wanted));
    let changes: [fn(&mut Certificate); 4] = [
        |certificate| certificate.spec.dns_names.clear(),
        |certificate| certificate.spec.issuer_ref.name.push('x'),
        |certificate| certificate.spec.duration = Some("1h".to_owned()),
        |certificate| certificate.metadata.labels = None,
    ];
    for change in changes {
        let mut changed = existing.clone();
        change(&mut changed);
        assert!(needs_update(&changed, &wanted), "{changed:?}");
    }
}

#[test]
fn subjects_templates_and_challenge_classes_come_from_annotations_too() {
    let annotations = json!({
        "cert-manager.io/issuer": "ca",
        "cert-manager.io/email-sans": "me@web.example", "cert-manager.io/uri-sans": "spiffe://shop/web",
        "cert-manager.io/subject-organizations": "Zoo,\"A, Inc.\"", "cert-manager.io/subject-countries": "KR",
        "cert-manager.io/subject-serialnumber": "7", "cert-manager.io/renew-before-percentage": "25",
        "cert-manager.io/secret-template": "{\"labels\": {\"team\": \"shop\"}}",
        "acme.cert-manager.io/http01-edit-in-place": "true",
        "acme.cert-manager.io/http01-ingress-class": "nginx",
        "jamul.dev/fallback-issuers": "b",
    });
    let shim = certificates(&ingress(&annotations, &one_entry()), &ShimSettings::default());
    let [certificate] = shim.certificates.as_slice() else { panic!("{shim:?}") };
    let spec = &certificate.spec;
    assert_eq!(spec.email_addresses, ["me@web.example"]);
    assert_eq!(spec.uris, ["spiffe://shop/web"]);
    let subject = spec.subject.clone().unwrap();
    assert_eq!(subject.organizations, ["Zoo", "A, Inc."]);
    assert_eq!((subject.countries, subject.serial_number.as_str()), (vec!["KR".to_owned()], "7"));
    assert_eq!(spec.renew_before_percentage, Some(25));
    assert_eq!(spec.secret_template.clone().unwrap().labels["team"], "shop");
    for (name, value) in [
        ("acme.cert-manager.io/http01-override-ingress-name", "web"),
        ("acme.cert-manager.io/http01-override-ingress-class", "nginx"),
        ("cert-manager.io/issue-temporary-certificate", "true"),
        ("jamul.dev/fallback-issuers", "b"),
    ] {
        assert_eq!(certificate.annotation(name), Some(value));
    }
}

#[test]
fn an_update_takes_back_what_the_ingress_says_no_more_and_leaves_the_rest() {
    let with = json!({ "cert-manager.io/issuer": "ca", "jamul.dev/fallback-issuers": "b" });
    let of = |annotations: &Value| {
        certificates(&ingress(annotations, &one_entry()), &ShimSettings::default()).certificates.remove(0)
    };
    let (mut existing, wanted) = (of(&with), of(&json!({ "cert-manager.io/issuer": "ca" })));
    existing.metadata.annotations.get_or_insert_default().insert("mine".to_owned(), "x".to_owned());
    existing.spec.additional_output_formats = vec![Default::default()];
    assert!(needs_update(&existing, &wanted));
    let merged = merged(&existing, &wanted);
    assert!(!needs_update(&merged, &wanted));
    assert_eq!(
        (merged.annotation("mine"), merged.annotation("jamul.dev/fallback-issuers")),
        (Some("x"), None)
    );
    assert_eq!(merged.spec.additional_output_formats.len(), 1);
}
