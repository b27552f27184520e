//! The command `openssl` must be installed; without it these tests fail rather than pass unseen.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use jamul_pki::{
    Authority, Certificate, CertificateTemplate, Csr, KeyAlgorithm, KeyEncoding, PrivateKey, RequestTemplate,
    San, Serial, Subject, Usage,
};
use jiff::Timestamp;

const ALGORITHMS: [KeyAlgorithm; 6] = [
    KeyAlgorithm::Rsa { bits: 2048 },
    KeyAlgorithm::Rsa { bits: 3072 },
    KeyAlgorithm::EcdsaP256,
    KeyAlgorithm::EcdsaP384,
    KeyAlgorithm::EcdsaP521,
    KeyAlgorithm::Ed25519,
];

/// A folder of one test's own
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    /// What `openssl` prints; fails unless it succeeds
    fn openssl(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .output()
            .expect("the command openssl is installed");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {printed}{errors}");
        printed + &errors
    }
}

fn template(key: &PrivateKey) -> CertificateTemplate {
    // `openssl verify` is told this time by -attime.
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let end = Timestamp::from_second(1_900_000_000).unwrap();
    CertificateTemplate::new(Serial::random().unwrap(), key.public_key(), start, end)
}

fn sans() -> Vec<San> {
    vec![
        San::Dns("*.example.com".into()),
        San::Ip("10.1.2.3".parse().unwrap()),
        San::Uri("spiffe://example.com/a".into()),
        San::Email("a@example.com".into()),
    ]
}

fn subject() -> Subject {
    Subject {
        organizations: vec!["A, Inc.".into(), "B".into()],
        countries: vec!["KR".into()],
        ..Subject::with_common_name("예")
    }
}

#[test]
fn openssl_reads_every_key_in_both_encodings() {
    let folder = Folder::new("keys-written");
    for algorithm in ALGORITHMS {
        let key = PrivateKey::generate(algorithm).unwrap();
        for encoding in [KeyEncoding::Pkcs1, KeyEncoding::Pkcs8] {
            folder.write("key.pem", &key.to_pem(encoding));
            folder.openssl("pkey -in key.pem -check -noout");
        }
    }
}

#[test]
fn keys_of_openssl_are_read_in_every_encoding_it_writes() {
    let folder = Folder::new("keys-read");
    let read = |file: &str| PrivateKey::from_pem(&folder.read(file)).unwrap();
    folder.openssl("genrsa -traditional -out pkcs1.pem 2048");
    folder.openssl("pkey -in pkcs1.pem -out pkcs8.pem");
    assert_eq!(read("pkcs1.pem").pkcs8_der(), read("pkcs8.pem").pkcs8_der());
    for (curve, algorithm) in [("prime256v1", "P-256"), ("secp384r1", "P-384"), ("secp521r1", "P-521")] {
        // With its block EC PARAMETERS before the key
        folder.openssl(&format!("ecparam -name {curve} -genkey -out sec1.pem"));
        folder.openssl("pkey -in sec1.pem -out pkcs8.pem");
        assert_eq!(read("sec1.pem").algorithm().to_string(), format!("ECDSA {algorithm}"));
        assert_eq!(read("sec1.pem").pkcs8_der(), read("pkcs8.pem").pkcs8_der());
    }
    folder.openssl("genpkey -algorithm ed25519 -out ed25519.pem");
    assert_eq!(read("ed25519.pem").algorithm(), KeyAlgorithm::Ed25519);
}

#[test]
fn openssl_verifies_requests_of_every_key_and_sees_what_they_ask_for() {
    let folder = Folder::new("requests-written");
    for algorithm in ALGORITHMS {
        let key = PrivateKey::generate(algorithm).unwrap();
        let request = RequestTemplate {
            subject: subject().to_name().unwrap(),
            sans: sans(),
            usages: vec![Usage::DigitalSignature, Usage::ServerAuth],
            is_ca: true,
        };
        let csr = request.sign(&key).unwrap();
        folder.write("request.pem", &csr.to_pem());
        let text = folder.openssl("req -in request.pem -verify -noout -text -nameopt RFC2253,-esc_msb,utf8");
        for expected in [
            "verify OK",
            "CN=예,O=B+O=A\\, Inc.,C=KR",
            "DNS:*.example.com, IP Address:10.1.2.3, URI:spiffe://example.com/a, email:a@example.com",
            "Digital Signature, Certificate Sign",
            "TLS Web Server Authentication",
        ] {
            assert!(text.contains(expected), "{expected} not in {text}");
        }
        assert!(!text.contains("Basic Constraints"), "{text}");
        assert_eq!((csr.sans(), csr.subject_name()), (&request.sans[..], &request.subject));
    }
}

