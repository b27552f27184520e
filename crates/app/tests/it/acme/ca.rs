//! `jamul ca` for a test: its ports, the folder that http-01 is answered from, and OpenSSL as judge of what it issued.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::e2e::stage::{PATIENCE, Process, free_addresses, peer};

/// The CA, running, and a folder for its client.
pub(super) struct Ca {
    process: Process,
    state: TempDir,
    client: TempDir,
    listen: SocketAddr,
    /// Where it looks for proofs by http-01, on 127.0.0.1.
    pub(super) http: SocketAddr,
    /// The same for tls-alpn-01.
    pub(super) https: SocketAddr,
}

impl Ca {
    /// Names below `localhost` lead it to 127.0.0.1.
    pub(super) fn start(more: &[&str]) -> Self {
        let [http] = free_addresses();
        Self::looking_at(http, more)
    }

    /// The same, with a port for http-01 that somebody has already.
    pub(super) fn looking_at(http: SocketAddr, more: &[&str]) -> Self {
        let [listen, https] = free_addresses();
        let (state, client) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let ports = [listen.to_string(), http.port().to_string(), https.port().to_string()];
        let [address, http01, alpn01] = ports.each_ref().map(String::as_str);
        let fixed = ["ca", "--listen", address, "--http01-port", http01, "--tls-alpn01-port", alpn01];
        let place = ["--state", state.path().to_str().unwrap()];
        let mut process = Process::jamul(fixed.into_iter().chain(place).chain(more.iter().copied()));
        process.hears("the CA is ready", |output| output.contains("directory "));
        Self { process, state, client, listen, http, https }
    }

    pub(super) fn directory(&self) -> String {
        format!("https://{}/directory", self.listen)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.state.path().join("root.pem")
    }

    /// A folder for whatever the client keeps.
    pub(super) fn client(&self) -> &Path {
        self.client.path()
    }

    /// A file in that folder.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.client.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A program that does not trust the CA by itself, told how to in each way that one of them knows.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for variable in [
            "REQUESTS_CA_BUNDLE",
            "LEGO_CA_CERTIFICATES",
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "CURL_CA_BUNDLE",
        ] {
            command.env(variable, self.root());
        }
        command.env("NO_PROXY", "*").env("HOME", self.client()).current_dir(self.client());
        command
    }

    /// Lets a client do its work; yields what it wrote.
    pub(super) fn run(&self, command: Command) -> String {
        let name = Path::new(command.get_program()).display().to_string();
        let (status, output) = Process::start(command).end(CLIENT_PATIENCE);
        assert!(status.success(), "{name} ended with {status}: {output}\nCA: {}", self.process.output());
        output
    }

    /// Key identifier and HMAC key of a new external account.
    pub(super) fn external_account(&self) -> (String, String) {
        let state = self.state.path().to_str().unwrap();
        let (status, output) = Process::jamul(["ca", "eab", "--state", state, "-o", "json"]).end(PATIENCE);
        assert!(status.success(), "{output}");
        let key: serde_json::Value = serde_json::from_str(&output).unwrap();
        let text = |field: &str| key[field].as_str().unwrap().to_owned();
        (text("keyId"), text("hmacKey"))
    }

    /// Serves a folder at `/.well-known/acme-challenge/` on the port for http-01.
    pub(super) fn serve_challenges(&self) -> PathBuf {
        let folder = self.client.path().join("challenges");
        fs::create_dir(&folder).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.http.port())).unwrap();
        let files = folder.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _client_is_gone = serve_file(stream, &files);
            }
        });
        folder
    }

    /// What OpenSSL says of the first certificate in `chain`, looking at the revocation list that it names.
    pub(super) fn verdict(&self, chain: &Path) -> String {
        let openssl = peer("JAMUL_OPENSSL").unwrap_or_else(|| "openssl".into());
        let mut command = self.command(&openssl);
        command.args(["x509", "-noout", "-ext", "crlDistributionPoints", "-in"]).arg(chain);
        let points = self.run(command);
        let url = points.lines().find_map(|line| line.trim().strip_prefix("URI:")).expect("a CRL's URL");
        let list = self.client.path().join("list.crl");
        let mut command = self.command(peer("JAMUL_CURL").unwrap_or_else(|| "curl".into()));
        command.args(["--silent", "--fail", "--disable", "--noproxy", "*", "--max-time", "10", "--output"]);
        command.arg(&list).arg(url);
        self.run(command);
        let mut command = self.command(&openssl);
        command.args(["verify", "-crl_check", "-x509_strict", "-CAfile"]).arg(self.root());
        command.arg("-untrusted").arg(chain).arg("-CRLfile").arg(&list).arg(chain);
        Process::start(command).end(PATIENCE).1
    }

    /// The certificate in `chain` is good, for exactly `names`; yields its serial number.
    pub(super) fn accepts(&self, chain: &Path, names: &[&str]) -> String {
        let verdict = self.verdict(chain);
        assert!(verdict.trim_end().ends_with(": OK"), "{verdict}");
        let pem = fs::read_to_string(chain).unwrap();
        let leaf = jamul_pki::Certificate::from_pem(&pem).unwrap();
        assert_eq!(leaf.dns_names().collect::<Vec<_>>(), names);
        leaf.serial_hex()
    }

    /// The certificate in `chain` is revoked, for a reason if there is one.
    pub(super) fn rejects(&self, chain: &Path) {
        let verdict = self.verdict(chain);
        assert!(verdict.contains("certificate revoked"), "{verdict}");
    }
}

fn serve_file(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut line) = (String::new(), String::new());
    reader.read_line(&mut request)?;
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let token = path.strip_prefix("/.well-known/acme-challenge/").filter(|token| !token.contains('/'));
    let (status, body) = match token.and_then(|token| fs::read_to_string(folder.join(token)).ok()) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A client that asks every two seconds takes a while.
const CLIENT_PATIENCE: Duration = Duration::from_secs(60);
