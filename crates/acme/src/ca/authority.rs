//! The keys of the CA and what they sign: a root, an intermediate under it, leaves under that.
//!
//! `root.key` and `root.pem` are the root; it signs intermediates only. `intermediate.pem` holds the intermediate's key
//! and certificate in one file, so that one is never without the other. Keys are ECDSA P-256, files with keys 0600.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jamul_pki::{
    Authority as Issuer, Certificate, CertificateError, CertificateTemplate, Csr, KeyAlgorithm, KeyEncoding,
    KeyError, NameError, PrivateKey, San, Serial, SerialError, Subject, TemplateError, Usage,
};
use jiff::{SignedDuration, Timestamp};

use super::files;
use crate::wire::Identifier;

/// The keys and certificates of a CA.
#[derive(Debug)]
pub(super) struct Authority {
    root: Certificate,
    intermediate: Certificate,
    key: PrivateKey,
}

impl Authority {
    /// Reads the CA in `folder`, or makes one that calls itself `name`. An intermediate near its end is replaced.
    ///
    /// # Errors
    /// [`AuthorityError`]; in particular a root certificate without its key is an error, not a reason to make another
    /// root that nobody trusts.
    pub(super) fn open(folder: &Path, name: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let (root, root_key) = open_root(folder, name, now)?;
        if root.not_after() - INTERMEDIATE_RENEWAL < now {
            return Err(AuthorityError::RootExpired { path: folder.join(ROOT), not_after: root.not_after() });
        }
        let path = folder.join(INTERMEDIATE);
        if let Some((intermediate, key)) = read_intermediate(&path)?
            && intermediate.is_issued_by(&root)
            && intermediate.not_after() - INTERMEDIATE_RENEWAL > now
        {
            return Ok(Self { root, intermediate, key });
        }
        let (intermediate, key) = make_intermediate(&root, &root_key, name, now)?;
        let contents = format!("{}{}", key.to_pem(KeyEncoding::Pkcs8), intermediate.to_pem());
        write(&path, contents.as_bytes(), files::PRIVATE)?;
        Ok(Self { root, intermediate, key })
    }

    /// The root's certificate: what has to be trusted.
    pub(super) fn root(&self) -> &Certificate {
        &self.root
    }

    /// The chain (leaf, intermediate) for a checked request. Nothing of the request is copied but its key, and its
    /// common name where that is among the names.
    ///
    /// # Errors
    /// [`AuthorityError`] when the certificate cannot be made.
    pub(super) fn issue(
        &self,
        csr: &Csr,
        identifiers: &[Identifier],
        begin: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<Certificate>, AuthorityError> {
        let common_name = csr.subject().common_name.filter(|name| name.len() <= LONGEST_COMMON_NAME);
        let subject = common_name.map(Subject::with_common_name).unwrap_or_default();
        let template = CertificateTemplate {
            subject: subject.to_name()?,
            sans: identifiers.iter().filter_map(san).collect(),
            usages: usages(csr.public_key().algorithm()),
            ..CertificateTemplate::new(Serial::random()?, csr.public_key().clone(), begin - BACKDATING, end)
        };
        self.sign(template)
    }

    /// A chain and a key for the CA's own server.
    ///
    /// # Errors
    /// [`AuthorityError`] when the certificate cannot be made.
    pub(super) fn server_certificate(
        &self,
        names: &[San],
        validity: SignedDuration,
        now: Timestamp,
    ) -> Result<(Vec<Certificate>, PrivateKey), AuthorityError> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
        let template = CertificateTemplate {
            sans: names.to_vec(),
            usages: usages(Some(KeyAlgorithm::EcdsaP256)),
            ..CertificateTemplate::new(Serial::random()?, key.public_key(), now - BACKDATING, now + validity)
        };
        Ok((self.sign(template)?, key))
    }

    /// Signs a leaf, which ends with the intermediate at the latest.
    fn sign(&self, mut template: CertificateTemplate) -> Result<Vec<Certificate>, AuthorityError> {
        template.not_after = template.not_after.min(self.intermediate.not_after());
        let leaf = template.sign_by(&Issuer { certificate: &self.intermediate, key: &self.key })?;
        Ok(vec![leaf, self.intermediate.clone()])
    }
}

