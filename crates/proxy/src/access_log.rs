//! The access log: one line per exchange to standard output, as log pipelines of ingress-nginx read it.
//!
//! Workers fill buffers; one thread writes them. An exchange never waits for whoever reads standard output:
//! if the writer falls behind, lines are lost and counted.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use http::{HeaderValue, Version};
use jamul_routing::Endpoint;

use crate::record::ExchangeRecord;
use crate::settings::LogFormat;

/// A buffer is handed over at this size.
const BUFFER: usize = 32 * 1024;
/// A line waits at most this long.
const FLUSH_TIME: Duration = Duration::from_millis(100);
/// Buffers that may wait for the writer.
pub(crate) const QUEUE: usize = 256;

/// A worker's end of the access log.
#[derive(Debug)]
pub(crate) struct AccessLog {
    buffer: RefCell<String>,
    /// `None`: switched off.
    sink: Option<SyncSender<String>>,
    format: LogFormat,
    is_flush_due: Cell<bool>,
    lost: Cell<u64>,
    this: std::rc::Weak<Self>,
}

impl AccessLog {
    /// A log that hands its buffers to `sink`.
    pub(crate) fn new(sink: Option<SyncSender<String>>, format: LogFormat) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            buffer: RefCell::new(String::new()),
            sink,
            format,
            is_flush_due: Cell::new(false),
            lost: Cell::new(0),
            this: this.clone(),
        })
    }

    /// Writes the line of `record`.
    pub(crate) fn exchange_finished(&self, record: &ExchangeRecord) {
        if self.sink.is_none() {
            return;
        }
        let length = {
            let mut buffer = self.buffer.borrow_mut();
            // Writing to a String cannot fail.
            let _: std::fmt::Result = match self.format {
                LogFormat::Text => text(&mut buffer, record),
                LogFormat::Json => json(&mut buffer, record),
            };
            buffer.push('\n');
            buffer.len()
        };
        if length >= BUFFER {
            self.flush();
        } else if !self.is_flush_due.replace(true)
            && let Some(this) = self.this.upgrade()
        {
            tokio::task::spawn_local(async move {
                tokio::time::sleep(FLUSH_TIME).await;
                this.is_flush_due.set(false);
                this.flush();
            });
        }
    }

    /// The runtime is about to end: from here on lines wait for [`Drop`], not for a task.
    pub(crate) fn close(&self) {
        self.is_flush_due.set(true);
        self.flush();
    }

    /// Hands over what there is.
    fn flush(&self) {
        let lines = std::mem::take(&mut *self.buffer.borrow_mut());
        let Some(sink) = &self.sink else { return };
        if lines.is_empty() {
            return;
        }
        let count = lines.lines().count() as u64;
        if sink.try_send(lines).is_err() {
            self.lost.set(self.lost.get() + count);
            tracing::warn!(lost = self.lost.get(), "access log lines lost: standard output is too slow");
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes buffers to standard output until all workers have dropped their ends.
pub(crate) fn write(buffers: &Receiver<String>) {
    let mut out = std::io::stdout();
    while let Ok(buffer) = buffers.recv() {
        if let Err(error) = out.write_all(buffer.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "access log cannot be written");
        }
    }
}

/// ingress-nginx's default `log-format-upstream`.
fn text(out: &mut String, record: &ExchangeRecord) -> std::fmt::Result {
    let now = jiff::Timestamp::now().strftime("%d/%b/%Y:%H:%M:%S +0000");
    write!(out, "{} - - [{now}] \"{} ", record.client, record.method)?;
    escape(out, record.target.as_bytes());
    let (status, sent) = (record.status.as_u16(), record.sent);
    write!(out, " {}\" {status} {sent} \"", protocol(record.version))?;
    header(out, record.referer.as_ref());
    out.push_str("\" \"");
    header(out, record.user_agent.as_ref());
    write!(
        out,
        "\" {} {:.3} [{}] [] ",
        record.request_length(),
        record.duration().as_secs_f64(),
        Name(record)
    )?;
    match &record.upstream {
        Some(upstream) => {
            let took = upstream.asked.elapsed().as_secs_f64();
            write!(out, "{} {sent} {took:.3} ", Address(&upstream.endpoint))?;
            match upstream.status {
                Some(status) => write!(out, "{} ", status.as_u16())?,
                None => write!(out, "{status} ")?,
            }
        }
        None => out.push_str("- - - - "),
    }
    escape(out, record.request_id.as_bytes());
    Ok(())
}

/// The same fields by nginx's variable names.
fn json(out: &mut String, record: &ExchangeRecord) -> std::fmt::Result {
    write!(out, "{{\"time\":\"{:.3}\",\"remote_addr\":\"{}\"", jiff::Timestamp::now(), record.client)?;
    member(out, "request_method", record.method.as_str().as_bytes());
    member(out, "request_uri", record.target.as_bytes());
    member(out, "server_protocol", protocol(record.version).as_bytes());
    write!(out, ",\"status\":{},\"body_bytes_sent\":{}", record.status.as_u16(), record.sent)?;
    member(out, "http_referer", record.referer.as_ref().map_or(b"", HeaderValue::as_bytes));
    member(out, "http_user_agent", record.user_agent.as_ref().map_or(b"", HeaderValue::as_bytes));
    let took = record.duration().as_secs_f64();
    write!(out, ",\"request_length\":{},\"request_time\":{took:.3}", record.request_length())?;
    member(out, "proxy_upstream_name", Name(record).to_string().as_bytes());
    if let Some(upstream) = &record.upstream {
        member(out, "upstream_addr", Address(&upstream.endpoint).to_string().as_bytes());
        write!(out, ",\"upstream_response_time\":{:.3}", upstream.asked.elapsed().as_secs_f64())?;
        if let Some(status) = upstream.status {
            write!(out, ",\"upstream_status\":{}", status.as_u16())?;
        }
    }
    if let Some(failure) = record.failure {
        let (_, side) = failure.reply();
        write!(out, ",\"failure\":\"{failure:?}\",\"failure_side\":\"{side:?}\"")?;
    }
    member(out, "req_id", record.request_id.as_bytes());
    out.push('}');
    Ok(())
}

/// `$proxy_upstream_name`: namespace, Service and port.
struct Name<'a>(&'a ExchangeRecord);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.route {
            Some(route) if !route.origin.service.is_empty() => {
                let origin = &route.origin;
                write!(f, "{}-{}-{}", origin.namespace, origin.service, origin.port)
            }
            Some(_) | None => f.write_str("upstream-default-backend"),
        }
    }
}

