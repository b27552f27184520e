//! The access log: one line per exchange to standard output, as log pipelines of ingress-nginx read it.
//!
//! Workers fill buffers; one thread writes them. An exchange never waits for whoever reads standard output:
//! if the writer falls behind, lines are lost and counted.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use jamul_routing::log_format::AccessLogRules;
use jiff::Timestamp;

use crate::digits::{LocalTime, push_ip, push_number, push_seconds};
use crate::log_line::{self, escape, escape_json, protocol, push_endpoint, push_upstream_name};
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
    buffer: RefCell<Buffer>,
    /// `None`: switched off.
    sink: Option<SyncSender<String>>,
    format: LogFormat,
    is_flush_due: Cell<bool>,
    lost: Cell<u64>,
    this: std::rc::Weak<Self>,
}

/// Lines that wait, and what the next one needs.
#[derive(Debug, Default)]
struct Buffer {
    lines: String,
    time: LocalTime,
}

impl AccessLog {
    /// A log that hands its buffers to `sink`.
    pub(crate) fn new(sink: Option<SyncSender<String>>, format: LogFormat) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            buffer: RefCell::default(),
            sink,
            format,
            is_flush_due: Cell::new(false),
            lost: Cell::new(0),
            this: this.clone(),
        })
    }

    /// Writes the line of `record`, which is over `now`.
    pub(crate) fn exchange_finished(&self, record: &ExchangeRecord, now: Instant) {
        let is_taken = |rules: &Arc<AccessLogRules>| rules.takes(&record.target);
        if self.sink.is_none() || !record.is_logged || !record.log_rules.as_ref().is_none_or(is_taken) {
            return;
        }
        let length = {
            let Buffer { lines, time } = &mut *self.buffer.borrow_mut();
            let custom = record.log_rules.as_ref().and_then(|rules| rules.format.as_ref());
            match (self.format, custom) {
                (LogFormat::Text | LogFormat::Json, Some(format)) => {
                    log_line::push(lines, format, record, time.at(Timestamp::now()), now);
                }
                (LogFormat::Text, None) => text(lines, record, time.at(Timestamp::now()), now),
                // Writing to a String cannot fail.
                (LogFormat::Json, None) => drop(json(lines, record, now)),
            }
            lines.push('\n');
            lines.len()
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
        let Some(sink) = &self.sink else { return };
        let lines = {
            let mut buffer = self.buffer.borrow_mut();
            if buffer.lines.is_empty() {
                return;
            }
            // As much room again, so that it need not be found step by step.
            let room = String::with_capacity(buffer.lines.capacity());
            std::mem::replace(&mut buffer.lines, room)
        };
        if let Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) = sink.try_send(lines) {
            self.lost.set(self.lost.get() + lines.lines().count() as u64);
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
fn text(out: &mut String, record: &ExchangeRecord, time: &str, now: Instant) {
    push_ip(out, record.client);
    out.push_str(" - ");
    header(out, record.remote_user.as_ref());
    push_all(out, [" [", time, "] \"", record.method.as_str(), " "]);
    escape(out, record.target.as_bytes());
    push_all(out, [" ", protocol(record.version), "\" ", record.status.as_str(), " "]);
    push_number(out, record.sent);
    out.push_str(" \"");
    header(out, record.referer.as_ref());
    out.push_str("\" \"");
    header(out, record.user_agent.as_ref());
    out.push_str("\" ");
    push_number(out, record.request_length());
    out.push(' ');
    push_seconds(out, now.duration_since(record.started));
    out.push_str(" [");
    push_upstream_name(out, record);
    out.push_str("] [] ");
    match &record.upstream {
        Some(upstream) => {
            push_endpoint(out, &upstream.endpoint);
            out.push(' ');
            push_number(out, record.sent);
            out.push(' ');
            push_seconds(out, now.duration_since(upstream.asked));
            push_all(out, [" ", upstream.status.unwrap_or(record.status).as_str(), " "]);
        }
        None => out.push_str("- - - - "),
    }
    escape(out, record.request_id.as_bytes());
}

fn push_all<const N: usize>(out: &mut String, parts: [&str; N]) {
    for part in parts {
        out.push_str(part);
    }
}

/// The same fields by nginx's variable names.
fn json(out: &mut String, record: &ExchangeRecord, now: Instant) -> std::fmt::Result {
    write!(out, "{{\"time\":\"{:.3}\",\"remote_addr\":\"{}\"", Timestamp::now(), record.client)?;
    member(out, "request_method", record.method.as_str().as_bytes());
    member(out, "request_uri", record.target.as_bytes());
    member(out, "server_protocol", protocol(record.version).as_bytes());
    write!(out, ",\"status\":{},\"body_bytes_sent\":{}", record.status.as_u16(), record.sent)?;
    member(out, "http_referer", record.referer.as_ref().map_or(b"", HeaderValue::as_bytes));
    member(out, "http_user_agent", record.user_agent.as_ref().map_or(b"", HeaderValue::as_bytes));
    let took = now.duration_since(record.started).as_secs_f64();
    write!(out, ",\"request_length\":{},\"request_time\":{took:.3}", record.request_length())?;
    let mut name = String::new();
    push_upstream_name(&mut name, record);
    member(out, "proxy_upstream_name", name.as_bytes());
    if let Some(upstream) = &record.upstream {
        let mut address = String::new();
        push_endpoint(&mut address, &upstream.endpoint);
        member(out, "upstream_addr", address.as_bytes());
        let took = now.duration_since(upstream.asked).as_secs_f64();
        write!(out, ",\"upstream_response_time\":{took:.3}")?;
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

fn header(out: &mut String, value: Option<&HeaderValue>) {
    match value {
        Some(value) => escape(out, value.as_bytes()),
        None => out.push('-'),
    }
}

fn member(out: &mut String, name: &str, bytes: &[u8]) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":\"");
    escape_json(out, bytes);
    out.push('"');
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
        text(&mut line, &record(), "24/Nov/2026:19:28:01 +0000", Instant::now());
        let begin = "192.0.2.7 - - [24/Nov/2026:19:28:01 +0000] \"GET /a?b=c HTTP/1.1\" 499 0 ";
        assert!(line.starts_with(begin), "{line}");
        assert!(line.contains(" \"-\" \"probe\\x221\" "), "{line}");
        assert!(line.ends_with("[upstream-default-backend] [] - - - - abc"), "{line}");
    }

    #[test]
    fn a_json_line_escapes_what_clients_send() {
        let mut line = String::new();
        json(&mut line, &record(), Instant::now()).unwrap();
        assert!(line.contains("\"http_user_agent\":\"probe\\\"1\""), "{line}");
        assert!(line.ends_with("\"req_id\":\"abc\"}"), "{line}");
    }

    #[test]
    fn settings_say_which_exchanges_are_written_and_how() {
        let setting = |key: &str| match key {
            "log-format-upstream" => Some("$request_method $http_user_agent".to_owned()),
            "skip-access-log-urls" => Some("~^/skipped".to_owned()),
            _ => None,
        };
        let mut invalid = Vec::new();
        let rules = Arc::new(AccessLogRules::compile(&setting, &mut invalid));
        let (sink, lines) = std::sync::mpsc::sync_channel(1);
        let log = AccessLog::new(Some(sink), LogFormat::Text);
        // No runtime: lines wait for the end.
        log.close();
        for target in ["/skipped/x", "/a"] {
            let request = http::Request::post(target).header("user-agent", "probe");
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let mut record = ExchangeRecord::begin("192.0.2.7".parse().unwrap(), &parts);
            record.log_as(&rules, &parts.headers);
            log.exchange_finished(&record, Instant::now());
        }
        drop(log);
        assert_eq!(lines.recv().as_deref(), Ok("POST probe\n"));
        assert!(lines.recv().is_err() && invalid.is_empty());
    }
}
