//! `jamul values`: values files of ingress-nginx's and cert-manager's charts, put together for ours.
//!
//! The two charts' top levels overlap (`replicaCount`, `image`, `resources`), so cert-manager's values stand below
//! `certManager` here. What has no effect is one list, which the chart's notes read as well.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::cli::ValuesArgs;

/// Values that are taken and do nothing: chart, path (a final `.` stands for all below), reason.
const WITHOUT_EFFECT: &str = include_str!("../../../charts/jamul/files/without-effect.yaml");

/// Prints one values file on stdout, and on stderr what of it does nothing, with the reason.
pub(crate) fn values(arguments: &ValuesArgs) -> Result<()> {
    let mut merged = Map::new();
    let mut notes = Vec::new();
    if let Some(file) = &arguments.ingress_nginx {
        let values = read(file)?;
        notes.extend(without_effect("ingress-nginx", &values)?);
        if let Value::Object(values) = values {
            merged = values;
        }
    }
    if let Some(file) = &arguments.cert_manager {
        let values = read(file)?;
        let below = without_effect("cert-manager", &values)?.into_iter();
        notes.extend(below.map(|note| Note { path: format!("certManager.{}", note.path), ..note }));
        if merged.insert("certManager".to_owned(), values).is_some() {
            bail!("certManager: already in the values of ingress-nginx, expected in one file only");
        }
    }
    for Note { path, reason } in notes {
        anstream::eprintln!("without effect: {path}: {reason}");
    }
    anstream::print!("{}", serde_saphyr::to_string(&merged).context("could not write values as YAML")?);
    Ok(())
}

/// A value that was given and does nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Where it is, with dots.
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// What of `values`, written for `chart`, does nothing here.
pub(crate) fn without_effect(chart: &str, values: &Value) -> Result<Vec<Note>> {
    let lists: BTreeMap<String, BTreeMap<String, String>> =
        serde_saphyr::from_str(WITHOUT_EFFECT).context("could not read the chart's own list")?;
    let list = lists.get(chart).into_iter().flatten();
    let given = list.filter(|(path, _)| is_given(values, path));
    Ok(given
        .map(|(path, reason)| Note { path: path.trim_end_matches('.').to_owned(), reason: reason.clone() })
        .collect())
}

fn is_given(values: &Value, path: &str) -> bool {
    let found = path.trim_end_matches('.').split('.').try_fold(values, |value, part| value.get(part));
    match found {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Bool(true) | Value::Number(_)) => true,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    let values: Value =
        serde_saphyr::from_str(&text).with_context(|| format!("{}: not YAML", file.display()))?;
    if !values.is_object() {
        bail!("{}: expected a mapping of values", file.display());
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
