//! Certificates and keys on disk. What belongs together stands in one file, so that a crash cannot part it.

use std::io;
use std::path::Path;

use jamul_pki::{Authority as Signer, Certificate, KeyEncoding, PrivateKey};

use super::error::AuthorityError;
use crate::ca::files;

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: Certificate,
    pub(super) key: PrivateKey,
}

impl Pair {
    pub(super) fn signer(&self) -> Signer<'_> {
        Signer { certificate: &self.certificate, key: &self.key }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, AuthorityError> {
        Ok(read(path)?.and_then(|(chain, key)| Some(Self { certificate: chain.into_iter().next()?, key })))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), AuthorityError> {
        write(path, std::slice::from_ref(&self.certificate), &self.key)
    }
}

/// A CA certificate below both roots, with the key that signs leaves.
#[derive(Debug)]
pub(super) struct Intermediate {
    /// By the root.
    pub(super) certificate: Certificate,
    /// The same name and key, by the alternate root.
    pub(super) crossed: Certificate,
    pub(super) key: PrivateKey,
}

impl Intermediate {
    pub(super) fn signer(&self) -> Signer<'_> {
        Signer { certificate: &self.certificate, key: &self.key }
    }

    /// A few digits by which it is told from the others.
    pub(super) fn mark(&self) -> String {
        mark(&self.certificate)
    }

    /// `None`: there is no file. One of an older version, without the crossed certificate, has an error of its own.
    pub(super) fn read(path: &Path) -> Result<Option<Stored>, AuthorityError> {
        let Some((chain, key)) = read(path)? else { return Ok(None) };
        let mut chain = chain.into_iter();
        Ok(match (chain.next(), chain.next()) {
            (Some(certificate), Some(crossed)) => {
                Some(Stored::Whole(Box::new(Self { certificate, crossed, key })))
            }
            (Some(certificate), None) => Some(Stored::Uncrossed(Box::new(Pair { certificate, key }))),
            (None, _) => None,
        })
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), AuthorityError> {
        write(path, &[self.certificate.clone(), self.crossed.clone()], &self.key)
    }
}

/// What a file of an intermediate holds.
#[derive(Debug)]
pub(super) enum Stored {
    /// All of it.
    Whole(Box<Intermediate>),
    /// As versions without an alternate root wrote it.
    Uncrossed(Box<Pair>),
}

/// Digits for names: two CAs on one machine must not have one, since clients find issuers by it.
pub(super) fn mark(certificate: &Certificate) -> String {
    let identifier = certificate.public_key().key_identifier();
    identifier.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

fn write(path: &Path, chain: &[Certificate], key: &PrivateKey) -> Result<(), AuthorityError> {
    let text = format!("{}{}", Certificate::chain_to_pem(chain)?, key.to_pem(KeyEncoding::Pkcs8)?);
    files::replace(path, text.as_bytes(), files::PRIVATE)
        .map_err(|source| AuthorityError::File { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Option<(Vec<Certificate>, PrivateKey)>, AuthorityError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(AuthorityError::File { path: path.to_owned(), source }),
    };
    let (chain, key) = (Certificate::chain_from_pem(&text)?, PrivateKey::from_pem(&text)?);
    if chain.iter().any(|certificate| *certificate.public_key() != key.public_key()) {
        return Err(AuthorityError::Mismatch { path: path.to_owned() });
    }
    Ok(Some((chain, key)))
}
