//! A finding about an object: an Event, a condition's reason and message.

/// Reason and message, for an Event or a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look at it.
    pub is_warning: bool,
    /// Stable CamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Note {
    /// Something that went as it should.
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_warning: false, reason: reason.into(), message: message.into() }
    }

    /// Something that somebody should look at.
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { is_warning: true, reason: reason.into(), message: message.into() }
    }
}
