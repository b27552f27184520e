//! Compression of a response body, piece by piece.

use std::io::{self, Write};

use bytes::Bytes;
use jamul_routing::compression::Encoding;

/// Window of brotli: 512 KiB, as the module of nginx has it.
const WINDOW: u32 = 19;
/// What brotli gathers before it works.
const BUFFER: usize = 4096;

/// A body that is being compressed.
pub(crate) enum Encoder {
    /// RFC 1952.
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    /// RFC 7932.
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Brotli(_) => "Brotli",
        })
    }
}

impl Encoder {
    /// An empty body.
    pub(crate) fn new(encoding: Encoding, level: u32) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(Box::new(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::new(level),
            ))),
            Encoding::Brotli => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), BUFFER, level, WINDOW)))
            }
        }
    }

    /// Takes `piece`; gives what is ready, which may be nothing.
    ///
    /// # Errors
    /// Writing to memory does not fail, but the encoders say it could.
    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(piece)?,
            Self::Brotli(encoder) => encoder.write_all(piece)?,
        }
        Ok(self.take())
    }

    /// Everything so far, so that the client can read it: the upstream is in no hurry to go on.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn flush(&mut self) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.flush()?,
            Self::Brotli(encoder) => encoder.flush()?,
        }
        Ok(self.take())
    }

    /// The end of the body.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.finish().map(Bytes::from),
            Self::Brotli(encoder) => Ok(Bytes::from(encoder.into_inner())),
        }
    }

    fn take(&mut self) -> Bytes {
        let buffer = match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
        };
        Bytes::from(std::mem::take(buffer))
    }
}
