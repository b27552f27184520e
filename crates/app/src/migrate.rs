//! `jamul migrate`: what becomes of objects, settings, flags and values that were made for ingress-nginx and
//! cert-manager, told line by line before anything is changed.

mod annotations;
mod config_map;
mod documents;
mod flags;
mod html;
mod report;

use std::path::{Path, PathBuf};

use anyhow::bail;
use jamul_api::ObjectKey;
use jamul_routing::Diagnostic;
use jamul_store::{Clock, Memory, Store};
use jamul_translate::Settings;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::{MigrateArgs, ReportFormat};
use crate::get::columns::text;
use crate::{helm_values, output, remote, translation};
use documents::Document;
use report::{Finding, Kind, Report, Verdict};

/// Prints the report. Whether nothing in it is refused.
///
/// # Errors
/// Nothing to look at, or a file that cannot be read.
pub(crate) fn migrate(args: &MigrateArgs) -> anyhow::Result<bool> {
    let has_files = args.manifests.is_some() || !args.files.is_empty();
    if !has_files && args.values.is_empty() && args.args.is_empty() && !args.way.is_given() {
        bail!(
            "nothing to report on; name a folder with --manifests DIR, files, chart values with --values FILE, \
             a controller's arguments after --, or a cluster with --kubeconfig FILE or --context NAME"
        );
    }
    let mut findings = Vec::new();
    let mut documents = Vec::new();
    for file in &args.files {
        documents.extend(documents::of_file(file)?);
    }
    if let Some(folder) = &args.manifests {
        documents.extend(documents::of_folder(folder)?);
    }
    let config = documents.iter().find_map(config_map::key);
    let mut wrong = wrong_values(args.manifests.as_deref(), &args.files, config)?;
    if args.way.is_given() && !has_files {
        let store = remote::on(&args.way, async |store| {
            documents.extend(documents::of_cluster(&remote::client(&args.way).await?).await?);
            Ok(store.clone())
        })?;
        let config = documents.iter().find_map(config_map::key);
        wrong.extend(invalid(&store, Settings { config, ..Settings::default() }));
    }
    for document in &documents {
        findings.extend(of_document(document, &wrong)?);
    }
    for file in &args.values {
        let document = documents::of_values(file)?;
        findings.extend(of_values(&document)?);
    }
    findings.extend(flags::of_arguments("arguments", &args.args));
    let report = Report::new(findings);
    match args.output {
        ReportFormat::Text => output::lines(&report.text())?,
        ReportFormat::Json => output::lines(&serde_json::to_string_pretty(&report)?)?,
        ReportFormat::Html => output::lines(&html::render(&report))?,
    }
    Ok(report.is_fine())
}

/// Values of annotations that the translation refuses under the settings of `config`, so that the report says what a run
/// would say.
fn wrong_values(
    manifests: Option<&Path>,
    files: &[PathBuf],
    config: Option<ObjectKey>,
) -> anyhow::Result<Vec<Diagnostic>> {
    let settings = Settings { config, ..Settings::folder() };
    let clock = || Clock::new(Timestamp::now);
    let mut found = Vec::new();
    let folder = manifests.map(|folder| Memory::of_folder(folder, clock())).transpose()?;
    let files = (!files.is_empty()).then(|| Memory::of_files(files, clock())).transpose()?;
    for memory in folder.into_iter().chain(files) {
        found.extend(invalid(&Store::Memory(memory), settings.clone()));
    }
    Ok(found)
}

fn invalid(store: &Store, settings: Settings) -> Vec<Diagnostic> {
    let mut found = translation::translate(store, settings).diagnostics();
    found.retain(|found| found.reason == "InvalidAnnotation");
    found
}

