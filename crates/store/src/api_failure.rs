//! Why the API server did not do as asked.

use std::time::Duration;

use thiserror::Error;

/// How long an answer may take; a watch is a stream and has its own limits.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why the API server did not do as asked.
#[derive(Debug, Error)]
pub enum ApiFailure {
    /// It said no, or could not be reached.
    #[error(transparent)]
    Kube(Box<kube::Error>),
    /// It said nothing.
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    Silent,
}

impl ApiFailure {
    /// HTTP status of the refusal; `None` when there was no answer.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Kube(error) => match &**error {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Silent => None,
        }
    }
}

impl From<kube::Error> for ApiFailure {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl From<kube::core::request::Error> for ApiFailure {
    fn from(error: kube::core::request::Error) -> Self {
        kube::Error::BuildRequest(error).into()
    }
}
