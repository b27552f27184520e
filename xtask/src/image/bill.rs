//! The bill of materials: every crate in the program, in CycloneDX 1.6.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::process::{cargo, output};

/// As JSON. What is only used to build or to test is not in it.
pub(super) fn of_materials(target: &str) -> Result<String> {
    let format = "{p}|{l}";
    let arguments = ["tree", "--package", "jamul", "--edges", "normal", "--prefix", "none", "--no-dedupe"];
    let listed = output(cargo(&arguments)?.args(["--target", target, "--format", format]))?;
    let mut lines: Vec<&str> = listed.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    let components = lines.into_iter().map(component).collect::<Result<Vec<_>>>()?;
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": { "type": "application", "name": "jamul" } },
        "components": components,
    });
    Ok(format!("{bill:#}\n"))
}

/// From a line like `tokio v1.54.0|MIT`; a crate of ours has its path between version and bar.
fn component(line: &str) -> Result<Value> {
    let (package, licence) = line.split_once('|').with_context(|| format!("no licence in '{line}'"))?;
    let mut words = package.split_whitespace();
    let (name, version) =
        words.next().zip(words.next()).with_context(|| format!("no version in '{line}'"))?;
    let version = version.trim_start_matches('v');
    Ok(json!({
        "type": "library",
        "name": name,
        "version": version,
        "purl": format!("pkg:cargo/{name}@{version}"),
        "licenses": [{ "expression": licence }],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_cargo_becomes_a_component() {
        let component = component("tokio v1.54.0|MIT OR Apache-2.0").expect("a component");
        assert_eq!(component["purl"], "pkg:cargo/tokio@1.54.0");
        assert_eq!(component["licenses"][0]["expression"], "MIT OR Apache-2.0");
    }
}
