//! A run with a CA inside is killed before each of its changes of the disk, one after the other: whatever it was doing,
//! the next run finishes it, and nothing is lost or done twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jamul_pki::{Certificate, PrivateKey};
use serde_json::Value;
use tempfile::TempDir;

use crate::e2e::stage::{Blog, PATIENCE, Process};

#[test]
fn an_issuance_killed_at_any_step_issues_one_certificate() {
    let stage = Stage::new();
    let killed = stage.killed_at_every_step(
        None,
        |blog| is_issued(blog, "example-tls"),
        |stage, step| {
            assert_eq!(stage.blog.objects(REQUESTS).len(), 1, "{step}");
            assert_eq!(stage.blog.objects(ORDERS).len(), 1, "{step}");
            assert_eq!(stage.orders_with_a_certificate(), 1, "{step}");
        },
    );
    assert!(killed > 20, "{killed} steps are too few to be all");
}

#[test]
fn a_renewal_killed_at_any_step_issues_one_more() {
    let stage = Stage::new();
    let base = stage.issued_once();
    let first = stage.blog.certificate().unwrap();
    // Another name: the run that sees it issues again.
    let ingress = stage.blog.read("ingress.yaml").replace(
        "        - example.localhost\n",
        "        - example.localhost\n        - www.example.localhost\n",
    );
    stage.blog.write("ingress.yaml", &ingress);
    let killed = stage.killed_at_every_step(
        Some(&base),
        |blog| is_issued(blog, "example-tls") && blog.certificate().as_ref() != Some(&first),
        |stage, step| {
            let chain = Certificate::from_pem(&stage.blog.certificate().unwrap()).unwrap();
            assert!(chain.covers("www.example.localhost"), "{step}");
            assert_eq!(stage.orders_with_a_certificate(), 2, "{step}");
        },
    );
    assert!(killed > 15, "{killed} steps are too few to be all");
}

#[test]
fn a_change_of_the_account_key_killed_at_any_step_leaves_the_account_with_one_of_its_keys() {
    let stage = Stage::new();
    let base = stage.issued_once();
    let before = stage.blog.secret("local-ca-account", "tls.key").unwrap();
    let issuer = stage.blog.read("issuer.yaml").replace(
        "  name: local-ca\n",
        "  name: local-ca\n  annotations:\n    jamul.dev/account-key-rollover: \"1\"\n",
    );
    stage.blog.write("issuer.yaml", &issuer);
    // Somebody has to sign with the key afterwards.
    stage.blog.write(
        "other.yaml",
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: other}\nspec:\n  secretName: other\n  \
         dnsNames: [other.localhost]\n  issuerRef: {name: local-ca}\n",
    );
    let changed = |blog: &Blog| blog.secret("local-ca-account", "tls.key").is_some_and(|key| key != before);
    let killed = stage.killed_at_every_step(
        Some(&base),
        |blog| changed(blog) && is_issued(blog, "other"),
        |stage, step| {
            assert_eq!(stage.records("account").len(), 1, "{step}");
            assert_eq!(stage.orders_with_a_certificate(), 2, "{step}");
            assert_eq!(stage.blog.secret("local-ca-account", "tls.key.next"), None, "{step}");
        },
    );
    assert!(killed > 15, "{killed} steps are too few to be all");
}

const REQUESTS: &str = "certificaterequests.cert-manager.io";
const ORDERS: &str = "orders.acme.cert-manager.io";

/// Whether a Certificate is ready, with a key in its Secret that fits.
fn is_issued(blog: &Blog, name: &str) -> bool {
    let (Some(chain), Some(key)) = (blog.secret(name, "tls.crt"), blog.secret(name, "tls.key")) else {
        return false;
    };
    let file = blog.state().join(format!("objects/certificates.cert-manager.io/default/{name}.yaml"));
    let Ok(text) = fs::read_to_string(file) else { return false };
    let object: Value = serde_saphyr::from_str(&text).unwrap();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let holds = |kind: &str, status: &str| {
        conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == status)
    };
    let fits = || {
        let key = PrivateKey::from_pem(&key).unwrap();
        key.public_key() == *Certificate::from_pem(&chain).unwrap().public_key()
    };
    holds("Ready", "True") && !holds("Issuing", "True") && fits()
}

