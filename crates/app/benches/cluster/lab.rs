//! The API server of the lab, and the binary on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use serde_json::{Value, json};

use crate::process::Process;

/// Where the binary listens.
pub(crate) const ADDRESS: &str = "10.10.0.11";
/// Requests side by side.
const SIDE_BY_SIDE: usize = 50;
/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(600);

/// An API server with our definitions.
pub(crate) struct Lab {
    client: Client,
    logs: tempfile::TempDir,
}

impl Lab {
    pub(crate) async fn open() -> Result<Self> {
        let config = kube::Config::infer().await.context("no KUBECONFIG")?;
        let lab = Self { client: Client::try_from(config)?, logs: tempfile::tempdir()? };
        for definition in jamul_api::crds::crds() {
            let name = definition.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
            lab.apply(&path, &definition).await?;
        }
        let class = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": { "name": "nginx" },
            "spec": { "controller": "k8s.io/ingress-nginx" } });
        lab.apply("/apis/networking.k8s.io/v1/ingressclasses/nginx", &class).await?;
        lab.until("the definitions are served", async || {
            lab.get("/apis/cert-manager.io/v1/certificates").await.is_ok().then_some(())
        })
        .await?;
        Ok(lab)
    }

    /// A new namespace of that name; what was in one before is gone.
    pub(crate) async fn namespace(&self, name: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{name}");
        let _absent = self.send("DELETE", &path, None).await;
        self.until("the old namespace is gone", async || self.get(&path).await.is_err().then_some(()))
            .await?;
        self.create("/api/v1/namespaces", vec![json!({ "metadata": { "name": name } })]).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, None).await
    }

    pub(crate) async fn apply(&self, path: &str, object: &Value) -> Result<Value> {
        self.send("PATCH", &format!("{path}?fieldManager=bench&force=true"), Some(object)).await
    }

    /// All at once, as far as an API server lets.
    pub(crate) async fn create(&self, path: &str, objects: Vec<Value>) -> Result<()> {
        let requests =
            objects.into_iter().map(|object| async move { self.send("POST", path, Some(&object)).await });
        futures_util::stream::iter(requests)
            .buffer_unordered(SIDE_BY_SIDE)
            .try_for_each(async |_| Ok(()))
            .await
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let content_type =
            if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
        let body = body.map(Value::to_string).unwrap_or_default().into_bytes();
        let request = http::Request::builder().method(method).uri(path).header("content-type", content_type);
        self.client.request(request.body(body)?).await.with_context(|| format!("{method} {path}"))
    }

    /// Writes so far, by resource, as the API server counts them.
    pub(crate) async fn writes(&self) -> Result<BTreeMap<String, u64>> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await?;
        let mut writes: BTreeMap<String, u64> = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value)
            };
            let is_write =
                label("verb").is_some_and(|verb| ["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb));
            if let (true, Some(resource)) = (is_write, label("resource")) {
                let count =
                    line.rsplit_once(' ').and_then(|(_, count)| count.parse::<f64>().ok()).unwrap_or(0.0);
                *writes.entry(resource.to_owned()).or_default() += count as u64;
            }
        }
        Ok(writes)
    }

    /// Looks until there is something.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        let began = Instant::now();
        loop {
            if let Some(found) = look().await {
                return Ok(found);
            }
            if began.elapsed() > PATIENCE {
                bail!("gave up waiting: {what}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The binary, on one namespace.
    pub(crate) fn run(&self, namespace: &str) -> Result<Process> {
        let binary = std::env::var_os("JAMUL_BENCH_BINARY").map(PathBuf::from);
        let mut command = Command::new(binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_jamul").into()));
        command.args([
            "run",
            "--bind-address",
            ADDRESS,
            "--disable-leader-election",
            "--watch-namespace",
            namespace,
        ]);
        command.args(["--leader-election-namespace", namespace, "--log-level", "warn"]);
        command.env("POD_NAMESPACE", namespace).env("POD_NAME", "bench");
        Process::start(command, &self.logs.path().join("jamul.log"))
    }
}
