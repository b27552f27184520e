//! Whole reports of small worlds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn report(files: &[(&str, &str)], values: Option<&str>, args: &[&str]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut findings = Vec::new();
    let documents = documents::of_folder(folder.path()).unwrap();
    let config = documents.iter().find_map(config_map::key);
    let wrong = wrong_values(Some(folder.path()), &[], config).unwrap();
    for document in documents {
        findings.extend(of_document(&document, &wrong).unwrap());
    }
    if let Some(values) = values {
        let content = serde_saphyr::from_str(values).unwrap();
        let document = Document { source: "values.yaml".to_owned(), content: Ok(content) };
        findings.extend(of_values(&document).unwrap());
    }
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    findings.extend(flags::of_arguments("arguments", &args));
    Report::new(findings)
}

fn verdicts(report: &Report) -> Vec<(&str, Verdict)> {
    report.findings.iter().map(|finding| (finding.key.as_str(), finding.verdict)).collect()
}

const INGRESS: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
    nginx.ingress.kubernetes.io/proxy-read-timeout: 30s
    nginx.ingress.kubernetes.io/configuration-snippet: |
      more_set_headers \"X-A: b\";
    nginx.ingress.kubernetes.io/proxy-buffering: 'on'
    cert-manager.io/issuer: private
    example.com/owner: me
spec: {rules: [{host: web.example}]}
";

#[test]
fn each_annotation_has_its_verdict_and_a_wrong_value_is_refused() {
    let report = report(&[("web.yaml", INGRESS)], None, &[]);
    let expected = [
        ("nginx.ingress.kubernetes.io/configuration-snippet", Verdict::Refused),
        ("nginx.ingress.kubernetes.io/proxy-read-timeout", Verdict::Refused),
        ("nginx.ingress.kubernetes.io/proxy-buffering", Verdict::WithoutEffect),
        ("cert-manager.io/issuer", Verdict::Honoured),
        ("nginx.ingress.kubernetes.io/proxy-body-size", Verdict::Honoured),
    ];
    assert_eq!(verdicts(&report), expected);
    assert!(!report.is_fine());
    assert!(report.text().starts_with("2 honoured, 1 accepted without effect, 2 refused\n\nrefused\n"));
    let html = html::render(&report);
    assert!(html.contains("more_set_headers &quot;X-A: b&quot;;") && !html.contains("\"X-A"), "{html}");
}

#[test]
fn a_snippet_is_honoured_if_the_settings_allow_it_and_it_is_understood() {
    let config = "apiVersion: v1
kind: ConfigMap
metadata: {name: ingress-nginx-controller}
data: {allow-snippet-annotations: 'true', annotations-risk-level: Critical}
";
    let key = "nginx.ingress.kubernetes.io/configuration-snippet";
    let unknown = INGRESS.replace("more_set_headers", "lua_code");
    for (ingress, verdict) in [(INGRESS, Verdict::Honoured), (&unknown, Verdict::Refused)] {
        let report = report(&[("config.yaml", config), ("web.yaml", ingress)], None, &[]);
        assert!(verdicts(&report).contains(&(key, verdict)), "{}", report.text());
    }
}

#[test]
fn arguments_are_judged_wherever_they_stand() {
    let deployment = "apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
spec:
  template:
    spec:
      containers:
        - image: registry.k8s.io/ingress-nginx/controller:v1.15.1
          args: [/nginx-ingress-controller, --status-port=1, --ingress-class, nginx, --http-port=many]
        - image: example.com/other
          args: [--not-ours]
";
    let report = report(&[("deployment.yaml", deployment)], None, &["--configmap", "a/b", "--new-flag"]);
    let mut found = verdicts(&report);
    found.sort();
    let expected = [
        ("--configmap", Verdict::Honoured),
        ("--http-port", Verdict::Refused),
        ("--ingress-class", Verdict::Honoured),
        ("--new-flag", Verdict::Refused),
        ("--status-port", Verdict::WithoutEffect),
    ];
    assert_eq!(found, expected);
}

#[test]
fn settings_are_judged_in_the_config_map_and_in_chart_values() {
    let config = "apiVersion: v1
kind: ConfigMap
metadata: {name: ingress-nginx-controller}
data: {proxy-body-size: 8m, worker-processes: '4', http-snippet: 'map {}', location-snippet: deny all;, keep-alive: ever, nonsense: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {key: value}
";
    let values = "controller: {config: {proxy-read-timeout: '30'}, extraArgs: {enable-ssl-passthrough: ''}}";
    let report = report(&[("config.yaml", config)], Some(values), &[]);
    let find = |key: &str| report.findings.iter().find(|found| found.key == key).map(|found| found.verdict);
    assert_eq!(find("proxy-body-size"), Some(Verdict::Honoured));
    assert_eq!(find("worker-processes"), Some(Verdict::WithoutEffect));
    assert_eq!(find("http-snippet"), Some(Verdict::Refused));
    assert_eq!(find("location-snippet"), Some(Verdict::Honoured));
    assert_eq!(find("keep-alive"), Some(Verdict::Refused));
    assert_eq!(find("nonsense"), Some(Verdict::WithoutEffect));
    assert_eq!(find("key"), None);
    assert_eq!(find("controller.config.proxy-read-timeout"), Some(Verdict::Honoured));
    assert!(find("--enable-ssl-passthrough").is_some());
}
