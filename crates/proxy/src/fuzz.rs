//! What comes from the network, mangled: each target runs its corpus and mutations of it.
//!
//! The mutations are the same in each run (the seed is fixed) and few, so that they are tests like any other; with
//! `JAMUL_FUZZ_SECONDS` a target goes on for that long with seeds of its own. An input that fails is shown, and belongs into
//! the corpus (`corpus/<target>` of this crate) when its bug is mended.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jamul_routing::edge::Peers;
use jamul_routing::{Host, path};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::framing::Framing;
use crate::proxy_protocol::{self, Ends};
use crate::strict::Strict;

/// Mutations of each target in a run without a time.
const MUTATIONS: usize = 3000;
/// The longest input.
const LONGEST: usize = 8 * 1024;
/// What mutations like to put in.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b"0",
    b"+",
    b"-",
    b"ffffffffffffffff",
    b"%2e",
    b"%2f",
    b"%5c",
    b"%00",
    b"..",
    b"//",
    b"\\",
    b"@",
    b"[",
    b"]",
    b"content-length: 1\r\n",
    b"transfer-encoding: chunked\r\n",
    b"chunked",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"PROXY ",
    b"TCP4",
    b"UNKNOWN",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\xff",
    b"\xc3\xa4",
];

/// Runs `check` on the corpus of `target` and on mutations of it.
fn fuzz(target: &str, mut check: impl FnMut(&[u8], &mut Rng)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut guarded = |input: &[u8], rng: &mut Rng| {
        let _shown = ShownOnPanic(input);
        check(input, rng);
    };
    let mut rng = Rng::with_seed(1);
    for input in &corpus {
        guarded(input, &mut rng);
    }
    let until = std::env::var("JAMUL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = until.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    if until.is_some() {
        rng = Rng::new();
    }
    let mut count = 0;
    while until.map_or(count < MUTATIONS, |until| Instant::now() < until) {
        let input = mutated(&corpus, &mut rng);
        guarded(&input, &mut rng);
        count += 1;
    }
}

struct ShownOnPanic<'a>(&'a [u8]);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

/// One of the corpus with up to eight changes.
fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.choice(corpus).unwrap().clone();
    for _ in 0..rng.usize(1..=8) {
        let at = rng.usize(0..=input.len());
        let end = rng.usize(at..=input.len().min(at + 16));
        match rng.u8(0..6) {
            0 => drop(input.drain(at..end)),
            1 => drop(input.splice(at..at, rng.choice(WORDS).unwrap().iter().copied())),
            2 => drop(input.splice(at..end, rng.choice(WORDS).unwrap().iter().copied())),
            3 => {
                let twice = input[at..end].to_vec();
                drop(input.splice(at..at, twice));
            }
            4 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << rng.u8(0..8);
                }
            }
            _ => {
                let other = rng.choice(corpus).unwrap();
                input.truncate(at);
                input.extend(&other[rng.usize(0..=other.len())..]);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

/// Cut at random places.
fn pieces<'a>(input: &'a [u8], rng: &mut Rng) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (input, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rng.usize(1..=rest.len().min(40)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// How much of `pieces` is believed, all in all.
fn believed(pieces: &[&[u8]]) -> usize {
    let (mut framing, mut believed) = (Framing::default(), 0);
    for piece in pieces {
        match framing.received(piece) {
            Ok(()) => believed += piece.len(),
            Err((part, _)) => return believed + part,
        }
    }
    believed
}

#[test]
fn requests_are_framed_alike_however_their_bytes_are_cut() {
    fuzz("requests", |input, rng| {
        let whole = believed(&[input]);
        let cut = believed(&pieces(input, rng));
        // A line that is refused may have been believed up to the cut within it; a whole one never was.
        assert!(cut >= whole, "{cut} < {whole}");
        assert_eq!(whole == input.len(), cut == input.len());
        assert!(!input[whole..cut].contains(&b'\n'), "a line was believed that was refused");
    });
}

/// What hyper serves behind [`Strict`]: method, target and body of each request whose body came whole.
async fn served(pieces: Vec<Vec<u8>>) -> Vec<(String, String, Bytes)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (mut client, ours) = tokio::io::duplex(2 * LONGEST);
    let records = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Incoming>| {
        let records = Arc::clone(&records);
        async move {
            let (head, body) = request.into_parts();
            if let Ok(body) = body.collect().await {
                let (method, target) = (head.method.to_string(), head.uri.to_string());
                records.lock().unwrap().push((method, target, body.to_bytes()));
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        // Whoever has said all still wants answers.
        .half_close(true)
        .serve_connection(TokioIo::new(Strict::new(ours)), service);
    let asking = async move {
        for piece in pieces {
            if client.write_all(&piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    let both = async { tokio::join!(serving, asking) };
    tokio::time::timeout(Duration::from_secs(5), both).await.expect("the connection comes to its end").0.ok();
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn the_same_requests_are_served_however_their_bytes_are_cut() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    fuzz("requests", |input, rng| {
        let cut = pieces(input, rng).into_iter().map(<[u8]>::to_vec).collect();
        let (whole, cut) =
            runtime.block_on(async { tokio::join!(served(vec![input.to_vec()]), served(cut)) });
        assert_eq!(whole, cut);
    });
}

#[test]
fn a_proxy_protocol_header_is_read_to_its_end_and_no_further() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    fuzz("proxy_protocol", |input, _| {
        let mut rest = input;
        let ends = Ends::of(address, address);
        let wait = Duration::from_secs(1);
        let read = proxy_protocol::accept(&mut rest, ends, wait, &Peers::WhoeverConnects);
        let Ok(ends) = runtime.block_on(read) else { return };
        let header = &input[..input.len() - rest.len()];
        assert!(header.starts_with(b"PROXY ") && header.ends_with(b"\r\n") || header.len() >= 16);
        // What we say of these ends is understood as they are.
        let told = proxy_protocol::header(ends);
        let mut told_again = told.as_bytes();
        let again = proxy_protocol::accept(&mut told_again, ends, wait, &Peers::WhoeverConnects);
        let again = runtime.block_on(again).unwrap();
        if told != "PROXY UNKNOWN\r\n" {
            assert_eq!((again.client, again.local.port()), (ends.client, ends.local.port()));
        }
    });
}

#[test]
fn a_path_has_one_canonical_form_without_ways_up() {
    fuzz("paths", |input, _| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let resolved = path::resolve(text);
        assert!(!path::has_dots(&resolved) || !text.starts_with('/'), "{text:?} leads out as {resolved:?}");
        let Ok(canonical) = path::normalize(text) else { return };
        assert!(canonical.starts_with('/') && !canonical.contains("//"), "{canonical:?}");
        assert!(!canonical.contains('\0'), "{canonical:?}");
        assert!(canonical.split('/').all(|part| part != "." && part != ".."), "{canonical:?}");
    });
}

#[test]
fn a_host_that_was_taken_is_taken_again_as_the_same() {
    fuzz("hosts", |input, _| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Some(host) = Host::parse(text) else { return };
        assert_eq!(Host::parse(host.as_str()).as_ref(), Some(&host), "{text:?}");
        let is_odd = |byte: u8| {
            byte.is_ascii_uppercase() || byte.is_ascii_whitespace() || b"/\\@?#%\0".contains(&byte)
        };
        assert!(!host.as_str().bytes().any(is_odd), "{text:?} is {host:?}");
    });
}
