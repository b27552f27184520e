//! Whose words a client gets in place of an error: `custom-http-errors` and `default-backend`.

use http::StatusCode;

use crate::upstream::UpstreamId;

/// What becomes of the errors of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorPages {
    /// Answers with these statuses are replaced.
    pub statuses: Vec<StatusCode>,
    /// Whose answers are.
    pub of: Intercepted,
    /// Who is asked for the page; `None`: a constant one says the status.
    pub writer: Option<UpstreamId>,
    /// Who is asked in place of a Service without endpoints.
    pub stand_in: Option<UpstreamId>,
}

/// Whose answers are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intercepted {
    /// The upstream's and our own.
    #[default]
    All,
    /// Our own only (`disable-proxy-intercept-errors`).
    Own,
}

/// Who made an answer that may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The upstream.
    Upstream,
    /// The proxy or a filter of the route.
    Own,
}

impl ErrorPages {
    /// Whether an answer of `author` with `status` is replaced.
    #[must_use]
    pub fn replaces(&self, status: StatusCode, author: Author) -> bool {
        let is_meant = match (self.of, author) {
            (Intercepted::All, _) | (Intercepted::Own, Author::Own) => true,
            (Intercepted::Own, Author::Upstream) => false,
        };
        is_meant && self.statuses.contains(&status)
    }
}
