//! What can go wrong for a client, in classes that callers decide by.

use std::time::Duration;

use http::StatusCode;

use crate::jose::JoseError;
use crate::problem::{Problem, ProblemType};
use crate::transport::TransportError;

/// Why a request to an ACME server failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer came.
    #[error("no answer from {url}")]
    Transport {
        /// The URL asked.
        url: String,
        /// What happened.
        #[source]
        source: TransportError,
    },
    /// The server refused.
    #[error("{url} answered {status}: {problem}")]
    Problem {
        /// The URL asked.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// The server's reason.
        problem: Box<Problem>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server answered something that is not ACME.
    #[error("{url} gave an answer that is not ACME: {reason}")]
    Malformed {
        /// The URL asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A URL, given by the user or the server, is none.
    #[error("{url:?} is not a URL that can be asked")]
    Url {
        /// The text.
        url: String,
        /// What the parser said.
        #[source]
        source: http::Error,
    },
    /// The server's directory lacks an operation.
    #[error("the ACME server offers no {operation}")]
    Unsupported {
        /// The name of the directory entry.
        operation: &'static str,
    },
    /// The account key cannot sign.
    #[error("cannot sign the request")]
    Sign(#[source] JoseError),
}

impl ClientError {
    pub(super) fn malformed(url: &str, reason: &str) -> Self {
        Self::Malformed { url: url.to_owned(), reason: reason.to_owned() }
    }

    /// The server's problem, when it gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem { problem, .. } => Some(problem),
            Self::Transport { .. }
            | Self::Malformed { .. }
            | Self::Url { .. }
            | Self::Unsupported { .. }
            | Self::Sign(_) => None,
        }
    }

    /// The type of the server's problem.
    pub fn problem_type(&self) -> Option<&ProblemType> {
        self.problem().map(|problem| &problem.kind)
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            Self::Transport { .. }
            | Self::Malformed { .. }
            | Self::Url { .. }
            | Self::Unsupported { .. }
            | Self::Sign(_) => None,
        }
    }

    /// Whether the server wants fewer requests: by status or by type, as servers differ in which they send.
    pub fn is_rate_limited(&self) -> bool {
        match self {
            Self::Problem { status, problem, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS || problem.kind == ProblemType::RateLimited
            }
            Self::Transport { .. }
            | Self::Malformed { .. }
            | Self::Url { .. }
            | Self::Unsupported { .. }
            | Self::Sign(_) => false,
        }
    }

    /// Whether the same request may well succeed soon: nobody answered, the server had an accident, or it lost nonces
    /// faster than they were fetched. An answer that is not ACME counts too: a proxy's page goes away.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Malformed { .. } => true,
            Self::Problem { status, .. } => status.is_server_error() || self.is_bad_nonce(),
            Self::Url { .. } | Self::Unsupported { .. } | Self::Sign(_) => false,
        }
    }

    pub(super) fn is_bad_nonce(&self) -> bool {
        self.problem_type() == Some(&ProblemType::BadNonce)
    }
}
