//! What an exchange costs the worker: on a bare route and on one with twenty annotations, and among 1 to 100,000 hosts.
//! The aims: at most 1.3 times a bare one, and at most 1.05 times one host.
//!
//! Measured is the CPU time of the worker's thread, as the kernel accounts it, over real sockets; client and origin are
//! other threads. Contenders take turns, and medians of the rounds are printed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use jamul_proxy::{Proxy, ProxySettings};
use jamul_routing::annotation::{Lookup, Values};
use jamul_routing::annotations::compile;
use jamul_routing::route::Target;
use jamul_routing::{
    Authorities, Balance, CertEntry, Draft, Endpoint, HostPattern, HostRoutes, Origin, PathMatch, Policy,
    Protocol, Route, RouteId, Snapshot, Upstream, UpstreamId,
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 9;
const REQUESTS: usize = 5_000;

/// What a busy Ingress carries.
const ANNOTATIONS: [(&str, &str); 20] = [
    ("enable-cors", "true"),
    ("cors-allow-origin", "https://app.example"),
    ("cors-allow-methods", "GET, POST"),
    ("cors-max-age", "600"),
    ("limit-rps", "1000000"),
    ("limit-connections", "1000"),
    ("allowlist-source-range", "127.0.0.0/8,10.0.0.0/8"),
    ("denylist-source-range", "192.0.2.0/24"),
    ("proxy-body-size", "8m"),
    ("proxy-connect-timeout", "3"),
    ("proxy-read-timeout", "30"),
    ("proxy-send-timeout", "30"),
    ("proxy-next-upstream", "error timeout http_503"),
    ("proxy-next-upstream-tries", "2"),
    ("upstream-vhost", "app.internal.example"),
    ("proxy-cookie-path", "/one /two"),
    ("proxy-redirect-from", "http://app.internal.example/"),
    ("proxy-redirect-to", "https://app.example/"),
    ("load-balance", "ewma"),
    ("ssl-redirect", "false"),
];

fn main() {
    let origin = origin();
    println!("nanoseconds of the worker's CPU per exchange (median of {ROUNDS} rounds of {REQUESTS})");
    let mut snapshot = Snapshot::default();
    add(&mut snapshot, "bare.example", origin, &[]);
    add(&mut snapshot, "twenty.example", origin, &ANNOTATIONS);
    let [bare, twenty] = measure(&snapshot, ["bare.example", "twenty.example"]);
    println!("  bare route            {bare:>8}");
    println!("  20 annotations        {twenty:>8}  x{:.2}  (aim: 1.30)", twenty as f64 / bare as f64);
    let mut one = None;
    for hosts in [1, 1_000, 10_000, 100_000] {
        let mut snapshot = Snapshot::default();
        for host in 0..hosts {
            add(&mut snapshot, &format!("host-{host}.example"), origin, &[]);
        }
        let last = format!("host-{}.example", hosts - 1);
        let [cost] = measure(&snapshot, [last.as_str()]);
        let one = *one.get_or_insert(cost);
        println!("  {hosts:>7} hosts         {cost:>8}  x{:.2}  (aim: 1.05)", cost as f64 / one as f64);
    }
}

/// Medians for requests to each of `hosts`.
fn measure<const N: usize>(snapshot: &Snapshot, hosts: [&str; N]) -> [u64; N] {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let settings =
        ProxySettings { http: vec![any], workers: 1, access_log: false, ..ProxySettings::default() };
    let proxy =
        Proxy::bind(settings, Arc::new(ArcSwap::from_pointee(snapshot.clone()))).expect("a free port");
    let address = proxy.http_addresses().first().copied().expect("one port");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let serving = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(proxy.run(stop)).expect("a clean end");
    });
    let mut clients = hosts.map(|host| {
        let client = TcpStream::connect(address).expect("a connection");
        client.set_nodelay(true).expect("a socket");
        (
            client,
            format!(
                "GET /a/b?c=d HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\norigin: https://app.example\r\n\r\n"
            ),
        )
    });
    let mut rounds = [const { Vec::new() }; N];
    for _ in 0..=ROUNDS {
        for ((client, request), costs) in clients.iter_mut().zip(&mut rounds) {
            let before = worker_time();
            for _ in 0..REQUESTS {
                exchange(client, request);
            }
            costs.push((worker_time() - before) / REQUESTS as u64);
        }
    }
    drop(clients);
    shutdown.cancel();
    serving.join().expect("a clean end");
    rounds.map(|mut costs| {
        // The first round warms up.
        costs.remove(0);
        costs.sort_unstable();
        costs[costs.len() / 2]
    })
}

