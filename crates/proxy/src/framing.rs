//! Where one HTTP/1.1 request ends and the next begins, byte by byte and without leniency (RFC 9112).
//!
//! hyper parses requests; some of what it forgives, others in front of Jamul may read differently, and then two
//! parties disagree about where a request ends (request smuggling). [`Framing`] looks at the same bytes first and
//! refuses what can be read in two ways. It holds no more than one line that was not complete.

/// Longest line of a chunk's size with its extensions, or of a trailer field.
const MAX_CHUNK_LINE: usize = 4096;
/// Longest line of a head; the whole head has a limit of its own in hyper.
const MAX_HEAD_LINE: usize = 64 * 1024;
/// Digits of a length: more do not fit into 64 bits.
const MAX_DIGITS: usize = 19;
/// The same in hexadecimal.
const MAX_HEX_DIGITS: usize = 15;

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ambiguous {
    /// A line ends with LF alone, or holds a CR or NUL (section 2.2).
    LineEnd,
    /// A line is longer than any needs to be.
    LineTooLong,
    /// The request line is not three words with one space between them (section 3).
    RequestLine,
    /// A field line begins with white space (section 5.2), has no colon, or white space before it (section 5.1).
    FieldLine,
    /// `Content-Length` is not one number (section 6.3).
    ContentLength,
    /// `Transfer-Encoding` is not `chunked` alone, or comes with `Content-Length` or HTTP/1.0 (section 6.1).
    TransferEncoding,
    /// A chunk does not begin with its size or does not end with it (section 7.1).
    Chunk,
}

/// Follows the bytes of one connection.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    part: Part,
    head: Head,
    /// A line that is not complete yet.
    line: Vec<u8>,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    RequestLine,
    Fields,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// The request asks for another protocol; the response decides.
    Upgrading,
    /// Another protocol.
    Tunnel,
}

/// What the head says about framing.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    is_http10: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_upgrade: bool,
}

impl Framing {
    /// Follows what the client sent.
    ///
    /// # Errors
    /// How many of the bytes may still be believed, and why no more.
    pub(crate) fn received(&mut self, bytes: &[u8]) -> Result<(), (usize, Ambiguous)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            rest = match self.part {
                Part::Tunnel => return Ok(()),
                Part::Body(left) => self.skip(rest, left, Part::Body, Self::ended),
                Part::ChunkData(left) => self.skip(rest, left, Part::ChunkData, |_| Part::ChunkEnd),
                // Whoever does not wait for the response sends a request like any other.
                Part::Upgrading => {
                    self.part = Part::RequestLine;
                    rest
                }
                Part::RequestLine | Part::Fields | Part::ChunkSize | Part::ChunkEnd | Part::Trailers => {
                    self.line(rest).map_err(|why| (at, why))?
                }
            };
        }
        Ok(())
    }

    /// Follows what the client is sent, as far as it decides about an upgrade.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if self.part == Part::Upgrading && !bytes.is_empty() {
            self.part = if bytes.starts_with(b"HTTP/1.1 101") { Part::Tunnel } else { Part::RequestLine };
        }
    }

    fn skip<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        more: impl FnOnce(u64) -> Part,
        then: impl FnOnce(&mut Self) -> Part,
    ) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.part = if left == 0 { then(self) } else { more(left) };
        bytes.get(here..).unwrap_or_default()
    }

    /// Takes one line, or what there is of it; yields what follows.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Ambiguous> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        let (here, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        let limit = match self.part {
            Part::RequestLine | Part::Fields => MAX_HEAD_LINE,
            _ => MAX_CHUNK_LINE,
        };
        if self.line.len() + here.len() > limit {
            return Err(Ambiguous::LineTooLong);
        }
        if end.is_none() {
            self.line.extend_from_slice(here);
        } else if self.line.is_empty() {
            self.part = self.complete(here)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(here);
            self.part = self.complete(&line)?;
            line.clear();
            self.line = line;
        }
        Ok(rest)
    }

    /// What comes after this line, which ends with LF.
    fn complete(&mut self, line: &[u8]) -> Result<Part, Ambiguous> {
        let line = line.strip_suffix(b"\r\n").ok_or(Ambiguous::LineEnd)?;
        if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(Ambiguous::LineEnd);
        }
        match self.part {
            // Section 2.2: an empty line before a request is ignored.
            Part::RequestLine if line.is_empty() => Ok(Part::RequestLine),
            Part::RequestLine => {
                self.head = Head { is_http10: request_line(line)?, ..Head::default() };
                Ok(Part::Fields)
            }
            Part::Fields if line.is_empty() => self.head_ended(),
            Part::Fields => {
                let (name, value) = field(line)?;
                self.head.take(name, value)?;
                Ok(Part::Fields)
            }
            Part::ChunkSize => match chunk_size(line)? {
                0 => Ok(Part::Trailers),
                size => Ok(Part::ChunkData(size)),
            },
            Part::ChunkEnd if line.is_empty() => Ok(Part::ChunkSize),
            Part::ChunkEnd => Err(Ambiguous::Chunk),
            Part::Trailers if line.is_empty() => Ok(self.ended()),
            Part::Trailers => field(line).map(|_| Part::Trailers),
            Part::Body(_) | Part::ChunkData(_) | Part::Upgrading | Part::Tunnel => Ok(self.part),
        }
    }

    fn head_ended(&mut self) -> Result<Part, Ambiguous> {
        match (self.head.is_chunked, self.head.length) {
            (true, Some(_)) => Err(Ambiguous::TransferEncoding),
            (true, None) if self.head.is_http10 => Err(Ambiguous::TransferEncoding),
            (true, None) => Ok(Part::ChunkSize),
            (false, None | Some(0)) => Ok(self.ended()),
            (false, Some(length)) => Ok(Part::Body(length)),
        }
    }

    fn ended(&mut self) -> Part {
        if self.head.is_upgrade { Part::Upgrading } else { Part::RequestLine }
    }
}

impl Head {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Ambiguous> {
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Ambiguous::ContentLength);
            }
            self.length = Some(number(value, 10, MAX_DIGITS).ok_or(Ambiguous::ContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous::TransferEncoding);
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.is_upgrade = true;
        }
        Ok(())
    }
}

/// Whether it is one of HTTP/1.0.
fn request_line(line: &[u8]) -> Result<bool, Ambiguous> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let is_whole = [method, target].iter().flatten().all(|word| !word.is_empty()) && words.next().is_none();
    match version {
        Some(b"HTTP/1.1") if is_whole => Ok(false),
        Some(b"HTTP/1.0") if is_whole => Ok(true),
        Some(_) | None => Err(Ambiguous::RequestLine),
    }
}

/// Name and value of a field line.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Ambiguous> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Ambiguous::FieldLine)?;
    let (name, value) = line.split_at_checked(colon).ok_or(Ambiguous::FieldLine)?;
    if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Ambiguous::FieldLine);
    }
    Ok((name, value.strip_prefix(b":").unwrap_or(value).trim_ascii()))
}

/// The size at the beginning of a chunk; its extensions mean nothing to us.
fn chunk_size(line: &[u8]) -> Result<u64, Ambiguous> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    number(digits, 16, MAX_HEX_DIGITS).ok_or(Ambiguous::Chunk)
}

/// A number of digits alone.
fn number(text: &[u8], radix: u32, longest: usize) -> Option<u64> {
    if text.is_empty() || text.len() > longest {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        sum.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
