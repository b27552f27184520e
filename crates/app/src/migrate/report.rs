//! What a report says: one finding for each key of each object.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::documents::Document;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// Refused: something else has to be done.
    Refused,
    /// Accepted without effect: nothing breaks, nothing happens.
    WithoutEffect,
    /// Honoured: works as before.
    Honoured,
}

impl Verdict {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::WithoutEffect => "accepted without effect",
            Self::Honoured => "honoured",
        }
    }
}

/// What kind of thing a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    Annotation,
    ConfigMapKey,
    Flag,
    HelmValue,
    Issuer,
    /// A file that cannot be read at all.
    File,
}

/// What becomes of one key of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) kind: Kind,
    /// `Ingress default/web`, or the file.
    pub(super) object: String,
    pub(super) key: String,
    pub(super) value: String,
    /// What to do.
    pub(super) advice: String,
    /// Where it is written.
    pub(super) source: String,
}

impl Finding {
    pub(super) fn new(
        document: &Document,
        kind: Kind,
        key: &str,
        value: &str,
        verdict: Verdict,
        advice: String,
    ) -> Self {
        Self {
            verdict,
            kind,
            object: document.object(),
            key: key.to_owned(),
            value: value.to_owned(),
            advice,
            source: document.source.clone(),
        }
    }
}

/// All findings, those that need something done first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) summary: Summary,
    pub(super) findings: Vec<Finding>,
}

/// How many there are of each verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) honoured: usize,
    pub(super) without_effect: usize,
    pub(super) refused: usize,
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        let summary = Summary {
            honoured: count(Verdict::Honoured),
            without_effect: count(Verdict::WithoutEffect),
            refused: count(Verdict::Refused),
        };
        Self { summary, findings }
    }

    /// Whether nothing is refused.
    pub(super) fn is_fine(&self) -> bool {
        self.summary.refused == 0
    }

    /// For people: a line for each finding, below its verdict.
    pub(super) fn text(&self) -> String {
        let Summary { honoured, without_effect, refused } = self.summary;
        let mut text =
            format!("{honoured} honoured, {without_effect} accepted without effect, {refused} refused\n");
        let mut last = None;
        for finding in &self.findings {
            if last != Some(finding.verdict) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\n{}\n", finding.verdict.name());
                last = Some(finding.verdict);
            }
            let Finding { object, key, value, advice, .. } = finding;
            let value = if value.is_empty() { String::new() } else { format!(" = {value:?}") };
            let key = if key.is_empty() { String::new() } else { format!(": {key}{value}") };
            let _ = writeln!(text, "  {object}{key}: {advice}");
        }
        text
    }
}

/// A value as a controller would read it.
pub(super) fn whole(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A value on one line, not endless.
pub(super) fn short(value: &Value) -> String {
    let line = whole(value);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Longer values are cut.
const MOST_SHOWN: usize = 120;
