//! Encryption and keys from passwords, as PKCS#12 files use them.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, InnerIvInit, KeyIvInit};

use super::entry::random;
use super::tlv::{integer, null, octets, oid, sequence};
use crate::error::KeyError;

/// Rounds of every derivation but the MACs of the legacy profiles.
pub(super) const ITERATIONS: u32 = 2048;

/// How one part of a file is encrypted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cipher {
    /// pbeWithSHAAnd40BitRC2-CBC (RFC 7292 appendix C).
    Rc2,
    /// pbeWithSHAAnd3-KeyTripleDES-CBC.
    TripleDes,
    /// PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018).
    Aes256,
}

impl Cipher {
    /// The AlgorithmIdentifier, and the encrypted octets.
    pub(super) fn encrypt(self, plain: &[u8], password: &str) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        match self {
            Self::Rc2 => legacy("1.2.840.113549.1.12.1.6", password, |key, iv| {
                let key = key.get(..5).unwrap_or_default();
                let cipher = rc2::Rc2::new_with_eff_key_len(key, 40);
                let cipher = cbc::Encryptor::<rc2::Rc2>::inner_iv_slice_init(cipher, iv);
                cipher.map(|cipher| cipher.encrypt_padded_vec::<Pkcs7>(plain)).map_err(|_| REFUSED)
            }),
            Self::TripleDes => legacy("1.2.840.113549.1.12.1.3", password, |key, iv| {
                let cipher = cbc::Encryptor::<des::TdesEde3>::new_from_slices(key, iv);
                cipher.map(|cipher| cipher.encrypt_padded_vec::<Pkcs7>(plain)).map_err(|_| REFUSED)
            }),
            Self::Aes256 => aes(plain, password),
        }
    }
}

const REFUSED: KeyError = KeyError::Crypto("encrypt");

fn legacy(
    algorithm: &str,
    password: &str,
    encrypt: impl FnOnce(&[u8], &[u8]) -> Result<Vec<u8>, KeyError>,
) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
    let salt: [u8; 8] = random()?;
    let from = |purpose, length| {
        derive_pkcs12(&SHA1_FOR_LEGACY_USE_ONLY, purpose, password, &salt, ITERATIONS, length)
    };
    let encrypted = encrypt(&from(Purpose::Key, 24), &from(Purpose::Iv, 8))?;
    let parameters = sequence(&[octets(&salt), integer(ITERATIONS)]);
    Ok((sequence(&[oid(algorithm), parameters]), encrypted))
}

fn aes(plain: &[u8], password: &str) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
    let (salt, iv): ([u8; 16], [u8; 16]) = (random()?, random()?);
    let refused = |_| REFUSED;
    let key = UnboundCipherKey::new(&AES_256, &pbkdf2(password, &salt)).map_err(refused)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(refused)?;
    let mut encrypted = plain.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut encrypted, context).map_err(refused)?;
    let derivation = sequence(&[oid("1.2.840.113549.1.5.12"), pbkdf2_parameters(&salt, None)]);
    let scheme = sequence(&[oid("2.16.840.1.101.3.4.1.42"), octets(&iv)]);
    let algorithm = sequence(&[oid("1.2.840.113549.1.5.13"), sequence(&[derivation, scheme])]);
    Ok((algorithm, encrypted))
}

/// 32 octets by PBKDF2-HMAC-SHA-256 (RFC 8018 section 5.2) from the password as UTF-8.
pub(super) fn pbkdf2(password: &str, salt: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let rounds = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
    derive(PBKDF2_HMAC_SHA256, rounds, salt, password.as_bytes(), &mut key);
    key
}

/// PBKDF2-params (RFC 8018 appendix A.2).
pub(super) fn pbkdf2_parameters(salt: &[u8], key_length: Option<u32>) -> Vec<u8> {
    let mut parts = vec![octets(salt), integer(ITERATIONS)];
    parts.extend(key_length.map(integer));
    parts.push(sequence(&[oid("1.2.840.113549.2.9"), null()]));
    sequence(&parts)
}

/// What a derived key is for (RFC 7292 appendix B.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// RFC 7292 appendix B.2, for digests with blocks of 64 octets.
pub(super) fn derive_pkcs12(
    digest: &'static Algorithm,
    purpose: Purpose,
    password: &str,
    salt: &[u8],
    rounds: u32,
    length: usize,
) -> Vec<u8> {
    const BLOCK: usize = 64;
    // The password is a BMPString with its terminating zero.
    let password: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let filled = |octets: &[u8]| -> Vec<u8> {
        octets.iter().copied().cycle().take(octets.len().div_ceil(BLOCK) * BLOCK).collect()
    };
    let diversifier = [purpose as u8; BLOCK];
    let mut input = [filled(salt), filled(&password)].concat();
    let mut out = Vec::new();
    while out.len() < length {
        let mut context = Context::new(digest);
        context.update(&diversifier);
        context.update(&input);
        let mut block = context.finish();
        for _ in 1..rounds {
            block = aws_lc_rs::digest::digest(digest, block.as_ref());
        }
        out.extend(block.as_ref());
        let added: Vec<u8> = block.as_ref().iter().copied().cycle().take(BLOCK).collect();
        for chunk in input.chunks_mut(BLOCK) {
            // chunk = chunk + added + 1, modulo 2^512
            let mut carry = 1_u16;
            for (octet, add) in chunk.iter_mut().zip(&added).rev() {
                carry += u16::from(*octet) + u16::from(*add);
                *octet = u8::try_from(carry & 0xff).unwrap_or(0);
                carry >>= 8;
            }
        }
    }
    out.truncate(length);
    out
}
