//! The port through which the client reaches a CA.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

/// A future that may move between threads, boxed so that [`Transport`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one HTTP request and returns the whole answer.
///
/// Contract: any answer with a status line is `Ok`, errors of the CA included. The implementation bounds the
/// time of the exchange and the size of the body, follows no redirect and sends the headers it is given.
pub trait Transport: Send + Sync + Debug {
    /// Sends `request`, an absolute `https` URL in its URI.
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, TransportError>>;
}

/// No complete answer was received.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {url}")]
pub struct TransportError {
    /// The URL asked for.
    pub url: String,
    /// What failed: name resolution, connection, TLS, timeout, or a body over the limit.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
