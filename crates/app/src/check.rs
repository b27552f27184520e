//! `jamul check`: what is wrong in a folder or in files.

use jamul_api::core::{Ingress, Resource as _};
use jamul_api::{Certificate, Object as _, names};
use jamul_routing::{Diagnostic, Severity};
use jamul_store::{Clock, Memory, SourceDiagnostic, Store};
use jamul_translate::{Change, ObjectChange, Settings, Translator};
use jiff::Timestamp;

use crate::admin;
use crate::cli::{CheckArgs, Output};

/// Prints what was found. Whether there is nothing above info.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn check(arguments: &CheckArgs) -> anyhow::Result<bool> {
    let clock = Clock::new(Timestamp::now);
    let memory = match &arguments.manifests {
        // Files that were named count more than a folder that may come from the environment.
        Some(folder) if arguments.files.is_empty() => Memory::of_folder(folder, clock)?,
        Some(_) | None => Memory::of_files(&arguments.files, clock)?,
    };
    let store = Store::Memory(memory);
    let found = diagnostics(&store);
    let of_files = store.diagnostics();
    match arguments.output {
        Output::Json => anstream::println!("{}", admin::api::diagnostics(&found, &of_files)),
        Output::Table => table(&found, &of_files),
    }
    let is_fine = found.iter().all(|diagnostic| diagnostic.severity == Severity::Info)
        && of_files.iter().all(|diagnostic| diagnostic.severity == jamul_store::Severity::Info);
    Ok(is_fine)
}

fn table(found: &[Diagnostic], of_files: &[SourceDiagnostic]) {
    for diagnostic in found {
        anstream::println!("{diagnostic}");
    }
    for diagnostic in of_files {
        let severity = match diagnostic.severity {
            jamul_store::Severity::Error => "error",
            jamul_store::Severity::Warning => "warning",
            jamul_store::Severity::Info => "info",
        };
        let SourceDiagnostic { object, field, reason, message, .. } = diagnostic;
        let field = if field.is_empty() { String::new() } else { format!(" {field}:") };
        anstream::println!("{severity}: {object}:{field} {message} ({reason})");
    }
}

/// What the translation of everything in `store` finds.
fn diagnostics(store: &Store) -> Vec<Diagnostic> {
    let mut translator = Translator::new(Settings::folder());
    for change in [
        ObjectChange::IngressClass(Change::Restarted(store.list())),
        ObjectChange::ConfigMap(Change::Restarted(store.list())),
        ObjectChange::Secret(Change::Restarted(store.list())),
        ObjectChange::Service(Change::Restarted(store.list())),
        ObjectChange::EndpointSlice(Change::Restarted(store.list())),
        ObjectChange::Endpoints(Change::Restarted(store.list())),
        ObjectChange::Ingress(Change::Restarted(store.list())),
    ] {
        translator.apply(change);
    }
    translator.publish();
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
