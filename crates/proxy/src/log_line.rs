//! Lines of the access log as `log-format-upstream` has them, and the fields that all formats share.

use std::time::Instant;

use http::Version;
use jamul_routing::Endpoint;
use jamul_routing::log_format::{Escape, Field, LogFormat, LogPart};
use jiff::{Timestamp, tz::TimeZone};

use crate::digits::{push_ip, push_number, push_seconds, push_socket};
use crate::record::ExchangeRecord;

/// Appends the line of `record`, which is over `now`; `time` is `$time_local`.
pub(crate) fn push(out: &mut String, format: &LogFormat, record: &ExchangeRecord, time: &str, now: Instant) {
    let mut value = String::new();
    for part in &format.parts {
        match part {
            LogPart::Literal(text) => out.push_str(text),
            LogPart::Field(field) => {
                value.clear();
                push_field(&mut value, *field, record, time, now);
                if !value.is_empty() || !is_set(*field) {
                    push_value(out, value.as_bytes(), format.escape);
                }
            }
            LogPart::Header(index) => {
                let found = record.logged_headers.get(*index).and_then(Option::as_ref);
                push_value(out, found.map_or(b"", |value| value.as_bytes()), format.escape);
            }
        }
    }
}

/// Variables that ingress-nginx sets: nginx writes a variable that is set to nothing as nothing, not as `-`.
fn is_set(field: Field) -> bool {
    matches!(
        field,
        Field::AlternativeUpstreamName
            | Field::IngressName
            | Field::LocationPath
            | Field::Namespace
            | Field::ServiceName
            | Field::ServicePort
    )
}

fn push_value(out: &mut String, value: &[u8], escape_by: Escape) {
    match escape_by {
        Escape::Default if value.is_empty() => out.push('-'),
        Escape::Default => escape(out, value),
        Escape::Json => escape_json(out, value),
        // A line stays a line, whatever a client sent: header values have no line breaks.
        Escape::None => out.push_str(&String::from_utf8_lossy(value)),
    }
}

fn push_field(out: &mut String, field: Field, record: &ExchangeRecord, time: &str, now: Instant) {
    let origin = record.route.as_ref().map(|route| &route.origin);
    let upstream = record.upstream.as_ref();
    match field {
        Field::Args => out.push_str(record.target.split_once('?').map_or("", |(_, args)| args)),
        Field::BodyBytesSent => push_number(out, record.sent),
        Field::Host => {
            out.push_str(record.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default());
        }
        Field::IngressName => out.push_str(origin.map_or("", |origin| &origin.ingress)),
        Field::LocationPath => out.push_str(record.route.as_ref().map_or("", |route| route.path.text())),
        Field::Milliseconds => {
            let at = Timestamp::now().as_millisecond();
            push_number(out, u64::try_from(at / 1000).unwrap_or_default());
            out.push_str(&format!(".{:03}", at % 1000));
        }
        Field::Namespace => out.push_str(origin.map_or("", |origin| &origin.namespace)),
        Field::AlternativeUpstreamName => {}
        Field::UpstreamName => push_upstream_name(out, record),
        Field::RemoteAddr => push_ip(out, record.client),
        Field::RemoteUser => {
            out.push_str(record.remote_user.as_ref().and_then(|user| user.to_str().ok()).unwrap_or_default());
        }
        Field::Request => {
            for text in [record.method.as_str(), " ", &record.target, " ", protocol(record.version)] {
                out.push_str(text);
            }
        }
        Field::RequestId => out.push_str(record.request_id.to_str().unwrap_or_default()),
        Field::RequestLength => push_number(out, record.request_length()),
        Field::RequestMethod => out.push_str(record.method.as_str()),
        Field::RequestTime => push_seconds(out, now.duration_since(record.started)),
        Field::RequestUri => out.push_str(&record.target),
        Field::Scheme => out.push_str(if record.is_tls { "https" } else { "http" }),
        Field::ServerProtocol => out.push_str(protocol(record.version)),
        Field::ServiceName => out.push_str(origin.map_or("", |origin| &origin.service)),
        Field::ServicePort => out.push_str(origin.map_or("", |origin| &origin.port)),
        Field::Status => out.push_str(record.status.as_str()),
        Field::TimeIso8601 => {
            let local = Timestamp::now().to_zoned(TimeZone::system());
            out.push_str(&local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
        }
        Field::TimeLocal => out.push_str(time),
        Field::UpstreamAddr => {
            if let Some(upstream) = upstream {
                push_endpoint(out, &upstream.endpoint);
            }
        }
        Field::UpstreamResponseLength => {
            if upstream.is_some() {
                push_number(out, record.sent);
            }
        }
        Field::UpstreamResponseTime => {
            if let Some(upstream) = upstream {
                push_seconds(out, now.duration_since(upstream.asked));
            }
        }
        Field::UpstreamStatus => {
            if let Some(upstream) = upstream {
                out.push_str(upstream.status.unwrap_or(record.status).as_str());
            }
        }
        Field::Uri => out.push_str(record.target.split('?').next().unwrap_or_default()),
    }
}

/// `$proxy_upstream_name`: namespace, Service and port.
pub(crate) fn push_upstream_name(out: &mut String, record: &ExchangeRecord) {
    match &record.route {
        Some(route) if !route.origin.service.is_empty() => {
            let origin = &route.origin;
            for text in [&*origin.namespace, "-", &origin.service, "-", &origin.port] {
                out.push_str(text);
            }
        }
        Some(_) | None => out.push_str("upstream-default-backend"),
    }
}

pub(crate) fn push_endpoint(out: &mut String, endpoint: &Endpoint) {
    match endpoint {
        Endpoint::Address(address) => push_socket(out, *address),
        Endpoint::Name(name, port) => {
            out.push_str(name);
            out.push(':');
            push_number(out, (*port).into());
        }
    }
}

pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// nginx's default escaping: what could end a field or a line becomes `\xXX`.
pub(crate) fn escape(out: &mut String, bytes: &[u8]) {
    let is_plain = |byte: u8| !matches!(byte, b'"' | b'\\' | ..=0x1f | 0x7f..);
    for part in bytes.chunk_by(|one, next| is_plain(*one) && is_plain(*next)) {
        match part {
            [byte] if !is_plain(*byte) => push_hex(out, "\\x", *byte),
            // Plain bytes are ASCII.
            plain => out.push_str(std::str::from_utf8(plain).unwrap_or_default()),
        }
    }
}

/// As within a JSON string.
pub(crate) fn escape_json(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            ..=0x1f | 0x7f.. => push_hex(out, "\\u00", byte),
            plain => out.push(plain as char),
        }
    }
}

