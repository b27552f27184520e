//! The CA's own keys and certificates: a root, and an intermediate that signs.

use std::io;
use std::path::{Path, PathBuf};

use jamul_pki::{
    Authority as Signer, Certificate, CertificateTemplate, Csr, KeyAlgorithm, KeyEncoding, KeyError,
    PrivateKey, PublicKey, San, Serial, Subject, Usage, X509Error,
};
use jiff::{SignedDuration, Timestamp};

use super::files;
use crate::wire::Identifier;

/// The root and intermediate of a CA.
#[derive(Debug)]
pub(super) struct Authority {
    root: Certificate,
    intermediate: Certificate,
    key: PrivateKey,
}

impl Authority {
    /// Reads the CA's keys from `state`, or makes them on its first start. An intermediate near its end is replaced.
    pub(super) fn open(state: &Path, name: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let public = state.join(ROOT_PUBLIC);
        let (root, root_key) = match read_pair(state, ROOT)? {
            Some(pair) => pair,
            // Another root would silently take the place of the one that clients trust.
            None if public.exists() => {
                return Err(AuthorityError::RootKeyMissing { key: state.join(ROOT), certificate: public });
            }
            None => create_root(state, name, now)?,
        };
        let needed = later(now, INTERMEDIATE_RENEWAL);
        if root.not_after() < needed {
            return Err(AuthorityError::RootExpired { path: public, not_after: root.not_after() });
        }
        let (intermediate, key) = match read_pair(state, INTERMEDIATE)? {
            Some(pair) if pair.0.is_issued_by(&root) && pair.0.not_after() > needed => pair,
            Some(_) | None => create_intermediate(state, name, &root, &root_key, now)?,
        };
        files::replace(&public, root.to_pem()?.as_bytes(), files::PUBLIC)
            .map_err(|source| AuthorityError::File { path: public, source })?;
        Ok(Self { root, intermediate, key })
    }

    /// What has to be trusted.
    pub(super) fn root(&self) -> &Certificate {
        &self.root
    }

    /// A chain for the key of `csr` and exactly these names, never beyond the intermediate's own end.
    pub(super) fn issue(
        &self,
        csr: &Csr,
        identifiers: &[Identifier],
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Vec<Certificate>, AuthorityError> {
        self.sign(csr.public_key(), sans(identifiers), not_before, not_after)
    }

    /// A chain and a new key for the CA's own listener.
    pub(super) fn server_certificate(
        &self,
        names: &[San],
        validity: SignedDuration,
        now: Timestamp,
    ) -> Result<(Vec<Certificate>, PrivateKey), AuthorityError> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
        let chain = self.sign(&key.public_key(), names.to_vec(), now, later(now, validity))?;
        Ok((chain, key))
    }

    fn sign(
        &self,
        public_key: &PublicKey,
        sans: Vec<San>,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Vec<Certificate>, AuthorityError> {
        let common_name = sans.iter().find_map(|san| match san {
            // Longer ones do not fit into the attribute (RFC 5280 appendix A.1, ub-common-name).
            San::Dns(name) if name.len() <= 64 => Some(name.clone()),
            San::Dns(_) | San::Ip(_) | San::Uri(_) | San::Email(_) => None,
        });
        let mut usages = vec![usage("digital signature")?, usage("server auth")?];
        if matches!(public_key.algorithm(), KeyAlgorithm::Rsa { .. }) {
            usages.push(usage("key encipherment")?);
        }
        let template = CertificateTemplate {
            sans,
            usages,
            not_before: earlier(not_before, BACKDATE).max(self.intermediate.not_before()),
            not_after: not_after.min(self.intermediate.not_after()),
            ..template(Subject { common_name, ..Subject::default() }, public_key.clone(), not_before)?
        };
        let leaf = template.sign_by(&Signer { certificate: &self.intermediate, key: &self.key })?;
        Ok(vec![leaf, self.intermediate.clone()])
    }
}

/// The alternative names of identifiers; those of unknown types have none.
pub(super) fn sans(identifiers: &[Identifier]) -> Vec<San> {
    let san = |identifier: &Identifier| match identifier {
        Identifier::Dns(name) => Some(San::Dns(name.clone())),
        Identifier::Ip(address) => Some(San::Ip(*address)),
        Identifier::Other { .. } => None,
    };
    identifiers.iter().filter_map(san).collect()
}

fn create_root(
    state: &Path,
    name: &str,
    now: Timestamp,
) -> Result<(Certificate, PrivateKey), AuthorityError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let template = authority_template(name, "Root CA", None, key.public_key(), now, later(now, ROOT_LIFE))?;
    write_pair(state, ROOT, template.self_sign(&key)?, key)
}

fn create_intermediate(
    state: &Path,
    name: &str,
    root: &Certificate,
    root_key: &PrivateKey,
    now: Timestamp,
) -> Result<(Certificate, PrivateKey), AuthorityError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let not_after = later(now, INTERMEDIATE_LIFE).min(root.not_after());
    let template = authority_template(name, "Intermediate CA", Some(0), key.public_key(), now, not_after)?;
    let certificate = template.sign_by(&Signer { certificate: root, key: root_key })?;
    write_pair(state, INTERMEDIATE, certificate, key)
}

