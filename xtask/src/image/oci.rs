//! An image with one layer, in the layout of the OCI image specification 1.1, as one tar archive.

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::USER;
use super::layer::Layer;

/// The name under which an engine loads it, beside the version.
const NAME: &str = "localhost/jamul";

/// The archive; `docker load`, `podman load`, `ctr images import` and `skopeo copy` take it.
pub(super) fn archive(layer: Layer, version: &str) -> Result<Vec<u8>> {
    let mut layout = Layout(Builder::new(Vec::new()));
    layout.file("oci-layout", json!({ "imageLayoutVersion": "1.0.0" }).to_string().as_bytes())?;
    let (plain, compressed) = layer.bytes()?;
    let layer = layout.blob(&compressed, "layer.v1.tar+gzip")?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Entrypoint": ["/jamul"],
            "Cmd": ["run"],
            "ExposedPorts": { "80/tcp": {}, "443/tcp": {}, "8443/tcp": {}, "10254/tcp": {} },
            "Labels": {
                "org.opencontainers.image.title": "jamul",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(&plain)] },
    });
    let config = layout.blob(config.to_string().as_bytes(), "config.v1+json")?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type("manifest.v1+json"),
        "config": config,
        "layers": [layer],
    });
    let mut manifest = layout.blob(manifest.to_string().as_bytes(), "manifest.v1+json")?;
    manifest["annotations"] = json!({
        "io.containerd.image.name": format!("{NAME}:{version}"),
        "org.opencontainers.image.ref.name": version,
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type("index.v1+json"),
        "manifests": [manifest],
    });
    layout.file("index.json", index.to_string().as_bytes())?;
    Ok(layout.0.into_inner()?)
}

struct Layout(Builder<Vec<u8>>);

impl Layout {
    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_size(u64::try_from(content.len())?);
        header.set_mode(0o644);
        header.set_entry_type(EntryType::Regular);
        Ok(self.0.append_data(&mut header, path, content)?)
    }

    /// Adds content under its digest; the descriptor that refers to it.
    fn blob(&mut self, content: &[u8], kind: &str) -> Result<Value> {
        let digest = digest(content);
        self.file(&format!("blobs/{}", digest.replace(':', "/")), content)?;
        Ok(json!({ "mediaType": media_type(kind), "digest": digest, "size": content.len() }))
    }
}

fn media_type(kind: &str) -> String {
    format!("application/vnd.oci.image.{kind}")
}

fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
