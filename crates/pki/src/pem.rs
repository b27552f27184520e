//! PEM blocks (RFC 7468): finding those of a kind in a text, and writing one.

use der::pem::LineEnding;
use rustls_pki_types::pem::{PemObject, SectionKind};

/// The blocks of the kinds we know, in the order of the text. What stands between blocks is ignored.
pub(crate) fn blocks(text: &str) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// One block, lines of 64 characters, ending with a line feed.
pub(crate) fn encode(label: &'static str, der: &[u8]) -> Result<String, der::pem::Error> {
    der::pem::encode_string(label, LineEnding::LF, der)
}
