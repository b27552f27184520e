//! A started program: its CPU time, its memory, its end.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// `/proc/PID/stat` counts in these (`USER_HZ`, the same on every Linux that is supported).
const TICK: Duration = Duration::from_millis(10);
/// How long a program may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program with its children, ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command`, with what it prints in `log`: a file, as a container runtime's.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let log = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("could not start {name}"))?;
        Ok(Self { name, child })
    }

    /// Time on a CPU so far, of the program and its living children, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for pid in self.pids()? {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name, which may hold blanks, ends at the last parenthesis; utime and stime are fields 14, 15.
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
            let spent = fields.split_whitespace().skip(11).take(2);
            ticks += spent.filter_map(|ticks| ticks.parse::<u32>().ok()).sum::<u32>();
        }
        Ok(TICK * ticks)
    }

    /// Resident memory in MiB; what processes share is counted once (`Pss`).
    pub(crate) fn memory(&self) -> Result<f64> {
        let mut kibibytes = 0.0;
        for pid in self.pids()? {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let value = line.and_then(|line| line.split_whitespace().next()).context("no Pss")?;
            kibibytes += value.parse::<f64>()?;
        }
        Ok(kibibytes / 1024.0)
    }

    /// Sends `signal` to the program.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status()?;
        if !status.success() {
            bail!("could not send {signal} to {}", self.name);
        }
        Ok(())
    }

    /// Sends SIGTERM and waits for the end; how long it took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let start = Instant::now();
        self.signal("TERM")?;
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                bail!("{} does not end", self.name);
            }
            sleep(Duration::from_micros(200));
        }
        Ok(start.elapsed())
    }

    /// The program and its children (nginx's workers).
    fn pids(&self) -> Result<Vec<u32>> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .with_context(|| format!("{} is gone", self.name))?;
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        Ok(std::iter::once(pid).chain(children).collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Politely first: a killed master would leave its workers behind.
        let _sent = self.signal("TERM");
        let start = Instant::now();
        while start.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(5));
        }
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
