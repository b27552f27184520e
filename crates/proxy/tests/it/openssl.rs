//! Certificates that openssl makes, and what curl and openssl say of us.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Files in a folder that goes with this.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("jamul-proxy-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn der(&self, name: &str) -> Vec<u8> {
        CertificateDer::from_pem_file(self.0.join(name)).unwrap().to_vec()
    }

    fn make(&self, arguments: &str) {
        let output =
            Command::new(openssl()).args(arguments.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A CA, `NAME` and `NAME.key`.
    pub(crate) fn ca(&self, name: &str) {
        self.make(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -days 30 -keyout {name}.key -out {name}"
        ));
    }

    /// A certificate of `ca`, `NAME` and `NAME.key`, with the lines of `extensions`; without any: X.509 version 1.
    pub(crate) fn leaf(&self, ca: &str, name: &str, extensions: &str) {
        self.make(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=Acme/CN={name} -keyout {name}.key -out csr"
        ));
        let sign = format!("x509 -req -in csr -CA {ca} -CAkey {ca}.key -CAcreateserial -days 30 -out {name}");
        if extensions.is_empty() {
            return self.make(&sign);
        }
        std::fs::write(self.0.join("extensions"), extensions).unwrap();
        self.make(&format!("{sign} -extfile extensions"));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _: std::io::Result<()> = std::fs::remove_dir_all(&self.0);
    }
}

fn openssl() -> String {
    std::env::var("JAMUL_OPENSSL").unwrap_or_else(|_| "openssl".to_owned())
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// GET / of `host` by curl, without looking at our certificate; the status and the body.
pub(crate) async fn curl(address: SocketAddr, host: &str, arguments: &[&str]) -> (u16, String) {
    let curl = std::env::var("JAMUL_CURL").unwrap_or_else(|_| "curl".to_owned());
    let mut command = Command::new(curl);
    let (port, ip) = (address.port(), address.ip());
    command.args(["-sS", "-k", "--max-time", "20", "-w", "\n%{http_code}"]).args(arguments);
    command.args(["--resolve", &format!("{host}:{port}:{ip}"), &format!("https://{host}:{port}/")]);
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    (
        status.parse().unwrap_or_else(|_| panic!("curl: {}", String::from_utf8_lossy(&output.stderr))),
        body.to_owned(),
    )
}

/// What `openssl s_client` tells of a handshake for `name`.
pub(crate) async fn s_client(address: SocketAddr, name: &str, arguments: &[&str]) -> String {
    s_client_with(address, name, arguments, "").await
}

/// The same, with what it sends afterwards.
pub(crate) async fn s_client_with(
    address: SocketAddr,
    name: &str,
    arguments: &[&str],
    input: &'static str,
) -> String {
    let mut command = Command::new(openssl());
    command.args(["s_client", "-connect", &address.to_string(), "-servername", name]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let told = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // What it does not read, because the handshake failed, is told by its output.
        let _: std::io::Result<()> = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = told.await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
