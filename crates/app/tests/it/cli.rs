//! Commands that end by themselves: what they print, and their exit codes.

use std::path::Path;
use std::process::{Command, Output};

fn jamul(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jamul"));
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("JAMUL_"));
    ours.for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.args(arguments).output().expect("the binary can be started")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("the folder is writable");
    }
    folder
}

fn check(folder: &Path) -> Output {
    jamul(&["check", "--manifests", &folder.display().to_string()])
}

const GOOD: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {cert-manager.io/issuer: private}}
spec:
  tls: [{hosts: [web.localhost], secretName: web-tls}]
  rules:
    - host: web.localhost
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: ExternalName, externalName: localhost, ports: [{port: 80}]}
";

#[test]
fn the_version_is_printed() {
    let output = jamul(&["version"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (Some(0), concat!("jamul ", env!("CARGO_PKG_VERSION"), "\n"))
    );
}

#[test]
fn wrong_usage_is_refused_with_2_and_one_line() {
    for (arguments, words) in [
        (vec!["run", "--http-port", "http"], "'http'"),
        (vec!["run", "--no-such-flag"], "--no-such-flag"),
        (vec!["run", "--default-ssl-certificate", "tls"], "NAMESPACE/NAME"),
        (vec!["ca", "--listen", "nowhere", "--state", "x"], "'nowhere'"),
        (vec!["nonsense"], "nonsense"),
        (vec![], "jamul --help"),
    ] {
        let output = jamul(&arguments);
        let line = stderr(&output);
        assert_eq!(code(&output), Some(2), "{arguments:?}: {line}");
        assert!(line.lines().count() == 1 && line.contains(words), "{arguments:?}: {line}");
    }
}

#[test]
fn a_good_folder_passes_the_check() {
    let folder = folder(&[("web.yaml", GOOD)]);
    let output = check(folder.path());
    assert_eq!(code(&output), Some(0), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn a_broken_file_fails_the_check_and_is_named() {
    let folder = folder(&[("web.yaml", GOOD), ("broken.yaml", "kind: [\n")]);
    let output = check(folder.path());
    assert_eq!(code(&output), Some(1));
    assert!(stdout(&output).contains("broken.yaml"), "{}", stdout(&output));
}

#[test]
fn files_are_checked_by_their_names() {
    let folder = folder(&[("broken.yaml", "kind: [\n")]);
    let file = folder.path().join("broken.yaml").display().to_string();
    let output = jamul(&["check", "-o", "json", &file]);
    assert_eq!(code(&output), Some(1));
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let severity = found.pointer("/diagnostics/0/severity").and_then(serde_json::Value::as_str);
    assert_eq!(severity, Some("error"), "{found}");
}

#[test]
fn a_folder_that_is_not_there_cannot_be_checked() {
    let folder = folder(&[]);
    let output = check(&folder.path().join("missing"));
    assert_eq!(code(&output), Some(2));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
}

#[test]
fn a_url_is_explained_from_a_folder_and_only_from_something() {
    let folder = folder(&[("web.yaml", GOOD)]);
    let place = folder.path().display().to_string();
    let state = folder.path().join("none").display().to_string();
    let output = jamul(&["explain", "https://web.localhost/x", "--manifests", &place, "--state", &state]);
    let expected = "https://web.localhost/x
  answer       the answer of its Service's only endpoint
  host         web.localhost
  path         Prefix /
  ingress      default/web
  service      default/web:80
  endpoints    localhost:80
  limits       request body 1048576 bytes; connect 5 s, send 60 s, read 60 s
  certificate  the default certificate
";
    let told = stdout(&output);
    assert!(told.starts_with(expected), "{told}{}", stderr(&output));
    let output = jamul(&["explain", "https://web.localhost/x"]);
    assert_eq!(code(&output), Some(1));
    let line = "error: nothing to explain from; name a folder with --manifests DIR (and --state DIR), a running \
                process with --admin URL, or a cluster with --kubeconfig FILE\n";
    assert_eq!(stderr(&output), line);
}

#[test]
fn objects_of_a_folder_are_listed_without_a_run() {
    let folder = folder(&[("web.yaml", GOOD)]);
    let place = folder.path().display().to_string();
    let state = folder.path().join("none").display().to_string();
    let get = |more: &[&str]| {
        let output = jamul(&[&["get", "--manifests", &place, "--state", &state], more].concat());
        (code(&output), stdout(&output), stderr(&output))
    };
    let (_, table, errors) = get(&["svc"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines.first().map(Vec::as_slice),
        Some(&["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-NAME", "PORTS", "AGE"][..]),
        "{errors}"
    );
    assert_eq!(
        lines.get(1).and_then(|line| line.get(..5)),
        Some(&["web", "ExternalName", "<none>", "localhost", "80/TCP"][..])
    );
    let (_, yaml, _) = get(&["ing", "web", "-o", "yaml"]);
    assert!(yaml.contains("kind: Ingress") && yaml.contains("host: web.localhost"), "{yaml}");
    let (_, json, _) = get(&["ingresses", "-A", "-o", "json"]);
    assert!(json.contains("\"kind\": \"List\"") && json.contains("\"namespace\": \"default\""), "{json}");
    let (status, _, refusal) = get(&["svc", "nope"]);
    assert_eq!((status, refusal.as_str()), (Some(1), "error: Service default/nope does not exist\n"));
    let (status, _, refusal) = get(&["pods"]);
    assert!(
        status == Some(1)
            && refusal.starts_with("error: kind \"pods\" is not known; expected one of Ingress"),
        "{refusal}"
    );
}

const PLAIN: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: web.localhost
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
";

/// What the check prints about one file, all of it.
fn findings(text: &str) -> String {
    let folder = folder(&[("web.yaml", text)]);
    let output = check(folder.path());
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_missing_service_is_named_with_what_it_does() {
    let expected = "warning: Ingress default/web: spec.rules[0].http.paths[0]: there is no Service default/web; \
                    requests are answered with 503 until it is made (ServiceMissing)\n";
    assert_eq!(findings(PLAIN), expected);
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_named_with_what_is_served_instead() {
    let [one, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["web.localhost".to_owned()]));
    let (one, other) = (one.expect("a certificate"), other.expect("a certificate"));
    let secret = serde_json::json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "web-tls" }, "type": "kubernetes.io/tls",
        "stringData": { "tls.crt": one.cert.pem(), "tls.key": other.signing_key.serialize_pem() },
    });
    let tls = GOOD.replace(", annotations: {cert-manager.io/issuer: private}", "");
    let expected = "error: Ingress default/web: spec.tls[0].secretName: Secret default/web-tls: tls.key does not belong \
                    to the certificate in tls.crt; web.localhost is served with the default certificate (SecretInvalid)\n";
    assert_eq!(findings(&format!("{tls}---\n{secret}\n")), expected);
}

#[test]
fn a_wrong_annotation_value_is_named_with_what_was_expected() {
    let service = GOOD.split("---\n").nth(1).unwrap_or_default();
    let annotated = PLAIN.replace(
        "{name: web}\nspec",
        "{name: web, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8 MB}}\nspec",
    );
    let expected = "warning: Ingress default/web: nginx.ingress.kubernetes.io/proxy-body-size: \"8 MB\" is not valid, \
                    expected bytes with an optional k, m or g, such as 8m, or 0 for unlimited; the default is used \
                    (InvalidAnnotation)\n";
    assert_eq!(findings(&format!("{annotated}---\n{service}")), expected);
}

#[test]
fn broken_yaml_is_named_with_its_place_and_what_stays() {
    let expected = "error: web.yaml: line 1, column 7: web.yaml: expected string scalar at line 1, column 7; the last \
                    good objects of this document stay until it is mended (BrokenFile)\n";
    let found = findings("kind: [\n");
    assert_eq!(found, expected);
}

#[test]
fn a_migration_is_reported_with_a_status_that_scripts_can_read() {
    let annotated = |annotation: &str| {
        PLAIN.replace("{name: web}\nspec", &format!("{{name: web, annotations: {{{annotation}}}}}\nspec"))
    };
    let report = |text: &str, more: &[&str]| {
        let folder = folder(&[("web.yaml", text)]);
        let place = folder.path().display().to_string();
        let output = jamul(&[&["migrate", "--manifests", &place], more].concat());
        (code(&output), stdout(&output) + &stderr(&output))
    };
    let (status, text) = report(&annotated("nginx.ingress.kubernetes.io/proxy-body-size: 8m"), &[]);
    let expected = "1 honoured, 0 accepted without effect, 0 refused\n\nhonoured\n  Ingress default/web: \
                    nginx.ingress.kubernetes.io/proxy-body-size = \"8m\": nothing to do\n";
    assert_eq!((status, text.as_str()), (Some(0), expected));
    let (status, json) = report(&annotated("nginx.ingress.kubernetes.io/server-snippet: x"), &["-o", "json"]);
    assert!(status == Some(1) && json.contains("\"verdict\": \"refused\""), "{json}");
    let (status, html) = report(PLAIN, &["-o", "html", "--", "--http-port=x"]);
    assert!(
        status == Some(1) && html.starts_with("<!doctype html>") && html.contains("--http-port"),
        "{html}"
    );
    let output = jamul(&["migrate"]);
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
}
