//! The contenders: how each is found and started.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::Process;

/// The program of a peer: what `cargo xtask bench` names, else one on `PATH`.
pub(crate) fn peer(variable: &str, name: &str) -> Option<PathBuf> {
    let given = env::var_os(variable).map(PathBuf::from);
    let found = given.or_else(|| {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    });
    if found.is_none() {
        eprintln!("without {name}: {variable} is not set; `cargo xtask bench` sets it");
    }
    found
}

/// Where a run of ours listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) healthz: SocketAddr,
}

/// `jamul run` on a folder. `JAMUL_BINARY` names another build, to compare two.
pub(crate) fn jamul(manifests: &Path, state: &Path, ports: Ports, more: &[&str]) -> Result<Process> {
    let built = || env!("CARGO_BIN_EXE_jamul").into();
    let mut command = Command::new(env::var_os("JAMUL_BINARY").unwrap_or_else(built));
    command.arg("run").arg("--manifests").arg(manifests).arg("--state").arg(state);
    command.arg("--bind-address").arg(ports.http.ip().to_string());
    let ports =
        [("--http-port", ports.http), ("--https-port", ports.https), ("--healthz-port", ports.healthz)];
    for (flag, address) in ports {
        command.arg(flag).arg(address.port().to_string());
    }
    command.args(more).env_clear();
    Process::start(command, &state.with_extension("log"))
}

/// nginx on a configuration, in the foreground; `folder` is for its log and its pid.
pub(crate) fn nginx(program: &Path, folder: &Path, configuration: &Path) -> Result<Process> {
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(configuration).arg("-e").arg(folder.join("error.log"));
    Process::start(command, &folder.join("nginx.log"))
}
