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
    assert!(stdout(&output).starts_with("{\"diagnostics\":[{"), "{}", stdout(&output));
}

#[test]
fn a_folder_that_is_not_there_cannot_be_checked() {
    let folder = folder(&[]);
    let output = check(&folder.path().join("missing"));
    assert_eq!(code(&output), Some(2));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
}
