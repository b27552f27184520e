//! One Ingress to what it claims: class, annotations, rules, TLS. What it claims together with others is
//! decided host by host, in `host.rs`.

use std::collections::{BTreeMap, BTreeSet};

use jamul_api::core::{HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressSpec};
use jamul_api::{Object, ObjectKey};
use jamul_routing::annotation::{OnInvalid, Values, full_name, is_own};
use jamul_routing::{Diagnostic, Draft, HostPattern, Invalid, Severity};

use crate::backend::Backend;
use crate::class;
use crate::lookup::{Recorder, Reference};
use crate::objects::Objects;
use crate::settings::Settings;

/// Orders Ingresses: the oldest first, ties by namespace and name; without a date last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age {
    created: jiff::Timestamp,
    pub(crate) key: ObjectKey,
}

impl Age {
    /// Of an object without a date.
    pub(crate) fn unknown(key: ObjectKey) -> Self {
        Self { created: jiff::Timestamp::MAX, key }
    }

    fn of(ingress: &Ingress) -> Self {
        let created = ingress.metadata.creation_timestamp.as_ref().map(|time| time.0);
        Self { created: created.unwrap_or(jiff::Timestamp::MAX), key: ingress.key() }
    }
}

/// What one Ingress wants.
#[derive(Debug)]
pub(crate) struct CompiledIngress {
    pub(crate) age: Age,
    /// Hosts of its rules with their paths, as written. [`HostPattern::Any`] also for a default backend
    /// alone.
    pub(crate) hosts: BTreeMap<HostPattern, Vec<Claim>>,
    /// `spec.defaultBackend`.
    pub(crate) default_backend: Option<Destination>,
    /// Whether the default backend is for its own hosts (true) or for all that nobody else serves (false).
    pub(crate) has_rules: bool,
    /// `spec.tls`.
    pub(crate) tls: Vec<TlsEntry>,
    /// What its annotations say.
    pub(crate) draft: Draft,
    /// Whether it is ours; one that is not claims nothing.
    pub(crate) is_ours: bool,
    /// A security annotation could not be understood: nothing of this Ingress is served.
    pub(crate) is_closed: bool,
    /// Values of annotations that are errors by themselves, whatever else is there.
    pub(crate) wrong_values: Vec<Invalid>,
    /// What else it was translated with.
    pub(crate) references: BTreeSet<Reference>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// One path of one rule.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) kind: PathKind,
    /// Begins with `/`.
    pub(crate) path: String,
    pub(crate) destination: Destination,
    /// Path of the rule's path in the Ingress.
    pub(crate) field: String,
}

/// `pathType`; ImplementationSpecific is Prefix, as in ingress-nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathKind {
    Exact,
    Prefix,
}

/// A backend as written.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Service(Backend),
    /// `backend.resource`, or nothing: not served.
    Nothing,
}

/// One entry of `spec.tls`.
#[derive(Clone, Debug)]
pub(crate) struct TlsEntry {
    /// In lower case.
    pub(crate) hosts: Vec<String>,
    pub(crate) secret: Option<ObjectKey>,
}

/// Compiles one Ingress. One that is not ours claims nothing.
pub(crate) fn compile(ingress: &Ingress, objects: &Objects, settings: &Settings) -> CompiledIngress {
    let age = Age::of(ingress);
    let namespace = age.key.namespace.clone();
    let mut reports = Reports { object: format!("Ingress {}", age.key), diagnostics: Vec::new() };
    let recorder = Recorder::new(objects, settings, &namespace);
    let mut compiled = CompiledIngress {
        age,
        hosts: BTreeMap::new(),
        default_backend: None,
        has_rules: false,
        tls: Vec::new(),
        draft: Draft::default(),
        is_ours: false,
        is_closed: false,
        wrong_values: Vec::new(),
        references: BTreeSet::new(),
        diagnostics: Vec::new(),
    };
    let ours = class::check_namespace(ingress, &recorder, settings)
        .and_then(|()| class::check(ingress, |class| recorder.controller_of(class), settings));
    match ours {
        Ok(()) => {
            compiled.is_ours = true;
            compile_annotations(ingress, &mut compiled, &recorder, settings, &mut reports);
            if let Some(spec) = &ingress.spec {
                compile_spec(spec, &namespace, settings, &mut compiled, &mut reports);
            }
        }
        Err(not_ours) => {
            reports.add(
                Severity::Info,
                not_ours.field,
                not_ours.reason,
                format!("not served: {}", not_ours.message),
            );
        }
    }
    compiled.references = recorder.into_references();
    compiled.diagnostics = reports.diagnostics;
    compiled
}

/// Collects what is wrong with one object.
#[derive(Debug)]
struct Reports {
    object: String,
    diagnostics: Vec<Diagnostic>,
}

impl Reports {
    fn add(&mut self, severity: Severity, field: impl Into<String>, reason: &'static str, message: String) {
        let (object, field) = (self.object.clone(), field.into());
        self.diagnostics.push(Diagnostic { severity, object, field, reason, message });
    }
}

impl Reports {
    fn catch_all(&mut self, field: String) {
        let message = "it is for every host, which --disable-catch-all forbids; it is not served".to_owned();
        self.add(Severity::Error, field, "CatchAllDisabled", message);
    }
}

