//! What a story on a cluster needs: the lab's scripts, a CA in its network, a namespace with an upstream.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jamul_api::core::ByteString;
use tempfile::TempDir;

use crate::e2e::stage::{Process, peer};

/// A running lab.
pub(crate) struct Lab {
    scripts: PathBuf,
    run: PathBuf,
    /// Ended with it, if it is the test's own.
    own: Option<(TempDir, MutexGuard<'static, ()>)>,
}

/// A machine has room for one more at a time.
static OWN: Mutex<()> = Mutex::new(());

impl Lab {
    /// The one of this run of all tests; `None` where there is none, which on CI is a failure.
    pub(crate) fn shared() -> Option<Self> {
        let lab = Self { scripts: peer("JAMUL_LAB")?, run: peer("JAMUL_LAB_RUN")?, own: None };
        lab.prepare();
        Some(lab)
    }

    /// One that this test may break.
    pub(crate) fn own() -> Option<Self> {
        let scripts = peer("JAMUL_LAB")?;
        let turn = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = TempDir::new().unwrap();
        let lab = Self { scripts, run: dir.path().to_owned(), own: Some((dir, turn)) };
        lab.script("up", &["api"]);
        lab.prepare();
        Some(lab)
    }

    fn prepare(&self) {
        let crds = Command::new(env!("CARGO_BIN_EXE_jamul")).arg("crds").output().unwrap();
        let class = "---\n{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, \
                     spec: {controller: k8s.io/ingress-nginx}}\n";
        let text = format!("{}\n{class}", String::from_utf8(crds.stdout).unwrap());
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &text);
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"], "");
    }

    pub(crate) fn script(&self, name: &str, arguments: &[&str]) {
        let mut command = Command::new(self.scripts.join(name));
        let status = command.args(arguments).env("JAMUL_LAB_RUN", &self.run).status().unwrap();
        assert!(status.success(), "{name} {arguments:?}");
    }

    /// Stops a program of the lab where it stands, or lets it go on.
    pub(crate) fn signal(&self, program: &str, signal: &str) {
        // Each lab has its own folder in the arguments of its programs.
        let pattern = format!("^{program} .*{}", self.run.display());
        let found = Command::new("pgrep").args(["-f", &pattern]).output().unwrap();
        let pid = String::from_utf8(found.stdout).unwrap();
        let status = Command::new("kill").args(["-s", signal, pid.trim()]).status().unwrap();
        assert!(status.success(), "{program} {signal} {pid:?}");
    }

    /// A program in the lab's network.
    pub(crate) fn inside(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.scripts.join("in-net"));
        command.args(arguments).env("JAMUL_LAB_RUN", &self.run);
        command
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let (output, said) = self.try_kubectl(arguments, input);
        output.unwrap_or_else(|| panic!("kubectl {arguments:?}: {said}"))
    }

    /// What it prints, unless it fails; and what it says beside that.
    pub(crate) fn try_kubectl(&self, arguments: &[&str], input: &str) -> (Option<String>, String) {
        let mut command = self.inside(&["kubectl"]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.success().then(|| String::from_utf8(output.stdout).unwrap()), said)
    }

    /// Body and status of an answer; no status when there was none.
    fn curl(&self, arguments: &[&str]) -> (u16, String) {
        let curl = ["--outside", "curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}"];
        let output = self.inside(&curl).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        (status.parse().unwrap_or(0), body.to_owned())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.own.is_some() {
            self.script("down", &[]);
        }
    }
}

/// Pebble in the lab's network, and the DNS that it asks.
pub(crate) struct Ca {
    dir: TempDir,
    directory: String,
    bundle: String,
    _processes: [Process; 2],
}

impl Ca {
    /// Listens on `address`; every name leads to `site`; looks after up to `slowness` seconds.
    pub(crate) fn start(lab: &Lab, address: &str, site: &str, slowness: u32) -> Option<Self> {
        let (pebble, dns) = (peer("JAMUL_PEBBLE")?, peer("JAMUL_CHALLTESTSRV")?);
        let dir = TempDir::new().unwrap();
        let own = rcgen::generate_simple_self_signed([address.to_owned()]).unwrap();
        let file = |name: &str| dir.path().join(name);
        fs::write(file("cert.pem"), own.cert.pem()).unwrap();
        fs::write(file("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let settings = serde_json::json!({"pebble": {
            "listenAddress": format!("{address}:14000"), "managementListenAddress": format!("{address}:15000"),
            "certificate": file("cert.pem"), "privateKey": file("key.pem"), "httpPort": 80, "tlsPort": 443,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "retryAfter": {"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
        }});
        fs::write(file("config"), settings.to_string()).unwrap();
        let resolver = format!("{address}:8053");
        let mut command = lab.inside(&[dns.to_str().unwrap(), "-dnsserver", &resolver]);
        command.args(["-management", &format!("{address}:8055"), "-defaultIPv4", site, "-defaultIPv6", ""]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]);
        let dns = Process::start(command);
        let mut command = lab.inside(&[pebble.to_str().unwrap(), "-dnsserver", &resolver]);
        command.arg("-config").arg(file("config"));
        match slowness {
            0 => command.env("PEBBLE_VA_NOSLEEP", "1"),
            seconds => command.env("PEBBLE_VA_SLEEPTIME", seconds.to_string()),
        };
        let mut pebble = Process::start(command);
        let (trusted, roots) = (file("cert.pem"), format!("https://{address}:15000/roots/0"));
        let root = pebble.until("Pebble's root", || {
            let (status, root) = lab.curl(&["--cacert", trusted.to_str().unwrap(), &roots]);
            (status == 200).then_some(root)
        });
        fs::write(file("root.pem"), root).unwrap();
        let bundle = serde_json::to_value(ByteString(own.cert.pem().into_bytes())).unwrap().to_string();
        Some(Self {
            dir,
            directory: format!("https://{address}:14000/dir"),
            bundle,
            _processes: [dns, pebble],
        })
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }
}

