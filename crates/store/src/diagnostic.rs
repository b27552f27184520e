//! Something in the folder that a user must mend, or should know.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work as written.
    Error,
    /// Something works, though probably not as meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// One finding about the files of a folder; the same shape as every other Diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SourceDiagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// `Kind namespace/name`, or the path of the file where no object is known.
    pub object: String,
    /// The field or the place in the file (`line 3, column 6`); empty when the whole object or file is meant.
    pub field: String,
    /// CamelCase and stable.
    pub reason: &'static str,
    /// What was found, what was expected, the way out.
    pub message: String,
}