/// Nanoseconds that the worker's thread has run.
fn worker_time() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let mut workers = threads
        .map(|thread| thread.path())
        .filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "worker-0"));
    let worker = workers.next().expect("a worker");
    let statistics = fs::read_to_string(worker.join("schedstat")).expect("a number");
    statistics.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a number")
}

fn exchange(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut buffer = [0; 4096];
    let mut length = 0;
    while !buffer[..length].ends_with(BODY) {
        let count = stream.read(&mut buffer[length..]).expect("an answer");
        assert!(count > 0, "{}", String::from_utf8_lossy(&buffer[..length]));
        length += count;
    }
    assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
}

const BODY: &[u8] = b"hello, this is the end";

/// Answers each request on each connection with a cookie and [`BODY`].
fn origin() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let head =
        format!("HTTP/1.1 200 OK\r\nset-cookie: a=b; Path=/one\r\ncontent-length: {}\r\n\r\n", BODY.len());
    let response = [head.as_bytes(), BODY].concat();
    let mut buffer = [0; 4096];
    let mut length = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer[length..]) {
        length += count;
        if buffer[..length].ends_with(b"\r\n\r\n") {
            length = 0;
            if stream.write_all(&response).is_err() {
                return;
            }
        }
    }
}

fn add(snapshot: &mut Snapshot, host: &str, origin: SocketAddr, annotations: &[(&str, &str)]) {
    let written: BTreeMap<String, String> =
        annotations.iter().map(|(key, value)| (format!("p/{key}"), (*value).to_owned())).collect();
    let mut draft = Draft::default();
    let refused = compile(&mut Values::new("p", &written), &mut draft, &Nothing);
    assert!(refused.is_empty(), "{refused:?}");
    let draft = draft.route;
    let id = UpstreamId(format!("default/{host}:80[http]").into());
    let route = Route {
        id: RouteId(format!("{host} Prefix /").into()),
        path: PathMatch::Prefix("/".to_owned()),
        origin: Origin {
            host: host.into(),
            namespace: "default".into(),
            ingress: "web".into(),
            service: "web".into(),
            port: "80".into(),
        },
        filters: draft.early.into_iter().chain(draft.filters).collect(),
        target: Target::Upstream(id.clone()),
        balance: Balance { method: draft.method, session: None },
        alternatives: Vec::new(),
        retry: draft.retry,
        timeouts: draft.timeouts,
        pace: draft.pace,
        mirror: draft.mirror,
        body_limit: draft.body_limit,
        errors: None,
        upstream_tls: None,
    };
    let (endpoints, policy) = (vec![Endpoint::Address(origin)], Policy::default());
    let upstream = Upstream { id: id.clone(), protocol: Protocol::Http, endpoints, policy };
    snapshot.upstreams.insert(id, Arc::new(upstream));
    let pattern = HostPattern::parse(host).expect("a host");
    snapshot.router.insert(pattern, Arc::new(HostRoutes::new(vec![Arc::new(route)], false)));
}

struct Nothing;

impl Lookup for Nothing {
    fn config_map(&self, _name: &str) -> Option<BTreeMap<String, String>> {
        None
    }
    fn secret(&self, _name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        None
    }
    fn controllers_config_map(&self, _name: &str) -> Option<BTreeMap<String, String>> {
        None
    }
    fn authorities(&self, _secret: &str) -> Result<Authorities, String> {
        Err("no Secret at all".to_owned())
    }
    fn key_pair(&self, _secret: &str) -> Result<Option<Arc<CertEntry>>, String> {
        Err("no Secret at all".to_owned())
    }
    fn setting(&self, _key: &str) -> Option<String> {
        None
    }
}
