//! How often an ACME server is asked whether it has decided.

use std::time::Duration;

/// Waits between looks while a place is held for it: most CAs need less than a second, and nobody else may wait longer for
/// one that does not.
pub(crate) const POLLS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// When to look again after that: as the server asks, within reason.
pub(crate) fn next_look(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(USUAL).clamp(SHORTEST, LONGEST)
}

const USUAL: Duration = Duration::from_secs(2);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
