//! Our CA judged by other projects' clients. Each issues, renews and revokes, as far as it can.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ca::Ca;
use crate::e2e::stage::{Process, listens, peer};

#[test]
fn certbot_issues_renews_and_revokes_with_an_external_account() {
    let Some(certbot) = peer("JAMUL_CERTBOT") else { return };
    let ca = Ca::start(&["--eab-required"]);
    let port = ca.http.port().to_string();
    let (key_id, hmac_key) = ca.external_account();
    let run = |arguments: &[&str]| {
        let mut command = ca.command(&certbot);
        command.args(arguments).args(["--non-interactive", "--server", &ca.directory()]);
        for folder in ["--config-dir", "--work-dir", "--logs-dir"] {
            command.arg(folder).arg(ca.client());
        }
        ca.run(command)
    };
    let solver = ["--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", &port];
    let account =
        ["--agree-tos", "--email", "admin@example.com", "--eab-kid", &key_id, "--eab-hmac-key", &hmac_key];
    run(&[&["certonly", "-d", "name.localhost", "-d", "other.localhost"], &solver[..], &account[..]].concat());
    let chain = ca.client().join("live/name.localhost/fullchain.pem");
    let first = ca.accepts(&chain, &["name.localhost", "other.localhost"]);

    run(&["renew", "--force-renewal", "--no-random-sleep-on-renew"]);
    let second = ca.accepts(&chain, &["name.localhost", "other.localhost"]);
    assert_ne!(first, second);

    run(&["update_account", "--email", "other@example.com"]);
    run(&["revoke", "--cert-name", "name.localhost", "--reason", "superseded", "--no-delete-after-revoke"]);
    ca.rejects(&chain);
    run(&["unregister"]);
}

#[test]
fn lego_proves_by_tls_alpn_and_renews() {
    let Some(lego) = peer("JAMUL_LEGO") else { return };
    let ca = Ca::start(&[]);
    let tls = format!("127.0.0.1:{}", ca.https.port());
    let run = |arguments: &[&str]| {
        let mut command = ca.command(&lego);
        command.args(["--server", &ca.directory(), "--accept-tos", "--email", "admin@example.com", "--path"]);
        command
            .arg(ca.client())
            .args(["--domains", "lego.localhost", "--tls", "--tls.port", &tls])
            .args(arguments);
        ca.run(command)
    };
    run(&["run"]);
    let chain = ca.client().join("certificates/lego.localhost.crt");
    let first = ca.accepts(&chain, &["lego.localhost"]);
    run(&["renew", "--days", "999", "--no-random-sleep"]);
    assert_ne!(ca.accepts(&chain, &["lego.localhost"]), first);
    run(&["revoke", "--keep"]);
    ca.rejects(&chain);
}

#[test]
fn acme_tiny_gets_a_certificate_for_its_own_request() {
    let (Some(acme_tiny), Some(openssl)) = (peer("JAMUL_ACME_TINY"), peer("JAMUL_OPENSSL")) else { return };
    let ca = Ca::start(&[]);
    let folder = ca.serve_challenges();
    for arguments in [
        "genrsa -out account.key 2048",
        "genrsa -out domain.key 2048",
        "req -new -key domain.key -subj / -addext subjectAltName=DNS:b.localhost,DNS:a.localhost -out domain.csr",
    ] {
        let mut command = ca.command(&openssl);
        command.args(arguments.split(' '));
        ca.run(command);
    }
    let issue = || {
        let mut command = ca.command(&acme_tiny);
        command.args([
            "--account-key",
            "account.key",
            "--csr",
            "domain.csr",
            "--directory-url",
            &ca.directory(),
        ]);
        command.args(["--disable-check", "--contact", "mailto:admin@example.com", "--acme-dir"]).arg(&folder);
        command.args(["--quiet"]);
        // Its standard output is the chain; nothing else may stand there.
        let pem = ca.run(command);
        let chain = ca.write("chain.pem", &pem);
        ca.accepts(&chain, &["a.localhost", "b.localhost"])
    };
    assert_ne!(issue(), issue());
}

#[test]
fn uacme_changes_its_key_and_goes_on() {
    let Some(uacme) = peer("JAMUL_UACME") else { return };
    let ca = Ca::start(&["--eab-required"]);
    let folder = ca.serve_challenges();
    let hook = script(
        &ca,
        "hook",
        &format!(
            "[ \"$2\" = http-01 ] || exit 1\ncase $1 in begin) printf %s \"$5\" >{0}/\"$4\";; *) rm -f {0}/\"$4\";; esac",
            folder.display()
        ),
    );
    let run = |arguments: &[&str]| {
        // It trusts what the system trusts, so it gets a system of its own for that.
        let bundle = "mount --bind \"$ROOT\" /etc/ssl/certs/ca-certificates.crt && exec \"$@\"";
        let mut command = ca.command("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", bundle, "sh"])
            .arg(&uacme)
            .env("ROOT", ca.root());
        command.args(["-v", "-y", "-c"]).arg(ca.client()).args(["-a", &ca.directory(), "-h"]).arg(&hook);
        ca.run({
            command.args(arguments);
            command
        })
    };
    let (key_id, hmac_key) = ca.external_account();
    run(&["-e", &format!("{key_id}:{hmac_key}"), "new", "admin@example.com"]);
    run(&["issue", "uacme.localhost"]);
    let chain = ca.client().join("uacme.localhost/cert.pem");
    let first = ca.accepts(&chain, &["uacme.localhost"]);
    run(&["newkey"]);
    run(&["update", "other@example.com"]);
    run(&["-f", "issue", "uacme.localhost"]);
    assert_ne!(ca.accepts(&chain, &["uacme.localhost"]), first);
    run(&["-r", "4", "revoke", chain.to_str().unwrap()]);
    // It moves what it revoked aside.
    let mut files = fs::read_dir(chain.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let revoked = files.find(|path| path.display().to_string().contains("revoked")).expect("a revoked file");
    ca.rejects(&revoked);
    run(&["deactivate"]);
}

