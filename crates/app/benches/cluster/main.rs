//! `cargo xtask bench cluster`: the binary on a real API server, that of the lab.
//!
//! `certificates`: many Certificates of a CA issuer at once. `routes`: start with many Ingresses, and how long a new one
//! takes from the API server's answer to the first request that it serves. `JAMUL_BENCH_CERTIFICATES` and
//! `JAMUL_BENCH_INGRESSES` (a list) change how many.

mod certificates;
mod lab;
#[allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "it is shared with the other benchmark, which has threads of its own"
)]
#[path = "../process/process.rs"]
mod process;
mod routes;

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Set inside the lab's network.
const INSIDE: &str = "JAMUL_BENCH_INSIDE";

fn main() -> Result<()> {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if std::env::var_os(INSIDE).is_none() {
        let scripts = std::env::var("JAMUL_LAB")
            .context("JAMUL_LAB is not set; `cargo xtask bench cluster` sets it")?;
        let status = Command::new(format!("{scripts}/in-net"))
            .arg(std::env::current_exe()?)
            .args(&wanted)
            .env(INSIDE, "1")
            .status()?;
        if !status.success() {
            bail!("the benchmark in the lab's network ended with {status}");
        }
        return Ok(());
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let lab = lab::Lab::open().await?;
        if is_wanted("certificates") {
            certificates::measure(&lab, number("JAMUL_BENCH_CERTIFICATES", 1000)).await?;
        }
        if is_wanted("routes") {
            let sizes = std::env::var("JAMUL_BENCH_INGRESSES").unwrap_or_else(|_| "100,5000".to_owned());
            for size in sizes.split(',') {
                routes::measure(&lab, size.parse().context("JAMUL_BENCH_INGRESSES holds numbers")?).await?;
            }
        }
        Ok(())
    })
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
