//! Pebble in the variant that a test wants.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use jamul_api::core::ByteString;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::e2e::stage::{Blog, Process, free_addresses, peer};

/// How Pebble is started.
pub(super) struct Pebble {
    program: PathBuf,
    dir: TempDir,
    directory: SocketAddr,
    management: SocketAddr,
    config: Value,
    environment: Vec<(&'static str, &'static str)>,
    own: String,
}

impl Pebble {
    /// Strict, otherwise as it comes; http-01 is asked on `http`. `None` where there is no Pebble.
    pub(super) fn new(http: u16) -> Option<Self> {
        let (program, dir) = (peer("JAMUL_PEBBLE")?, TempDir::new().unwrap());
        let [directory, management, unused] = free_addresses();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        fs::write(&certificate, own.cert.pem()).unwrap();
        fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let config = json!({
            "listenAddress": directory.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": certificate,
            "privateKey": key,
            "httpPort": http,
            "tlsPort": unused.port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
        });
        let own = own.cert.pem();
        Some(Self { program, dir, directory, management, config, environment: Vec::new(), own })
    }

    /// With a variable that changes how it behaves.
    pub(super) fn with(mut self, variable: &'static str, value: &'static str) -> Self {
        self.environment.push((variable, value));
        self
    }

    /// With a setting of its configuration.
    pub(super) fn set(mut self, setting: &str, value: Value) -> Self {
        self.config[setting] = value;
        self
    }

    /// The command that runs it; it asks the name server `dns`.
    pub(super) fn command(&self, dns: SocketAddr) -> Command {
        let config = self.dir.path().join("config.json");
        fs::write(&config, json!({"pebble": self.config}).to_string()).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("-strict").arg("-config").arg(&config).arg("-dnsserver").arg(dns.to_string());
        command.envs(self.environment.iter().copied());
        command
    }

    /// Runs it; it asks the name server `dns`.
    pub(super) fn start(&self, dns: SocketAddr) -> Process {
        Self::started(self.command(dns))
    }

    /// Runs it as that command says.
    pub(super) fn started(command: Command) -> Process {
        let mut process = Process::start(command);
        process.hears("Pebble is ready", |output| output.contains("ACME directory available"));
        process
    }

    /// An issuer's `spec.acme` without solvers, with further lines.
    pub(super) fn issuer(&self, more: &str) -> String {
        let bundle = serde_json::to_value(ByteString(self.own.clone().into_bytes())).unwrap();
        format!(
            "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{name: local-ca}}\nspec:\n  acme:\n    \
             server: https://{}/dir\n    caBundle: {bundle}\n    email: admin@example.com\n    \
             privateKeySecretRef: {{name: local-ca-account}}\n{more}",
            self.directory
        )
    }

    /// The root at the end of its default chains (0) or of alternate ones.
    pub(super) fn root(&self, blog: &Blog, number: usize) -> PathBuf {
        let own = self.dir.path().join("cert.pem");
        let url = format!("https://{}/roots/{number}", self.management);
        let root = self.dir.path().join(format!("root-{number}.pem"));
        fs::write(&root, blog.curl(&url, &own, "")).unwrap();
        root
    }
}

/// A DNS that leads every name to `address`; `None` where there is none.
pub(super) fn dns(address: &str) -> Option<(Process, SocketAddr)> {
    let mut command = Command::new(peer("JAMUL_CHALLTESTSRV")?);
    let [server, management] = free_addresses();
    command.arg("-dnsserver").arg(server.to_string()).arg("-management").arg(management.to_string());
    command.args(["-defaultIPv4", address, "-defaultIPv6", ""]);
    // Nothing but DNS is wanted of it.
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]);
    let mut process = Process::start(command);
    process.until("the DNS answers", || crate::e2e::stage::listens(management).then_some(()));
    Some((process, server))
}
