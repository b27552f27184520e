//! `cargo xtask ci`: everything that must hold before a change lands, counted to the last line.
//!
//! Every step runs, also after one has failed, so that one run names all there is to mend.

use std::process::Stdio;

use anyhow::Result;

use crate::process::{cargo, program, run};
use crate::report::Report;
use crate::{arrows, bless, test, tools};

pub(crate) fn command() -> Result<()> {
    let mut report = Report::default();
    report.step("lock file complete", |_| {
        run(cargo(&["tree", "--locked", "--workspace", "--depth", "0"])?.stdout(Stdio::null()))
    });
    test::steps(&mut report, &[]);
    report.step("fmt", |_| run(&mut cargo(&["fmt", "--all", "--check"])?));
    report.step("clippy", |_| {
        run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?)
    });
    report.step("doc", |_| {
        run(cargo(&["doc", "--workspace", "--no-deps"])?.env("RUSTDOCFLAGS", "-D warnings"))
    });
    report.step("deny", |_| {
        run(program(tools::cargo_deny()?)?.args(["--locked", "check", "bans", "licenses", "sources"]))
    });
    report.step("arrows", |_| arrows::command());
    report.step("generated files fresh", |_| bless::check());
    report.close()
}