/// Key first, certificate second: a crash between the two leaves a key that certifies nothing yet and is used again.
fn open_root(
    folder: &Path,
    name: &str,
    now: Timestamp,
) -> Result<(Certificate, PrivateKey), AuthorityError> {
    let (key_path, path) = (folder.join(ROOT_KEY), folder.join(ROOT));
    let key = match (read(&key_path)?, read(&path)?) {
        (Some(key), Some(root)) => {
            let key = parse_key(&key, &key_path)?;
            let root = parse_certificate(&root, &path)?;
            if *root.public_key() != key.public_key() || !root.is_ca() {
                return Err(AuthorityError::Mismatch { key: key_path, certificate: path });
            }
            return Ok((root, key));
        }
        (None, Some(_)) => return Err(AuthorityError::KeyMissing { key: key_path, certificate: path }),
        (Some(key), None) => parse_key(&key, &key_path)?,
        (None, None) => {
            let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
            write(&key_path, key.to_pem(KeyEncoding::Pkcs8).as_bytes(), files::PRIVATE)?;
            key
        }
    };
    let root = authority_template("Root", name, &key, now, now + ROOT_LIFETIME)?.self_sign(&key)?;
    write(&path, root.to_pem().as_bytes(), files::PUBLIC)?;
    Ok((root, key))
}

fn make_intermediate(
    root: &Certificate,
    root_key: &PrivateKey,
    name: &str,
    now: Timestamp,
) -> Result<(Certificate, PrivateKey), AuthorityError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let end = root.not_after().min(now + INTERMEDIATE_LIFETIME);
    let template = CertificateTemplate {
        path_len: Some(0),
        ..authority_template("Intermediate", name, &key, now, end)?
    };
    let intermediate = template.sign_by(&Issuer { certificate: root, key: root_key })?;
    Ok((intermediate, key))
}

/// The serial's end stands in the name too, so that several roots in one trust store can be told apart.
fn authority_template(
    role: &str,
    name: &str,
    key: &PrivateKey,
    now: Timestamp,
    end: Timestamp,
) -> Result<CertificateTemplate, AuthorityError> {
    let serial = Serial::random()?;
    let hex = serial.to_hex();
    let mark = hex.get(hex.len().saturating_sub(6)..).unwrap_or_default();
    Ok(CertificateTemplate {
        subject: Subject::with_common_name(format!("{name} {role} CA {mark}")).to_name()?,
        usages: vec![Usage::CertSign, Usage::CrlSign],
        is_ca: true,
        ..CertificateTemplate::new(serial, key.public_key(), now - BACKDATING, end)
    })
}

/// Key encipherment is a matter of RSA keys only (RFC 8446 and RFC 5480 section 3).
fn usages(algorithm: Option<KeyAlgorithm>) -> Vec<Usage> {
    match algorithm {
        Some(KeyAlgorithm::Rsa { .. }) => {
            vec![Usage::DigitalSignature, Usage::KeyEncipherment, Usage::ServerAuth]
        }
        Some(
            KeyAlgorithm::EcdsaP256
            | KeyAlgorithm::EcdsaP384
            | KeyAlgorithm::EcdsaP521
            | KeyAlgorithm::Ed25519,
        )
        | None => vec![Usage::DigitalSignature, Usage::ServerAuth],
    }
}

fn san(identifier: &Identifier) -> Option<San> {
    match identifier {
        Identifier::Dns(name) => Some(San::Dns(name.clone())),
        Identifier::Ip(address) => Some(San::Ip(*address)),
        Identifier::Other { .. } => None,
    }
}

fn read_intermediate(path: &Path) -> Result<Option<(Certificate, PrivateKey)>, AuthorityError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let (certificate, key) = (parse_certificate(&text, path)?, parse_key(&text, path)?);
    if *certificate.public_key() != key.public_key() {
        return Err(AuthorityError::Mismatch { key: path.to_owned(), certificate: path.to_owned() });
    }
    Ok(Some((certificate, key)))
}

fn read(path: &Path) -> Result<Option<String>, AuthorityError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AuthorityError::Read { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), AuthorityError> {
    files::replace(path, contents, mode)
        .map_err(|source| AuthorityError::Write { path: path.to_owned(), source })
}

fn parse_key(text: &str, path: &Path) -> Result<PrivateKey, AuthorityError> {
    PrivateKey::from_pem(text).map_err(|source| AuthorityError::BadKey { path: path.to_owned(), source })
}

fn parse_certificate(text: &str, path: &Path) -> Result<Certificate, AuthorityError> {
    Certificate::from_pem(text)
        .map_err(|source| AuthorityError::BadCertificate { path: path.to_owned(), source })
}

