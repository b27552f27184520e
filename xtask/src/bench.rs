//! `cargo xtask bench`: every benchmark of the workspace, built as published binaries are.
//!
//! There is no list to keep: a benchmark is a `[[bench]]` target of some crate, found by asking cargo.
//! Those of the app crate measure the whole binary (start to ready, a changed file to live, memory).

use anyhow::{Result, bail};

use crate::metadata;
use crate::process::{cargo, run};

/// Runs the benchmarks whose name contains `name`.
pub(crate) fn command(name: &str) -> Result<()> {
    let mut ran = 0;
    for package in metadata::read()?.packages {
        let benches = package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bench"));
        for bench in benches.filter(|bench| bench.name.contains(name)) {
            eprintln!("\n==== {} of {}", bench.name, package.name);
            run(&mut cargo(&[
                "bench",
                "--profile",
                "dist",
                "--package",
                &package.name,
                "--bench",
                &bench.name,
            ])?)?;
            ran += 1;
        }
    }
    if ran == 0 {
        bail!("no benchmark's name contains '{name}'");
    }
    Ok(())
}
