#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn at(years: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_hours(years * 365 * 24)
}

fn open(folder: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
    Authority::open(folder, "Test", &[], now)
}

fn current(authority: &Authority, now: Timestamp) -> Vec<u8> {
    authority.current(now).unwrap().certificate.der().to_vec()
}

#[test]
fn a_ca_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, again) = (open(folder.path(), at(0)).unwrap(), open(folder.path(), at(1)).unwrap());
    assert_eq!(first.root.der(), again.root.der());
    assert_eq!(current(&first, at(0)), current(&again, at(1)));
    assert!(first.root.is_self_signed());
    for (file, mode) in [(roots::ROOT, 0o600), (INTERMEDIATE, 0o600), (roots::ROOT_PUBLIC, 0o644)] {
        let permissions = fs::metadata(folder.path().join(file)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{file}");
    }
}

#[test]
fn an_intermediate_near_its_end_is_replaced_under_the_same_root() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), at(0)).unwrap();
    let before = current(&first, at(0));
    let later = open(folder.path(), at(9)).unwrap();
    assert_eq!(first.root.der(), later.root.der());
    assert_ne!(before, current(&later, at(9)));
    assert!(later.current(at(9)).unwrap().certificate.is_issued_by(&later.root));
    assert!(matches!(open(folder.path(), at(20)), Err(AuthorityError::RootExpired { .. })));
}

#[test]
fn a_ca_that_runs_for_years_replaces_its_intermediate_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path(), at(0)).unwrap();
    let before = current(&authority, at(0));
    assert_eq!(current(&authority, at(9)), before);
    let end = at(9) + SignedDuration::from_hours(200 * 24);
    assert_ne!(current(&authority, end), before);
}

#[test]
fn a_root_whose_key_is_gone_is_an_error_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = open(folder.path(), at(0)).unwrap().root.to_pem().unwrap();
    fs::remove_file(folder.path().join(roots::ROOT)).unwrap();
    assert!(matches!(open(folder.path(), at(0)), Err(AuthorityError::RootKeyMissing { .. })));
    assert_eq!(fs::read_to_string(folder.path().join(roots::ROOT_PUBLIC)).unwrap(), root);
}

#[test]
fn a_rotation_is_noticed_while_it_runs_and_old_chains_keep_their_alternates() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path(), at(0)).unwrap();
    let names = [San::Dns("localhost".to_owned())];
    let (before, _) = authority.server_certificate(&names, SignedDuration::from_hours(24), at(0)).unwrap();
    let rotated = rotate_intermediate(folder.path(), at(0)).unwrap();
    let (after, _) = authority.server_certificate(&names, SignedDuration::from_hours(24), at(0)).unwrap();
    assert_eq!(after[1].der(), rotated.der());
    assert_ne!(before[1].der(), rotated.der());
    for chain in [&before, &after] {
        assert!(chain[0].is_issued_by(&chain[1]) && chain[1].is_issued_by(authority.root()));
        let crossed = authority.alternate_of(&chain[0]).unwrap();
        assert!(chain[0].is_issued_by(&crossed) && crossed.is_issued_by(authority.alternate_root()));
    }
    let again = Authority::open(folder.path(), "Test", &[], at(0));
    assert!(again.unwrap().alternate_of(&before[0]).is_some(), "after a restart, too");
}

#[test]
fn a_rotation_that_was_killed_between_its_two_writes_is_as_if_it_had_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path(), at(0)).unwrap();
    let current = authority.current(at(0)).unwrap();
    current.write(&folder.path().join(format!("intermediate-{}.key.pem", current.mark()))).unwrap();
    fs::write(folder.path().join("intermediate.key.new"), "half").unwrap();
    let again = open(folder.path(), at(0)).unwrap();
    assert_eq!(again.current(at(0)).unwrap().certificate.der(), current.certificate.der());
    let rotated = rotate_intermediate(folder.path(), at(0)).unwrap();
    assert_eq!(again.current(at(0)).unwrap().certificate.der(), rotated.der());
}

#[test]
fn a_constrained_root_permits_what_it_was_founded_for() {
    let folder = tempfile::tempdir().unwrap();
    let permitted = [San::Dns("internal".to_owned()), San::Ip("127.0.0.1".parse().unwrap())];
    let authority = Authority::open(folder.path(), "Test", &permitted, at(0)).unwrap();
    assert_eq!(authority.root().permitted_names().unwrap(), permitted);
    assert_eq!(authority.current(at(0)).unwrap().certificate.permitted_names().unwrap(), permitted);
    for (name, expected) in [
        ("internal", true),
        ("a.internal", true),
        ("*.a.internal", true),
        ("eternal", false),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
    ] {
        assert_eq!(authority.permits(&Identifier::from_host(name)), expected, "{name}");
    }
    let reopened = Authority::open(folder.path(), "Test", &[], at(0)).unwrap();
    assert!(!reopened.permits(&Identifier::from_host("eternal")), "what a root permits is in the root");
}

#[test]
fn a_server_certificate_names_its_hosts_and_ends_with_the_intermediate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path(), at(0)).unwrap();
    let names = [San::Dns("localhost".to_owned()), San::Ip("127.0.0.1".parse().unwrap())];
    let long = SignedDuration::from_hours(24 * 365 * 50);
    let (chain, key) = authority.server_certificate(&names, long, at(0)).unwrap();
    let [leaf, intermediate] = chain.as_slice() else { panic!("a leaf and an intermediate") };
    assert!(leaf.covers("localhost") && leaf.covers("127.0.0.1") && !leaf.covers("example.com"));
    assert!(leaf.is_issued_by(intermediate) && intermediate.is_issued_by(authority.root()));
    assert_eq!(*leaf.public_key(), key.public_key());
    assert_eq!(leaf.not_after(), intermediate.not_after());
}
