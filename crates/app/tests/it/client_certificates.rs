//! The built binary with a folder that asks clients for certificates, judged by curl and openssl.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::e2e::stage::{Blog, Process};

fn openssl(folder: &Path, arguments: &str) {
    let program = std::env::var_os("JAMUL_OPENSSL").unwrap_or_else(|| "openssl".into());
    let output = Command::new(program).args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn ca(folder: &Path, name: &str) {
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
    openssl(folder, &format!("{request} -subj /CN={name} -keyout {name}.key -out {name}"));
}

/// The status of the blog for curl, with the certificate `name` of `folder` or none.
fn status(blog: &Blog, folder: &Path, name: Option<&str>) -> u16 {
    let program = std::env::var_os("JAMUL_CURL").unwrap_or_else(|| "curl".into());
    let mut command = Command::new(program);
    command.args(["-sS", "-k", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}"]);
    if let Some(name) = name {
        command.args(["--cert", name, "--key", &format!("{name}.key")]);
    }
    let output = command.arg(blog.https_url("/")).current_dir(folder).output().unwrap();
    String::from_utf8_lossy(&output.stdout).parse().unwrap()
}

fn secret(folder: &Path, ca: &str) -> String {
    let pem = fs::read_to_string(folder.join(ca)).unwrap();
    let lines: String = pem.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{ name: clients, namespace: default }}\nstringData:\n  ca.crt: |\n{lines}"
    )
}

#[test]
fn a_secret_says_which_clients_get_in_and_its_changes_count_at_once() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    ca(folder, "ca");
    ca(folder, "other");
    openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=jane -keyout jane.key -out csr",
    );
    // Without extensions: X.509 version 1, as most guides make them.
    openssl(folder, "x509 -req -in csr -CA ca -CAkey ca.key -CAcreateserial -days 30 -out jane");

    let blog = Blog::new(None);
    let ingress = format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: example
  namespace: default
  annotations: {{ nginx.ingress.kubernetes.io/auth-tls-secret: default/clients }}
spec:
  rules:
    - host: {}
      http:
        paths: [{{ path: /, pathType: Prefix, backend: {{ service: {{ name: hello, port: {{ number: 80 }} }} }} }}]
",
        Blog::HOST
    );
    blog.write("ingress.yaml", &ingress);
    blog.write("clients.yaml", &secret(folder, "ca"));
    fs::remove_file(blog.manifests().join("issuer.yaml")).unwrap();
    let mut run: Process = blog.run(&[]);
    run.until("the process is ready", || blog.is_ready().then_some(()));
    run.until("Jane gets in", || (status(&blog, folder, Some("jane")) == 200).then_some(()));
    assert_eq!(status(&blog, folder, None), 400);
    assert_eq!(status(&blog, folder, Some("other")), 400);

    blog.write("clients.yaml", &secret(folder, "other"));
    run.until("the other gets in", || (status(&blog, folder, Some("other")) == 200).then_some(()));
    assert_eq!(status(&blog, folder, Some("jane")), 400);

    fs::remove_file(blog.manifests().join("clients.yaml")).unwrap();
    run.until("nobody gets in", || (status(&blog, folder, Some("other")) == 403).then_some(()));
    assert_eq!(status(&blog, folder, None), 403);
    assert!(blog.diagnostics().contains("auth-tls-secret"), "{}", blog.diagnostics());
}
