//! What can be wrong with the CA's own keys.

use std::io;
use std::path::PathBuf;

use jamul_pki::{KeyError, X509Error};
use jiff::Timestamp;

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
    /// A folder that is none of a CA.
    #[error("there is no CA in {path}; start one there first")]
    NotFounded {
        /// The folder.
        path: PathBuf,
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
