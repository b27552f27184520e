//! What a run counted: tests and steps, passed and failed, and the names of the failed ones.

use std::fmt;
use std::time::Instant;

use anyhow::{Result, bail};

/// Counts of one run. Its `Display` is the closing line that machines read: `N passed, N failed`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// What failed, in order: names of steps and of tests.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Runs one step under a heading and counts it; a failed step does not keep the next from running.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<()>) {
        eprintln!("\n==== {name}");
        let start = Instant::now();
        let done = work(self);
        let seconds = start.elapsed().as_secs();
        match done {
            Ok(()) => {
                self.passed += 1;
                eprintln!("==== {name}: passed in {seconds} s");
            }
            Err(error) => {
                eprintln!("==== {name}: FAILED after {seconds} s: {error:#}");
                self.fail(name.to_owned());
            }
        }
    }

    pub(crate) fn fail(&mut self, name: String) {
        self.failed += 1;
        self.failures.push(name);
    }

    /// Prints what failed and the closing line. Fails if anything did, or if nothing ran at all.
    pub(crate) fn close(self) -> Result<()> {
        eprintln!();
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{self}");
        if self.failed > 0 {
            bail!("not everything passed");
        }
        if self.passed == 0 {
            bail!("nothing ran");
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_counted_named_and_followed_by_the_next() {
        let mut report = Report::default();
        report.step("first", |_| bail!("broken"));
        report.step("second", |_| Ok(()));
        assert_eq!(report.to_string(), "1 passed, 1 failed");
        assert_eq!(report.failures, ["first"]);
        assert!(report.close().is_err());
    }

    #[test]
    fn a_run_of_nothing_fails() {
        assert!(Report::default().close().is_err());
    }
}
