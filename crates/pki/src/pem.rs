//! PEM blocks (RFC 7468): finding those of a kind in a text, and writing one.

use der::pem::LineEnding;
use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::error::X509Error;

/// The blocks of the kinds we know, in the order of the text. What stands between blocks is ignored.
pub(crate) fn blocks(text: &str) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// The octets of the first block of a text.
///
/// # Errors
/// There is none, or it is malformed.
pub fn content(text: &str) -> Result<Vec<u8>, X509Error> {
    let first = blocks(text).map_err(X509Error::Pem)?.into_iter().next();
    first.map(|(_, der)| der).ok_or(X509Error::NoBlock { label: "of any kind" })
}

/// One block, lines of 64 characters, ending with a line feed.
pub(crate) fn encode(label: &'static str, der: &[u8]) -> Result<String, der::pem::Error> {
    der::pem::encode_string(label, LineEnding::LF, der)
}
