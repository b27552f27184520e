//! The page about the controller's ConfigMap is made from the table; the table is complete.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use jamul_routing::annotation::Support;
use jamul_routing::settings::SETTINGS;

#[test]
fn golden_page_about_settings_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configmap.md");
    let rendered = render();
    if std::env::var_os("JAMUL_BLESS").is_some() {
        std::fs::write(&page, &rendered).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        found == rendered,
        "docs/configmap.md is stale; run this test with JAMUL_BLESS=1 and look at the change"
    );
}

fn render() -> String {
    let mut page = "# The controller's ConfigMap

<!-- Made from the table in crates/routing/src/settings.rs; edit it there. -->

`--configmap NAMESPACE/NAME` names it. It is read again on every change, and no connection is dropped. A key that is not
in this list is reported; one without effect, too, as something worth knowing.
"
    .to_owned();
    for (support, title) in [
        (Support::Honoured, "Honoured"),
        (Support::WithoutEffect, "Without effect"),
        (Support::Refused, "Refused"),
    ] {
        writeln!(page, "\n## {title}\n").expect("a String takes all text");
        for group in SETTINGS.iter().filter(|group| group.support == support) {
            let keys: Vec<String> = group.keys.iter().map(|key| format!("`{key}`")).collect();
            writeln!(page, "{}\n{}.\n", group.about, keys.join(", ")).expect("a String takes all text");
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// The keys that users set most, by family; a key may not vanish from the table unseen.
#[test]
fn no_setting_that_is_read_is_missing_from_the_table() {
    let known: BTreeSet<&str> = SETTINGS.iter().flat_map(|group| group.keys).copied().collect();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/annotations");
    let mut read = 0;
    for file in std::fs::read_dir(sources).expect("the families") {
        let path = file.expect("an entry").path();
        // Tests of a family may lie in a folder of its name.
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("readable");
        for part in text.split(".setting(\"").skip(1) {
            let key = part.split('"').next().unwrap_or_default();
            assert!(known.contains(key), "{key} is read, but not in the table");
            read += 1;
        }
    }
    assert!(read > 0, "some family reads a setting by its name");
    for honoured in
        ["http-redirect-code", "no-auth-locations", "global-auth-signin", "hsts", "retry-non-idempotent"]
    {
        assert!(known.contains(honoured), "{honoured}");
    }
    assert!(known.len() > 150, "{}", known.len());
}
