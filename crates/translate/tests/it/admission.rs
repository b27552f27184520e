//! What is refused before it is written, in ingress-nginx's words.

use jamul_api::core::Ingress;
use jamul_translate::{Admission, Settings, Translator};

use crate::fixture::{object, translator};

fn ingress(name: &str, annotations: &str, path: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: {name}, namespace: default, annotations: {{ {annotations} }} }}
spec:
  rules:
    - host: a.example.com
      http:
        paths:
          - {{ path: {path}, pathType: Prefix, backend: {{ service: {{ name: web, port: {{ number: 80 }} }} }} }}
---
"
    )
}

fn admit(translator: &Translator, yaml: &str) -> Admission {
    translator.admit(&object::<Ingress>(yaml.trim_end_matches("---\n")))
}

/// The refusals of a candidate beside one that serves `/`.
fn refusals(annotations: &str, path: &str) -> Vec<String> {
    let mut translator = translator(&ingress("first", "", "/"));
    translator.publish();
    admit(&translator, &ingress("second", annotations, path)).refusals
}

#[test]
fn a_path_of_another_ingress_is_refused_but_not_its_own_nor_a_canary() {
    let refused = r#"host "a.example.com" and path "/" is already defined in ingress default/first"#;
    assert_eq!(refusals("", "/"), [refused]);
    assert_eq!(refusals("", "/other"), Vec::<String>::new());
    assert_eq!(refusals("nginx.ingress.kubernetes.io/canary: 'true'", "/"), Vec::<String>::new());
    let mut translator = translator(&ingress("first", "", "/"));
    translator.publish();
    assert_eq!(admit(&translator, &ingress("first", "", "/")), Admission::default());
}

#[test]
fn a_wrong_value_is_refused_by_name_and_a_secret_may_come_later() {
    let prefix = "nginx.ingress.kubernetes.io";
    let found = refusals(&format!("{prefix}/auth-type: digits"), "/a");
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert!(found.starts_with(&format!("annotation {prefix}/auth-type contains invalid value")), "{found}");
    let later = format!("{prefix}/auth-type: basic, {prefix}/auth-secret: later");
    assert_eq!(refusals(&later, "/a"), Vec::<String>::new());
}

#[test]
fn snippets_patterns_and_forbidden_words_are_refused_as_there() {
    let snippet = "nginx.ingress.kubernetes.io/configuration-snippet";
    let refused = format!(
        "{snippet} annotation cannot be used. Snippet directives are disabled by the Ingress administrator"
    );
    assert_eq!(refusals(&format!("{snippet}: 'more_set_headers a'"), "/a"), [refused]);
    let refused = "ingress contains invalid paths: path /a(.*) cannot be used with pathType Prefix";
    assert_eq!(refusals("", "/a(.*)"), [refused]);
    let config = "apiVersion: v1
kind: ConfigMap
metadata: { name: ingress-nginx-controller, namespace: ingress-nginx }
data: { annotation-value-word-blocklist: 'load_module,lua_' }
";
    let translator = translator(config);
    let root = "nginx.ingress.kubernetes.io/app-root";
    let found = admit(&translator, &ingress("a", &format!("{root}: /lua_x"), "/")).refusals;
    assert_eq!(found, [format!("{root} annotation contains invalid word lua_")]);
}

#[test]
fn a_catch_all_is_refused_where_there_may_be_none() {
    let translator = Translator::new(Settings { disable_catch_all: true, ..Settings::folder() });
    let candidate = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: all, namespace: default }
spec: { defaultBackend: { service: { name: web, port: { number: 80 } } } }
";
    let found = admit(&translator, candidate).refusals;
    let refused = "this deployment is trying to create a catch-all ingress while DisableCatchAll flag is set to true. \
                   Remove '.spec.defaultBackend' or set DisableCatchAll flag to false";
    assert_eq!(found, [refused]);
}

#[test]
fn what_is_not_ours_passes_and_what_is_unknown_is_a_warning() {
    let translator = Translator::new(Settings::default());
    assert_eq!(admit(&translator, &ingress("other", "", "/a(.*)")), Admission::default());
    let translator = Translator::new(Settings::folder());
    let found = admit(&translator, &ingress("a", "nginx.ingress.kubernetes.io/app-rot: /x", "/"));
    assert!(found.refusals.is_empty() && found.warnings[0].contains("did you mean"), "{found:?}");
}
