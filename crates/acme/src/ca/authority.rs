//! The CA's own keys and certificates: a root, a second one for alternate chains, and an intermediate that signs.
//!
//! The intermediate may be changed by another process while this one runs ([`rotate_intermediate`]). Those before it keep
//! their keys, because they sign the lists of what they issued and was revoked.

mod error;
mod files;
mod roots;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jamul_pki::{
    Certificate, CertificateTemplate, KeyAlgorithm, PrivateKey, PublicKey, RevocationListTemplate,
    RevokedCertificate, San, Serial, Subject, Usage,
};
use jiff::{SignedDuration, Timestamp};

pub use error::AuthorityError;
use files::{Intermediate, Stored};
use roots::{BACKDATE, Roots, later};

use super::files as ca_files;
use crate::wire::Identifier;

/// The roots' certificates and the intermediates of a CA.
#[derive(Debug)]
pub(super) struct Authority {
    state: PathBuf,
    root: Certificate,
    alternate_root: Certificate,
    intermediates: RwLock<Intermediates>,
}

#[derive(Debug)]
struct Intermediates {
    /// What the current one's file was when it was read.
    stamp: Option<Stamp>,
    current: Arc<Intermediate>,
    /// Those before, by which there may still be certificates.
    retired: Vec<Arc<Intermediate>>,
}

/// Tells whether a file was replaced: its number, its time of change and its length.
type Stamp = (u64, i64, i64, u64);

/// What a leaf shall say.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    pub(super) public_key: &'a PublicKey,
    pub(super) sans: Vec<San>,
    pub(super) not_before: Timestamp,
    /// At most: it never lives longer than the intermediate.
    pub(super) not_after: Timestamp,
}

impl Authority {
    /// Reads the CA's keys from `state`, or makes them on its first start. An intermediate near its end is replaced.
    pub(super) fn open(
        state: &Path,
        name: &str,
        permitted: &[San],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let lock = lock(state)?;
        let roots = Roots::open(state, name, permitted, now)?;
        let needed = later(now, INTERMEDIATE_RENEWAL);
        if roots.root.certificate.not_after() < needed {
            let not_after = roots.root.certificate.not_after();
            return Err(AuthorityError::RootExpired { path: state.join(roots::ROOT_PUBLIC), not_after });
        }
        match Intermediate::read(&state.join(INTERMEDIATE))? {
            Some(Stored::Whole(found)) if is_usable(&found.certificate, &roots, needed) => {}
            Some(Stored::Uncrossed(found)) if is_usable(&found.certificate, &roots, needed) => {
                roots.cross(*found)?.write(&state.join(INTERMEDIATE))?;
            }
            Some(_) | None => _ = replace_intermediate(state, &roots, now)?,
        }
        drop(lock);
        Ok(Self {
            state: state.to_owned(),
            root: roots.root.certificate,
            alternate_root: roots.alternate.certificate,
            intermediates: RwLock::new(read_intermediates(state)?),
        })
    }

    /// What has to be trusted.
    pub(super) fn root(&self) -> &Certificate {
        &self.root
    }

    /// What may be trusted instead, by alternate chains.
    pub(super) fn alternate_root(&self) -> &Certificate {
        &self.alternate_root
    }