struct Address<'a>(&'a Endpoint);

impl std::fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Endpoint::Address(address) => address.fmt(f),
            Endpoint::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

fn header(out: &mut String, value: Option<&HeaderValue>) {
    match value {
        Some(value) => escape(out, value.as_bytes()),
        None => out.push('-'),
    }
}

/// nginx's default escaping: what could end a field or a line becomes `\xXX`.
fn escape(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | ..=0x1f | 0x7f.. => push_hex(out, "\\x", byte),
            plain => out.push(plain as char),
        }
    }
}

fn member(out: &mut String, name: &str, bytes: &[u8]) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":\"");
    for &byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            ..=0x1f | 0x7f.. => push_hex(out, "\\u00", byte),
            plain => out.push(plain as char),
        }
    }
    out.push('"');
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

    fn record() -> ExchangeRecord {
        let request =
            http::Request::get("/a?b=c").header("user-agent", "probe\"1").header("x-request-id", "abc");
        ExchangeRecord::begin("192.0.2.7".parse().unwrap(), &request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_text_line_has_the_fields_of_ingress_nginx() {
        let mut line = String::new();
        text(&mut line, &record()).unwrap();
        assert!(line.starts_with("192.0.2.7 - - ["), "{line}");
        assert!(line.contains("] \"GET /a?b=c HTTP/1.1\" 499 0 "), "{line}");
        assert!(line.contains(" \"-\" \"probe\\x221\" "), "{line}");
        assert!(line.ends_with("[upstream-default-backend] [] - - - - abc"), "{line}");
    }

    #[test]
    fn a_json_line_escapes_what_clients_send() {
        let mut line = String::new();
        json(&mut line, &record()).unwrap();
        assert!(line.contains("\"http_user_agent\":\"probe\\\"1\""), "{line}");
        assert!(line.ends_with("\"req_id\":\"abc\"}"), "{line}");
    }
}
