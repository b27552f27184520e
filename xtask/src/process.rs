//! Starting programs: in the repository's root, with their end checked and named.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The repository's root: `cargo run` names the folder of this crate, which lies directly below.
pub(crate) fn root() -> Result<PathBuf> {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").context("start me with `cargo xtask`")?;
    let root = Path::new(&xtask).parent().context("the folder of xtask has no parent")?;
    Ok(root.to_path_buf())
}

/// A program that will run in the root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(name);
    command.current_dir(root()?);
    Ok(command)
}

/// The cargo that started us (so of the pinned toolchain), with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = program(cargo)?;
    command.args(arguments);
    Ok(command)
}

/// Runs a program with its output shown. Fails, naming it, if it cannot start or ends badly.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start `{}`", line(command)))?;
    ended_well(command, status)
}

/// Runs a program and returns what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{}`", line(command)))?;
    ended_well(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote no UTF-8", line(command)))
}

/// Runs a program that may take minutes with its output in `log`, says every 15 seconds that it is
/// still at it, and ends it after `limit`. On failure the error holds the end of the log.
pub(crate) fn run_quietly(command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    let out = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let child = command.spawn().with_context(|| format!("could not start `{}`", line(command)))?;
    wait(child, limit).and_then(|status| ended_well(command, status)).with_context(|| tail(log))
}

fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut spoken = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("ended after {} s without a result", limit.as_secs());
        }
        if start.elapsed() > spoken + Duration::from_secs(15) {
            spoken = start.elapsed();
            eprintln!("       ... {} s", spoken.as_secs());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(20);
    format!("the end of {}:\n{}\n", log.display(), lines.get(last..).unwrap_or_default().join("\n"))
}

fn ended_well(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// The command as one would type it; the folders of programs left out.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
