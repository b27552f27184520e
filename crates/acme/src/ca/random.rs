//! Tokens and identifiers nobody can guess.

use crate::encoding;

/// 128 bits of randomness as base64url: nonces and challenge tokens (RFC 8555 section 11.3 asks for 128).
pub(super) fn token() -> String {
    encoding::encode(bytes::<16>())
}

/// 256 bits of randomness as base64url: a shared key.
pub(super) fn secret() -> String {
    encoding::encode(bytes::<32>())
}

/// The identifier of an object: lower-case hexadecimal, so that URLs are easy to read and to select.
pub(super) fn identifier() -> String {
    bytes::<10>().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness once it runs programs");
    bytes
}
