//! The page about annotations is made from the registry.

use std::fmt::Write;
use std::path::Path;

use jamul_routing::annotation::{Key, KeyScope, OnInvalid, Risk, Support};
use jamul_routing::annotations::supported;

/// Set, the page is written instead of compared.
const BLESS: &str = "JAMUL_BLESS";

#[test]
fn golden_page_about_annotations_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/annotations.md");
    let rendered = render();
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&page, &rendered).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == rendered,
        "docs/annotations.md is stale; run this test with {BLESS}=1 and look at the change"
    );
}

fn render() -> String {
    let mut sorted: Vec<(&Key, Support)> = supported().collect();
    sorted.sort_by_key(|(key, _)| key.name);
    let mut page = HEADER.to_owned();
    for (key, support) in sorted {
        let support = level(support);
        let (default, example) = (code(key.default), code(key.example));
        let (scope, risk, outcome) = (scope(key.scope), risk(key.risk), outcome(key.on_invalid));
        let (name, summary) = (key.name, cell(key.summary));
        writeln!(
            page,
            "| `{name}` | {support} | {default} | {scope} | {risk} | {summary} | {example} | {outcome} |"
        )
        .expect("a String takes all text");
    }
    page
}

const HEADER: &str = "\
# Annotations

<!-- Made from the registry in crates/routing/src/annotations.rs; edit the keys there. -->

Names stand behind the prefix `nginx.ingress.kubernetes.io/`, except those of Jamul's own, which begin with `jamul.dev/`.
An empty value counts as not set. A key that is not in this table is reported and does nothing.

**Scope**: `route` is the paths of the Ingress that carries the annotation, `host` is all paths of its hosts.
**Risk** is ingress-nginx's own rating. **Support**: `no effect` is taken and changes nothing, because nothing is
lost by it; `refused` is reported as an error.

**If invalid**: `default` keeps the default and warns; `left out` takes nothing in its place; `closed` answers 503 on all paths of the Ingress until the value is mended, because a security setting must not be
lost; `host closed` answers 403 on all paths of its hosts, also those of other Ingresses.

| Key | Support | Default | Scope | Risk | Summary | Example | If invalid |
|---|---|---|---|---|---|---|---|
";

fn code(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { format!("`{}`", cell(text)) }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn level(support: Support) -> &'static str {
    match support {
        Support::Honoured => "honoured",
        Support::WithoutEffect => "no effect",
        Support::Refused => "refused",
    }
}

fn scope(scope: KeyScope) -> &'static str {
    match scope {
        KeyScope::Route => "route",
        KeyScope::Host => "host",
    }
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::Critical => "critical",
    }
}

fn outcome(on_invalid: OnInvalid) -> &'static str {
    match on_invalid {
        OnInvalid::UseDefault => "default",
        OnInvalid::LeaveOut => "left out",
        OnInvalid::Close => "closed",
        OnInvalid::CloseHost => "host closed",
    }
}