fn authority_template(
    name: &str,
    role: &str,
    path_len: Option<u8>,
    public_key: PublicKey,
    now: Timestamp,
    not_after: Timestamp,
) -> Result<CertificateTemplate, AuthorityError> {
    // Two CAs on one machine must not have one name: clients find issuers by it.
    let identifier = public_key.key_identifier();
    let mark: String = identifier.iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    let subject = Subject { common_name: Some(format!("{name} {role} {mark}")), ..Subject::default() };
    Ok(CertificateTemplate {
        usages: vec![usage("cert sign")?, usage("crl sign")?],
        is_ca: true,
        path_len,
        not_before: earlier(now, BACKDATE),
        not_after,
        ..template(subject, public_key, now)?
    })
}

/// A template without names and usages, valid for no time; the callers say the rest.
fn template(
    subject: Subject,
    public_key: PublicKey,
    now: Timestamp,
) -> Result<CertificateTemplate, AuthorityError> {
    Ok(CertificateTemplate {
        serial: Serial::random()?,
        subject,
        sans: Vec::new(),
        usages: Vec::new(),
        is_ca: false,
        path_len: None,
        not_before: now,
        not_after: now,
        public_key,
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    })
}

fn usage(name: &str) -> Result<Usage, AuthorityError> {
    Ok(Usage::parse(name)?)
}

/// Certificate and key stand in one file, so that a crash cannot part them.
fn write_pair(
    state: &Path,
    name: &str,
    certificate: Certificate,
    key: PrivateKey,
) -> Result<(Certificate, PrivateKey), AuthorityError> {
    let text = format!("{}{}", certificate.to_pem()?, key.to_pem(KeyEncoding::Pkcs8)?);
    let path = state.join(name);
    files::replace(&path, text.as_bytes(), files::PRIVATE)
        .map_err(|source| AuthorityError::File { path, source })?;
    Ok((certificate, key))
}

fn read_pair(state: &Path, name: &str) -> Result<Option<(Certificate, PrivateKey)>, AuthorityError> {
    let path = state.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let (certificate, key) = (Certificate::from_pem(&text)?, PrivateKey::from_pem(&text)?);
            if *certificate.public_key() != key.public_key() {
                return Err(AuthorityError::Mismatch { path });
            }
            Ok(Some((certificate, key)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AuthorityError::File { path, source }),
    }
}

/// `time` plus `span`, or as late as a timestamp can be.
fn later(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The CA's certificates cannot be read, made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file failed.
    #[error("cannot read or write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is a root that clients trust, but its key is gone.
    #[error("{certificate} is there but {key} is not; restore it, or move both away to make a new root")]
    RootKeyMissing {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The root lives too short to sign anything useful.
    #[error(
        "the root in {path} ends on {not_after}; move the folder away to make a new root, and trust that one"
    )]
    RootExpired {
        /// The file of the root.
        path: PathBuf,
        /// When it ends.
        not_after: Timestamp,
    },
    /// A key and a certificate that do not belong together.
    #[error("the key and the certificate in {path} do not belong together; restore the file from a backup")]
    Mismatch {
        /// Which file.
        path: PathBuf,
    },
    /// A key failed.
    #[error("cannot use a key of the CA")]
    Key(#[from] KeyError),
    /// A certificate is damaged, or could not be made.
    #[error("cannot read or make a certificate of the CA")]
    Certificate(#[from] X509Error),
    /// The journal holds a request that cannot be read.
    #[error("the stored certificate request is damaged")]
    StoredRequest,
}

const ROOT: &str = "root.key.pem";
const INTERMEDIATE: &str = "intermediate.key.pem";
/// The root's certificate alone: what users trust.
const ROOT_PUBLIC: &str = "root.pem";

/// Clocks of clients may be behind.
const BACKDATE: SignedDuration = SignedDuration::from_mins(1);
const ROOT_LIFE: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);
const INTERMEDIATE_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// An intermediate with less time than this is replaced when the CA starts.
const INTERMEDIATE_RENEWAL: SignedDuration = SignedDuration::from_hours(365 * 24);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(years: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_hours(years * 365 * 24)
    }

    fn open(folder: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
        Authority::open(folder, "Test", now)
    }

    #[test]
    fn a_ca_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let (first, again) = (open(folder.path(), at(0)).unwrap(), open(folder.path(), at(1)).unwrap());
        assert_eq!(first.root.der(), again.root.der());
        assert_eq!(first.intermediate.der(), again.intermediate.der());
        assert!(first.root.is_self_signed() && first.intermediate.is_issued_by(&first.root));
        for (file, mode) in [(ROOT, 0o600), (INTERMEDIATE, 0o600), (ROOT_PUBLIC, 0o644)] {
            let permissions = fs::metadata(folder.path().join(file)).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{file}");
        }
    }

    #[test]
    fn an_intermediate_near_its_end_is_replaced_under_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        let (first, later) = (open(folder.path(), at(0)).unwrap(), open(folder.path(), at(9)).unwrap());
        assert_eq!(first.root.der(), later.root.der());
        assert_ne!(first.intermediate.der(), later.intermediate.der());
        assert!(later.intermediate.is_issued_by(&later.root));
        assert!(matches!(open(folder.path(), at(20)), Err(AuthorityError::RootExpired { .. })));
    }

    #[test]
    fn a_root_whose_key_is_gone_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = open(folder.path(), at(0)).unwrap().root.to_pem().unwrap();
        fs::remove_file(folder.path().join(ROOT)).unwrap();
        assert!(matches!(open(folder.path(), at(0)), Err(AuthorityError::RootKeyMissing { .. })));
        assert_eq!(fs::read_to_string(folder.path().join(ROOT_PUBLIC)).unwrap(), root);
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
}