/// One folder on the same ports for all runs, and the library that kills.
struct Stage {
    blog: Blog,
    dir: TempDir,
    killer: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let killer = dir.path().join("kill_at.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/kill_at.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&killer).arg(source);
        let (status, output) = Process::start(compiler).end(PATIENCE);
        assert!(status.success(), "{output}");
        let blog = Blog::new(None);
        // Made in no time.
        let ingress = blog.read("ingress.yaml").replace(
            "  annotations:\n",
            "  annotations:\n    cert-manager.io/private-key-algorithm: ECDSA\n",
        );
        blog.write("ingress.yaml", &ingress);
        Self { blog, dir, killer }
    }

    fn command(&self) -> Command {
        self.blog.command(&["--acme-ca", &self.blog.ca.to_string()])
    }

    /// The state after a first certificate, to begin from.
    fn issued_once(&self) -> PathBuf {
        let mut run = Process::start(self.command());
        run.until("a certificate", || is_issued(&self.blog, "example-tls").then_some(()));
        run.terminate();
        run.end(PATIENCE);
        let base = self.dir.path().join("base");
        copy(&self.blog.state(), &base);
        base
    }

    /// Runs from `base` (nothing, if `None`), killed before its first change, before its second and so on; each time
    /// another run goes on until `done`, and `judge` looks. Yields how many steps there were.
    fn killed_at_every_step(
        &self,
        base: Option<&Path>,
        done: impl Fn(&Blog) -> bool,
        judge: impl Fn(&Self, &str),
    ) -> usize {
        for step in 1.. {
            let _nothing_there = fs::remove_dir_all(self.blog.state());
            if let Some(base) = base {
                copy(base, &self.blog.state());
            }
            let mut command = self.command();
            command.env("LD_PRELOAD", &self.killer).env("KILL_AT", step.to_string());
            let run = Process::start(command);
            let was_killed = run.ends_before(LONG, || done(&self.blog));
            let story = format!("step {step}: {}", run.output().lines().last().unwrap_or_default());
            if !was_killed {
                run.terminate();
                let (status, output) = run.end(PATIENCE);
                // What it does while it ends are steps, too.
                if status.success() {
                    judge(self, "without a kill");
                    return step - 1;
                }
                assert!(output.contains("killed before"), "{output}");
            }
            let mut again = Process::start(self.command());
            again.until_within(LONG, &story, || done(&self.blog).then_some(()));
            judge(self, &story);
        }
        unreachable!("a run has an end")
    }

    /// The last record of each object of a kind in the journal of the CA.
    fn records(&self, kind: &str) -> BTreeSet<String> {
        let journal = fs::read_to_string(self.blog.state().join("acme-ca/journal.jsonl")).unwrap();
        let lines = journal.lines().skip(1).map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap());
        let records = lines.flatten().filter_map(|mut record| Some(record.get_mut(kind)?.take()));
        records.map(|record| record["id"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// How many orders the CA issued a certificate for; no serial number stands in two of them.
    fn orders_with_a_certificate(&self) -> usize {
        let journal = fs::read_to_string(self.blog.state().join("acme-ca/journal.jsonl")).unwrap();
        let lines = journal.lines().skip(1).map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap());
        let issued: Vec<Value> =
            lines.flatten().filter_map(|record| record.get("certificate").cloned()).collect();
        let texts = |field: &str| -> BTreeSet<String> {
            issued.iter().map(|record| record[field].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(texts("order").len(), texts("serial").len(), "a serial number stands twice");
        texts("order").len()
    }
}

fn copy(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    command.arg("-a").arg(from).arg(to);
    let (status, output) = Process::start(command).end(PATIENCE);
    assert!(status.success(), "{output}");
}

/// For a run on a busy machine.
const LONG: Duration = Duration::from_secs(60);
