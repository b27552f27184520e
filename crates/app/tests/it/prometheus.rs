//! What dashboards made for ingress-nginx ask, asked of a real Prometheus that scrapes a run.
//!
//! Prometheus renames the label `namespace` of a metric to `exported_namespace` where its target has one already, as in
//! a cluster; the dashboards count on that, and so does this.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::e2e::stage::{Blog, PATIENCE, Process, free_addresses, peer};

/// One for each metric, label and function that the dashboards use; `*` stands for their variables' "all".
const QUERIES: &[&str] = &[
    // Controller: reloads, configuration, who there is.
    r#"sum(changes(nginx_ingress_controller_config_last_reload_successful_timestamp_seconds{instance!="unknown",controller_class=~".*",namespace=~".*"}[30s])) by (controller_class)"#,
    r#"avg(irate(nginx_ingress_controller_success{controller_pod=~".*",controller_class=~".*",controller_namespace=~".*"}[1m])) * 60"#,
    r#"count(nginx_ingress_controller_config_last_reload_successful{controller_pod=~".*",controller_namespace=~".*"} == 1)"#,
    r#"count by (controller_namespace, controller_class, controller_pod) (nginx_ingress_controller_config_hash{namespace=~"ingress-nginx"})"#,
    // Requests by Ingress.
    r#"round(sum(irate(nginx_ingress_controller_requests{controller_pod=~".*",controller_class=~".*",controller_namespace=~".*",exported_namespace=~"default",ingress=~"hello"}[2m])) by (ingress), 0.001) > 0"#,
    r#"sum(rate(nginx_ingress_controller_requests{namespace=~"ingress-nginx",exported_namespace="default",status!~"[4-5].*"}[2m])) by (ingress) / sum(rate(nginx_ingress_controller_requests{exported_namespace="default"}[2m])) by (ingress)"#,
    r#"histogram_quantile(0.99, sum(rate(nginx_ingress_controller_request_duration_seconds_bucket{ingress!="",controller_pod=~".*",exported_namespace=~".*"}[2m])) by (le, ingress))"#,
    r#"histogram_quantile(0.5, sum by (le, method, host, path)(rate(nginx_ingress_controller_response_duration_seconds_bucket{ingress=~"hello"}[5m])))"#,
    r#"sum by (method, host, path) (rate(nginx_ingress_controller_request_duration_seconds_count{ingress=~".*",host="example.localhost",path="/",method="GET"}[5m])) > 0"#,
    r#"sum by (method, host, path) (rate(nginx_ingress_controller_response_duration_seconds_sum{ingress=~".*"}[5m]))"#,
    r#"sum(rate(nginx_ingress_controller_request_duration_seconds_count{ingress=~".*",status=~"[4-5].*"}[5m])) by (method, host, path, status)"#,
    r#"sum(irate(nginx_ingress_controller_request_size_sum{controller_namespace=~".*"}[2m])) by (ingress) > 0"#,
    r#"- sum(irate(nginx_ingress_controller_response_size_sum{controller_class=~".*"}[2m])) < 0"#,
    r#"sum(rate(nginx_ingress_controller_response_size_bucket{ingress=~".*"}[5m])) by (le)"#,
    r#"sum(rate(nginx_ingress_controller_connect_duration_seconds_count{service="hello",canary=""}[5m])) > 0"#,
    r#"sum(rate(nginx_ingress_controller_header_duration_seconds_bucket{le="+Inf"}[5m])) > 0"#,
    r#"sum(rate(nginx_ingress_controller_bytes_sent_sum[5m])) > 0"#,
    // The process.
    r#"sum(avg_over_time(nginx_ingress_controller_nginx_process_connections{controller_pod=~".*",state="active"}[2m]))"#,
    r#"avg(nginx_ingress_controller_nginx_process_resident_memory_bytes{controller_namespace=~".*"}) > 1e6"#,
    r#"avg(rate(nginx_ingress_controller_nginx_process_cpu_seconds_total{controller_pod=~".*"}[2m]))"#,
    r#"nginx_ingress_controller_nginx_process_oldest_start_time_seconds <= time()"#,
    // Certificates: the default one is there from the start.
    r#"avg(nginx_ingress_controller_ssl_expire_time_seconds{kubernetes_pod_name=~".*",namespace=~".*",ingress=~".*"}) by (host) - time() > 0"#,
    r#"nginx_ingress_controller_ssl_certificate_info{public_key_algorithm=~"RSA|ECDSA",serial_number=~"[0-9]+"}"#,
];

#[test]
fn dashboards_made_for_ingress_nginx_find_what_they_ask_for() {
    let Some(program) = peer("JAMUL_PROMETHEUS") else { return };
    let blog = Blog::new(None);
    // Plain http is answered, and a body of more than a byte is an error with a status.
    blog.write("issuer.yaml", "");
    let ingress = blog.read("ingress.yaml").replace(
        "annotations:",
        "annotations:\n    nginx.ingress.kubernetes.io/ssl-redirect: \"false\"\n    \
             nginx.ingress.kubernetes.io/proxy-body-size: \"1\"",
    );
    blog.write("ingress.yaml", &ingress);
    let mut run = blog.run(&[]);
    run.until("readiness", || blog.is_ready().then_some(()));
    let dir = TempDir::new().unwrap();
    let [address] = free_addresses();
    let mut prometheus = start(&program, dir.path(), blog.admin(), address);
    for query in QUERIES {
        prometheus.until(query, || {
            request(&blog, "GET", "");
            request(&blog, "POST", "hello");
            ask(address, query)
        });
    }
}

fn start(program: &Path, dir: &Path, target: SocketAddr, address: SocketAddr) -> Process {
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\nscrape_configs:\n  - job_name: jamul\n    \
         static_configs:\n      - targets: ['{target}']\n        labels: {{ namespace: ingress-nginx }}\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={address}"));
    Process::start(command)
}

/// Asks the blog for something; whatever it answers is counted.
fn request(blog: &Blog, method: &str, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", blog.http_port())).unwrap();
    let host = Blog::HOST;
    let length = body.len();
    let head =
        format!("{method} / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close");
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
}

/// The result of an instant query, if it is one and not empty.
fn ask(prometheus: SocketAddr, query: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(prometheus).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let answer: Value = serde_json::from_str(body).ok()?;
    let status = answer.get("status").and_then(Value::as_str);
    assert!(status != Some("error"), "{query}: {answer}");
    let result = answer.get("data")?.get("result")?.as_array()?;
    (!result.is_empty()).then(|| Value::Array(result.clone()))
}
