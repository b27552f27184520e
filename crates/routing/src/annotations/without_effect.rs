//! Annotations that are taken and change nothing, each with the reason why nothing is lost. Their values are read
//! nevertheless, so that a typing error is found.

use crate::annotation::{Annotation, Invalid, Key, Lookup, Risk, Support, Values, parse_bool};
use crate::draft::Draft;
use crate::sizes::parse_size;

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const KEYS: &[Key] = &[
            medium(
                "auth-cache-duration",
                "200 202 401 5m",
                "Each request is asked about anew.",
                "200 401 1m",
            ),
            medium("auth-cache-key", "", "See auth-cache-duration.", "$remote_user$http_authorization"),
            low("auth-keepalive", "0", "Connections to auth-url are kept without being asked.", "8"),
            low("auth-keepalive-requests", "1000", "See auth-keepalive.", "100"),
            low("auth-keepalive-share-vars", "false", "See auth-keepalive.", "true"),
            low("auth-keepalive-timeout", "60", "See auth-keepalive.", "30"),
            low("client-body-buffer-size", "8k", "Bodies are passed on as they come.", "16k"),
            low("enable-opentelemetry", "false", "Traces are not written yet.", "true"),
            low(
                "enable-rewrite-log",
                "false",
                "It debugs nginx's rewrite module; ask jamul explain.",
                "true",
            ),
            medium("fastcgi-index", "", "FastCGI is not spoken.", "index.php"),
            medium("fastcgi-params-configmap", "", "FastCGI is not spoken.", "fastcgi-params"),
            low("http2-push-preload", "false", "Browsers and nginx have given up HTTP/2 push.", "true"),
            medium("opentelemetry-operation-name", "", "See enable-opentelemetry.", "shop"),
            low("opentelemetry-trust-incoming-span", "true", "See enable-opentelemetry.", "false"),
            low("proxy-buffer-size", "4k", "Response heads of up to 64k pass, whatever it says.", "16k"),
            low("proxy-buffering", "off", "Responses are passed on as they come.", "on"),
            low("proxy-buffers-number", "4", "See proxy-buffering.", "8"),
            low("proxy-busy-buffers-size", "", "See proxy-buffering.", "16k"),
            low("proxy-http-version", "1.1", "Endpoints are spoken to by HTTP/1.1.", "1.1"),
            low("proxy-max-temp-file-size", "1024m", "Nothing is spilled to files.", "0"),
            low("proxy-request-buffering", "on", "Bodies are passed on as they come, as with off.", "off"),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        _draft: &mut Draft,
        _lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let mut result = Ok(());
        for key in self.keys() {
            let checked = values.take(key.name).map_or(Ok(()), |value| check(key, value));
            result = result.and(checked);
        }
        result
    }

    fn support(&self) -> Support {
        Support::WithoutEffect
    }
}

const fn low(name: &'static str, default: &'static str, summary: &'static str, example: &'static str) -> Key {
    Key::route(name, default, Risk::Low, summary, example)
}

const fn medium(
    name: &'static str,
    default: &'static str,
    summary: &'static str,
    example: &'static str,
) -> Key {
    Key::route(name, default, Risk::Medium, summary, example)
}

/// Reads a value as its kind, which the key's default tells.
fn check(key: &Key, value: &str) -> Result<(), Invalid> {
    let require = |is_valid: bool, expected: &str| {
        if is_valid { Ok(()) } else { Err(Invalid::new(key.name, value, expected)) }
    };
    match key.default {
        "true" | "false" => parse_bool(key.name, value).map(|_| ()),
        "on" | "off" => require(matches!(value, "on" | "off"), "on or off"),
        "1.1" => require(matches!(value, "1.0" | "1.1"), "1.0 or 1.1"),
        default if is_size(default) || key.name.ends_with("-size") => {
            require(parse_size(value).is_some(), "bytes with an optional k, m or g, such as 16k")
        }
        default if default.parse::<u32>().is_ok() => require(value.parse::<u32>().is_ok(), "a number"),
        _ => Ok(()),
    }
}

fn is_size(default: &str) -> bool {
    default.ends_with(['k', 'm']) && parse_size(default).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::compile;

    #[test]
    fn values_are_read_although_they_change_nothing() {
        for (key, value) in [
            ("proxy-buffering", "true"),
            ("proxy-buffer-size", "1b"),
            ("proxy-busy-buffers-size", "x"),
            ("proxy-buffers-number", "4k"),
            ("enable-rewrite-log", "on"),
            ("proxy-http-version", "2"),
        ] {
            let invalid = compile(&Family, &[(key, value)]).expect_err(value);
            assert_eq!(invalid.key, key);
        }
    }
}
