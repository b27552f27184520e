//! The two roots, and what they sign: themselves and intermediates.

use std::path::Path;

use jamul_pki::{
    CertificateTemplate, KeyAlgorithm, PrivateKey, PublicKey, RawExtension, San, Serial, Subject, Usage,
};
use jiff::{SignedDuration, Timestamp};

use super::error::AuthorityError;
use super::files::{Intermediate, Pair};
use crate::ca::files;

/// The root, and a second one that ends alternate chains.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) root: Pair,
    pub(super) alternate: Pair,
    /// Begins all names.
    name: String,
}

impl Roots {
    /// The roots in `state`, made where missing: named `name`, permitting only `permitted` if that is not empty.
    pub(super) fn open(
        state: &Path,
        name: &str,
        permitted: &[San],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let roots = match Self::read(state)? {
            Some(roots) => roots,
            None => {
                let root = found(name, "Root CA", permitted, now)?;
                let alternate = found(name, "Alternate Root CA", permitted, now)?;
                // The root comes last: as long as it is not there, nothing was founded.
                alternate.write(&state.join(ALTERNATE))?;
                root.write(&state.join(ROOT))?;
                Self { root, alternate, name: name.to_owned() }
            }
        };
        roots.publish(state)?;
        Ok(roots)
    }

    /// The roots in `state`; `None` if no CA was founded there.
    pub(super) fn read(state: &Path) -> Result<Option<Self>, AuthorityError> {
        let public = state.join(ROOT_PUBLIC);
        let Some(root) = Pair::read(&state.join(ROOT))? else {
            // Another root would silently take the place of the one that clients trust.
            return match public.exists() {
                true => Err(AuthorityError::RootKeyMissing { key: state.join(ROOT), certificate: public }),
                false => Ok(None),
            };
        };
        let subject = root.certificate.subject().common_name.clone().unwrap_or_default();
        let name = subject.rsplit_once(" Root CA").map_or(subject.as_str(), |(name, _)| name).to_owned();
        let alternate = match Pair::read(&state.join(ALTERNATE))? {
            Some(pair) => pair,
            None => {
                let permitted = root.certificate.permitted_names().unwrap_or_default();
                let begin = root.certificate.not_before();
                let pair = found(&name, "Alternate Root CA", &permitted, begin)?;
                pair.write(&state.join(ALTERNATE))?;
                pair
            }
        };
        Ok(Some(Self { root, alternate, name }))
    }

    fn publish(&self, state: &Path) -> Result<(), AuthorityError> {
        for (file, pair) in [(ROOT_PUBLIC, &self.root), (ALTERNATE_PUBLIC, &self.alternate)] {
            let path = state.join(file);
            files::replace(&path, pair.certificate.to_pem()?.as_bytes(), files::PUBLIC)
                .map_err(|source| AuthorityError::File { path, source })?;
        }
        Ok(())
    }

    /// An intermediate with a new key, below both.
    pub(super) fn intermediate(&self, now: Timestamp) -> Result<Intermediate, AuthorityError> {
        self.certify(PrivateKey::generate(KeyAlgorithm::EcdsaP256)?, now)
    }

    /// The missing half of an intermediate that an older version made.
    pub(super) fn cross(&self, pair: Pair) -> Result<Intermediate, AuthorityError> {
        let crossed = self.certify(pair.key.clone(), pair.certificate.not_before())?.crossed;
        Ok(Intermediate { certificate: pair.certificate, crossed, key: pair.key })
    }

    fn certify(&self, key: PrivateKey, now: Timestamp) -> Result<Intermediate, AuthorityError> {
        let end = later(now, INTERMEDIATE_LIFE).min(self.root.certificate.not_after());
        let end = end.min(self.alternate.certificate.not_after());
        let more = match self.root.certificate.permitted_names() {
            Some(permitted) => vec![RawExtension::permitting(&permitted)?],
            None => Vec::new(),
        };
        let sign = |by: &Pair| {
            let template = template(&self.name, "Intermediate CA", Some(0), key.public_key(), (now, end))?;
            Ok::<_, AuthorityError>(template.sign_by_with(&by.signer(), &more)?)
        };
        let (certificate, crossed) = (sign(&self.root)?, sign(&self.alternate)?);
        Ok(Intermediate { certificate, crossed, key })
    }
}

fn found(name: &str, role: &str, permitted: &[San], now: Timestamp) -> Result<Pair, AuthorityError> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    let more = match permitted {
        [] => Vec::new(),
        names => vec![RawExtension::permitting(names)?],
    };
    let template = template(name, role, None, key.public_key(), (now, later(now, ROOT_LIFE)))?;
    Ok(Pair { certificate: template.self_sign_with(&key, &more)?, key })
}

fn template(
    name: &str,
    role: &str,
    path_len: Option<u8>,
    public_key: PublicKey,
    (begin, end): (Timestamp, Timestamp),
) -> Result<CertificateTemplate, AuthorityError> {
    // Two CAs on one machine must not have one name: clients find issuers by it.
    let identifier = public_key.key_identifier();
    let mark: String = identifier.iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    Ok(CertificateTemplate {
        serial: Serial::random()?,
        subject: Subject::with_common_name(format!("{name} {role} {mark}")),
        sans: Vec::new(),
        usages: vec![Usage::CertSign, Usage::CrlSign],
        is_ca: true,
        path_len,
        not_before: begin.checked_sub(BACKDATE).unwrap_or(Timestamp::UNIX_EPOCH),
        not_after: end,
        public_key,
        crl_distribution_points: Vec::new(),
        ocsp_servers: Vec::new(),
        issuing_certificate_urls: Vec::new(),
    })
}

/// `time` plus `span`, or as late as a timestamp can be.
pub(super) fn later(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

pub(super) const ROOT: &str = "root.key.pem";
/// The root's certificate alone: what users trust.
pub(super) const ROOT_PUBLIC: &str = "root.pem";
const ALTERNATE: &str = "root-alternate.key.pem";
const ALTERNATE_PUBLIC: &str = "root-alternate.pem";

/// Clocks of clients may be behind.
pub(super) const BACKDATE: SignedDuration = SignedDuration::from_mins(1);
const ROOT_LIFE: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);
const INTERMEDIATE_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
