//! `jamul crds`: what `kubectl apply -f -` takes, and the chart brings along.

use anyhow::{Context, Result};

/// The definitions as one stream of YAML documents.
pub(crate) fn text() -> Result<String> {
    let mut text = String::new();
    for crd in jamul_api::crds::crds() {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&crd).context("could not write a definition as YAML")?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn golden_definitions_of_the_chart_are_fresh() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/jamul/files/crds.yaml");
        let written = text().expect("definitions are YAML");
        if std::env::var_os("JAMUL_BLESS").is_some() {
            std::fs::write(&file, &written).expect("the file can be written");
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == written, "charts/jamul/files/crds.yaml is stale; run this test with JAMUL_BLESS=1");
    }
}