/// Edits the draft, and closes the Ingress where it must not be served.
fn compile_annotations(
    ingress: &Ingress,
    compiled: &mut CompiledIngress,
    recorder: &Recorder<'_>,
    settings: &Settings,
    reports: &mut Reports,
) {
    let prefix = &settings.annotations_prefix;
    let mut values = Values::new(prefix, ingress.metadata.annotations.iter().flatten());
    for (invalid, consequence) in
        jamul_routing::annotations::compile(&mut values, &mut compiled.draft, recorder)
    {
        compiled.is_closed |= matches!(consequence, OnInvalid::Close | OnInvalid::CloseHost);
        report_invalid(&invalid, consequence, prefix, reports);
        if consequence != OnInvalid::UseDefault && !recorder.lacks(&invalid.value) {
            compiled.wrong_values.push(invalid);
        }
    }
    let is_through = &mut compiled.draft.host.passthrough;
    if *is_through && !settings.ssl_passthrough {
        *is_through = false;
        let message =
            "it has no effect without --enable-ssl-passthrough: TLS of its hosts is decrypted".to_owned();
        reports.add(Severity::Warning, format!("{prefix}/ssl-passthrough"), "PassthroughDisabled", message);
    }
    for key in values.unknown() {
        let advice = match jamul_routing::annotations::did_you_mean(key) {
            Some(near) => format!("did you mean {}?", full_name(prefix, near)),
            // Jamul's other annotations are for other readers.
            None if is_own(key) => continue,
            None => "it has no effect; take it away or see the list of supported annotations".to_owned(),
        };
        let message = format!("annotation {key:?} is not known; {advice}");
        reports.add(Severity::Warning, full_name(prefix, key), "UnknownAnnotation", message);
    }
}

fn report_invalid(invalid: &Invalid, consequence: OnInvalid, prefix: &str, reports: &mut Reports) {
    let (severity, effect) = match consequence {
        OnInvalid::UseDefault => (Severity::Warning, "the default is used"),
        OnInvalid::LeaveOut => (Severity::Error, "it has no effect"),
        OnInvalid::Close => (Severity::Error, "all paths of this Ingress answer 503 until it is mended"),
        OnInvalid::CloseHost => (Severity::Error, "all paths of its hosts answer 403 until it is mended"),
    };
    let field = full_name(prefix, invalid.key);
    let message = format!("{:?} is not valid, expected {}; {effect}", invalid.value, invalid.expected);
    reports.add(severity, field, "InvalidAnnotation", message);
}

fn compile_spec(
    spec: &IngressSpec,
    namespace: &str,
    settings: &Settings,
    compiled: &mut CompiledIngress,
    reports: &mut Reports,
) {
    let rules = spec.rules.as_deref().unwrap_or_default();
    compiled.has_rules = !rules.is_empty();
    compiled.default_backend = spec.default_backend.as_ref().map(|backend| destination(backend, namespace));
    for (index, rule) in rules.iter().enumerate() {
        let field = format!("spec.rules[{index}]");
        if settings.disable_catch_all && rule.host.as_deref().unwrap_or_default().is_empty() {
            reports.catch_all(format!("{field}.host"));
            continue;
        }
        compile_rule(rule, &field, namespace, compiled, reports);
    }
    if !compiled.has_rules && compiled.default_backend.is_some() && settings.disable_catch_all {
        reports.catch_all("spec.defaultBackend".to_owned());
    } else if !compiled.has_rules && compiled.default_backend.is_some() {
        compiled.hosts.entry(HostPattern::Any).or_default();
    }
    compiled.tls = spec
        .tls
        .iter()
        .flatten()
        .map(|entry| TlsEntry {
            hosts: entry.hosts.iter().flatten().map(|host| host.to_ascii_lowercase()).collect(),
            secret: entry
                .secret_name
                .as_ref()
                .filter(|name| !name.is_empty())
                .map(|name| ObjectKey::new(namespace, name.as_str())),
        })
        .collect();
}

fn compile_rule(
    rule: &IngressRule,
    field: &str,
    namespace: &str,
    compiled: &mut CompiledIngress,
    reports: &mut Reports,
) {
    let written = rule.host.as_deref().unwrap_or_default();
    // A colon would be read as a port and lost.
    let pattern = Some(written).filter(|host| !host.contains(':')).and_then(HostPattern::parse);
    let Some(pattern) = pattern else {
        let message = format!(
            "host {written:?} is not valid, expected a DNS name such as app.example.com or *.example.com; \
             the rule is not served"
        );
        reports.add(Severity::Error, format!("{field}.host"), "InvalidHost", message);
        return;
    };
    let claims = compiled.hosts.entry(pattern).or_default();
    let paths = rule.http.iter().flat_map(|http| &http.paths);
    for (index, path) in paths.enumerate() {
        let field = format!("{field}.http.paths[{index}]");
        claims.extend(compile_path(path, field, namespace, reports));
    }
}

fn compile_path(
    path: &HTTPIngressPath,
    field: String,
    namespace: &str,
    reports: &mut Reports,
) -> Option<Claim> {
    let kind = match path.path_type.as_str() {
        "Exact" => PathKind::Exact,
        "Prefix" | "ImplementationSpecific" | "" => PathKind::Prefix,
        other => {
            let message = format!(
                "pathType {other:?} is not known, expected Exact, Prefix or ImplementationSpecific; \
                 the path is not served"
            );
            reports.add(Severity::Error, format!("{field}.pathType"), "InvalidPath", message);
            return None;
        }
    };
    let text = path.path.as_deref().filter(|text| !text.is_empty()).unwrap_or("/");
    if !text.starts_with('/') {
        let message =
            format!("path {text:?} is not valid, expected one that begins with \"/\"; it is not served");
        reports.add(Severity::Error, format!("{field}.path"), "InvalidPath", message);
        return None;
    }
    Some(Claim { kind, path: text.to_owned(), destination: destination(&path.backend, namespace), field })
}

fn destination(backend: &IngressBackend, namespace: &str) -> Destination {
    match &backend.service {
        Some(service) => Destination::Service(Backend::new(namespace, service)),
        None => Destination::Nothing,
    }
}
