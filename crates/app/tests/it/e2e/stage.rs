//! What a story needs around it: free ports, processes that end with the test, an upstream, the blog's folder.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jamul_api::core::Secret;
use tempfile::TempDir;

/// No wait of a story is longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often a condition is looked at when nothing is heard.
const LOOK_AGAIN: Duration = Duration::from_millis(30);

/// `N` addresses on loopback that nobody listens on.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All are held until all are known, so that no two are the same.
    let held = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}

/// Whether somebody accepts connections on `address`.
pub(crate) fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// A program of another project, by the variable that xtask sets. `None` where it is not installed, which on CI
/// is a failure.
pub(crate) fn peer(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{variable} is not set; run the tests by `cargo xtask test`"
        );
        eprintln!("not run: {variable} is not set; `cargo xtask test` sets it");
    }
    found
}

/// A started program, with all that it wrote. Killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    news: Receiver<()>,
}

impl Process {
    /// Starts `jamul` with `arguments` and nothing of it in the environment.
    pub(crate) fn jamul<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jamul"));
        command.args(arguments).env_clear();
        Self::start(command)
    }

    /// Starts `command` with its output captured.
    pub(crate) fn start(mut command: Command) -> Self {
        let name = Path::new(command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("could not start {name}: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let (heard, news) = sync_channel(1);
        collect(child.stdout.take().unwrap(), Arc::clone(&output), heard.clone());
        collect(child.stderr.take().unwrap(), Arc::clone(&output), heard);
        Self { name, child, output, news }
    }

    /// What it wrote so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at `condition` until it yields something; fails after [`PATIENCE`], or when the program has ended.
    pub(crate) fn until<T>(&mut self, what: &str, condition: impl FnMut() -> Option<T>) -> T {
        self.until_within(PATIENCE, what, condition)
    }

    /// The same with another limit.
    pub(crate) fn until_within<T>(
        &mut self,
        within: Duration,
        what: &str,
        mut condition: impl FnMut() -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = condition() {
                return found;
            }
            let ended = matches!(self.news.recv_timeout(LOOK_AGAIN), Err(RecvTimeoutError::Disconnected));
            assert!(
                !ended && Instant::now() < deadline,
                "{} {} before {what}; it wrote:\n{}",
                self.name,
                if ended { "ended" } else { "took too long" },
                self.output()
            );
        }
    }

    /// Waits until what it wrote is `enough`; yields it.
    pub(crate) fn hears(&mut self, what: &str, mut enough: impl FnMut(&str) -> bool) -> String {
        let output = Arc::clone(&self.output);
        self.until(what, || {
            let text = output.lock().unwrap_or_else(PoisonError::into_inner).clone();
            enough(&text).then_some(text)
        })
    }

    /// Its process identifier.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends, or `condition` holds: whether it ended.
    pub(crate) fn ends_before(&self, within: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + within;
        loop {
            if matches!(self.news.recv_timeout(LOOK_AGAIN), Err(RecvTimeoutError::Disconnected)) {
                return true;
            }
            if condition() {
                return false;
            }
            assert!(Instant::now() < deadline, "{} took too long; it wrote:\n{}", self.name, self.output());
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; yields the exit status and all that was written.
    pub(crate) fn end(mut self, within: Duration) -> (ExitStatus, String) {
        let deadline = Instant::now() + within;
        // Both pipes are closed when the process is gone.
        while !matches!(self.news.recv_timeout(LOOK_AGAIN), Err(RecvTimeoutError::Disconnected)) {
            let is_late = Instant::now() >= deadline;
            assert!(!is_late, "{} did not end within {within:?}; it wrote:\n{}", self.name, self.output());
        }
        (self.child.wait().unwrap(), self.output())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static, output: Arc<Mutex<String>>, heard: SyncSender<()>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
            // Full: news is waiting to be heard already.
            let _heard = heard.try_send(());
        }
    });
}

/// An upstream that greets, once per connection, as long as the test process lives.
pub(crate) fn hello() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _client_is_gone = greet(stream);
        }
    });
    address
}

fn greet(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
}

/// The blog's folder on ports of its own, and the state of a run on it.
pub(crate) struct Blog {
    dir: TempDir,
    state: PathBuf,
    http: SocketAddr,
    https: SocketAddr,
    healthz: SocketAddr,
    /// Where the CA inside listens.
    pub(crate) ca: SocketAddr,
}

impl Blog {
    pub(crate) const HOST: &str = "example.localhost";

    /// A copy of `examples/blog` with the CA at `server` (the one inside, if `None`) and a real upstream.
    pub(crate) fn new(server: Option<&str>) -> Self {
        let [http, https, healthz, ca] = free_addresses();
        let dir = TempDir::new().unwrap();
        let blog = Self { state: dir.path().join("state"), dir, http, https, healthz, ca };
        fs::create_dir(blog.manifests()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/blog");
        let (inside, upstream) = (format!("https://{ca}/directory"), hello().port().to_string());
        for name in ["issuer.yaml", "ingress.yaml", "service.yaml"] {
            let text = fs::read_to_string(source.join(name)).unwrap();
            let text = text
                .replace("https://127.0.0.1:14000/directory", server.unwrap_or(&inside))
                .replace("3000", &upstream);
            blog.write(name, &text);
        }
        blog
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.dir.path().join("manifests")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.state.clone()
    }

    pub(crate) fn share_state_of(&mut self, other: &Self) {
        self.state = other.state();
    }

    pub(crate) fn http_port(&self) -> u16 {
        self.http.port()
    }

    /// Where the admin port is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.healthz
    }

