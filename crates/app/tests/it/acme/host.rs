//! A machine of its own for a test: a network namespace, where every port is free, the well-known ones too, and DNS is
//! whatever the test starts there.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::e2e::stage::Process;

/// The namespaces, which last as long as this does.
pub(super) struct Host {
    holder: Process,
    _dir: TempDir,
}

impl Host {
    /// With loopback up, and 127.0.0.1 port 53 as the system's name server.
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        let set_up = "ip link set lo up && mount --bind resolv.conf /etc/resolv.conf && echo ready && exec sleep infinity";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--mount", "sh", "-c", set_up]).current_dir(dir.path());
        let mut holder = Process::start(command);
        holder.hears("the namespaces are there", |output| output.contains("ready"));
        Self { holder, _dir: dir }
    }

    /// `command`, to be run there.
    pub(super) fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        let target = self.holder.id().to_string();
        inside.args(["--preserve-credentials", "--user", "--net", "--mount", "--target", &target]);
        if let Some(folder) = command.get_current_dir() {
            // Entering the mounts leaves ours.
            inside.arg(format!("--wd={}", folder.display()));
        }
        inside.arg("--").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }
}
