//! `cargo xtask lab`: a real Kubernetes for tests, from the scripts of `e2e/lab` (its README says what it is).
//!
//! `test` and `ci` bring up one of their own beside any that a developer has, hand it to the tests through
//! [`Lab::variables`], and end it.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process::{output, program, root, run};

/// `cargo xtask lab SCRIPT ARGS`: runs one of the lab's scripts.
pub(crate) fn command(script: &str, arguments: &[&str]) -> Result<()> {
    if !SCRIPTS.contains(&script) {
        bail!("lab {script}: expected one of {}", SCRIPTS.join(", "));
    }
    run(program(folder()?.join(script))?.args(arguments))
}

/// What `lab` may be asked to do: scripts of `e2e/lab`.
const SCRIPTS: [&str; 7] = ["install", "up", "down", "in-net", "stop", "image", "selftest"];

fn folder() -> Result<PathBuf> {
    Ok(root()?.join("e2e/lab"))
}

/// A lab of one run of the tests; ended when dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    scripts: PathBuf,
    /// Where it keeps what it writes (`JAMUL_LAB_RUN`).
    run: PathBuf,
    /// Of its administrator.
    kubeconfig: PathBuf,
}

impl Lab {
    /// Gets its programs if they are missing (minutes, once), and starts it.
    pub(crate) fn up() -> Result<Self> {
        let scripts = folder()?;
        run(program(scripts.join("install"))?.arg("api"))?;
        let run = env::temp_dir().join(format!("jamul-lab-{}", std::process::id()));
        let printed = output(program(scripts.join("up"))?.arg("api").env("JAMUL_LAB_RUN", &run));
        let lab = Self { scripts, run, kubeconfig: PathBuf::from(printed?.trim()) };
        eprintln!("       {}", lab.kubeconfig.display());
        Ok(lab)
    }

    /// For the environment of tests.
    pub(crate) fn variables(&self) -> [(&'static str, &std::path::Path); 3] {
        [
            ("JAMUL_LAB", self.scripts.as_path()),
            ("JAMUL_LAB_RUN", self.run.as_path()),
            ("JAMUL_LAB_KUBECONFIG", self.kubeconfig.as_path()),
        ]
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = program(self.scripts.join("down"));
        let ended = down.and_then(|mut down| run(down.env("JAMUL_LAB_RUN", &self.run)));
        if let Err(error) = ended.context("the lab did not end") {
            eprintln!("xtask: {error:#}");
        }
    }
}