fn of_document(document: &Document, wrong: &[Diagnostic]) -> anyhow::Result<Vec<Finding>> {
    let object = match &document.content {
        Ok(object) => object,
        Err(why) => {
            let advice = format!("{why}; mend it, or leave it out if it is a template");
            return Ok(vec![Finding::new(document, Kind::File, "", "", Verdict::Refused, advice)]);
        }
    };
    Ok(match text(object, "/kind") {
        "Ingress" => annotations::of_ingress(document, object, wrong),
        "ConfigMap" => config_map::of_config_map(document, object),
        "Deployment" | "DaemonSet" | "StatefulSet" | "Pod" | "ReplicaSet" => {
            flags::of_workload(document, object)
        }
        "Issuer" | "ClusterIssuer" => issuer(document, object),
        // Chart values have neither.
        "" if object.get("apiVersion").is_none() => of_values(document)?,
        _ => Vec::new(),
    })
}

/// An issuer's type, as the code that would use it judges it.
fn issuer(document: &Document, object: &Value) -> Vec<Finding> {
    let spec = object.get("spec").cloned().unwrap_or_default();
    let type_ =
        ["acme", "ca", "selfSigned", "vault", "venafi"].into_iter().find(|type_| spec.get(type_).is_some());
    let type_ = type_.unwrap_or("spec");
    let finding = |verdict, advice: String| {
        vec![Finding::new(document, Kind::Issuer, &format!("spec.{type_}"), "", verdict, advice)]
    };
    match serde_json::from_value::<jamul_api::issuer::IssuerSpec>(spec) {
        Err(error) => finding(Verdict::Refused, format!("{error}; write it as cert-manager's API has it")),
        Ok(spec) => match jamul_issuance::issuer::validate(&spec) {
            Ok(_) => finding(Verdict::Honoured, "nothing to do".to_owned()),
            Err(note) => finding(
                Verdict::Refused,
                format!("{}; keep cert-manager for it, or use another type", note.message),
            ),
        },
    }
}

/// Values files of the two charts: the controller's settings and arguments inside them, and what does nothing.
fn of_values(document: &Document) -> anyhow::Result<Vec<Finding>> {
    let Ok(values) = &document.content else { return of_document(document, &[]) };
    let chart = if values.get("controller").is_some() { "ingress-nginx" } else { "cert-manager" };
    let mut findings = Vec::new();
    for note in helm_values::without_effect(chart, values)? {
        let pointer = format!("/{}", note.path.replace('.', "/"));
        let value = values.pointer(&pointer).map(report::short).unwrap_or_default();
        let advice = format!("{}; leave it out when convenient", note.reason);
        findings.push(Finding::new(
            document,
            Kind::HelmValue,
            &note.path,
            &value,
            Verdict::WithoutEffect,
            advice,
        ));
    }
    for (pointer, path) in [("/controller/config", "controller.config"), ("/config", "config")] {
        if chart == "ingress-nginx" && pointer == "/controller/config" {
            let data = values.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
            findings.extend(
                data.map(|(key, value)| config_map::of_key(document, &format!("{path}."), key, value)),
            );
        }
    }
    let pointer = if chart == "ingress-nginx" { "/controller/extraArgs" } else { "/extraArgs" };
    match values.pointer(pointer) {
        Some(Value::Object(args)) => {
            let args: Vec<String> = args
                .iter()
                .map(|(name, value)| match report::short(value) {
                    empty if empty.is_empty() => format!("--{name}"),
                    value => format!("--{name}={value}"),
                })
                .collect();
            findings.extend(flags::of_arguments(&document.source, &args));
        }
        Some(Value::Array(args)) => {
            let args: Vec<String> =
                args.iter().filter_map(|arg| arg.as_str().map(ToOwned::to_owned)).collect();
            findings.extend(flags::of_arguments(&document.source, &args));
        }
        _ => {}
    }
    let settled: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
    let rest = values
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !settled.iter().any(|path| path.split('.').next() == Some(key.as_str())));
    let rest: Vec<Finding> = rest
        .map(|(key, value)| {
            let advice =
                "taken by the chart under the same name (`jamul values` puts both files together)".to_owned();
            Finding::new(document, Kind::HelmValue, key, &report::short(value), Verdict::Honoured, advice)
        })
        .collect();
    findings.extend(rest);
    Ok(findings)
}

#[cfg(test)]
mod tests;
