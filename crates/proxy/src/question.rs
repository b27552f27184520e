//! Subrequests that filters ask for (external authentication).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jamul_routing::{Answer, Question};
use tokio::net::TcpStream;

/// From name lookup to response head.
const WAIT: Duration = Duration::from_secs(5);
/// Largest response head; the body is not read.
const MAX_HEAD: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("the URL is not an absolute http:// URL")]
    Url,
    #[error("no connection")]
    Connect(#[from] std::io::Error),
    #[error("no answer")]
    Http(#[from] hyper::Error),
    #[error("no answer in time")]
    Timeout,
}

/// Performs `question`; any failure is an answer without a status, which filters treat as a refusal.
pub(crate) async fn ask(question: Question) -> Answer {
    let url = question.url.clone();
    let answer = tokio::time::timeout(WAIT, perform(question)).await.unwrap_or(Err(AskError::Timeout));
    answer.unwrap_or_else(|error| {
        tracing::warn!(url, error = &error as &dyn std::error::Error, "subrequest failed");
        Answer { status: None, headers: HeaderMap::new() }
    })
}

async fn perform(question: Question) -> Result<Answer, AskError> {
    let url: Uri = question.url.parse().map_err(|_| AskError::Url)?;
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http")).ok_or(AskError::Url)?;
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((name, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await?;
    let serving = tokio::task::spawn_local(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = question.method;
    *request.headers_mut() = question.headers;
    if !request.headers().contains_key(header::HOST) {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| AskError::Url)?;
        request.headers_mut().insert(header::HOST, host);
    }
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path.parse().map_err(|_| AskError::Url)?;
    let response = sender.send_request(request).await;
    serving.abort();
    let (parts, _) = response?.into_parts();
    Ok(Answer { status: Some(parts.status), headers: parts.headers })
}
