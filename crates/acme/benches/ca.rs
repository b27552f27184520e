//! Certificates per second: a client and the CA in one thread, without a network, each certificate for a name of its own
//! with account key and leaf key on P-256: order, http-01, validation, finalize, chain. The journal is on disk.
//!
//! CPU time is what counts: it is the same on a busy machine. The client's half is in it, so the CA alone is faster.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "../tests/it/fixture.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod fixture;

use std::fs;
use std::time::{Duration, Instant};

use fixture::World;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new();
        let session = world.session().await;
        world.certificate(&session, &["first.localhost"]).await;
        let (start, cpu) = (Instant::now(), cpu_time());
        for number in 0..CERTIFICATES {
            let name = format!("name-{number}.localhost");
            world.certificate(&session, &[&name]).await;
            world.answers.lock().unwrap().clear();
        }
        let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
        let rate = |time: Duration| f64::from(CERTIFICATES) / time.as_secs_f64();
        let verdict = if rate(cpu) > AIM { "met" } else { "MISSED" };
        println!(
            "{CERTIFICATES} certificates: {:.0}/s of CPU time, {:.0}/s with the disk; aim > {AIM}/s: {verdict}",
            rate(cpu),
            rate(wall)
        );
    });
}

/// What this thread has used of a core.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

const CERTIFICATES: u32 = 500;
/// On one core.
const AIM: f64 = 100.0;