    /// Writes a file of the manifests.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.manifests().join(name), text).unwrap();
    }

    /// The text of a file of the manifests.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.manifests().join(name)).unwrap()
    }

    /// `jamul run` on it, on ports `http`, `https` and `healthz`.
    pub(crate) fn run(&self, more: &[&str]) -> Process {
        Process::start(self.command(more))
    }

    /// The same, to be started.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jamul"));
        command.env_clear().args(["run", "--bind-address", "127.0.0.1"]);
        // Relative, as people write it.
        command
            .current_dir(self.dir.path())
            .args(["--manifests", "manifests"])
            .arg("--state")
            .arg(self.state());
        let ports =
            [("--http-port", self.http), ("--https-port", self.https), ("--healthz-port", self.healthz)];
        for (flag, address) in ports {
            command.arg(flag).arg(address.port().to_string());
        }
        command.args(more);
        command
    }

    /// What `cert status` says that a Certificate waits for.
    pub(crate) fn waits_for(&self, name: &str) -> Option<String> {
        self.status(name).lines().find_map(|line| line.strip_prefix("waits for: ")).map(ToOwned::to_owned)
    }

    fn status(&self, name: &str) -> String {
        let state = self.state();
        let arguments = ["cert", "status", name, "--state", state.to_str().unwrap()];
        Process::jamul(arguments).end(PATIENCE).1
    }

    /// Has `run` issue a Certificate again. An issuance under way would be the one that was asked for, so its end is
    /// waited for: the Secret is there a little earlier.
    pub(crate) fn renew(&self, run: &mut Process, name: &str) {
        run.until("the end of an issuance", || (!self.status(name).contains("Issuing=True")).then_some(()));
        let state = self.state();
        let arguments = ["cert", "renew", name, "--state", state.to_str().unwrap()];
        let (status, output) = Process::jamul(arguments).end(PATIENCE);
        assert!(status.success(), "{output}");
    }

    /// The chain in the Secret that the Ingress names, once it is there.
    pub(crate) fn certificate(&self) -> Option<String> {
        self.secret("example-tls", "tls.crt")
    }

    /// A value of a Secret, once it is there.
    pub(crate) fn secret(&self, name: &str, key: &str) -> Option<String> {
        let file = self.state().join(format!("objects/secrets/default/{name}.yaml"));
        let secret: Secret = serde_saphyr::from_str(&fs::read_to_string(file).ok()?).unwrap();
        Some(String::from_utf8(secret.data?.remove(key)?.0).unwrap())
    }

    /// File names of the objects of `kind` in the state.
    pub(crate) fn objects(&self, kind: &str) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.state().join("objects").join(kind).join("default")) else {
            return Vec::new();
        };
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
        names.sort();
        names
    }

    /// Whether the run says that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.ask("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What a user has to mend, as the run tells it.
    pub(crate) fn diagnostics(&self) -> String {
        self.ask("/api/diagnostics").unwrap_or_default()
    }

    /// The answer of the admin port, with its head.
    pub(crate) fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.healthz, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The URL of `path` over https.
    pub(crate) fn https_url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", Self::HOST, self.https.port())
    }

    /// The URL of `path` over plain http.
    pub(crate) fn http_url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", Self::HOST, self.http.port())
    }

    /// The status and body that a client gets who trusts nobody but the roots in `trusted`; no status if it does
    /// not believe the certificate.
    pub(crate) fn get(&self, url: &str, trusted: &Path) -> (u16, String) {
        let text = self.curl(url, trusted, "\n%{http_code}");
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Fetches until that is answered with 200.
    pub(crate) fn until_served(&self, process: &mut Process, trusted: &Path) -> String {
        process.until("the first answer over https", || {
            let (status, body) = self.get(&self.https_url("/"), trusted);
            (status == 200).then_some(body)
        })
    }

    /// Runs the real curl, without `-k`; yields the body and what `--write-out` asked for.
    pub(crate) fn curl(&self, url: &str, trusted: &Path, write_out: &str) -> String {
        let program = std::env::var_os("JAMUL_CURL").unwrap_or_else(|| "curl".into());
        let mut command = Command::new(program);
        command.args([
            "--silent",
            "--disable",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            "--write-out",
            write_out,
        ]);
        for port in [self.http.port(), self.https.port()] {
            command.arg("--resolve").arg(format!("{}:{port}:127.0.0.1", Self::HOST));
        }
        let output = command.arg("--cacert").arg(trusted).arg(url).output().expect("curl is installed");
        String::from_utf8(output.stdout).unwrap()
    }
}
