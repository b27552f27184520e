//! The binary: command line, wiring, admin.

mod admin;
mod admin_client;
mod ca;
mod cert;
mod check;
mod cli;
mod cluster;
mod control;
mod crds;
mod demo;
mod dial;
mod explain;
mod get;
mod helm_values;
mod logging;
mod migrate;
mod name_servers;
mod options;
mod output;
mod probe;
mod remote;
mod run;
mod signals;
mod source;
mod state_folder;
mod tap;
mod top;
mod translation;
mod transport;
mod webhook;

use std::process::ExitCode;

use cli::{Cli, Command, LogFormat, LogLevel, Refused};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 0: done. 1: could not do it (of `check` and `migrate`: something is wrong). 2: wrong usage (of these: could not
/// look).
fn main() -> ExitCode {
    keep_pages_small();
    let cli = match Cli::parse_arguments() {
        Ok(cli) => cli,
        Err(Refused::Help(text)) => {
            anstream::print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Refused::Usage(line)) => {
            anstream::eprintln!("{line}");
            return ExitCode::from(2);
        }
    };
    transport::install_crypto_provider();
    match perform(&cli) {
        Ok(code) => code,
        Err(error) => {
            // `{:#}` is the whole chain in one line.
            anstream::eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::from(if matches!(cli.command, Command::Check(_) | Command::Migrate(_)) { 2 } else { 1 })
        }
    }
}

/// A huge page is cleared and counted whole as soon as one byte of it is touched, and the allocator's arena is made for
/// them: a third of the memory at rest was pages of which little was used.
fn keep_pages_small() {
    // An old kernel does not know how; then memory is as it was.
    #[cfg(target_os = "linux")]
    let _: rustix::io::Result<()> = rustix::thread::disable_transparent_huge_pages(true);
}

fn perform(cli: &Cli) -> anyhow::Result<ExitCode> {
    match &cli.command {
        Command::Run(arguments) => {
            logging::start(arguments.log_format, arguments.log_level);
            for flag in &arguments.without_effect {
                tracing::info!(flag = flag.name, reason = flag.reason, "accepted without effect");
            }
            run::run(arguments)?;
        }
        Command::Demo(arguments) => {
            logging::start(LogFormat::Text, LogLevel::Warn);
            demo::demo(arguments)?;
        }
        Command::Ca(arguments) => {
            logging::start(LogFormat::Text, LogLevel::Info);
            ca::ca(arguments)?;
        }
        Command::Get(arguments) => get::get(arguments)?,
        Command::Cert(arguments) => cert::cert(arguments)?,
        Command::Explain(arguments) => explain::run(arguments)?,
        Command::Check(arguments) => {
            logging::start(LogFormat::Text, LogLevel::Warn);
            return check::check(arguments).map(|is_fine| ExitCode::from(u8::from(!is_fine)));
        }
        Command::Crds => anstream::print!("{}", crds::text()?),
        Command::Values(arguments) => helm_values::values(arguments)?,
        Command::Migrate(arguments) => {
            return migrate::migrate(arguments).map(|is_fine| ExitCode::from(u8::from(!is_fine)));
        }
        Command::Top(arguments) => top::top(arguments)?,
        Command::Tap(arguments) => tap::tap(arguments)?,
        Command::Completion(arguments) => output::lines(&cli::completion(arguments.shell))?,
        Command::Version => anstream::println!("jamul {}", env!("CARGO_PKG_VERSION")),
    }
    Ok(ExitCode::SUCCESS)
}
