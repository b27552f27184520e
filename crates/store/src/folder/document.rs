//! The text of a file -> objects, and what is wrong with it.
//!
//! A text is split at its `---` lines before anything is parsed (as kubectl does), so that a mistake in one
//! document leaves the others alone.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::any::AnyObject;
use crate::diagnostic::{Severity, SourceDiagnostic};
use crate::kind::{Kind, Role};

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) objects: Vec<Arc<dyn AnyObject>>,
    pub(super) diagnostics: Vec<SourceDiagnostic>,
}

/// What every object begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Peek {
    api_version: String,
    kind: String,
    metadata: PeekMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeekMetadata {
    name: String,
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeekItems {
    items: Vec<Value>,
}

/// Reads a YAML file of several documents; `file` is how messages name it.
pub(super) fn read_yaml(file: &str, text: &str) -> Documents {
    let mut documents = Documents::default();
    for part in split(text) {
        let place = format!("line {}", part.lines_before + 1);
        if let Err(error) = documents.add(file, &part.text, &place) {
            documents.diagnostics.push(broken(file, &part, &error));
        }
    }
    documents
}

/// Reads a JSON file: one object, or several one after the other.
pub(super) fn read_json(file: &str, text: &str) -> Documents {
    let mut documents = Documents::default();
    for (index, value) in serde_json::Deserializer::from_str(text).into_iter::<Value>().enumerate() {
        match value {
            Ok(value) => documents.add_value(file, &value, &format!("document {}", index + 1)),
            Err(error) => {
                let field = format!("line {}, column {}", error.line(), error.column());
                let message = format!("not JSON: {error}; the last good objects of this file stay");
                documents.diagnostics.push(diagnostic(Severity::Error, file, field, "BrokenFile", message));
                break;
            }
        }
    }
    documents
}

impl Documents {
    /// Adds the object of one document, or the items of a list. `place` says where in the file it begins.
    fn add(&mut self, file: &str, text: &str, place: &str) -> Result<(), serde_saphyr::Error> {
        let Some(peek) = serde_saphyr::from_str_with_options::<Option<Peek>>(text, strict())? else {
            return Ok(());
        };
        if peek.kind.ends_with("List") && peek.metadata.name.is_empty() {
            let list: PeekItems = serde_saphyr::from_str_with_options(text, strict())?;
            for (index, item) in list.items.iter().enumerate() {
                self.add_value(file, item, &format!("items[{index}]"));
            }
            return Ok(());
        }
        match known(&peek) {
            Ok(kind) => self.take((kind.read)(text, strict())?.object, file),
            Err(Unknown { severity, reason, message }) => {
                let object = if peek.metadata.name.is_empty() { file.to_owned() } else { name(&peek) };
                let message = format!("{file}: {message}");
                self.diagnostics.push(diagnostic(severity, &object, place.to_owned(), reason, message));
            }
        }
        Ok(())
    }

    /// Adds an object that is not a document of its own.
    fn add_value(&mut self, file: &str, value: &Value, place: &str) {
        if let Err(error) = self.add(file, &value.to_string(), place) {
            let message = format!(
                "{file}, {place}: {}; the last good version of this object stays",
                explain(&value.to_string(), &error)
            );
            self.diagnostics.push(diagnostic(Severity::Error, file, place.to_owned(), "BrokenFile", message));
        }
    }

    fn take(&mut self, object: Arc<dyn AnyObject>, file: &str) {
        match object.place() {
            Ok(_) => self.objects.push(object),
            Err(error) => {
                let message = format!("{file}: {error}");
                self.diagnostics.push(diagnostic(
                    Severity::Error,
                    file,
                    "metadata".to_owned(),
                    "BadName",
                    message,
                ));
            }
        }
    }
}

/// Why a document is not read.
struct Unknown {
    severity: Severity,
    reason: &'static str,
    message: String,
}

fn known(peek: &Peek) -> Result<&'static Kind, Unknown> {
    let Peek { api_version, kind, metadata: _ } = peek;
    if api_version.is_empty() || kind.is_empty() {
        let message = format!(
            "not an object: expected apiVersion and kind, found apiVersion {api_version:?} and kind {kind:?}"
        );
        return Err(Unknown { severity: Severity::Error, reason: "NotAnObject", message });
    }
    match Kind::named(kind) {
        Some(known) if known.role == Role::Made => {
            let message = format!("{kind} is made by controllers and not read from manifests");
            Err(Unknown { severity: Severity::Info, reason: "UnknownKind", message })
        }
        Some(known) if known.api_version == api_version => Ok(known),
        Some(known) => {
            let message =
                format!("{kind} of {api_version} is not read; write apiVersion {}", known.api_version);
            Err(Unknown { severity: Severity::Info, reason: "UnknownKind", message })
        }
        None => {
            let message = format!("{kind} of {api_version} is not a kind that is read here; it is ignored");
            Err(Unknown { severity: Severity::Info, reason: "UnknownKind", message })
        }
    }
}

fn name(peek: &Peek) -> String {
    let Peek { kind, metadata: PeekMetadata { name, namespace }, .. } = peek;
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// As strict as the API server: `on`, `8` and `true` are no strings.
fn strict() -> serde_saphyr::Options {
    serde_saphyr::options! { no_schema: true, with_snippet: false }
}

/// One document of a file.
struct Part {
    /// Lines of the file before this document.
    lines_before: usize,
    text: String,
}

/// Cuts a text at its document markers (YAML 1.2.2, 9.1.2); parts without content are left out.
fn split(text: &str) -> Vec<Part> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = vec![Part { lines_before: 0, text: String::new() }];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_marker = |marker: &str| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        if is_marker("---") || is_marker("...") {
            // What follows on the same line belongs to the new document, in the same column.
            let rest = line.get(3..).unwrap_or_default();
            parts.push(Part { lines_before: number, text: format!("   {rest}") });
        } else if let Some(part) = parts.last_mut() {
            part.text.push_str(line);
        }
    }
    parts.retain(|part| part.text.lines().any(|line| !is_filler(line)));
    parts
}

/// Blank lines, comments and directives (`%YAML 1.2`).
fn is_filler(line: &str) -> bool {
    let start = line.trim_start();
    start.is_empty() || start.starts_with('#') || line.starts_with('%')
}

/// Why a document could not be read, in lines of the file.
fn broken(file: &str, part: &Part, error: &serde_saphyr::Error) -> SourceDiagnostic {
    let line = error.location().map(|location| (location.line(), location.column()));
    let before = u64::try_from(part.lines_before).unwrap_or_default();
    let field =
        line.map(|(line, column)| format!("line {}, column {column}", line + before)).unwrap_or_default();
    let mut text = explain(&part.text, error);
    if let Some((line, column)) = line {
        let suffix = format!("line {line}, column {column}");
        text = text.replace(&suffix, &field);
    }
    let message = format!("{file}: {text}; the last good objects of this document stay until it is mended");
    diagnostic(Severity::Error, file, field, "BrokenFile", message)
}

/// What the parser says, on one line. Its words quote values, so those about a Secret stay here.
fn explain(document: &str, error: &serde_saphyr::Error) -> String {
    if document.lines().any(|line| line.contains("kind") && line.contains("Secret")) {
        let line = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
        return format!(
            "a Secret that cannot be read{} (its values are not shown)",
            line.unwrap_or_default()
        );
    }
    error.without_snippet().to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn diagnostic(
    severity: Severity,
    object: &str,
    field: String,
    reason: &'static str,
    message: String,
) -> SourceDiagnostic {
    SourceDiagnostic { severity, object: object.to_owned(), field, reason, message }
}
