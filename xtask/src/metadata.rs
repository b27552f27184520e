//! What cargo knows about our own packages: their manifests, read by cargo itself.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's name, whatever the manifest calls it.
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `bench` ...
    pub(crate) kind: Vec<String>,
}

/// The workspace's own packages.
pub(crate) fn read() -> Result<Metadata> {
    let json = process::output(&mut process::cargo(&["metadata", "--no-deps", "--format-version", "1"])?)?;
    serde_json::from_str(&json).context("cargo metadata printed something unexpected")
}
