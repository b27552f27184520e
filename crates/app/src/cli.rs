//! The command line: what can be asked, and how a wrong question is refused.

mod ca;
mod cluster;
mod foreign;
mod helm;
mod look;
mod run;
mod values;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(crate) use ca::{CaArgs, CaCommand, ServeArgs};
pub(crate) use cluster::ClusterArgs;
pub(crate) use helm::ValuesArgs;
pub(crate) use look::{CertArgs, CertCommand, CheckArgs, ExplainArgs, GetArgs, Output, PlaceArgs};
pub(crate) use run::{LogFormat, LogLevel, RunArgs};

/// Ingress controller and certificate manager in one process.
#[derive(Debug, Parser)]
#[command(name = "jamul", subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve traffic and keep certificates, from a folder of manifests
    Run(Box<RunArgs>),
    /// Show the whole story on this machine: a private CA, an upstream, a certificate, a first HTTPS answer
    Demo(DemoArgs),
    /// Run the private ACME CA alone
    Ca(CaArgs),
    /// Print what is wrong in a folder or in files
    Check(CheckArgs),
    /// Say who would answer a URL, and why
    Explain(ExplainArgs),
    /// Print objects of a standalone run, with their status
    Get(GetArgs),
    /// Look at certificates of a standalone run, or renew them
    Cert(CertArgs),
    /// Print the CustomResourceDefinitions that a cluster needs
    Crds,
    /// Put Helm values of ingress-nginx and cert-manager together for this program's chart
    Values(ValuesArgs),
    /// Print the version
    Version,
}

/// Arguments of `jamul demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after the first verified HTTPS answer
    #[arg(long)]
    pub(crate) once: bool,
    /// Keep manifests and state in this folder [default: a temporary one]
    #[arg(long, env = "JAMUL_DIR", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// A command line that is not to be carried out.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Help was asked for; this is it.
    Help(String),
    /// Wrong usage, in one line.
    Usage(String),
}

impl Cli {
    /// Reads the arguments of this process.
    pub(crate) fn parse_arguments() -> Result<Self, Refused> {
        let matches = command().try_get_matches().map_err(|error| Refused::from(&error))?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| Refused::from(&error))?;
        if let (Command::Run(run), Some(matches)) = (&mut cli.command, matches.subcommand_matches("run")) {
            run.without_effect = foreign::given(matches);
        }
        Ok(cli)
    }
}

/// [`Cli`] with the flags of the original controllers.
fn command() -> clap::Command {
    Cli::command().mut_subcommand("run", |run| run.args(foreign::arguments()))
}

impl From<&clap::Error> for Refused {
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Self::Help(text);
        }
        let lines =
            text.lines().map(str::trim).take_while(|line| !HINTS.iter().any(|hint| line.starts_with(hint)));
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        if lines.first().is_some_and(|line| line.starts_with("error:")) {
            Self::Usage(lines.join(" "))
        } else {
            // Without a subcommand there is no error text but the whole help.
            Self::Usage("error: no command given, expected one of those that `jamul --help` lists".to_owned())
        }
    }
}

/// What clap adds after what is wrong.
const HINTS: [&str; 2] = ["Usage:", "For more information"];

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(arguments: &[&str]) -> Option<String> {
        let error = command().try_get_matches_from(arguments).err()?;
        match Refused::from(&error) {
            Refused::Usage(line) => Some(line),
            Refused::Help(_) => None,
        }
    }

    #[test]
    fn foreign_flags_clash_with_none_of_ours() {
        command().debug_assert();
    }

    #[test]
    fn arguments_of_the_original_controllers_are_accepted() {
        let original = ["--publish-service=a/b", "--validating-webhook", ":8443", "--enable-metrics=false"];
        let also = ["--watch-ingress-without-class=true", "--update-status", "--v=2"];
        let arguments: Vec<&str> = ["jamul", "run"].into_iter().chain(original).chain(also).collect();
        assert_eq!(usage(&arguments), None);
    }

    #[test]
    fn a_refusal_is_one_line_with_value_and_expectation() {
        for (arguments, words) in [
            (["jamul", "run", "--http-port=http"], ["'http'", "0 to 65535"]),
            (["jamul", "run", "--configmap=x"], ["'x'", "NAMESPACE/NAME"]),
            (["jamul", "run", "--log-format=xml"], ["'xml'", "text, json"]),
            (["jamul", "run", "--manifest=x"], ["--manifest", "--manifests"]),
        ] {
            let line = usage(&arguments).unwrap_or_default();
            assert!(words.iter().all(|word| line.contains(word)) && line.lines().count() == 1, "{line}");
        }
    }
}
