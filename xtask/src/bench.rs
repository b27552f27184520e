//! `cargo xtask bench`: every benchmark of the workspace, built as published binaries are.
//!
//! There is no list to keep: a benchmark is a `[[bench]]` target of some crate, found by asking cargo.
//! Those of the app crate measure the whole binary beside its peers, which are got first ([`tools`]).

use anyhow::{Result, bail};

use crate::lab::Lab;
use crate::process::{cargo, run};
use crate::{metadata, tools};

/// The one that needs a Kubernetes.
const CLUSTER: &str = "cluster";

/// Runs the targets whose name contains `name`. If there is none, `name` is a part of some benchmark in a
/// target, which the target itself looks for.
pub(crate) fn command(name: &str) -> Result<()> {
    let peers = tools::install_peers()?;
    let targets: Vec<(String, String)> = metadata::read()?.packages.into_iter().flat_map(benches).collect();
    let named = |(_, bench): &&(String, String)| bench.contains(name);
    let (chosen, filter): (Vec<_>, &[&str]) = if targets.iter().any(|target| named(&target)) {
        (targets.iter().filter(named).collect(), &[])
    } else {
        (targets.iter().collect(), &[name])
    };
    if chosen.is_empty() {
        bail!("there are no benchmarks");
    }
    for (package, bench) in chosen {
        eprintln!("\n==== {bench} of {package}");
        let mut command =
            cargo(&["bench", "--profile", "dist", "--package", package, "--bench", bench, "--"])?;
        // Ended as soon as the benchmark has.
        let lab = (bench == CLUSTER).then(Lab::up).transpose()?;
        command.args(filter).envs(peers.variables()).envs(lab.iter().flat_map(Lab::variables));
        run(&mut command)?;
    }
    Ok(())
}

/// Package and name of each bench target.
fn benches(package: metadata::Package) -> Vec<(String, String)> {
    let benches = package.targets.into_iter().filter(|target| target.kind.iter().any(|kind| kind == "bench"));
    benches.map(|bench| (package.name.clone(), bench.name)).collect()
}
