//! The dashboard: one page without scripts.

use std::fmt::Write as _;

use jamul_routing::Snapshot;
use serde_json::Value;

use super::api;
use super::state::{AdminState, Phase};

/// The page as of now.
pub(super) fn render(snapshot: &Snapshot, state: &AdminState) -> String {
    let phase = match *state.phase.borrow() {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
    };
    let diagnostics = api::diagnostics(&state.live.diagnostics(), &state.store.diagnostics());
    let mut page = String::from(HEAD);
    // Writing to a String cannot fail.
    let _ = writeln!(page, "<p>{phase}, snapshot {}</p>", snapshot.generation);
    table(&mut page, "Diagnostics", &diagnostics, &["severity", "object", "field", "reason", "message"]);
    table(
        &mut page,
        "Routes",
        &api::routes(snapshot, &state.healths),
        &["host", "path", "pathType", "ingress", "service", "endpoints", "certificate", "filters"],
    );
    let columns = ["namespace", "name", "issuer", "ready", "reason", "message", "notAfter", "renewalTime"];
    table(&mut page, "Certificates", &api::certificates(&state.store), &columns);
    let columns = ["lastSeen", "type", "object", "reason", "message", "count"];
    table(&mut page, "Events", &api::events(&state.store.events()), &columns);
    page
}

/// The only list in `list`, as a table.
fn table(page: &mut String, title: &str, list: &Value, columns: &[&str]) {
    let rows = list.as_object().and_then(|list| list.values().next()).and_then(Value::as_array);
    let heads: String = columns.iter().map(|column| format!("<th>{column}</th>")).collect();
    let _ = writeln!(page, "<h2>{title}</h2><table><tr>{heads}</tr>");
    for row in rows.into_iter().flatten() {
        let cells = columns.iter().map(|column| format!("<td>{}</td>", escape(&cell(row.get(*column)))));
        let _ = writeln!(page, "<tr>{}</tr>", cells.collect::<String>());
    }
    page.push_str("</table>\n");
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            values.iter().map(|value| cell(Some(value))).collect::<Vec<_>>().join(", ")
        }
        Some(Value::Object(fields)) => cell(fields.get("address")),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Jamul</title>
<style>body{font:14px sans-serif;margin:2em}
td,th{text-align:left;padding:.2em .8em .2em 0;vertical-align:top}</style>
<h1>Jamul</h1>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_wrote_stays_text() {
        let mut page = String::new();
        let list = serde_json::json!({ "events": [{ "message": "<script>", "many": ["a", "b"] }] });
        table(&mut page, "Events", &list, &["message", "many", "none"]);
        assert!(page.contains("<td>&lt;script&gt;</td><td>a, b</td><td></td>"), "{page}");
    }
}
