//! Whether an Ingress could be served if it were written: ingress-nginx's admission, in its words.
//!
//! The candidate is compiled beside what is known and nothing is changed, so that it costs what one Ingress costs,
//! however many others there are.

use jamul_api::core::{HTTPIngressPath, Ingress};
use jamul_routing::{Diagnostic, HostPattern, Severity};

use crate::default_backend;
use crate::host;
use crate::ingress::{self, CompiledIngress};
use crate::settings::Settings;
use crate::translator::Translator;

/// What is to be said about an Ingress before it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Why it is refused; empty = it is not.
    pub refusals: Vec<String>,
    /// What its author should know.
    pub warnings: Vec<String>,
}

impl Translator {
    /// Tries `candidate` in the place of the Ingress of its name. One that is not ours passes untouched, and so does
    /// what is only missing: a Secret that an annotation names may be written after it.
    #[must_use]
    pub fn admit(&self, candidate: &Ingress) -> Admission {
        let compiled = ingress::compile(candidate, self.objects(), self.settings());
        if !compiled.is_ours {
            return Admission::default();
        }
        let mut admission = Admission::default();
        admission.catch_all(candidate, self.settings().disable_catch_all);
        admission.words(candidate, &self.settings().annotations_prefix, |name| self.setting(name));
        if self.setting("strict-validate-path-type").as_deref() != Some("false") {
            admission.paths(candidate);
        }
        for invalid in &compiled.wrong_values {
            let prefix = &self.settings().annotations_prefix;
            let told = format!("{prefix}/{} annotation ", invalid.key);
            // Not again in our own words.
            if !admission.refusals.iter().any(|refusal| refusal.starts_with(&told)) {
                admission.refusals.push(format!(
                    "annotation {prefix}/{} contains invalid value {:?}; expected {}",
                    invalid.key, invalid.value, invalid.expected
                ));
            }
        }
        admission.findings(&compiled.diagnostics);
        for pattern in compiled.hosts.keys() {
            admission.host(pattern, &compiled, &self.rivals(pattern, &compiled), self.settings());
        }
        admission
    }
}

impl Admission {
    fn catch_all(&mut self, candidate: &Ingress, is_disabled: bool) {
        if is_disabled && candidate.spec.as_ref().is_some_and(|spec| spec.default_backend.is_some()) {
            let message = "this deployment is trying to create a catch-all ingress while DisableCatchAll flag is set \
                           to true. Remove '.spec.defaultBackend' or set DisableCatchAll flag to false";
            self.refusals.push(message.to_owned());
        }
    }

    /// Annotations that may not be there, and words that none may hold.
    fn words(&mut self, candidate: &Ingress, prefix: &str, setting: impl Fn(&str) -> Option<String>) {
        let may_have_snippets = setting("allow-snippet-annotations").as_deref() == Some("true");
        let forbidden = setting("annotation-value-word-blocklist").unwrap_or_default();
        let forbidden = forbidden.split(',').map(str::trim).filter(|word| !word.is_empty());
        let forbidden: Vec<&str> = forbidden.collect();
        for (name, value) in candidate.metadata.annotations.iter().flatten() {
            if !name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')) {
                continue;
            }
            if !may_have_snippets && name.ends_with("-snippet") {
                self.refusals.push(format!(
                    "{name} annotation cannot be used. Snippet directives are disabled by the Ingress administrator"
                ));
            }
            let found = forbidden.iter().filter(|word| value.contains(**word));
            self.refusals.extend(found.map(|word| format!("{name} annotation contains invalid word {word}")));
        }
    }

    /// Paths of the types Exact and Prefix are paths, not patterns.
    fn paths(&mut self, candidate: &Ingress) {
        let rules = candidate.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
        for path in rules.flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths)) {
            if !is_plain(path) {
                let text = path.path.as_deref().unwrap_or_default();
                let kind = &path.path_type;
                self.refusals.push(format!(
                    "ingress contains invalid paths: path {text} cannot be used with pathType {kind}"
                ));
            }
        }
    }

    /// What is wrong is a refusal, unless it was told already in ingress-nginx's words.
    fn findings(&mut self, found: &[Diagnostic]) {
        for Diagnostic { severity, field, reason, message, .. } in found {
            match (severity, *reason) {
                (Severity::Error, "InvalidAnnotation" | "CatchAllDisabled") | (Severity::Info, _) => {}
                (Severity::Error, _) => self.refusals.push(format!("{field}: {message}")),
                (Severity::Warning, _) => self.warnings.push(format!("{field}: {message}")),
            }
        }
    }

    /// What others have on the host already, and what is wrong with the host's routes because of the candidate.
    fn host(
        &mut self,
        pattern: &HostPattern,
        candidate: &CompiledIngress,
        rivals: &[&CompiledIngress],
        settings: &Settings,
    ) {
        let is_canary = candidate.draft.canary.is_some();
        for claim in candidate.hosts.get(pattern).into_iter().flatten() {
            let owner = rivals.iter().find(|rival| {
                // A canary is beside the one that it is a variant of.
                rival.draft.canary.is_some() == is_canary
                    && rival.hosts.get(pattern).into_iter().flatten().any(|other| other.path == claim.path)
            });
            if let Some(owner) = owner {
                let host = match pattern {
                    HostPattern::Any => "_".to_owned(),
                    HostPattern::Wildcard(_) | HostPattern::Exact(_) => pattern.to_string(),
                };
                self.refusals.push(format!(
                    "host {host:?} and path {:?} is already defined in ingress {}",
                    claim.path, owner.age.key
                ));
            }
        }
        let mut all: Vec<&CompiledIngress> = rivals.iter().copied().chain([candidate]).collect();
        all.sort_by(|one, other| one.age.cmp(&other.age));
        let object = format!("Ingress {}", candidate.age.key);
        let found = host::translate(pattern, &all, default_backend::backend(settings).as_ref()).diagnostics;
        let own: Vec<_> = found.into_iter().filter(|found| found.object == object && is_new(found)).collect();
        self.findings(&own);
    }
}

/// A path that two claim was told already; a canary may be written before the one that it is a variant of.
fn is_new(found: &Diagnostic) -> bool {
    !matches!(found.reason, "PathConflict" | "CanaryConflict" | "CanaryAlone")
}

fn is_plain(path: &HTTPIngressPath) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    match path.path_type.as_str() {
        "Exact" | "Prefix" => {
            path.path.iter().all(|path| path.starts_with('/') && path.chars().all(is_plain))
        }
        _ => true,
    }
}
