//! Which responses are compressed, and how: `use-gzip`, `enable-brotli` and the settings that go with them.

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

use crate::annotation::{Invalid, parse_bool};
use crate::head::ResponseHead;

/// How responses are compressed; by default none is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// `use-gzip`
    pub gzip: Option<Coding>,
    /// `enable-brotli`; used before gzip where a client takes both.
    pub brotli: Option<Coding>,
}

/// One way to compress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    /// The effort: 1 to 9 of gzip, 0 to 11 of brotli.
    pub level: u32,
    /// Responses of a known length below this many bytes are left alone.
    pub least: u64,
    /// Media types in lower case; `text/html` is always one, `*` stands for all.
    pub types: Vec<String>,
}

/// A content coding (RFC 9110 section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

/// What the client takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    gzip: bool,
    brotli: bool,
    /// The request is one whose response may be compressed at all.
    is_asked: bool,
}

const GZIP_TYPES: &str = "application/atom+xml application/javascript application/x-javascript application/json \
    application/rss+xml application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json \
    application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain \
    text/x-component";
const BROTLI_TYPES: &str = "application/xml+rss application/atom+xml application/javascript application/x-javascript \
    application/json application/rss+xml application/vnd.ms-fontobject application/x-font-ttf \
    application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon \
    text/css text/javascript text/plain text/x-component";

impl Compression {
    /// Reads the settings; what is invalid keeps its default and is told.
    pub fn compile(setting: &dyn Fn(&str) -> Option<String>, invalid: &mut Vec<Invalid>) -> Self {
        let mut coding = |switch: &'static str, names: [&'static str; 3], default: Coding, most: u32| {
            let word = setting(switch).unwrap_or_default();
            let is_on = match word.trim() {
                "" => false,
                word => parse_bool(switch, word).unwrap_or_else(|error| {
                    invalid.push(error);
                    false
                }),
            };
            let [level, least, types] = names;
            let mut number = |key: &'static str, default: u64, most: u64| {
                let Some(text) = setting(key).filter(|text| !text.trim().is_empty()) else { return default };
                text.trim().parse().ok().filter(|number| *number <= most).unwrap_or_else(|| {
                    invalid.push(Invalid::new(key, text, format!("a number up to {most}")));
                    default
                })
            };
            let level = number(level, default.level.into(), most.into());
            let level = u32::try_from(level).unwrap_or(default.level);
            let least = number(least, default.least, u64::MAX);
            let types = setting(types)
                .filter(|list| !list.trim().is_empty())
                .map_or(default.types, |list| words(&list));
            is_on.then_some(Coding { level, least, types })
        };
        let gzip = Coding { level: 1, least: 256, types: words(GZIP_TYPES) };
        let brotli = Coding { level: 4, least: 20, types: words(BROTLI_TYPES) };
        Self {
            gzip: coding("use-gzip", ["gzip-level", "gzip-min-length", "gzip-types"], gzip, 9),
            brotli: coding(
                "enable-brotli",
                ["brotli-level", "brotli-min-length", "brotli-types"],
                brotli,
                11,
            ),
        }
    }

    /// What a request takes; nothing is looked at where nothing is compressed.
    #[must_use]
    pub fn accepted(&self, method: &Method, version: Version, headers: &HeaderMap) -> Accepted {
        let is_off = self.gzip.is_none() && self.brotli.is_none();
        if is_off || *method == Method::HEAD || version < Version::HTTP_11 {
            return Accepted::default();
        }
        let takes =
            |coding| headers.get_all(header::ACCEPT_ENCODING).iter().any(|value| takes(value, coding));
        Accepted { gzip: takes("gzip"), brotli: takes("br"), is_asked: true }
    }

    /// Chooses the coding of a response whose body has `length` bytes, if that is known, and edits its head to say so:
    /// `Content-Encoding`, `Vary`, no length and no ranges, a weak `ETag` (RFC 9110 section 8.8.3.3).
    pub fn encode(
        &self,
        accepted: Accepted,
        head: &mut ResponseHead,
        length: Option<u64>,
    ) -> Option<(Encoding, u32)> {
        if !accepted.is_asked || !is_encodable(head) {
            return None;
        }
        let kind =
            head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fits =
            |coding: &&Coding| coding.takes(&kind) && length.is_none_or(|length| length >= coding.least);
        let (gzip, brotli) = (self.gzip.as_ref().filter(fits), self.brotli.as_ref().filter(fits));
        if gzip.is_none() && brotli.is_none() {
            return None;
        }
        vary(&mut head.headers);
        let brotli = brotli.filter(|_| accepted.brotli).map(|coding| (Encoding::Brotli, coding.level));
        let chosen =
            brotli.or_else(|| gzip.filter(|_| accepted.gzip).map(|coding| (Encoding::Gzip, coding.level)))?;
        let name = match chosen.0 {
            Encoding::Gzip => "gzip",
            Encoding::Brotli => "br",
        };
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::ACCEPT_RANGES);
        weaken(&mut head.headers);
        Some(chosen)
    }
}

impl Coding {
    fn takes(&self, kind: &str) -> bool {
        kind == "text/html" || self.types.iter().any(|known| known == "*" || known == kind)
    }
}

