//! The page about snippets is made from the table that the parser reads.

use std::fmt::Write;
use std::path::Path;

use jamul_routing::snippet::{CONSTRUCTS, Context, variable_names};

#[test]
fn golden_page_about_snippets_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/snippets.md");
    let rendered = render();
    if std::env::var_os("JAMUL_BLESS").is_some() {
        std::fs::write(&page, &rendered).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == rendered,
        "docs/snippets.md is stale; run this test with JAMUL_BLESS=1 and look at the change"
    );
}

fn render() -> String {
    let mut page = HEADER.to_owned();
    for construct in CONSTRUCTS {
        let contexts: Vec<&str> = construct.contexts.iter().map(|context| word(*context)).collect();
        writeln!(
            page,
            "| `{} {}` | {} | {} | `{}` |",
            construct.name,
            construct.form.replace('|', "\\|"),
            contexts.join(", "),
            construct.about,
            construct.example.replace('|', "\\|")
        )
        .expect("a String takes all text");
    }
    let names: Vec<String> = variable_names().map(|name| format!("`${name}`")).collect();
    writeln!(page, "\n## Variables\n\n{VARIABLES}\n{}.", names.join(", ")).expect("a String takes all text");
    page
}

fn word(context: Context) -> &'static str {
    match context {
        Context::Location => "location",
        Context::Server => "server",
        Context::Condition => "if",
    }
}

const HEADER: &str = "\
# Snippets

<!-- Made from the table in crates/routing/src/snippet/constructs.rs, which the parser reads; edit it there. -->

nginx configuration is never run. The directives of this table are parsed and compiled to typed values; any other, any
variable that is not listed, and any text that nginx would not accept either, is an error that names it and its line.

**What is not understood closes**, because it may be a rule that denies: a `configuration-snippet` the paths of its Ingress,
a `server-snippet` all paths of its host, the settings `location-snippet`, `server-snippet` and `http-snippet` all paths. They
answer 503 until the snippet is mended. `main-snippet` and `stream-snippet` are refused and close nothing, as settings:
they hold nothing about HTTP requests.

**Annotations** are taken only with the settings `allow-snippet-annotations: \"true\"` and `annotations-risk-level: Critical`;
else an Ingress that carries one is closed, and nobody else. The settings need no leave.

**Where**: *location* is `configuration-snippet` and the setting `location-snippet`; *server* is `server-snippet`, as
annotation and setting, and the setting `http-snippet`; *if* is the block of an `if`.

Other than in nginx: headers of an outer level are not lost where an inner one sets some; all `if`s that hold count, not
only the last; `deny` holds whatever `satisfy` says; times and sizes of a snippet give way to annotations of the same meaning.

| Directive | Where | Does | Example |
|---|---|---|---|
";

const VARIABLES: &str = "\
`$http_NAME`, `$cookie_NAME`, `$arg_NAME`, `$1` to `$9` of the last regular expression that matched, what `set` has set, and
";
