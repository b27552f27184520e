//! Benchmarks of the whole binary as a process, with peers beside it in the same run.
//!
//! `cargo xtask bench` gets the peers and runs all of it; `cargo xtask bench start` only what is called so.
//! What is measured is process CPU time and memory wherever that tells the story, because wall time on a
//! machine with neighbours does not. Contenders take turns in every round, and medians are printed.
#![expect(
    clippy::disallowed_methods,
    reason = "threads of a benchmark may sleep: there is no runtime to stop"
)]

mod figures;
mod folder;
mod http;
mod load;
mod process;
mod proxies;
mod stage;
mod start;
mod traffic;

use std::process::ExitCode;

/// A benchmark by its name.
type Benchmark = (&'static str, fn() -> anyhow::Result<()>);

const BENCHMARKS: &[Benchmark] = &[("start", start::run), ("traffic", traffic::run)];

fn main() -> ExitCode {
    // cargo passes `--bench`; what is no flag is a part of a name.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let mut code = ExitCode::SUCCESS;
    for (name, run) in BENCHMARKS.iter().filter(|(name, _)| is_wanted(name)) {
        println!("\n== {name}");
        if let Err(error) = run() {
            eprintln!("{name}: {error:#}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