/// As nginx: answers with a body of their own, whole, not encoded yet, and that nobody forbids to transform (RFC 9111
/// section 5.2.2.6).
fn is_encodable(head: &ResponseHead) -> bool {
    let is_status = matches!(head.status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
    let headers = &head.headers;
    let is_plain = headers.get(header::CONTENT_ENCODING).is_none_or(|value| value == "identity")
        && !headers.contains_key(header::CONTENT_RANGE);
    let mut controls = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let is_fixed =
        controls.any(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("no-transform")));
    is_status && is_plain && !is_fixed
}

/// Whether an `Accept-Encoding` lists `coding`, or `*`, with a weight above 0.
fn takes(value: &HeaderValue, coding: &str) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let weight = |wanted: &str| {
        text.split(',').find_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight =
                parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight.unwrap_or(0.0_f32))
        })
    };
    weight(coding).or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

fn vary(headers: &mut HeaderMap) {
    let mut known = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let is_said = known.any(|value| {
        value
            .split(',')
            .any(|name| matches!(name.trim().to_ascii_lowercase().as_str(), "*" | "accept-encoding"))
    });
    if !is_said {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG) else { return };
    if tag.as_bytes().starts_with(b"W/") {
        return;
    }
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
        .ok()
        .filter(|_| tag.as_bytes().starts_with(b"\""))
    {
        Some(weak) => headers.insert(header::ETAG, weak),
        None => headers.remove(header::ETAG),
    };
}

fn words(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Compression {
        let mut invalid = Vec::new();
        let setting = |key: &str| matches!(key, "use-gzip" | "enable-brotli").then(|| "true".to_owned());
        let compression = Compression::compile(&setting, &mut invalid);
        assert_eq!(invalid, []);
        compression
    }

    fn encoded(
        accept: &'static str,
        fields: &[(&str, &str)],
        length: Option<u64>,
    ) -> (Option<Encoding>, HeaderMap) {
        let request = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
        let accepted = both().accepted(&Method::GET, Version::HTTP_11, &request);
        let mut head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        for (name, value) in fields {
            let name = http::HeaderName::try_from(*name).expect("a name");
            head.headers.insert(name, value.parse().expect("a value"));
        }
        (both().encode(accepted, &mut head, length).map(|(encoding, _)| encoding), head.headers)
    }

    #[test]
    fn the_client_and_the_response_decide() {
        for (accept, fields, length, expected) in [
            ("gzip, br", &[][..], None, Some(Encoding::Brotli)),
            ("gzip, br;q=0", &[], None, Some(Encoding::Gzip)),
            ("*", &[], None, Some(Encoding::Brotli)),
            ("identity", &[], None, None),
            ("gzip", &[], Some(255), None),
            ("gzip", &[], Some(256), Some(Encoding::Gzip)),
            ("br", &[], Some(20), Some(Encoding::Brotli)),
            ("gzip", &[("content-type", "image/png")], None, None),
            ("gzip", &[("content-type", "Application/JSON")], None, Some(Encoding::Gzip)),
            ("gzip", &[("content-encoding", "zstd")], None, None),
            ("gzip", &[("cache-control", "public, No-Transform")], None, None),
            ("gzip", &[("content-range", "bytes 0-1/2")], None, None),
        ] {
            assert_eq!(encoded(accept, fields, length).0, expected, "{accept} {fields:?} {length:?}");
        }
    }

    #[test]
    fn the_head_says_what_was_done() {
        let fields =
            [("etag", "\"a\""), ("content-length", "999"), ("accept-ranges", "bytes"), ("vary", "Origin")];
        let (_, headers) = encoded("gzip", &fields, Some(999));
        assert_eq!(headers.get(header::CONTENT_ENCODING), Some(&HeaderValue::from_static("gzip")));
        assert_eq!(headers.get(header::ETAG), Some(&HeaderValue::from_static("W/\"a\"")));
        assert!(
            !headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::ACCEPT_RANGES)
        );
        let vary: Vec<_> = headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Origin", "Accept-Encoding"]);
        // Another client might get another body.
        let (none, headers) = encoded("identity", &[("etag", "\"a\"")], None);
        assert_eq!((none, headers.get(header::ETAG)), (None, Some(&HeaderValue::from_static("\"a\""))));
        assert_eq!(headers.get(header::VARY), Some(&HeaderValue::from_static("Accept-Encoding")));
    }

    #[test]
    fn wrong_settings_keep_their_defaults_and_are_told() {
        let setting = |key: &str| match key {
            "use-gzip" => Some("true".to_owned()),
            "gzip-level" => Some("10".to_owned()),
            "enable-brotli" => Some("on".to_owned()),
            _ => None,
        };
        let mut invalid = Vec::new();
        let found = Compression::compile(&setting, &mut invalid);
        assert_eq!((found.gzip.map(|coding| coding.level), found.brotli), (Some(1), None));
        let keys: Vec<_> = invalid.iter().map(|invalid| invalid.key).collect();
        assert_eq!(keys, ["gzip-level", "enable-brotli"]);
    }
}
