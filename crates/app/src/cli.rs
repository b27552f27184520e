//! The command line: what can be asked, and how a wrong question is refused.

mod ca;
mod cluster;
mod foreign;
mod helm;
mod issuing;
mod look;
mod metrics;
mod run;
mod values;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(crate) use ca::{CaArgs, CaCommand, ServeArgs};
pub(crate) use cluster::ClusterArgs;
pub(crate) use foreign::ForeignFlag;
pub(crate) use helm::ValuesArgs;
pub(crate) use issuing::IssuingArgs;
pub(crate) use look::{
    CertArgs, CertCommand, CheckArgs, CompletionArgs, ExplainArgs, GetArgs, MigrateArgs, Output, PlaceArgs,
    ReportFormat, TapArgs, TopArgs, WayArgs,
};
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
    /// Serve traffic and keep certificates, from a folder of manifests or on a cluster
    Run(Box<RunArgs>),
    /// Show the whole story on this machine: a private CA, an upstream, a certificate, a first HTTPS answer
    Demo(DemoArgs),
    /// Run the private ACME CA alone
    Ca(CaArgs),
    /// Print what is wrong in a folder, in files or on a cluster
    Check(CheckArgs),
    /// Say who would answer a URL, and why
    Explain(ExplainArgs),
    /// Print objects of a standalone run or a cluster, with their status
    Get(GetArgs),
    /// Look at certificates of a standalone run or a cluster, or renew them
    Cert(CertArgs),
    /// Print the CustomResourceDefinitions that a cluster needs
    Crds,
    /// Put Helm values of ingress-nginx and cert-manager together for this program's chart
    Values(ValuesArgs),
    /// Report what becomes of what was made for ingress-nginx and cert-manager
    Migrate(MigrateArgs),
    /// Show live what each route answers
    Top(TopArgs),
    /// Show requests as they are answered, with the decision taken
    Tap(TapArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
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
            run.without_effect = foreign::given(matches, |name| std::env::var_os(name));
        }
        Ok(cli)
    }
}

/// What becomes of a flag of `jamul run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlagStanding {
    /// Does what it says.
    Honoured,
    /// Is taken and does nothing, for this reason.
    WithoutEffect(&'static str),
    /// Its value is refused, with these words.
    Wrong(String),
    /// Is none.
    Unknown,
}

/// What becomes of `--name=value`, or of `--name` if the value is empty.
pub(crate) fn flag(name: &str, value: &str) -> FlagStanding {
    if let Some(foreign) = ForeignFlag::named(name) {
        return FlagStanding::WithoutEffect(foreign.reason);
    }
    let command = command();
    let Some(run) = command.find_subcommand("run") else { return FlagStanding::Unknown };
    if run.get_arguments().all(|argument| argument.get_long() != Some(name)) {
        return FlagStanding::Unknown;
    }
    let argument = if value.is_empty() { format!("--{name}") } else { format!("--{name}={value}") };
    match run.clone().try_get_matches_from(["run", &argument]) {
        Ok(_) => FlagStanding::Honoured,
        Err(error) => match Refused::from(&error) {
            Refused::Usage(line) => FlagStanding::Wrong(line.trim_start_matches("error: ").to_owned()),
            Refused::Help(_) => FlagStanding::Honoured,
        },
    }
}

/// Whether `--name` may be followed by its value as a word of its own.
pub(crate) fn takes_value(name: &str) -> bool {
    let command = command();
    let run = command.find_subcommand("run");
    let mut arguments = run.into_iter().flat_map(clap::Command::get_arguments);
    arguments
        .find(|argument| argument.get_long() == Some(name))
        .is_some_and(|argument| argument.get_num_args().is_none_or(|count| count.min_values() > 0))
}

