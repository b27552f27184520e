//! CPU time per request, everything on by default, by protocol and size, beside nginx, HAProxy and Caddy.

use anyhow::{Context as _, Result};

use crate::figures::median;
use crate::load::{Load, Protocol};
use crate::stage::{Contender, FILES, HOST, Stage};

const ROUNDS: usize = 5;
/// Ours over nginx's and over Caddy's.
const AIMS: [(&str, f64); 2] = [("nginx", 0.85), ("caddy", 0.5)];

pub(crate) fn run() -> Result<()> {
    let (stage, load) = (Stage::open()?, Load::find()?);
    println!("microseconds of CPU time per request, the median of {ROUNDS} rounds; one worker each");
    print!("{:<16}", "");
    for contender in &stage.contenders {
        print!("{:>10}", contender.name);
    }
    println!("   ours over theirs");
    for protocol in Protocol::ALL {
        for (file, _) in FILES {
            let mut spent = vec![Vec::new(); stage.contenders.len()];
            for _ in 0..ROUNDS {
                for (contender, spent) in stage.contenders.iter().zip(&mut spent) {
                    spent.push(measure(&load, contender, protocol, file).context(contender.name)?);
                }
            }
            report(&format!("{} {file}", protocol.name()), &stage.contenders, &spent);
        }
    }
    Ok(())
}

fn measure(load: &Load, contender: &Contender, protocol: Protocol, file: &str) -> Result<f64> {
    let url = match protocol {
        Protocol::Http1 => format!("http://{HOST}:{}/{file}", contender.http.port()),
        Protocol::Http1Tls | Protocol::Http2Tls => {
            format!("https://{HOST}:{}/{file}", contender.https.port())
        }
    };
    let before = contender.process.cpu()?;
    let requests = load.run(protocol, &url)?;
    let spent = contender.process.cpu()? - before;
    Ok(spent.as_secs_f64() * 1e6 / requests as f64)
}

fn report(work: &str, contenders: &[Contender], spent: &[Vec<f64>]) {
    let medians: Vec<f64> = spent.iter().map(|spent| median(spent.clone())).collect();
    print!("{work:<16}");
    for spent in &medians {
        print!("{spent:>10.1}");
    }
    let ours = medians.first().copied().unwrap_or_default();
    for (contender, theirs) in contenders.iter().zip(&medians).skip(1) {
        let ratio = ours / theirs;
        let aim = AIMS.iter().find(|(name, _)| *name == contender.name);
        let verdict = match aim {
            Some((_, aim)) if ratio <= *aim => " met",
            Some(_) => " MISSED",
            None => "",
        };
        print!("   {} {ratio:.2}{verdict}", contender.name);
    }
    println!();
}
