//! Why an account cannot be used.

use std::time::Duration;

use jamul_issuance::Note;
use jamul_store::StoreError;

/// Why there is no account.
#[derive(Debug)]
pub(crate) enum AccountError {
    /// The account key is missing or unusable; waits for its Secret to change.
    Key(Note),
    /// The key could not be stored.
    Store(StoreError),
    /// The server said no.
    Refused(String),
    /// The server does not know the account (any more): it has to be registered again.
    Unknown(String),
    /// The server is away or asks to wait.
    Away { message: String, after: Option<Duration> },
}