/// A namespace and the name that it serves.
pub(crate) struct Site<'a> {
    lab: &'a Lab,
    namespace: String,
    host: String,
}

impl<'a> Site<'a> {
    /// An empty namespace of that name.
    pub(crate) fn new(lab: &'a Lab, namespace: &str, host: &str) -> Self {
        lab.kubectl(&["delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s"], "");
        lab.kubectl(&["create", "namespace", namespace], "");
        Self { lab, namespace: namespace.to_owned(), host: host.to_owned() }
    }

    /// An HTTP server in the lab's network, and a Service that leads to it.
    pub(crate) fn upstream(&self, address: &str) -> Process {
        let mut command = self.lab.inside(&["echo-server"]);
        command.env("LISTEN", address);
        let (ip, _) = address.split_once(':').unwrap();
        let text = example("service.yaml").replace("127.0.0.1", ip);
        self.apply(&text);
        Process::start(command)
    }

    /// The rest of `examples/blog`, for this name and CA.
    pub(crate) fn apply_blog(&self, ca: &Ca) {
        let issuer = example("issuer.yaml").replace("https://127.0.0.1:14000/directory", &ca.directory);
        self.apply(&issuer.replace("    email:", &format!("    caBundle: {}\n    email:", ca.bundle)));
        self.apply(&example("ingress.yaml").replace("example.localhost", &self.host));
    }

    /// The Ingress of `examples/blog` without what asks for a certificate.
    pub(crate) fn apply_routes(&self) {
        let text = example("ingress.yaml").replace("example.localhost", &self.host);
        let (head, rest) = text.split_once("  tls:").unwrap();
        let (_, rules) = rest.split_once("  rules:").unwrap();
        self.apply(&format!("{head}  rules:{rules}"));
    }

    /// A command of ours with the kubeconfig of the lab: exit code, and what it prints.
    pub(crate) fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let state = TempDir::new().unwrap();
        let mut command = self.lab.inside(&[env!("CARGO_BIN_EXE_jamul")]);
        let output = command.args(arguments).env("XDG_STATE_HOME", state.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &said)
    }

    /// A replica, on the http and https ports of `address`.
    pub(crate) fn run(&self, name: &str, address: &str, more: &[&str]) -> Process {
        self.run_everywhere(name, address, &[more, &["--watch-namespace", &self.namespace]].concat())
    }

    /// The same for all namespaces.
    pub(crate) fn run_everywhere(&self, name: &str, address: &str, more: &[&str]) -> Process {
        let binary = env!("CARGO_BIN_EXE_jamul");
        let mut command = self.lab.inside(&[binary, "run", "--bind-address", address]);
        command.args(["--leader-election-namespace", &self.namespace]);
        command.args(more).env("POD_NAME", name).env("POD_NAMESPACE", &self.namespace);
        Process::start(command)
    }

    pub(crate) fn apply(&self, text: &str) {
        self.kubectl(&["apply", "-f", "-"], text);
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let arguments: Vec<&str> =
            ["--namespace", &self.namespace].iter().chain(arguments).copied().collect();
        self.lab.kubectl(&arguments, input)
    }

    /// A path of all objects of a kind.
    pub(crate) fn get(&self, kind: &str, path: &str) -> String {
        self.kubectl(&["get", kind, "-o", &format!("jsonpath={path}")], "")
    }

    /// Who leads.
    pub(crate) fn holder(&self) -> String {
        let ours = "@.metadata.name==\"ingress-controller-leader\"";
        self.get("leases", &format!("{{.items[?({ours})].spec.holderIdentity}}"))
    }

    /// The address in the status of the Ingress.
    pub(crate) fn status(&self) -> String {
        self.get("ingress", "{.items[*].status.loadBalancer.ingress[*].ip}")
    }

    /// The body of an answer over https, believed by whoever trusts the CA only.
    pub(crate) fn answer(&self, address: &str, ca: &Ca) -> Option<String> {
        let resolve = format!("{}:443:{address}", self.host);
        let url = format!("https://{}/", self.host);
        let root = ca.root();
        let (status, body) = self.lab.curl(&["--resolve", &resolve, "--cacert", path(&root), &url]);
        (status == 200).then_some(body)
    }

    /// The body of an answer over plain http.
    pub(crate) fn plain_answer(&self, address: &str, path: &str) -> Option<String> {
        let host = format!("host: {}", self.host);
        let (status, body) = self.lab.curl(&["--header", &host, &format!("http://{address}{path}")]);
        (status == 200).then_some(body)
    }

    /// What a replica's admin port answers.
    pub(crate) fn admin(&self, address: &str, path: &str) -> String {
        self.lab.curl(&[&format!("http://{address}:10254{path}")]).1
    }

    pub(crate) fn is_ready(&self, address: &str) -> Option<()> {
        (self.lab.curl(&[&format!("http://{address}:10254/readyz")]).0 == 200).then_some(())
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/blog").join(name)).unwrap()
}
