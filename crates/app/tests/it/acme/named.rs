//! BIND: zones that are changed by signed updates, and the resolver that everybody asks.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::e2e::stage::{PATIENCE, Process, peer};

/// The secret of all its keys, base64.
pub(super) const SECRET: &str = "c2l4dGVlbiBvciBtb3JlIG9jdGV0cyBvZiBpdA==";

/// A name server's configuration, and the folder of its zones.
pub(super) struct Named {
    program: PathBuf,
    dir: TempDir,
    address: SocketAddr,
}

impl Named {
    /// At `address`, for `zones`: each by name, with further lines of a zone file. They are changed by whoever has one of
    /// the keys `md5`, `sha256` and `sha512`. `None` where there is no BIND.
    pub(super) fn new(address: SocketAddr, zones: &[(&str, &str)]) -> Option<Self> {
        let (program, dir) = (peer("JAMUL_NAMED")?, TempDir::new().unwrap());
        let folder = dir.path().display();
        let keys = ["md5", "sha256", "sha512"]
            .map(|name| format!("key {name} {{ algorithm hmac-{name}; secret \"{SECRET}\"; }};\n"))
            .concat();
        let mut config = format!(
            "options {{ directory \"{folder}\"; pid-file none; session-keyfile none; dnssec-validation no;\n\
             listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; recursion yes; allow-recursion {{ any; }}; }};\n\
             controls {{ }};\n{keys}",
            address.port(),
            address.ip()
        );
        for (zone, records) in zones {
            let text = format!(
                "$TTL 1\n@ SOA ns.{zone}. admin.{zone}. 1 60 60 600 1\n@ NS ns.{zone}.\nns A 127.0.0.1\n{records}\n"
            );
            fs::write(dir.path().join(zone), text).unwrap();
            config += &format!(
                "zone \"{zone}\" {{ type primary; file \"{zone}\"; allow-update {{ key md5; key sha256; key sha512; }}; }};\n"
            );
        }
        fs::write(dir.path().join("named.conf"), config).unwrap();
        Some(Self { program, dir, address })
    }

    /// The command that runs it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-g", "-n", "1", "-c"]).arg(self.dir.path().join("named.conf"));
        command
    }

    /// Runs it.
    pub(super) fn start(&self) -> Process {
        Self::started(self.command())
    }

    /// Runs it as that command says.
    pub(super) fn started(command: Command) -> Process {
        let mut process = Process::start(command);
        process.hears("the name server answers", |output| output.contains("running"));
        process
    }

    /// The TXT records at a name, as dig shows them.
    pub(super) fn texts(&self, name: &str) -> String {
        let mut command = Command::new(peer("JAMUL_DIG").unwrap_or_else(|| "dig".into()));
        command.arg(format!("@{}", self.address.ip())).args(["-p", &self.address.port().to_string()]);
        command.args(["+short", "+tries=2", name, "TXT"]);
        let (status, output) = Process::start(command).end(PATIENCE);
        assert!(status.success(), "{output}");
        output
    }

    /// Where its files are.
    pub(super) fn folder(&self) -> &Path {
        self.dir.path()
    }
}
