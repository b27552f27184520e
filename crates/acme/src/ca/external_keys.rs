//! Keys for external account binding (RFC 8555 section 7.3.4): one file each, so that an operator can make and take away
//! some while the CA runs.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{files, random};
use crate::jose::ExternalBinding;

/// What an operator hands to whoever shall have an account.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalKey {
    /// Which key.
    pub key_id: String,
    /// The key for HS256, base64url without padding.
    pub hmac_key: String,
}

impl std::fmt::Debug for ExternalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Makes a key in the folder of a CA, running or not. Each is good for one account.
///
/// # Errors
/// [`ExternalKeyError`].
pub fn create_external_key(state: &Path) -> Result<ExternalKey, ExternalKeyError> {
    let key = ExternalKey { key_id: random::identifier(), hmac_key: random::secret() };
    let folder = state.join(FOLDER);
    let path = folder.join(&key.key_id);
    let failed = |source| ExternalKeyError { path: path.clone(), source };
    files::create_folder(&folder).map_err(failed)?;
    let text = serde_json::to_vec(&key).map_err(|error| failed(error.into()))?;
    files::replace(&path, &text, files::PRIVATE).map_err(failed)?;
    Ok(key)
}

/// The binding with this identifier, if the operator made one and it is still there.
///
/// # Errors
/// The file is there and cannot be read.
pub(super) fn find(state: &Path, key_id: &str) -> io::Result<Option<ExternalBinding>> {
    // It comes from a request and becomes part of a path.
    if key_id.is_empty() || key_id.len() > 64 || !key_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let text = match std::fs::read(state.join(FOLDER).join(key_id)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let key: ExternalKey = serde_json::from_slice(&text)?;
    ExternalBinding::parse(&key.key_id, &key.hmac_key).map(Some).map_err(io::Error::other)
}

/// A key that could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the external account key {path}")]
pub struct ExternalKeyError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

const FOLDER: &str = "eab";