fn push_hex(out: &mut String, prefix: &str, byte: u8) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
    out.push_str(prefix);
    out.push(digit(byte >> 4));
    out.push(digit(byte & 0xf));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// ingress-nginx's own default, word by word.
    const DEFAULT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
        \"$http_referer\" \"$http_user_agent\" $request_length $request_time [$proxy_upstream_name] \
        [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time \
        $upstream_status $req_id";

    fn line(text: &str, escape: Escape) -> String {
        let request =
            http::Request::get("/a?b=c").header("user-agent", "probe\"1").header("x-request-id", "abc");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut record = ExchangeRecord::begin("192.0.2.7".parse().unwrap(), &parts);
        let format = LogFormat::parse(text, escape).unwrap();
        record.logged_headers = format.headers.iter().map(|name| parts.headers.get(name).cloned()).collect();
        let (mut out, now) = (String::new(), record.started);
        push(&mut out, &format, &record, "24/Nov/2026:19:28:01 +0000", now);
        out
    }

    #[test]
    fn the_default_format_is_upstreams_byte_for_byte() {
        let length = "GET /a?b=c HTTP/1.1\r\nuser-agent: probe\"1\r\nx-request-id: abc\r\n\r\n".len();
        let expected = format!(
            "192.0.2.7 - - [24/Nov/2026:19:28:01 +0000] \"GET /a?b=c HTTP/1.1\" 499 0 \"-\" \"probe\\x221\" {length} \
             0.000 [upstream-default-backend] [] - - - - abc"
        );
        assert_eq!(line(DEFAULT, Escape::Default), expected);
    }

    #[test]
    fn json_escapes_and_has_no_dashes() {
        let format = "{\"agent\":\"$http_user_agent\",\"user\":\"$remote_user\",\"s\":$status}";
        assert_eq!(line(format, Escape::Json), "{\"agent\":\"probe\\\"1\",\"user\":\"\",\"s\":499}");
        assert_eq!(line("$http_user_agent", Escape::None), "probe\"1");
    }

    #[test]
    fn what_could_end_a_field_is_escaped_wherever_it_is() {
        let mut line = String::new();
        escape(&mut line, b"\"a\\bc\n\x7f\xffd\"");
        assert_eq!(line, "\\x22a\\x5Cbc\\x0A\\x7F\\xFFd\\x22");
    }
}
