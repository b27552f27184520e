//! Start to ready, a changed file to live, memory at rest, SIGTERM to the end; 100 Ingresses.
//!
//! nginx beside us serves the same hosts from a configuration of its own; what it does not do (read objects,
//! translate them, keep a state) we do within our time.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use tempfile::TempDir;

use crate::figures::{Aim, milliseconds, print};
use crate::folder::{REDIRECT, app, host, replace, write_apps};
use crate::http::{free_addresses, until_answered};
use crate::proxies::{Ports, jamul, nginx, peer};

const INGRESSES: usize = 100;
const ROUNDS: usize = 9;
/// What rests has nothing to do any more.
const REST: Duration = Duration::from_millis(500);
/// The file that changes while it is served.
const CHANGED: &str = "app-7.yaml";

/// How an answer to a redirected request begins.
const REDIRECTED: &str = "HTTP/1.1 308";

/// What the rounds measured, each in milliseconds but memory in MiB.
#[derive(Debug, Default)]
struct Figures {
    first: Vec<f64>,
    again: Vec<f64>,
    changed: Vec<f64>,
    memory: Vec<f64>,
    end: Vec<f64>,
}

pub(crate) fn run() -> Result<()> {
    let nginx = peer("JAMUL_NGINX", "nginx");
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    for round in 0..ROUNDS {
        measure_ours(&mut ours, round)?;
        if let Some(nginx) = &nginx {
            measure_nginx(nginx, &mut theirs, round)?;
        }
    }
    print(format!("first start to ready, {INGRESSES} Ingresses"), "ms", &ours.first, Aim::Below(100.0));
    print("  start again on the state of before", "ms", &ours.again, Aim::Below(100.0));
    print("  nginx: start to the first answer", "ms", &theirs.first, Aim::None);
    print("changed file to live", "ms", &ours.changed, Aim::Below(50.0));
    print("  nginx: changed configuration, reload, to live", "ms", &theirs.changed, Aim::None);
    print("resident at rest, 2 workers", "MiB", &ours.memory, Aim::Below(40.0));
    print("  nginx: master and 2 workers", "MiB", &theirs.memory, Aim::None);
    print("SIGTERM to the end", "ms", &ours.end, Aim::None);
    print("  nginx", "ms", &theirs.end, Aim::None);
    Ok(())
}

fn measure_ours(figures: &mut Figures, round: usize) -> Result<()> {
    let dir = TempDir::new()?;
    let (manifests, state) = (dir.path().join("manifests"), dir.path().join("state"));
    let [http, https, healthz, endpoint] = free_addresses()?;
    let ports = Ports { http, https, healthz };
    write_apps(&manifests, INGRESSES, endpoint)?;

    let start = Instant::now();
    let process = jamul(&manifests, &state, ports, &["--workers", "2"])?;
    until_answered(healthz, "localhost", "/readyz", "HTTP/1.1 200")?;
    figures.first.push(milliseconds(start.elapsed()));
    figures.end.push(milliseconds(process.stop()?));

    let start = Instant::now();
    let process = jamul(&manifests, &state, ports, &["--workers", "2"])?;
    until_answered(healthz, "localhost", "/readyz", "HTTP/1.1 200")?;
    figures.again.push(milliseconds(start.elapsed()));
    sleep(REST);
    figures.memory.push(process.memory()?);

    let path = format!("/{round}");
    replace(&manifests.join(CHANGED), &app(7, endpoint, &path, REDIRECT))?;
    let took = until_answered(http, &host(7), &path, REDIRECTED)?;
    figures.changed.push(milliseconds(took));
    figures.end.push(milliseconds(process.stop()?));
    Ok(())
}

fn measure_nginx(program: &Path, figures: &mut Figures, round: usize) -> Result<()> {
    let dir = TempDir::new()?;
    let [http] = free_addresses()?;
    let file = dir.path().join("nginx.conf");
    fs::write(&file, configuration(http, "first"))?;

    let start = Instant::now();
    let process = nginx(program, dir.path(), &file)?;
    until_answered(http, &host(7), "/first", REDIRECTED)?;
    figures.first.push(milliseconds(start.elapsed()));
    sleep(REST);
    figures.memory.push(process.memory()?);

    replace(&file, &configuration(http, &round.to_string()))?;
    let start = Instant::now();
    process.signal("HUP")?;
    until_answered(http, &host(7), &format!("/{round}"), REDIRECTED)?;
    figures.changed.push(milliseconds(start.elapsed()));
    figures.end.push(milliseconds(process.stop()?));
    Ok(())
}

/// The same hosts; each redirects what is below the path of its version.
fn configuration(http: SocketAddr, version: &str) -> String {
    let mut text = String::from(
        "daemon off; worker_processes 2; pid nginx.pid;\nevents { worker_connections 4096; }\nhttp {\n  \
         access_log access.log;\n  server_names_hash_bucket_size 128;\n",
    );
    for number in 0..INGRESSES {
        let host = host(number);
        let _infallible = writeln!(
            text,
            "  server {{ listen {http}; server_name {host}; \
             location /{version} {{ return 308 https://$host$request_uri; }} }}"
        );
    }
    text.push_str("}\n");
    text
}
