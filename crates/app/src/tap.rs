//! `jamul tap`: requests as they are answered, with the decision taken, until Ctrl-C.

use anyhow::{Context as _, bail};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::admin_client::{AdminClient, block_on};
use crate::cli::{Output, TapArgs};
use crate::get::columns::text;
use crate::output;
use crate::signals::Interrupts;

/// A line longer than this is none of ours.
const LONGEST_LINE: usize = 1024 * 1024;

/// Prints each exchange as it ends.
///
/// # Errors
/// The process cannot be reached, or ends.
pub(crate) fn tap(args: &TapArgs) -> anyhow::Result<()> {
    block_on(async {
        let client = AdminClient::new(&args.admin)?;
        let mut interrupts = Interrupts::new()?;
        let asked: Vec<(&str, &str)> = [
            ("host", &args.host),
            ("ingress", &args.ingress),
            ("method", &args.method),
            ("status", &args.status),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        let mut stream = client.open("/api/tap", &asked).await?;
        let mut pending = Vec::new();
        loop {
            let frame = tokio::select! {
                frame = stream.body.frame() => frame,
                () = interrupts.next() => return Ok(()),
            };
            let Some(frame) = frame else { bail!("the process at {client} has ended") };
            let frame = frame.with_context(|| format!("the process at {client} has ended"))?;
            let Ok(data) = frame.into_data() else { continue };
            pending.extend_from_slice(&data);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                print(&line, args.output)?;
            }
            if pending.len() > LONGEST_LINE {
                bail!("{client} sends what is no line");
            }
        }
    })
}

fn print(line: &[u8], output: Output) -> anyhow::Result<()> {
    let exchange: Value = serde_json::from_slice(line).context("a line of the tap cannot be read")?;
    match output {
        Output::Table => output::lines(&sentence(&exchange)),
        // One object on each line, as it came.
        Output::Json => output::lines(&exchange.to_string()),
        Output::Yaml => output::lines(&format!("---\n{}", serde_saphyr::to_string(&exchange)?)),
    }
}

/// Time, client, request, answer, and how it came to it.
fn sentence(exchange: &Value) -> String {
    if let Some(lost) = exchange.get("lost") {
        return format!("... {lost} more, too fast to be shown");
    }
    let or_none = |pointer| match text(exchange, pointer) {
        "" => "-",
        found => found,
    };
    let number = |pointer| exchange.pointer(pointer).map(ToString::to_string).unwrap_or_default();
    let query = if exchange.get("hasQuery") == Some(&Value::Bool(true)) { "?..." } else { "" };
    let decision =
        match (text(exchange, "/failure"), text(exchange, "/answeredBy"), text(exchange, "/endpoint")) {
            ("", "", "") => "answered here".to_owned(),
            ("", "", endpoint) => format!("{} at {endpoint}", or_none("/service")),
            ("", filter, _) => format!("answered by {filter}"),
            (failure, _, "") => format!("{} {failure}", or_none("/service")),
            (failure, _, endpoint) => format!("{} at {endpoint}: {failure}", or_none("/service")),
        };
    format!(
        "{} {} {} {}{}{query} {} {} ms [{}] {decision}",
        text(exchange, "/at").get(11..23).unwrap_or_default(),
        or_none("/client"),
        or_none("/method"),
        text(exchange, "/host"),
        or_none("/path"),
        number("/status"),
        number("/milliseconds"),
        or_none("/route"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_was_decided() {
        let mut exchange = json!({
            "at": "2026-01-01T10:20:30.123456789Z", "client": "192.0.2.1", "method": "GET", "host": "web.example",
            "path": "/a", "hasQuery": true, "status": 200, "milliseconds": 1.5, "route": "web.example Prefix /",
            "service": "default/web:80", "endpoint": "10.0.0.1:80", "answeredBy": null, "failure": null,
        });
        let start = "10:20:30.123 192.0.2.1 GET web.example/a?... 200 1.5 ms [web.example Prefix /] ";
        assert_eq!(sentence(&exchange), format!("{start}default/web:80 at 10.0.0.1:80"));
        exchange["answeredBy"] = json!("ssl-redirect");
        assert_eq!(sentence(&exchange), format!("{start}answered by ssl-redirect"));
        exchange["failure"] = json!("Connect");
        assert_eq!(sentence(&exchange), format!("{start}default/web:80 at 10.0.0.1:80: Connect"));
        assert_eq!(sentence(&json!({ "lost": 7 })), "... 7 more, too fast to be shown");
    }
}
