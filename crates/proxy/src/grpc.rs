//! gRPC over HTTP/2, as far as a proxy must know it: refusals that its clients understand.
//!
//! A gRPC client reads `grpc-status` and nothing else; an answer of Jamul's own is therefore sent to it as
//! "Trailers-Only": status 200, no body, `grpc-status` in the head. Answers of upstreams pass as they are.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use jamul_routing::ResponseHead;

const GRPC: &str = "application/grpc";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a request is a gRPC call. gRPC-Web (`application/grpc-web`) is not: it carries trailers in its body.
pub(crate) fn is_call(version: Version, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(GRPC.as_bytes()));
    version == Version::HTTP_2 && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Makes a refusal of ours one that a gRPC client understands. What is no refusal (a redirect) stays.
pub(crate) fn trailers_only(head: &mut ResponseHead) -> bool {
    let refused = head.status;
    if !refused.is_client_error() && !refused.is_server_error() {
        return false;
    }
    head.status = StatusCode::OK;
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(GRPC));
    head.headers.insert(GRPC_STATUS, HeaderValue::from_static(code(refused)));
    let reason = refused.canonical_reason().unwrap_or("Unknown");
    if let Ok(message) = HeaderValue::try_from(format!("{} {reason}", refused.as_u16())) {
        head.headers.insert(GRPC_MESSAGE, message);
    }
    true
}

/// gRPC's own table for answers that are not gRPC (`doc/http-grpc-status-mapping.md` of grpc/grpc); Envoy's is
/// the same.
const fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "13",                   // INTERNAL
        401 => "16",                   // UNAUTHENTICATED
        403 => "7",                    // PERMISSION_DENIED
        404 => "12",                   // UNIMPLEMENTED
        429 | 502 | 503 | 504 => "14", // UNAVAILABLE
        _ => "2",                      // UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_web_and_http1_are_no_grpc_calls() {
        let call = |version, kind: &'static str| {
            is_call(version, &HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]))
        };
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert!(call(Version::HTTP_2, kind), "{kind}");
            assert!(!call(Version::HTTP_11, kind), "{kind}");
        }
        assert!(!call(Version::HTTP_2, "application/grpc-web+proto"));
        assert!(!call(Version::HTTP_2, "text/plain"));
    }

    #[test]
    fn a_redirect_is_left_as_it_is() {
        let mut head = ResponseHead { status: StatusCode::PERMANENT_REDIRECT, headers: HeaderMap::new() };
        assert!(!trailers_only(&mut head));
        assert_eq!(head.status, StatusCode::PERMANENT_REDIRECT);
    }
}
