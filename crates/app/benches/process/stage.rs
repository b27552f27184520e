//! An origin and, one for each contender, a proxy in front of it: one worker each, configured alike.
//!
//! Alike means: keep-alive on both sides, the headers that ingress-nginx sets, a request id, an access log to a
//! file, HSTS over TLS; TLS 1.2 and 1.3 with one ECDSA P-256 certificate. What only makes a peer slower is left
//! away (ingress-nginx's 4 kB TLS records, closing a connection after 1,000 requests).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::folder;
use crate::http::{free_addresses, until_answered};
use crate::process::Process;
use crate::proxies::{Ports, jamul, nginx, peer};

/// The name that all contenders serve; tools resolve it everywhere.
pub(crate) const HOST: &str = "localhost";
/// What the origin serves, by path: name and length.
pub(crate) const FILES: [(&str, usize); 3] = [("100B", 100), ("10kB", 10_000), ("1MB", 1_000_000)];

/// A proxy that takes part.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
}

/// Everything that runs, and the folder it runs in.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Ours first, then nginx, then whoever else is there.
    pub(crate) contenders: Vec<Contender>,
    _origin: Process,
    _dir: TempDir,
}

impl Stage {
    /// Starts the origin and all contenders whose programs are there, and waits until they answer.
    pub(crate) fn open() -> Result<Self> {
        let dir = TempDir::new()?;
        let program = peer("JAMUL_NGINX", "nginx").context("the origin is nginx: it must be there")?;
        let [origin] = free_addresses()?;
        let process = start_origin(&program, &dir.path().join("origin"), origin)?;
        let pair = Pair::make(dir.path())?;
        let mut contenders = vec![ours(dir.path(), origin, &pair)?];
        for (variable, name, start) in PEERS {
            let Some(program) = peer(variable, name) else { continue };
            let folder = dir.path().join(name);
            fs::create_dir(&folder)?;
            let [http, https] = free_addresses()?;
            let seat = Seat { folder: &folder, http, https, origin, pair: &pair };
            contenders.push(Contender { name, process: start(&program, &seat)?, http, https });
        }
        for contender in &contenders {
            until_answered(contender.http, HOST, "/100B", "HTTP/1.1 200")
                .with_context(|| contender.name.to_owned())?;
        }
        Ok(Self { contenders, _origin: process, _dir: dir })
    }
}

/// Starts a peer in its seat.
type Start = fn(&Path, &Seat<'_>) -> Result<Process>;

const PEERS: [(&str, &str, Start); 3] = [
    ("JAMUL_NGINX", "nginx", start_nginx),
    ("JAMUL_HAPROXY", "haproxy", start_haproxy),
    ("JAMUL_CADDY", "caddy", start_caddy),
];

/// Where a peer runs.
struct Seat<'a> {
    folder: &'a Path,
    http: SocketAddr,
    https: SocketAddr,
    origin: SocketAddr,
    pair: &'a Pair,
}

/// A certificate for [`HOST`] and its key.
struct Pair {
    certificate: String,
    key: String,
    certificate_file: PathBuf,
    key_file: PathBuf,
    /// Both in one file, as HAProxy wants them.
    both_file: PathBuf,
}

impl Pair {
    fn make(dir: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let [certificate_file, key_file, both_file] =
            ["tls.crt", "tls.key", "tls.pem"].map(|name| dir.join(name));
        fs::write(&certificate_file, &certificate)?;
        fs::write(&key_file, &key)?;
        fs::write(&both_file, format!("{certificate}{key}"))?;
        Ok(Self { certificate, key, certificate_file, key_file, both_file })
    }
}

fn start_origin(program: &Path, folder: &Path, address: SocketAddr) -> Result<Process> {
    fs::create_dir_all(folder.join("files"))?;
    for (name, length) in FILES {
        fs::write(folder.join("files").join(name), vec![b'x'; length])?;
    }
    let configuration = format!(
        "daemon off; worker_processes 1; pid nginx.pid; user root;
events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 600s;
  open_file_cache max=100;
  server {{ listen {address} backlog=4096; root files; }}
}}
"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    nginx(program, folder, &file)
}

fn ours(dir: &Path, origin: SocketAddr, pair: &Pair) -> Result<Contender> {
    let (manifests, state) = (dir.join("manifests"), dir.join("state"));
    fs::create_dir(&manifests)?;
    let indented = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{ name: tls }}\nstringData:\n  \
         tls.crt: |\n{}  tls.key: |\n{}",
        indented(&pair.certificate),
        indented(&pair.key)
    );
    fs::write(manifests.join("secret.yaml"), secret)?;
    let annotation = "nginx.ingress.kubernetes.io/ssl-redirect: \"false\"";
    let app = folder::app(0, origin, "/", annotation)
        .replace(&folder::host(0), HOST)
        .replace("spec:\n  rules:", "spec:\n  tls: [{ hosts: [localhost], secretName: tls }]\n  rules:");
    fs::write(manifests.join("app.yaml"), app)?;
    let [http, https, healthz] = free_addresses()?;
    // As many requests on a connection as nginx is told to allow here.
    let settings = "apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: default }
