//! Load from programs of others: closed loops over a fixed number of connections.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::proxies::peer;

/// Seconds of one measurement.
const SECONDS: u32 = 2;

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http1Tls,
    Http2Tls,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::Http1Tls, Self::Http2Tls];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http1Tls => "h1+TLS",
            Self::Http2Tls => "h2+TLS",
        }
    }
}

/// The programs that make it.
#[derive(Debug)]
pub(crate) struct Load {
    wrk: PathBuf,
    h2load: PathBuf,
}

impl Load {
    pub(crate) fn find() -> Result<Self> {
        let wrk = peer("JAMUL_WRK", "wrk").context("wrk is missing")?;
        let h2load = peer("JAMUL_H2LOAD", "h2load").context("h2load is missing")?;
        Ok(Self { wrk, h2load })
    }

    /// Asks for `url` as fast as it goes; how many requests were answered with 200.
    pub(crate) fn run(&self, protocol: Protocol, url: &str) -> Result<u64> {
        match protocol {
            Protocol::Http1 | Protocol::Http1Tls => self.wrk(url),
            Protocol::Http2Tls => self.h2load(url),
        }
    }

    fn wrk(&self, url: &str) -> Result<u64> {
        let mut command = Command::new(&self.wrk);
        command.args(["-t1", "-c32", &format!("-d{SECONDS}s"), "--timeout", "10s", url]);
        let text = output(&mut command)?;
        if text.contains("Non-2xx") || text.contains("Socket errors") {
            bail!("wrk: not every request was answered:\n{text}");
        }
        let line = text.lines().find(|line| line.contains(" requests in "));
        number(line.and_then(|line| line.split_whitespace().next()), &text)
    }

    fn h2load(&self, url: &str) -> Result<u64> {
        let mut command = Command::new(&self.h2load);
        command.args(["-t1", "-c8", "-m8", &format!("--duration={SECONDS}"), url]);
        let text = output(&mut command)?;
        let succeeded = text.lines().find_map(|line| line.strip_prefix("status codes: "));
        if !text.contains(" 0 4xx, 0 5xx") || text.contains("Application protocol: http/1.1") {
            bail!("h2load: not every request was answered by HTTP/2:\n{text}");
        }
        number(succeeded.and_then(|line| line.split_whitespace().next()), &text)
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("could not start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?} ended with {}:\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

fn number(word: Option<&str>, text: &str) -> Result<u64> {
    let number = word.and_then(|word| word.parse().ok()).filter(|number| *number > 0);
    number.with_context(|| format!("no count of requests in:\n{text}"))
}
