//! Each kind of violation is refused, on a house of a few lines.

use super::*;

/// A crate with these dependencies and these files (paths below the crate's folder).
fn a_crate(name: &str, dependencies: &[&str], files: &[(&str, &str)]) -> Crate {
    Crate {
        name: name.into(),
        dependencies: dependencies.iter().map(|dependency| (*dependency).into()).collect(),
        files: files
            .iter()
            .map(|(path, text)| SourceFile { path: format!("crates/{name}/{path}"), text: (*text).into() })
            .collect(),
    }
}

fn refused(member: Crate) -> Vec<String> {
    refusals(&[member])
}

#[test]
fn the_house_itself_points_down() {
    for room in HOUSE {
        for target in room.may_use {
            let below = HOUSE.iter().find(|other| other.name == *target).map(|other| other.floor);
            assert!(below < Some(room.floor), "{} -> {target}", room.name);
        }
    }
}

#[test]
fn listed_arrows_and_foreign_crates_are_let_through() {
    let files = [("src/lib.rs", "use jamul_api::core::Ingress; use jamul_routing::Snapshot;")];
    let translate = a_crate("translate", &["jamul-api", "jamul-routing", "jamul-pki", "regex"], &files);
    assert_eq!(refused(translate), Vec::<String>::new());
}

#[test]
fn an_upward_arrow_in_a_manifest_is_refused() {
    let found = refused(a_crate("acme", &["jamul-issuance"], &[]));
    assert_eq!(found, ["crates/acme/Cargo.toml: acme -> issuance: upward arrow"]);
}

#[test]
fn an_upward_arrow_in_a_source_is_refused_with_its_line() {
    let files = [("src/server.rs", "//! Not jamul_app::x.\n\nfn f() { jamul_store::open() }")];
    let found = refused(a_crate("proxy", &[], &files));
    assert_eq!(found, ["crates/proxy/src/server.rs:3: proxy -> store: arrow between rooms of one floor"]);
}

#[test]
fn an_arrow_that_the_house_does_not_list_is_refused_in_tests_too() {
    let files = [("tests/it/main.rs", "use jamul_api::core::Secret;")];
    let found = refused(a_crate("proxy", &[], &files));
    assert_eq!(found, ["crates/proxy/tests/it/main.rs:1: proxy -> api: arrow that the house does not list"]);
}

#[test]
fn nobody_may_use_the_binary() {
    let found = refused(a_crate("controllers", &["jamul"], &[]));
    assert_eq!(found, ["crates/controllers/Cargo.toml: controllers -> app: upward arrow"]);
}

#[test]
fn routing_never_knows_a_runtime_and_only_api_the_object_types() {
    let found = refused(a_crate("routing", &["tokio-util", "hyper", "k8s-openapi", "tokionic"], &[]));
    assert_eq!(
        found,
        [
            "crates/routing/Cargo.toml: tokio-util: routing must never know tokio",
            "crates/routing/Cargo.toml: hyper: routing must never know hyper",
            "crates/routing/Cargo.toml: k8s-openapi: only api knows it; the others use jamul-api's types",
        ]
    );
}

#[test]
fn a_kept_name_is_refused_outside_its_file() {
    let text = "use tokio_rustls::rustls::ServerConfig; fn rustls() {}";
    let files = [("src/listener.rs", text), ("src/tls.rs", text), ("src/tls/resolver.rs", text)];
    let found = refused(a_crate("proxy", &[], &files));
    assert_eq!(
        found,
        ["crates/proxy/src/listener.rs:1: tokio_rustls::rustls::ServerConfig: only \
         crates/proxy/src/tls.rs and crates/app/src/transport.rs and crates/app/src/dial.rs may name rustls"]
    );
}

#[test]
fn tests_may_name_what_one_file_keeps() {
    let files = [
        ("tests/it/client.rs", "use rustls::ClientConfig;"),
        ("src/listener.rs", "#[cfg(test)] mod tests { use rustls::ClientConfig; }"),
    ];
    assert_eq!(refused(a_crate("proxy", &[], &files)), Vec::<String>::new());
}

#[test]
fn pure_rooms_neither_ask_the_time_nor_read_the_environment() {
    let text = "fn f() { jiff::Timestamp::now(); std::env::var(\"HOME\"); }";
    let found = refused(a_crate("issuance", &[], &[("src/plan.rs", text)]));
    assert_eq!(
        found,
        [
            "crates/issuance/src/plan.rs:1: jiff::Timestamp::now: in issuance this is an argument",
            "crates/issuance/src/plan.rs:1: std::env::var: in issuance this is an argument",
        ]
    );
    assert_eq!(refused(a_crate("app", &[], &[("src/run.rs", text)])), Vec::<String>::new());
}

#[test]
fn a_circle_of_crates_is_refused() {
    let found = refusals(&[a_crate("pki", &["jamul-acme"], &[]), a_crate("acme", &["jamul-pki"], &[])]);
    assert_eq!(
        found,
        ["crates/pki/Cargo.toml: pki -> acme: upward arrow", "circle of crates: acme -> pki -> acme",]
    );
}

#[test]
fn a_circle_of_modules_is_refused() {
    let files = [("src/a.rs", "use crate::b::B;"), ("src/b.rs", "use crate::a::A;")];
    let found = refused(a_crate("api", &[], &files));
    assert_eq!(found, ["crates/api: circle of modules: a -> b -> a"]);
}

#[test]
fn a_crate_that_the_house_does_not_know_is_refused() {
    let found = refused(a_crate("attic", &[], &[]));
    assert_eq!(found, ["crates/attic: not in the house: give it a floor in xtask/src/arrows.rs"]);
}