/// Why the CA has no keys, or cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file holds no private key.
    #[error("{path} holds no private key that can be used; restore it from a backup")]
    BadKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
    /// A file holds no certificate.
    #[error("{path} holds no certificate; restore it from a backup")]
    BadCertificate {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: CertificateError,
    },
    /// Key and certificate do not belong together.
    #[error("the key in {key} does not belong to the CA certificate in {certificate}; restore both from one backup")]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// There is a root certificate, but its key is gone.
    #[error("{certificate} is there but {key} is not; restore it, or move both away to make a new root")]
    KeyMissing {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The root lives too short to sign anything useful.
    #[error("the root in {path} ends on {not_after}; move the folder away to make a new root, and trust that one")]
    RootExpired {
        /// The file of the root.
        path: PathBuf,
        /// When it ends.
        not_after: Timestamp,
    },
    /// A certificate request that was accepted cannot be read any more.
    #[error("the stored certificate request cannot be read")]
    StoredRequest,
    /// No key could be made.
    #[error("cannot make a key")]
    Generate(#[from] KeyError),
    /// No serial number could be made.
    #[error("cannot make a serial number")]
    Serial(#[from] SerialError),
    /// A name cannot be encoded.
    #[error("cannot encode the subject")]
    Name(#[from] NameError),
    /// A certificate cannot be made.
    #[error("cannot sign the certificate")]
    Sign(#[from] TemplateError),
}

const ROOT_KEY: &str = "root.key";
const ROOT: &str = "root.pem";
const INTERMEDIATE: &str = "intermediate.pem";

const ROOT_LIFETIME: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);
const INTERMEDIATE_LIFETIME: SignedDuration = SignedDuration::from_hours(5 * 365 * 24);

/// An intermediate with less time than this is replaced when the CA starts.
const INTERMEDIATE_RENEWAL: SignedDuration = SignedDuration::from_hours(365 * 24);

/// For clients whose clocks are behind.
const BACKDATING: SignedDuration = SignedDuration::from_mins(1);

/// RFC 5280 appendix A.1, ub-common-name.
const LONGEST_COMMON_NAME: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(years: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_hours(years * 365 * 24)
    }

    fn open(folder: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
        Authority::open(folder, "Test", now)
    }

    #[test]
    fn a_ca_is_made_once_and_found_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (first, again) = (open(folder.path(), at(0)).unwrap(), open(folder.path(), at(1)).unwrap());
        assert_eq!(first.root.der(), again.root.der());
        assert_eq!(first.intermediate.der(), again.intermediate.der());
        assert!(first.root.is_self_signed() && first.intermediate.is_issued_by(&first.root));
        for (file, mode) in [(ROOT_KEY, 0o600), (INTERMEDIATE, 0o600), (ROOT, 0o644)] {
            let permissions = fs::metadata(folder.path().join(file)).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{file}");
        }
    }

    #[test]
    fn an_intermediate_near_its_end_is_replaced_under_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), at(0)).unwrap();
        let later = open(folder.path(), at(4)).unwrap();
        assert_eq!(first.root.der(), later.root.der());
        assert_ne!(first.intermediate.der(), later.intermediate.der());
        assert!(later.intermediate.is_issued_by(&later.root));
        assert!(matches!(open(folder.path(), at(20)), Err(AuthorityError::RootExpired { .. })));
    }

    #[test]
    fn a_root_key_without_a_certificate_is_used_and_a_certificate_without_its_key_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), at(0)).unwrap();
        let key = fs::read(folder.path().join(ROOT_KEY)).unwrap();
        fs::remove_file(folder.path().join(ROOT)).unwrap();
        open(folder.path(), at(0)).unwrap();
        assert_eq!(fs::read(folder.path().join(ROOT_KEY)).unwrap(), key);
        fs::remove_file(folder.path().join(ROOT_KEY)).unwrap();
        assert!(matches!(open(folder.path(), at(0)), Err(AuthorityError::KeyMissing { .. })));
    }

    #[test]
    fn a_server_certificate_names_its_hosts_and_ends_with_the_intermediate() {
        let folder = tempfile::tempdir().unwrap();
        let authority = open(folder.path(), at(0)).unwrap();
        let names = [San::from_host("localhost"), San::from_host("127.0.0.1")];
        let long = SignedDuration::from_hours(24 * 365 * 50);
        let (chain, key) = authority.server_certificate(&names, long, at(0)).unwrap();
        let [leaf, intermediate] = chain.as_slice() else { panic!("a leaf and an intermediate") };
        assert!(leaf.covers("localhost") && leaf.covers("127.0.0.1") && !leaf.covers("example.com"));
        assert!(leaf.is_issued_by(intermediate) && intermediate.is_issued_by(authority.root()));
        assert_eq!(*leaf.public_key(), key.public_key());
        assert_eq!(leaf.not_after(), intermediate.not_after());
    }
}