data: { keep-alive-requests: \"100000000\" }
";
    fs::write(manifests.join("settings.yaml"), settings)?;
    let more = ["--workers", "1", "--configmap", "default/settings"];
    let process = jamul(&manifests, &state, Ports { http, https, healthz }, &more)?;
    until_answered(healthz, "localhost", "/readyz", "HTTP/1.1 200")?;
    Ok(Contender { name: "jamul", process, http, https })
}

/// As ingress-nginx configures a location, without its Lua.
fn start_nginx(program: &Path, seat: &Seat<'_>) -> Result<Process> {
    let Seat { folder, http, https, origin, pair } = seat;
    let (certificate, key) = (pair.certificate_file.display(), pair.key_file.display());
    let configuration = format!(
        r#"daemon off; worker_processes 1; pid nginx.pid; user root; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; multi_accept on; }}
http {{
  log_format upstreaminfo '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_length $request_time [$host] [] $upstream_addr '
    '$upstream_response_length $upstream_response_time $upstream_status $request_id';
  access_log access.log upstreaminfo;
  sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 75s; server_tokens off;
  client_header_buffer_size 1k; large_client_header_buffers 4 8k; client_max_body_size 1m;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:SSL:10m; ssl_session_tickets on;
  upstream origin {{
    server {origin} max_fails=0; keepalive 320; keepalive_requests 100000000; keepalive_timeout 60s;
  }}
  server {{ listen {http} default_server backlog=4096; listen {https} default_server ssl http2 backlog=4096;
    ssl_certificate {certificate}; ssl_certificate_key {key}; return 404; }}
  server {{
    listen {http}; listen {https} ssl http2; server_name localhost;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{
      set $sts ""; if ($scheme = https) {{ set $sts "max-age=31536000; includeSubDomains"; }}
      add_header Strict-Transport-Security $sts always;
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Request-ID $request_id;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme;
      proxy_set_header X-Scheme $scheme;
      proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
      proxy_set_header Proxy "";
      proxy_connect_timeout 5s; proxy_send_timeout 60s; proxy_read_timeout 60s;
      proxy_max_temp_file_size 0; proxy_next_upstream error timeout;
      proxy_pass http://origin;
    }}
  }}
}}
"#
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    nginx(program, folder, &file)
}

fn start_haproxy(program: &Path, seat: &Seat<'_>) -> Result<Process> {
    let Seat { folder, http, https, origin, pair } = seat;
    let both = pair.both_file.display();
    let configuration = format!(
        "global
  nbthread 1
  maxconn 8000
  log stdout format raw local0
  tune.ssl.default-dh-param 2048
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout http-request 60s
frontend in
  bind {http}
  bind {https} ssl crt {both} alpn h2,http/1.1
  unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-ID
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-response set-header Strict-Transport-Security max-age=31536000 if {{ ssl_fc }}
  use_backend origin if {{ hdr(host),field(1,:) -i localhost }}
  http-request return status 404 if !{{ hdr(host),field(1,:) -i localhost }}
backend origin
  server origin {origin} pool-max-conn 320
"
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, configuration)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&file);
    Process::start(command, &folder.join("haproxy.log"))
}

fn start_caddy(program: &Path, seat: &Seat<'_>) -> Result<Process> {
    let Seat { folder, http, https, origin, pair } = seat;
    let (certificate, key) = (pair.certificate_file.display(), pair.key_file.display());
    let configuration = format!(
        "{{
  admin off
  auto_https off
  persist_config off
  http_port {}
  https_port {}
}}
(site) {{
  log {{
    output file access.log
  }}
  reverse_proxy {origin} {{
    header_up X-Request-ID {{http.request.uuid}}
    header_up X-Real-IP {{remote_host}}
    transport http {{
      keepalive_idle_conns 320
      keepalive_idle_conns_per_host 320
    }}
  }}
}}
http://localhost:{} {{
  bind 127.0.0.1
  import site
}}
https://localhost:{} {{
  bind 127.0.0.1
  tls {certificate} {key}
  header Strict-Transport-Security max-age=31536000
  import site
}}
",
        http.port(),
        https.port(),
        http.port(),
        https.port()
    );
    let file = folder.join("Caddyfile");
    fs::write(&file, configuration)?;
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(&file).arg("--adapter").arg("caddyfile").current_dir(folder);
    // One worker, as the others; and no folder of the user is written to.
    command.env_clear().env("GOMAXPROCS", "1").env("HOME", folder).env("XDG_DATA_HOME", folder);
    Process::start(command, &folder.join("caddy.log"))
}
