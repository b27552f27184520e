//! Copies of requests to somewhere else (`mirror-*`).

use http::HeaderValue;

use crate::head::RequestHead;
use crate::template::Template;

/// Where copies of requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// An absolute URL with variables.
    pub(crate) target: Template,
    /// `Host` of the copies; `None`: that of the URL.
    pub host: Option<HeaderValue>,
    /// Whether they have the request's body.
    pub body: MirrorBody,
}

/// Whether copies have the request's body (`mirror-request-body`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirrorBody {
    /// They have.
    #[default]
    Copied,
    /// They have none.
    Left,
}

impl Mirror {
    /// The URL for the request of `head`, which no filter has edited yet.
    #[must_use]
    pub fn url(&self, head: &RequestHead) -> String {
        self.target.expand(head, &[])
    }
}