#[test]
fn a_request_of_openssl_is_read_whatever_else_it_asks_for() {
    let folder = Folder::new("request-read");
    folder.write(
        "request.cnf",
        "[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\nattributes=attributes\n\
         [dn]\nO=One\nOU=a\nCN=a.example\n[attributes]\nchallengePassword=secret\n\
         [ext]\nsubjectAltName=DNS:a.example,IP:::1\nbasicConstraints=CA:TRUE\nkeyUsage=keyCertSign\n\
         tlsfeature=status_request\n",
    );
    folder.openssl("req -new -newkey rsa:2048 -nodes -keyout key.pem -config request.cnf -out request.pem");
    let csr = Csr::from_pem(&folder.read("request.pem")).unwrap();
    assert_eq!(csr.sans(), [San::Dns("a.example".into()), San::Ip("::1".parse().unwrap())]);
    assert_eq!(csr.subject().organizational_units, ["a"]);
    assert_eq!(csr.usages(), [Usage::CertSign]);
    assert!(csr.is_ca());
    let key = PrivateKey::from_pem(&folder.read("key.pem")).unwrap();
    assert_eq!(*csr.public_key(), key.public_key());

    // The legacy label, and a signature that is another's
    let renamed = folder.read("request.pem").replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(Csr::from_pem(&renamed).unwrap(), csr);
    let mut der = csr.der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    let error = Csr::from_der(&der).unwrap_err();
    assert_eq!(error.to_string(), "the certificate request is not signed by the key it is for");
}

#[test]
fn a_request_for_a_name_that_cannot_be_issued_is_refused() {
    let folder = Folder::new("request-refused");
    folder.openssl(
        "req -new -newkey ed25519 -nodes -keyout key.pem -subj /CN=a -out request.pem \
         -addext subjectAltName=otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@example.com,DNS:a",
    );
    let error = Csr::from_pem(&folder.read("request.pem")).unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        reason.starts_with("a subject alternative name is of the kind otherName, expected DNS"),
        "{reason}"
    );
}

#[test]
fn openssl_verifies_chains_of_every_key() {
    let folder = Folder::new("chains");
    for algorithm in ALGORITHMS {
        let [root_key, middle_key, leaf_key] = [(); 3].map(|()| PrivateKey::generate(algorithm).unwrap());
        let ca = |name: &str, key, path_len| CertificateTemplate {
            subject: Subject::with_common_name(name).to_name().unwrap(),
            is_ca: true,
            path_len,
            ..template(key)
        };
        let root = ca("root", &root_key, None).self_sign(&root_key).unwrap();
        let by_root = Authority { certificate: &root, key: &root_key };
        let middle = ca("middle", &middle_key, Some(0)).sign_by(&by_root).unwrap();
        let leaf = CertificateTemplate {
            sans: sans(),
            usages: vec![Usage::DigitalSignature, Usage::KeyEncipherment, Usage::ServerAuth],
            ocsp_servers: vec!["http://example.com/ocsp".into()],
            crl_distribution_points: vec!["http://example.com/crl".into()],
            ..template(&leaf_key)
        };
        let leaf = leaf.sign_by(&Authority { certificate: &middle, key: &middle_key }).unwrap();
        folder.write("root.pem", &root.to_pem());
        folder.write("chain.pem", &Certificate::chain_to_pem(&[leaf.clone(), middle]));
        folder.openssl(
            "verify -x509_strict -attime 1850000000 -purpose sslserver -verify_hostname a.example.com \
             -verify_ip 10.1.2.3 -CAfile root.pem -untrusted chain.pem chain.pem",
        );
        let serial = folder.openssl("x509 -in chain.pem -noout -serial").to_lowercase();
        assert_eq!(serial.trim(), format!("serial={}", leaf.serial()));
    }
}

#[test]
fn certificates_of_openssl_are_read() {
    let folder = Folder::new("certificates-read");
    folder.openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -days 9 \
         -subj /O=One/O=Two/CN=a.example -addext keyUsage=digitalSignature,keyCertSign -out cert.pem",
    );
    // With the text form before the block, as `openssl x509 -text` keeps it
    folder.openssl("x509 -in cert.pem -text -out text.pem");
    let certificate = Certificate::from_pem(&folder.read("text.pem")).unwrap();
    assert_eq!(certificate.subject().organizations, ["One", "Two"]);
    assert!(certificate.is_ca() && certificate.is_self_signed() && certificate.covers("a.example"));
    assert_eq!(certificate.not_after().as_second() - certificate.not_before().as_second(), 9 * 86_400);

    // An issuer whose key identifier is not made our way is named by the identifier it has.
    let key = PrivateKey::from_pem(&folder.read("key.pem")).unwrap();
    let leaf_key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let leaf = template(&leaf_key).sign_by(&Authority { certificate: &certificate, key: &key }).unwrap();
    assert_eq!(leaf.authority_key_identifier(), Some(&certificate.key_identifier()[..]));
    assert_ne!(certificate.key_identifier(), certificate.public_key().key_identifier());
    assert_eq!(leaf.issuer_name(), certificate.subject_name());
    assert!(leaf.is_issued_by(&certificate));
}

#[test]
fn certificates_with_keys_of_other_kinds_are_read_and_trusted_for_nothing() {
    let folder = Folder::new("other-keys");
    folder.openssl("req -x509 -newkey ed448 -nodes -keyout key.pem -subj /CN=a -out cert.pem");
    let certificate = Certificate::from_pem(&folder.read("cert.pem")).unwrap();
    assert_eq!(certificate.public_key().algorithm(), None);
    assert!(!certificate.is_self_signed());
}
