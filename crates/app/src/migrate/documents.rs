//! YAML of any kind, document by document.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::get::columns::text;

/// One document of a file.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// The file, and the line it begins at.
    pub(super) source: String,
    /// Or why it cannot be read.
    pub(super) content: Result<Value, String>,
}

impl Document {
    /// `Ingress default/web`, or where it is.
    pub(super) fn object(&self) -> String {
        let Ok(content) = &self.content else { return self.source.clone() };
        let (kind, name) = (text(content, "/kind"), text(content, "/metadata/name"));
        if kind.is_empty() || name.is_empty() {
            return self.source.clone();
        }
        match text(content, "/metadata/namespace") {
            "" if kind.starts_with("Cluster") => format!("{kind} {name}"),
            "" => format!("{kind} default/{name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        }
    }
}

/// All documents of all YAML and JSON files in a folder.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub(super) fn of_folder(folder: &Path) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for file in files(folder, 0)? {
        documents.extend(of_file(&file)?);
    }
    Ok(documents)
}

/// All documents of a file; the items of a List are documents of their own.
///
/// # Errors
/// The file cannot be read.
pub(super) fn of_file(file: &Path) -> anyhow::Result<Vec<Document>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut documents = Vec::new();
    let (mut part, mut begins) = (String::new(), 1);
    for (index, line) in text.lines().chain(["---"]).enumerate() {
        if line.starts_with("---") {
            let source = format!("{}:{begins}", file.display());
            documents.extend(parse(&source, &part));
            part.clear();
            begins = index + 2;
        } else {
            part.push_str(line);
            part.push('\n');
        }
    }
    Ok(documents)
}

/// What on a cluster was made for the two originals, and they themselves.
///
/// # Errors
/// The cluster does not show it.
pub(super) async fn of_cluster(client: &kube::Client) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for (path, kind) in READ_OF_CLUSTER {
        let request = http::Request::get(path).body(Vec::new())?;
        let list = match client.request::<Value>(request).await {
            Ok(list) => list,
            // Without cert-manager's kinds there is nothing of them.
            Err(kube::Error::Api(status)) if status.code == 404 => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot list {path}")),
        };
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        documents.extend(items.map(|item| {
            let mut item = item.clone();
            if let Some(fields) = item.as_object_mut() {
                fields.insert("kind".to_owned(), kind.into());
                let version = list.get("apiVersion").cloned().unwrap_or_default();
                fields.insert("apiVersion".to_owned(), version);
            }
            Document { source: "the cluster".to_owned(), content: Ok(item) }
        }));
    }
    Ok(documents)
}

/// The controller's ConfigMap by the label that its chart gives it.
const READ_OF_CLUSTER: [(&str, &str); 6] = [
    ("/apis/networking.k8s.io/v1/ingresses", "Ingress"),
    ("/apis/cert-manager.io/v1/issuers", "Issuer"),
    ("/apis/cert-manager.io/v1/clusterissuers", "ClusterIssuer"),
    ("/apis/apps/v1/deployments", "Deployment"),
    ("/apis/apps/v1/daemonsets", "DaemonSet"),
    ("/api/v1/configmaps?labelSelector=app.kubernetes.io%2Fname%3Dingress-nginx", "ConfigMap"),
];

/// A values file: one mapping.
///
/// # Errors
/// It cannot be read, or is none.
pub(super) fn of_values(file: &Path) -> anyhow::Result<Document> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let source = file.display().to_string();
    let content: Value = serde_saphyr::from_str(&text).with_context(|| format!("{source}: not YAML"))?;
    if !content.is_object() {
        bail!("{source}: expected a mapping of chart values");
    }
    Ok(Document { source, content: Ok(content) })
}

fn parse(source: &str, text: &str) -> Vec<Document> {
    let is_empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if is_empty {
        return Vec::new();
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let content = serde_saphyr::from_str_with_options::<Value>(text, options);
    let document = |content| Document { source: source.to_owned(), content };
    match content {
        Ok(Value::Null) => Vec::new(),
        Ok(list) if self::text(&list, "/kind").ends_with("List") => {
            let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
            items.map(|item| document(Ok(item.clone()))).collect()
        }
        Ok(content) => vec![document(Ok(content))],
        // Without the parser's words: they quote the file, which may hold a Secret.
        Err(error) => {
            let at = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
            vec![document(Err(format!("not YAML{}", at.unwrap_or_default())))]
        }
    }
}

/// Without hidden ones, ordered.
fn files(folder: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() && depth < DEEPEST {
            found.extend(files(&path, depth + 1)?);
        } else if [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Deeper folders are no manifests, but links in circles.
const DEEPEST: usize = 32;
