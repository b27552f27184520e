//! The Helm chart, rendered by real Helm from values that were written for the charts it replaces, and given to a
//! real API server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::e2e::stage::peer;

/// The chart's own tests are not packed with it.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/jamul");

/// How often the API server is asked for what it is about to publish.
const MOST_ASKED: usize = 100;

/// A program of the lab, in its network. `None` where there is no lab.
fn lab(arguments: &[&str]) -> Option<Output> {
    let script = peer("JAMUL_LAB")?.join("in-net");
    Some(Command::new(script).args(arguments).output().expect("the lab's script starts"))
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn file(name: &str) -> PathBuf {
    Path::new(CHART).join("tests").join(name)
}

/// Compares with `<name>.golden.yaml`; `JAMUL_BLESS` writes it instead. Definitions are left out: they have a
/// golden file of their own.
fn renders(name: &str) {
    let values = file(&format!("{name}.values.yaml"));
    let values = values.to_str().expect("a path in UTF-8");
    let command = ["helm", "template", "edge", CHART, "--namespace", "ingress", "--kube-version", "1.36.0"];
    let without_crds = ["--values", values, "--set", "certManager.installCRDs=false"];
    let Some(output) = lab(&[command.as_slice(), without_crds.as_slice()].concat()) else { return };
    let rendered = text(&output);
    let golden = file(&format!("{name}.golden.yaml"));
    if std::env::var_os("JAMUL_BLESS").is_some() {
        std::fs::write(&golden, &rendered).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(rendered == expected, "{} is stale; run this test with JAMUL_BLESS=1", golden.display());
}

#[test]
fn values_for_a_cloud_render_as_before() {
    renders("cloud");
}

#[test]
fn values_for_bare_metal_render_as_before() {
    renders("bare-metal");
}

#[test]
fn values_of_a_platform_team_render_as_before() {
    renders("production");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_by_name() {
    let arguments =
        ["helm", "template", "edge", CHART, "--kube-version", "1.36.0", "--set", "controller.service=5"];
    let Some(output) = lab(&arguments) else { return };
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("/controller/service"), "{message}");
}

#[test]
fn an_api_server_takes_the_release_and_the_definitions_outlive_it() {
    let values = file("cloud.values.yaml");
    let values = values.to_str().expect("a path in UTF-8");
    let namespace = ["--namespace", "chart-test"];
    let install =
        ["helm", "install", "edge", CHART, "--create-namespace", "--take-ownership", "--values", values];
    // Nobody answers them here, and other tests write to this API server; `cluster::release` shows them.
    let webhooks = "controller.admissionWebhooks.enabled=false,certManager.webhook.enabled=false";
    let without = ["--set", webhooks];
    let Some(output) = lab(&[install.as_slice(), &without, &namespace].concat()) else { return };
    let notes = text(&output);
    assert!(notes.contains("Taken without effect:"), "{notes}");
    assert!(notes.contains("  - controller.image: names ingress-nginx's program"), "{notes}");
    let run = |arguments: &[&str]| lab(arguments).map(|output| text(&output)).unwrap_or_default();
    let service = ["kubectl", "get", "service", "edge-jamul-controller", "--output"];
    let address = run(&[service.as_slice(), &["jsonpath={.spec.loadBalancerIP}"], &namespace].concat());
    assert_eq!(address, "203.0.113.10");
    run(&[["helm", "uninstall", "edge"].as_slice(), &namespace].concat());
    // The server publishes what a definition says a moment after it has taken it.
    let field = "clusterissuer.spec.acme.solvers.dns01.rfc2136.nameserver";
    let explained = (0..MOST_ASKED).find_map(|_| {
        let output = lab(&["kubectl", "explain", field])?;
        output.status.success().then(|| text(&output))
    });
    let explained = explained.expect("the definitions are there");
    assert!(explained.contains("port 53 if none"), "{explained}");
}
