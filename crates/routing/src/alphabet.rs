//! Which characters values may hold, and how text from a request is made safe for a URL.
//!
//! CR, LF, quotes, braces, `;` and `#` never pass: a value cannot end a header, a string or a URL early.

use http::HeaderName;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC};

/// Besides letters, digits and `/-._~:`, what a URL may hold.
pub(crate) const URL: &str = ",?&=%+";

/// Besides [`URL`], what a rewrite target may hold: regular expression characters that users copy from paths.
pub(crate) const REWRITE: &str = ",?&=%+()[]*^|\\@!";

/// Encodes text that becomes part of a URL's path.
pub(crate) const PATH_SET: &AsciiSet = &LOCATION_SET.add(b'#').add(b'%').add(b'?').add(b'[').add(b']');

/// Encodes whole URLs: only what no URL may hold.
pub(crate) const LOCATION_SET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

/// Encodes text that becomes the value of one query parameter.
pub(crate) const QUERY_VALUE_SET: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Headers that frame messages or belong to one connection (RFC 9110 section 7.6.1, RFC 9112 section 6).
pub(crate) const CONNECTION_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Whether `text` holds only letters, digits, `/-._~:` and `extra`.
pub(crate) fn holds_only(text: &str, extra: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "/-._~:".contains(letter) || extra.contains(letter))
}

/// The header names of a comma list; `None` if one is no name, frames messages, or none is there.
pub(crate) fn header_names(list: &str) -> Option<Vec<HeaderName>> {
    let names: Option<Vec<HeaderName>> = items(list).map(header_name).collect();
    names.filter(|names| !names.is_empty())
}

/// A header name that a user may set; `None` if it is no name or frames messages.
pub(crate) fn header_name(text: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok()?;
    (!CONNECTION_HEADERS.contains(&name.as_str())).then_some(name)
}

/// The items of a comma list, trimmed, without empty ones.
pub(crate) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_end_a_header_or_a_string_never_pass() {
        for text in ["a\r", "a\nb", "a\"", "a'", "a{", "a}", "a;", "a#", "a b", "\u{e4}"] {
            assert!(!holds_only(text, URL) && !holds_only(text, REWRITE), "{text:?}");
        }
        assert!(holds_only("https://auth.example:8443/check?a=b&c=%20", URL));
    }

    #[test]
    fn headers_that_frame_messages_cannot_be_named() {
        assert_eq!(header_names("X-User, Content-Length"), None);
        assert_eq!(header_names("X-User,, x-group").map(|names| names.len()), Some(2));
        assert_eq!(header_names(" , "), None);
        assert_eq!(header_names("a b"), None);
    }
}