#[test]
fn dehydrated_issues_renews_and_revokes() {
    let Some(dehydrated) = peer("JAMUL_DEHYDRATED") else { return };
    let ca = Ca::start(&[]);
    let folder = ca.serve_challenges();
    let config = ca.write(
        "config",
        &format!(
            "CA={}\nBASEDIR={}\nWELLKNOWN={}\nCHALLENGETYPE=http-01\nKEY_ALGO=secp384r1\nACCOUNT_KEYSIZE=2048\nCONTACT_EMAIL=admin@example.com\n",
            ca.directory(),
            ca.client().display(),
            folder.display()
        ),
    );
    let run = |arguments: &[&str]| {
        let mut command = ca.command(&dehydrated);
        command.arg("--config").arg(&config).args(arguments);
        ca.run(command)
    };
    run(&["--register", "--accept-terms"]);
    run(&["--cron", "--domain", "a.localhost b.localhost"]);
    let chain = ca.client().join("certs/a.localhost/fullchain.pem");
    let names = ["a.localhost", "b.localhost"];
    let first = ca.accepts(&chain, &names);
    run(&["--cron", "--force", "--domain", "a.localhost b.localhost"]);
    assert_ne!(ca.accepts(&chain, &names), first);
    let kept = ca.write("kept.pem", &fs::read_to_string(&chain).unwrap());
    let certificate = fs::canonicalize(ca.client().join("certs/a.localhost/cert.pem")).unwrap();
    run(&["--revoke", certificate.to_str().unwrap()]);
    ca.rejects(&kept);
}

#[test]
fn acme_client_of_npm_changes_its_key_takes_the_other_chain_and_revokes() {
    let Some(module) = peer("JAMUL_ACME_CLIENT") else { return };
    let ca = Ca::start(&["--eab-required"]);
    let (key_id, hmac_key) = ca.external_account();
    let folder = ca.serve_challenges();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/acme-client/client.js");
    let mut command = ca.command("node");
    command.arg(program).arg(module).arg(ca.directory()).args([&key_id, &hmac_key]).arg(&folder);
    ca.run(command);
    let chain = |name: &str| ca.client().join(name);
    let first = ca.accepts(&chain("first.pem"), &["npm.localhost"]);
    assert_ne!(ca.accepts(&chain("second.pem"), &["npm.localhost"]), first);
    ca.rejects(&chain("revoked.pem"));
}

#[test]
fn caddy_gets_its_certificates_by_itself_and_renews_them() {
    let Some(caddy) = peer("JAMUL_CADDY") else { return };
    let ca = Ca::start(&["--validity", "1m"]);
    let (http, https) = (ca.http.port(), ca.https.port());
    let config = ca.write(
        "Caddyfile",
        &format!(
            "{{
  admin off
  auto_https disable_redirects
  http_port {http}
  https_port {https}
  renew_interval 1s
  storage file_system {folder}/storage
  skip_install_trust
}}
https://caddy.localhost {{
  bind 127.0.0.1
  tls {{
    issuer acme {{
      dir {directory}
      trusted_roots {root}
      email admin@example.com
      disable_http_challenge
    }}
  }}
  respond hello
}}
",
            folder = ca.client().display(),
            directory = ca.directory(),
            root = ca.root().display()
        ),
    );
    let mut command = ca.command(&caddy);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
    let mut process = Process::start(command);
    process.until("Caddy listens", || listens(ca.https).then_some(()));
    let stored = || find(&ca.client().join("storage"), "caddy.localhost.crt");
    let chain = process.until("a certificate", || stored().filter(|path| is_whole(path)));
    let first = fs::read_to_string(&chain).unwrap();
    // Half of its life, as the CA's renewal information has it.
    process.until_within(Duration::from_secs(60), "another certificate", || {
        fs::read_to_string(&chain)
            .ok()
            .filter(|now| *now != first && now.ends_with("-----END CERTIFICATE-----\n"))
    });
    ca.accepts(&chain, &["caddy.localhost"]);
}

fn is_whole(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim_end().ends_with("-----END CERTIFICATE-----"))
}

/// The file of this name somewhere below `folder`.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.filter_map(Result::ok).find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { (entry.file_name() == *name).then_some(path) }
    })
}

/// A shell script in the client's folder.
fn script(ca: &Ca, name: &str, body: &str) -> PathBuf {
    let path = ca.write(name, &format!("#!/bin/sh\nset -e\n{body}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
