//! Fields after the body (RFC 9110 section 6.5): what of them may pass.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http_body::Frame;

/// Fields that a recipient might act on as if they stood in the head (RFC 9110 section 6.5.1): framing, routing,
/// authentication, and those of one connection only.
const REFUSED: [HeaderName; 16] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Takes out of a frame of trailers what may not pass; a frame of data stays as it is.
pub(crate) fn clean(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        for name in &REFUSED {
            trailers.remove(name);
        }
        remove_owned(trailers);
    }
    frame
}

/// Fields that only Jamul sets, and those with `_`, which a CGI could take for them.
fn remove_owned(trailers: &mut HeaderMap) {
    let is_ours = |name: &str| name.contains('_') || name.starts_with("x-forwarded-") || name == "x-real-ip";
    let ours: Vec<HeaderName> = trailers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in &ours {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_describes_the_body_passes() {
        let names = [
            "grpc-status",
            "x-checksum",
            "content-length",
            "host",
            "authorization",
            "x_real_ip",
            "x-real-ip",
        ];
        let fields = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")));
        let frame = clean(Frame::trailers(HeaderMap::from_iter(fields)));
        let left: Vec<_> = frame.trailers_ref().into_iter().flat_map(HeaderMap::keys).collect();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }
}
