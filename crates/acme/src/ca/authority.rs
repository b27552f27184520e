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
    /// Reads the CA's keys from `state`, or makes them on its first start.
    pub(super) fn open(state: &Path, name: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let (root, root_key) = match read_pair(state, ROOT)? {
            Some(pair) => pair,
            None => create_root(state, name, now)?,
        };
        let (intermediate, key) = match read_pair(state, INTERMEDIATE)? {
            Some(pair) => pair,
            None => create_intermediate(state, name, &root, &root_key, now)?,
        };
        let public = state.join(ROOT_PUBLIC);
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
        Ok(text) => Ok(Some((Certificate::from_pem(&text)?, PrivateKey::from_pem(&text)?))),
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
