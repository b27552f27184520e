//! Requests that are read in one way only, and those that are not.

use super::*;

/// What becomes of `bytes`, whole and cut into single bytes: it must be the same.
fn follow(bytes: &str) -> Result<Part, Ambiguous> {
    let mut whole = Framing::default();
    let at_once = whole.received(bytes.as_bytes()).map(|()| whole.part).map_err(|(_, why)| why);
    let mut cut = Framing::default();
    let singly = bytes.as_bytes().chunks(1).try_for_each(|byte| cut.received(byte));
    assert_eq!(singly.map(|()| cut.part).map_err(|(_, why)| why), at_once, "{bytes:?}");
    at_once
}

#[test]
fn a_request_ends_where_its_head_says() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\n\n\n\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\n\n\n\n\n\n\r\n0\r\nx: 1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(follow(request), Ok(Part::RequestLine), "{request:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    use Ambiguous::{Chunk, ContentLength, FieldLine, LineEnd, RequestLine, TransferEncoding};
    for (request, why) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", LineEnd),
        ("GET  / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET / x HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /\r\n\r\n", RequestLine),
        ("GET / HTTP/2.0\r\n\r\n", RequestLine),
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", FieldLine),
        ("GET / HTTP/1.1\r\n X: a\r\n\r\n", FieldLine),
        ("GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\n", FieldLine),
        ("GET / HTTP/1.1\r\nX\r\n\r\n", FieldLine),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", ContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", TransferEncoding),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", TransferEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n", TransferEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", TransferEncoding),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncoding,
        ),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", LineEnd),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", Chunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n", Chunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", Chunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", Chunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\rb\r\nx\r\n0\r\n\r\n", LineEnd),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: 1\n\r\n", LineEnd),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", Chunk),
    ] {
        assert_eq!(follow(request), Err(why), "{request:?}");
    }
}

#[test]
fn an_endless_chunk_extension_is_refused() {
    let request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    let endless = format!("{request}{}", "x".repeat(MAX_CHUNK_LINE));
    assert_eq!(follow(&endless), Err(Ambiguous::LineTooLong));
}

#[test]
fn the_believed_part_ends_before_the_line_that_is_refused() {
    let request = b"GET / HTTP/1.1\r\nHost: a\n\r\n";
    assert_eq!(Framing::default().received(request), Err((16, Ambiguous::LineEnd)));
}

#[test]
fn only_a_101_opens_a_tunnel() {
    let request = "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    for (response, bytes, is_passed) in
        [("HTTP/1.1 101 Switching", "\n\n", true), ("HTTP/1.1 200 OK", "\n\n", false)]
    {
        let mut framing = Framing::default();
        framing.received(request.as_bytes()).expect("a request");
        framing.sent(response.as_bytes());
        assert_eq!(framing.received(bytes.as_bytes()).is_ok(), is_passed, "{response}");
    }
}
