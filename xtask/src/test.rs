//! `cargo xtask test`: the tools, then every test of the workspace, counted.
//!
//! The end-to-end tests are among them: an integration test of the app crate that starts the binary
//! against Pebble, certbot and curl, which it finds through the variables of [`tools`]. Those that need a
//! Kubernetes find it through the variables of [`Lab`].

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::lab::Lab;
use crate::process;
use crate::report::Report;
use crate::tools::{self, Tools};

/// All tests, or those that `arguments` (of `cargo test`) choose.
pub(crate) fn command(arguments: &[&str]) -> Result<()> {
    let mut report = Report::default();
    steps(&mut report, arguments);
    report.close()
}

/// The steps that `test` and `ci` share: the tools, a Kubernetes, then the tests.
pub(crate) fn steps(report: &mut Report, arguments: &[&str]) {
    let (mut tools, mut lab) = (None, None);
    report.step("tools", |_| {
        tools = Some(tools::install()?);
        Ok(())
    });
    report.step("lab", |_| {
        lab = Some(Lab::up()?);
        Ok(())
    });
    if let Some(tools) = tools {
        report.step("test", |report| run(report, &tools, lab.as_ref(), arguments));
    }
}

/// Runs `cargo test`, shows its output as it comes, and adds its counts to the report.
///
/// Fails if cargo does, or if it ran no test.
fn run(report: &mut Report, tools: &Tools, lab: Option<&Lab>, arguments: &[&str]) -> Result<()> {
    let chosen = if arguments.is_empty() { &["--workspace"] } else { arguments };
    let mut command = process::cargo(&["test", "--no-fail-fast"])?;
    command.args(chosen).envs(tools.variables()).stdout(Stdio::piped());
    command.envs(lab.iter().flat_map(|lab| lab.variables()));
    // A stale snapshot is a failure to show, not a file to leave beside the old one.
    command.env("INSTA_UPDATE", "no");

    let mut child = command.spawn().context("could not start `cargo test`")?;
    let stdout = child.stdout.take().context("cargo's output is not a pipe")?;
    let before = report.passed + report.failed;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("could not read cargo's output")?;
        show(&line);
        count(report, &String::from_utf8_lossy(&line));
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`cargo test {}` ended with {status}", chosen.join(" "));
    }
    if report.passed + report.failed == before {
        bail!("`cargo test {}` ran no test", chosen.join(" "));
    }
    Ok(())
}

/// Our own reader may have gone away (`| head`): then the counting still goes on.
fn show(line: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _reader_is_gone = out.write_all(line).and_then(|()| out.write_all(b"\n"));
}

/// Takes in one line of a test program's output: its closing line, or the name of a failed test.
fn count(report: &mut Report, line: &str) {
    if let Some(counts) = line.strip_prefix("test result: ") {
        report.passed += number_before(counts, " passed");
        report.failed += number_before(counts, " failed");
    } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
        report.failures.push(name.to_owned());
    }
}

/// The number before `word`: 12 for " passed" in "ok. 12 passed; 0 failed".
fn number_before(counts: &str, word: &str) -> usize {
    counts
        .split_once(word)
        .and_then(|(before, _)| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_all_test_programs_are_summed() {
        let mut report = Report::default();
        for line in [
            "running 3 tests",
            "test host::tests::wildcard_host_loses_to_exact ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            count(&mut report, line);
        }
        assert_eq!(report.to_string(), "14 passed, 1 failed");
        assert_eq!(report.failures, ["host::tests::wildcard_host_loses_to_exact"]);
    }
}