    /// Whether the root can vouch for `identifier`.
    pub(super) fn permits(&self, identifier: &Identifier) -> bool {
        let Some(permitted) = self.root.permitted_names() else { return true };
        permitted.iter().any(|base| match (identifier.without_star(), base) {
            (Identifier::Dns(name), San::Dns(base)) => {
                name.strip_suffix(base.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Identifier::Ip(address), San::Ip(base)) => address == *base,
            (Identifier::Dns(_) | Identifier::Ip(_) | Identifier::Other { .. }, _) => false,
        })
    }

    /// A chain of leaf and intermediate. `is_taken` tells which serial numbers exist; `crl` makes the URL of the list of
    /// an intermediate's mark.
    pub(super) fn issue(
        &self,
        leaf: &Leaf<'_>,
        is_taken: &dyn Fn(&[u8]) -> bool,
        crl: Option<&dyn Fn(&str) -> String>,
        now: Timestamp,
    ) -> Result<Vec<Certificate>, AuthorityError> {
        let by = self.current(now)?;
        let common_name = leaf.sans.iter().find_map(|san| match san {
            // Longer ones do not fit into the attribute (RFC 5280 appendix A.1, ub-common-name).
            San::Dns(name) if name.len() <= 64 => Some(name.clone()),
            San::Dns(_) | San::Ip(_) | San::Uri(_) | San::Email(_) | San::Other { .. } => None,
        });
        let mut usages = vec![Usage::DigitalSignature, Usage::ServerAuth];
        if matches!(leaf.public_key.algorithm(), KeyAlgorithm::Rsa { .. }) {
            usages.push(Usage::KeyEncipherment);
        }
        loop {
            let template = CertificateTemplate {
                serial: Serial::random()?,
                subject: Subject { common_name: common_name.clone(), ..Subject::default() },
                sans: leaf.sans.clone(),
                usages: usages.clone(),
                is_ca: false,
                path_len: None,
                not_before: earlier(leaf.not_before, BACKDATE).max(by.certificate.not_before()),
                not_after: leaf.not_after.min(by.certificate.not_after()),
                public_key: leaf.public_key.clone(),
                crl_distribution_points: crl.map(|url| url(&by.mark())).into_iter().collect(),
                ocsp_servers: Vec::new(),
                issuing_certificate_urls: Vec::new(),
            };
            let certificate = template.sign_by(&by.signer())?;
            if !is_taken(certificate.serial()) {
                return Ok(vec![certificate, by.certificate.clone()]);
            }
        }
    }

    /// A chain and a new key for the CA's own listener.
    pub(super) fn server_certificate(
        &self,
        names: &[San],
        validity: SignedDuration,
        now: Timestamp,
    ) -> Result<(Vec<Certificate>, PrivateKey), AuthorityError> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
        let public_key = key.public_key();
        let leaf = Leaf {
            public_key: &public_key,
            sans: names.to_vec(),
            not_before: now,
            not_after: later(now, validity),
        };
        Ok((self.issue(&leaf, &|_| false, None, now)?, key))
    }

    /// The intermediate of `leaf` by the alternate root.
    pub(super) fn alternate_of(&self, leaf: &Certificate) -> Option<Certificate> {
        let issuer = leaf.authority_key_identifier()?;
        self.find(|one| one.certificate.key_identifier() == Some(issuer)).map(|one| one.crossed.clone())
    }

    /// The key identifier of the intermediate with this mark.
    pub(super) fn key_identifier(&self, mark: &str) -> Option<Vec<u8>> {
        let found = self.find(|one| one.mark() == mark)?;
        found.certificate.key_identifier().map(<[u8]>::to_vec)
    }

    /// The list of what the intermediate with this mark signed and was revoked; `None` if there is no such intermediate.
    pub(super) fn revocation_list(
        &self,
        mark: &str,
        list: &RevocationListTemplate<'_>,
    ) -> Result<Option<Vec<u8>>, AuthorityError> {
        let Some(by) = self.find(|one| one.mark() == mark) else { return Ok(None) };
        Ok(Some(list.sign_by(&by.signer())?))
    }

    fn find(&self, wanted: impl Fn(&Intermediate) -> bool) -> Option<Arc<Intermediate>> {
        let intermediates = self.intermediates.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::iter::once(&intermediates.current).chain(&intermediates.retired);
        all.find(|one| wanted(one)).cloned()
    }

    /// The intermediate that signs now. Another one if somebody replaced it, or if its end is near.
    fn current(&self, now: Timestamp) -> Result<Arc<Intermediate>, AuthorityError> {
        let stamp = stamp(&self.state);
        {
            let known = self.intermediates.read().unwrap_or_else(PoisonError::into_inner);
            let is_over = known.current.certificate.not_after() <= later(now, INTERMEDIATE_RENEWAL / 2);
            // A file that is gone is no reason to stop: its contents are here.
            if (known.stamp == stamp || stamp.is_none()) && !is_over {
                return Ok(Arc::clone(&known.current));
            }
            drop(known);
            if is_over {
                rotate_intermediate(&self.state, now)?;
            }
        }
        let read = read_intermediates(&self.state)?;
        let current = Arc::clone(&read.current);
        *self.intermediates.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(current)
    }
}

