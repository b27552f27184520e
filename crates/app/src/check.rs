//! `jamul check`: what is wrong in a folder, in files or on a cluster.

use jamul_api::core::{Ingress, Resource as _};
use jamul_api::{Certificate, Object as _, names};
use jamul_routing::{Diagnostic, Severity};
use jamul_store::{Clock, Memory, SourceDiagnostic, Store};
use jiff::Timestamp;

use crate::cli::CheckArgs;
use crate::{admin, output, source, translation};

/// Prints what was found. Whether there is nothing above info.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn check(arguments: &CheckArgs) -> anyhow::Result<bool> {
    // Files that were named count more than a folder that may come from the environment.
    let store = if arguments.files.is_empty() {
        source::open(&arguments.place)?
    } else {
        Store::Memory(Memory::of_files(&arguments.files, Clock::new(Timestamp::now))?)
    };
    let (mut found, mut of_files) = (diagnostics(&store), store.diagnostics());
    if let Some(namespace) = &arguments.namespace {
        // What concerns a file as a whole is in no namespace, and concerns everybody.
        let is_elsewhere = |object: &str| {
            let key = object.split_once(' ').and_then(|(_, key)| key.split_once('/'));
            key.is_some_and(|(found, _)| found != namespace)
        };
        found.retain(|diagnostic| !is_elsewhere(&diagnostic.object));
        of_files.retain(|diagnostic| !is_elsewhere(&diagnostic.object));
    }
    output::print(arguments.output, &admin::api::diagnostics(&found, &of_files), |_| {
        table(&found, &of_files)
    })?;
    let is_fine = found.iter().all(|diagnostic| diagnostic.severity == Severity::Info)
        && of_files.iter().all(|diagnostic| diagnostic.severity == jamul_store::Severity::Info);
    Ok(is_fine)
}

fn table(found: &[Diagnostic], of_files: &[SourceDiagnostic]) -> String {
    let mut lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    for diagnostic in of_files {
        let severity = match diagnostic.severity {
            jamul_store::Severity::Error => "error",
            jamul_store::Severity::Warning => "warning",
            jamul_store::Severity::Info => "info",
        };
        let SourceDiagnostic { object, field, reason, message, .. } = diagnostic;
        let field = if field.is_empty() { String::new() } else { format!(" {field}:") };
        lines.push(format!("{severity}: {object}:{field} {message} ({reason})"));
    }
    lines.join("\n")
}

/// What the translation of everything in `store` finds.
fn diagnostics(store: &Store) -> Vec<Diagnostic> {
    let translator = translation::translate(store, translation::settings(store));
    let mut diagnostics = translator.diagnostics();
    let promised = promised(store);
    for diagnostic in &mut diagnostics {
        let is_promised = |(object, secret): &(String, String)| {
            *object == diagnostic.object && diagnostic.message.contains(secret.as_str())
        };
        // Not there because nothing runs yet.
        if diagnostic.reason == "SecretMissing" && promised.iter().any(is_promised) {
            diagnostic.severity = Severity::Info;
        }
    }
    diagnostics
}

/// Ingresses, each with the name of a Secret of theirs that a Certificate will fill.
fn promised(store: &Store) -> Vec<(String, String)> {
    let certificates = store.list::<Certificate>();
    let mut promised = Vec::new();
    for ingress in store.list::<Ingress>() {
        let key = ingress.key();
        let asks = [names::ISSUER, names::CLUSTER_ISSUER, names::TLS_ACME];
        let is_asking = asks.iter().any(|name| ingress.annotation(name).is_some());
        let tls = ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
        for secret in tls.filter_map(|tls| tls.secret_name.as_ref()) {
            let is_named = certificates.iter().any(|certificate| {
                certificate.key().namespace == key.namespace && certificate.spec.secret_name == *secret
            });
            if is_asking || is_named {
                promised.push((format!("{} {key}", Ingress::KIND), secret.clone()));
            }
        }
    }
    promised
}
