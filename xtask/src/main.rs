//! Automation of this repository: what CI runs, a laptop runs, by the same words.
//!
//! `cargo xtask` alone prints the commands. Each is one file here; [`process`] starts programs and
//! [`report`] counts what became of them.

mod arrows;
mod bench;
mod bless;
mod ci;
mod image;
mod lab;
mod metadata;
mod process;
mod report;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  test [ARGS]      get the tools that tests need, then all tests; ARGS go to `cargo test` (default: --workspace)
  ci               everything that must hold before a change lands: test, fmt, clippy, doc, deny, arrows,
                   bless --check
  bless [--check]  rewrite generated and golden files; with --check, fail if that changed one
  arrows           refuse dependencies that the house forbids (ARCHITECTURE.md)
  lab SCRIPT ARGS  a real Kubernetes: install, up, down [api|node], in-net CMD, stop NAME, image, selftest
                   (e2e/lab/README.md)
  tools            get the tools, and print the variables through which tests find them
  image [--program FILE] OUT.tar
                   build a static program with the profile `dist`, or take FILE with its libraries, and put it
                   into an OCI image with its bill of materials
  bench [NAME]     get the peers, build with the profile `dist` and run the benchmarks, or those whose name
                   contains NAME";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => test::command(rest),
        ["ci"] => ci::command(),
        ["bless"] => bless::rewrite(),
        ["bless", "--check"] => bless::check(),
        ["arrows"] => arrows::command(),
        ["tools"] => tools::command(),
        ["lab", script, rest @ ..] => lab::command(script, rest),
        ["image", rest @ ..] => image::command(rest),
        ["bench"] => bench::command(""),
        ["bench", name] => bench::command(name),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
