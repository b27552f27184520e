//! A folder of manifests as a small company has it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

/// The name of the `number`th host.
pub(crate) fn host(number: usize) -> String {
    format!("host-{number}.example.com")
}

/// An Ingress that leads `path` to a Service with one endpoint; with it, these annotations (YAML's flow style).
pub(crate) fn app(number: usize, endpoint: SocketAddr, path: &str, annotations: &str) -> String {
    let (ip, port, host) = (endpoint.ip(), endpoint.port(), host(number));
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: app-{number}, namespace: default, annotations: {{ {annotations} }} }}
spec:
  rules:
    - host: {host}
      http:
        paths:
          - {{ path: {path}, pathType: Prefix, backend: {{ service: {{ name: app-{number}, port: {{ number: 80 }} }} }} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: app-{number}, namespace: default }}
spec: {{ ports: [{{ port: 80 }}] }}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: app-{number}-1, namespace: default, labels: {{ kubernetes.io/service-name: app-{number} }} }}
addressType: IPv4
ports: [{{ port: {port} }}]
endpoints: [{{ addresses: [{ip}] }}]
"
    )
}

/// Writes `count` of them, a file each.
pub(crate) fn write_apps(folder: &Path, count: usize, endpoint: SocketAddr) -> Result<()> {
    fs::create_dir_all(folder)?;
    for number in 0..count {
        fs::write(folder.join(format!("app-{number}.yaml")), app(number, endpoint, "/", ""))?;
    }
    Ok(())
}

/// Lets a route answer by itself, so that no upstream is needed.
pub(crate) const REDIRECT: &str = "nginx.ingress.kubernetes.io/force-ssl-redirect: \"true\"";

/// Writes a file as a careful program does: whole, beside its place, and then renamed.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    Ok(fs::rename(beside, path)?)
}
