//! Snippets of nginx configuration: a closed grammar, compiled to typed values.
//!
//! Nothing is interpreted as text at run time. What the table [`CONSTRUCTS`] does not list is an error that names the
//! construct and its line, and whoever carries it is closed: a rule that is not understood may be one that denies.

mod constructs;
mod lexer;
mod parser;
mod program;
mod text;

pub use constructs::{CONSTRUCTS, Construct, Context, variable_names};
pub(crate) use parser::{Snippet, parse};
pub(crate) use program::{Access, Program};
pub(crate) use text::{Scene, Text};

use std::fmt;

/// Settings with snippets of all routes, the widest first.
pub const SETTINGS: [(&str, Context); 3] = [
    ("http-snippet", Context::Server),
    ("server-snippet", Context::Server),
    ("location-snippet", Context::Location),
];

/// What could not be understood, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Counted from 1.
    pub line: usize,
    /// The construct and what is wrong with it.
    pub what: String,
}

impl Refusal {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Whether a snippet of `context` is understood.
///
/// # Errors
/// [`Refusal`] names the first construct that is not.
pub fn check(text: &str, context: Context) -> Result<(), Refusal> {
    parse(text, context).map(|_| ())
}
