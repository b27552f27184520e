#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Files that openssl makes, in a folder that goes with this.
struct Made(PathBuf);

impl Made {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("jamul-trust-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn openssl(&self, arguments: &str) {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn der(&self, name: &str) -> Vec<u8> {
        Certificate::from_pem(&self.text(name)).unwrap().der().to_vec()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(Path::new(&self.0).join(name)).unwrap()
    }

    /// A root `ca` and a leaf `leaf` of it, whose extensions are in a file of these lines; none: X.509 version 1.
    fn leaf(&self, extensions: &str) {
        self.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=CA -days 30 -keyout ca.key -out ca");
        self.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=jane -keyout leaf.key -out leaf.csr");
        let signing = "x509 -req -in leaf.csr -CA ca -CAkey ca.key -CAcreateserial -days 30 -out leaf";
        if extensions.is_empty() {
            return self.openssl(signing);
        }
        std::fs::write(self.0.join("extensions"), extensions).unwrap();
        self.openssl(&format!("{signing} -extfile extensions"));
    }

    fn judge(&self, trust: &Trust, peer: Peer, chain: &[&str]) -> Result<(), Untrusted> {
        let chain: Vec<_> = chain.iter().map(|name| CertificateDer::from(self.der(name))).collect();
        trust.judge(&chain, peer, Timestamp::now())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _: std::io::Result<()> = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn certificates_of_version_1_and_those_that_are_their_own_ca_are_believed_as_by_openssl() {
    let made = Made::new("legacy");
    made.leaf("");
    made.openssl("verify -purpose sslclient -CAfile ca leaf");
    let trust = Trust::from_der(&[made.der("ca")], &[], 1).unwrap();
    assert_eq!(made.judge(&trust, Peer::Client, &["leaf"]), Ok(()));
    assert_eq!(made.judge(&trust, Peer::Client, &["ca"]), Ok(()), "a self-signed CA that is listed itself");
    let other = Made::new("other");
    other.leaf("");
    assert_eq!(
        made.judge(&Trust::from_der(&[other.der("ca")], &[], 1).unwrap(), Peer::Client, &["leaf"]),
        Err(Untrusted::UnknownIssuer),
        "the same names, another key"
    );
    assert_eq!(other.judge(&trust, Peer::Client, &["ca"]), Err(Untrusted::SelfSigned));
    let later = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24 * 40)).unwrap();
    let leaf = [CertificateDer::from(made.der("leaf"))];
    assert_eq!(trust.judge(&leaf, Peer::Client, later), Err(Untrusted::Expired));
    let earlier = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    assert_eq!(trust.judge(&leaf, Peer::Client, earlier), Err(Untrusted::NotYetValid));
}

#[test]
fn what_a_certificate_is_for_counts_where_it_says_so() {
    let made = Made::new("purpose");
    for (extensions, client, server) in [
        ("basicConstraints=CA:FALSE\n", Ok(()), Ok(())),
        ("extendedKeyUsage=clientAuth\n", Ok(()), Err(Untrusted::Purpose)),
        ("extendedKeyUsage=serverAuth\n", Err(Untrusted::Purpose), Ok(())),
    ] {
        made.leaf(extensions);
        let trust = Trust::from_der(&[made.der("ca")], &[], 1).unwrap();
        let judged = [Peer::Client, Peer::Server].map(|peer| made.judge(&trust, peer, &["leaf"]));
        assert_eq!(judged, [client, server], "{extensions}");
    }
}

#[test]
fn a_chain_may_be_as_long_as_the_depth_says() {
    let made = Made::new("depth");
    made.leaf("basicConstraints=critical,CA:TRUE\n");
    made.openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=end -keyout end.key -out end.csr",
    );
    std::fs::write(made.0.join("extensions"), "basicConstraints=CA:FALSE\n").unwrap();
    made.openssl(
        "x509 -req -in end.csr -CA leaf -CAkey leaf.key -CAcreateserial -days 9 -extfile extensions -out end",
    );
    let judged = [0, 1].map(|depth| {
        let trust = Trust::from_der(&[made.der("ca")], &[], depth).unwrap();
        made.judge(&trust, Peer::Client, &["end", "leaf"])
    });
    assert_eq!(judged, [Err(Untrusted::TooLong), Ok(())]);
    let trust = Trust::from_der(&[made.der("ca")], &[], 1).unwrap();
    assert_eq!(made.judge(&trust, Peer::Client, &["end"]), Err(Untrusted::UnknownIssuer));
}

#[test]
fn with_lists_every_certificate_must_be_told_of_and_the_revoked_are_refused() {
    for extensions in ["basicConstraints=CA:FALSE\n", ""] {
        let made = Made::new("lists");
        made.leaf(extensions);
        std::fs::write(made.0.join("index"), "").unwrap();
        std::fs::write(made.0.join("number"), "01\n").unwrap();
        let config = "[ca]\ndefault_ca=a\n[a]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n\
                      default_crl_days=9\nunique_subject=no\n";
        std::fs::write(made.0.join("config"), config).unwrap();
        made.openssl("ca -config config -gencrl -keyfile ca.key -cert ca -out before");
        made.openssl("ca -config config -revoke leaf -keyfile ca.key -cert ca");
        made.openssl("ca -config config -gencrl -keyfile ca.key -cert ca -out after");
        let judge = |list: &str| {
            let lists = RevocationList::all_from_pem(&made.text(list)).unwrap();
            let lists: Vec<_> = lists.iter().map(|list| list.der().to_vec()).collect();
            let trust = Trust::from_der(&[made.der("ca")], &lists, 1).unwrap();
            let now = made.judge(&trust, Peer::Client, &["leaf"]);
            let later = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24 * 10)).unwrap();
            let stale = trust.judge(&[CertificateDer::from(made.der("leaf"))], Peer::Client, later);
            (now, stale)
        };
        assert_eq!(judge("before"), (Ok(()), Err(Untrusted::StaleList)), "{extensions}");
        assert_eq!(judge("after").0, Err(Untrusted::Revoked), "{extensions}");
        let other = Made::new("stranger");
        other.leaf("");
        std::fs::write(made.0.join("index"), "").unwrap();
        std::fs::copy(other.0.join("ca"), made.0.join("other")).unwrap();
        std::fs::copy(other.0.join("ca.key"), made.0.join("other.key")).unwrap();
        made.openssl("ca -config config -gencrl -keyfile other.key -cert other -out foreign");
        assert!(matches!(judge("foreign").0, Err(Untrusted::NoList | Untrusted::Unreadable)), "{extensions}");
    }
}