/// The script that completes command lines in a shell.
pub(crate) fn completion(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "jamul", &mut script);
    String::from_utf8_lossy(&script).into_owned()
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

    /// ingress-nginx's flags, from its documentation.
    const INGRESS_NGINX: &str = "ingress-class controller-class watch-ingress-without-class ingress-class-by-name configmap
        publish-service publish-status-address update-status update-status-on-shutdown status-update-interval
        report-node-internal-ip-address watch-namespace watch-namespace-selector default-backend-service
        default-ssl-certificate tcp-services-configmap udp-services-configmap http-port https-port default-server-port
        ssl-passthrough-proxy-port healthz-port healthz-host health-check-path status-port stream-port profiler-port
        profiler-address profiling election-id election-ttl disable-leader-election enable-ssl-passthrough enable-metrics
        metrics-per-host metrics-per-undefined-host report-status-classes exclude-socket-metrics time-buckets
        length-buckets size-buckets bucket-factor max-buckets monitor-max-batch-size validating-webhook validating-webhook-certificate validating-webhook-key
        disable-full-test deep-inspect enable-annotation-validation disable-catch-all disable-svc-external-name
        disable-sync-events shutdown-grace-period post-shutdown-grace-period sync-rate-limit sync-period
        dynamic-configuration-retries annotations-prefix enable-topology-aware-routing enable-ssl-chain-completion
        maxmind-edition-ids maxmind-license-key maxmind-mirror maxmind-retries-count maxmind-retries-timeout
        internal-logger-address apiserver-host certificate-authority kubeconfig v logtostderr alsologtostderr
        stderrthreshold vmodule";

    /// cert-manager's, of its controller.
    const CERT_MANAGER: &str = "acme-http01-solver-image acme-http01-solver-nameservers acme-http01-solver-extra-labels
        auto-certificate-annotations certificate-request-minimum-backoff-duration
        certificate-request-maximum-backoff-duration cluster-issuer-ambient-credentials cluster-resource-namespace
        concurrent-workers controllers copied-annotation-prefixes default-issuer-group default-issuer-kind
        default-issuer-name dns01-check-retry-period dns01-recursive-nameservers dns01-recursive-nameservers-only
        enable-certificate-owner-ref enable-gateway-api enable-profiling extra-certificate-annotations feature-gates
        gateway-api-extra-protocols issuer-ambient-credentials kube-api-burst kube-api-qps leader-elect
        leader-election-lease-duration leader-election-namespace leader-election-renew-deadline
        leader-election-retry-period logging-format max-concurrent-challenges metrics-listen-address namespace";

    #[test]
    fn no_flag_of_the_original_controllers_is_missing() {
        let command = command();
        let run = command.find_subcommand("run").expect("there is a run");
        let missing: Vec<_> = INGRESS_NGINX
            .split_whitespace()
            .chain(CERT_MANAGER.split_whitespace())
            .filter(|name| run.get_arguments().all(|argument| argument.get_long() != Some(name)))
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn every_flag_can_be_given_in_the_environment() {
        let command = command();
        let run = command.find_subcommand("run").expect("there is a run");
        for argument in run.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(long) = argument.get_long().filter(|long| *long != "help") else { continue };
            let variable = argument.get_env().and_then(|name| name.to_str());
            let expected = format!("JAMUL_{}", long.replace('-', "_").to_ascii_uppercase());
            assert_eq!(variable, Some(expected.as_str()), "--{long}");
        }
        let matches = run.clone().try_get_matches_from(["run"]).expect("no flag is needed");
        let given = foreign::given(&matches, |name| (name == "JAMUL_STATUS_PORT").then(|| "x".into()));
        assert_eq!(given.iter().map(|flag| flag.name).collect::<Vec<_>>(), ["status-port"]);
    }

    #[test]
    fn golden_docs_flags_md_says_what_the_code_does() {
        let command = command();
        let run = command.find_subcommand("run").expect("there is a run");
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/flags.md");
        let text = flags_doc(run);
        if std::env::var_os("JAMUL_BLESS").is_some() {
            std::fs::write(&file, &text).expect("docs can be written");
        }
        let kept = std::fs::read_to_string(&file).expect("docs/flags.md is there");
        assert!(kept == text, "docs/flags.md is stale: JAMUL_BLESS=1 cargo test -p jamul golden");
    }

    fn flags_doc(run: &clap::Command) -> String {
        let mut text = String::from(
            "# Flags of `jamul run`\n\nMade from the code. Each flag can also be given as `JAMUL_<FLAG>` in the \
             environment, such as `JAMUL_HTTP_PORT`.\n\n## Honoured\n\n| flag | default | does |\n| --- | --- | --- |\n",
        );
        for argument in run.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(long) = argument.get_long().filter(|long| *long != "help") else { continue };
            let value =
                argument.get_value_names().and_then(|names| names.first()).map(|name| format!(" {name}"));
            let default: Vec<_> =
                argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let value = value.unwrap_or_default();
            text.push_str(&format!("| `--{long}{value}` | {} | {help} |\n", default.join(", ")));
        }
        for (of, title) in [
            (foreign::Controller::IngressNginx, "ingress-nginx"),
            (foreign::Controller::CertManager, "cert-manager"),
        ] {
            text.push_str(&format!(
                "\n## Of {title}, accepted without effect\n\n| flag | why it has none |\n| --- | --- |\n"
            ));
            for flag in foreign::FLAGS.iter().filter(|flag| flag.of == of) {
                text.push_str(&format!("| `--{}` | {} |\n", flag.name, flag.reason));
            }
        }
        text
    }
}