/// Makes a new intermediate for the CA in `state`, whether or not it runs: it signs with the new one from then on.
///
/// # Errors
/// There is no CA, or its files cannot be read or written; nothing has changed then.
pub fn rotate_intermediate(state: &Path, now: Timestamp) -> Result<Certificate, AuthorityError> {
    let not_founded = || AuthorityError::NotFounded { path: state.to_owned() };
    if !state.join(roots::ROOT_PUBLIC).exists() {
        return Err(not_founded());
    }
    let _lock = lock(state)?;
    let roots = Roots::read(state)?.ok_or_else(not_founded)?;
    replace_intermediate(state, &roots, now)
}

/// The old one is put aside first: killed between the two writes, it is there twice and nothing has happened.
fn replace_intermediate(state: &Path, roots: &Roots, now: Timestamp) -> Result<Certificate, AuthorityError> {
    let path = state.join(INTERMEDIATE);
    let old = match Intermediate::read(&path)? {
        Some(Stored::Whole(old)) => Some(*old),
        Some(Stored::Uncrossed(old)) => Some(roots.cross(*old)?),
        None => None,
    };
    if let Some(old) = old.filter(|old| old.certificate.is_issued_by(&roots.root.certificate)) {
        old.write(&state.join(format!("{RETIRED_PREFIX}{}{RETIRED_SUFFIX}", old.mark())))?;
    }
    let new = roots.intermediate(now)?;
    new.write(&path)?;
    Ok(new.certificate)
}

fn is_usable(intermediate: &Certificate, roots: &Roots, needed: Timestamp) -> bool {
    intermediate.is_issued_by(&roots.root.certificate) && intermediate.not_after() > needed
}

fn read_intermediates(state: &Path) -> Result<Intermediates, AuthorityError> {
    let path = state.join(INTERMEDIATE);
    let stamp = stamp(state);
    let Some(Stored::Whole(current)) = Intermediate::read(&path)? else {
        return Err(AuthorityError::File { path, source: io::ErrorKind::NotFound.into() });
    };
    let failed = |source| AuthorityError::File { path: state.to_owned(), source };
    let mut retired = Vec::new();
    for entry in fs::read_dir(state).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(RETIRED_PREFIX) && name.ends_with(RETIRED_SUFFIX)) {
            continue;
        }
        if let Some(Stored::Whole(one)) = Intermediate::read(&state.join(&*name))?
            && one.certificate != current.certificate
        {
            retired.push(Arc::from(one));
        }
    }
    Ok(Intermediates { stamp, current: Arc::from(current), retired })
}

fn stamp(state: &Path) -> Option<Stamp> {
    let found = fs::metadata(state.join(INTERMEDIATE)).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
}

/// Held while keys are made, so that two processes do not make them at once.
fn lock(state: &Path) -> Result<File, AuthorityError> {
    let path = state.join(LOCK);
    let failed = |source| AuthorityError::File { path: path.clone(), source };
    let file = ca_files::open_private(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
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

/// Revoked certificates as a list has them.
pub(super) fn revoked(serial: &[u8], at: Timestamp, reason: u8) -> RevokedCertificate {
    RevokedCertificate { serial: serial.to_vec(), at, reason }
}

fn earlier(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}

const INTERMEDIATE: &str = "intermediate.key.pem";
const RETIRED_PREFIX: &str = "intermediate-";
const RETIRED_SUFFIX: &str = ".key.pem";
const LOCK: &str = "authority.lock";

/// An intermediate with less time than this is replaced when the CA starts, with half of it while it runs.
const INTERMEDIATE_RENEWAL: SignedDuration = SignedDuration::from_hours(365 * 24);

#[cfg(test)]
mod tests;
