//! JKS, the old keystore of Java, as OpenJDK's `sun.security.provider.JavaKeyStore` reads it.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use jiff::Timestamp;

use super::entry::{KeystoreEntry, authority_alias, random};
use super::tlv::{null, octets, oid, sequence};
use crate::certificate::Certificate;
use crate::error::KeyError;

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const PRIVATE_KEY: u32 = 1;
const TRUSTED: u32 = 2;
/// Sun's own encryption of keys.
const KEY_PROTECTOR: &str = "1.3.6.1.4.1.42.2.17.1.1";

pub(super) fn write(
    key: Option<(&str, &KeystoreEntry<'_>)>,
    authorities: &[Certificate],
    password: &str,
    created: Timestamp,
) -> Result<Vec<u8>, KeyError> {
    let mut out = Writer { out: Vec::new(), created: created.as_millisecond() };
    out.number(MAGIC);
    out.number(VERSION);
    out.number(count(authorities.len() + usize::from(key.is_some())));
    if let Some((alias, entry)) = key {
        out.entry(PRIVATE_KEY, alias);
        out.blob(&protect(entry.key.pkcs8_der(), password)?);
        out.number(count(entry.chain.len()));
        for certificate in entry.chain {
            out.certificate(certificate);
        }
    }
    for (index, certificate) in authorities.iter().enumerate() {
        out.entry(TRUSTED, &authority_alias(index));
        out.certificate(certificate);
    }
    let digest = sha1(&[&utf16(password), b"Mighty Aphrodite", &out.out]);
    out.out.extend(digest);
    Ok(out.out)
}

struct Writer {
    out: Vec<u8>,
    /// Milliseconds since 1970.
    created: i64,
}

impl Writer {
    fn number(&mut self, number: u32) {
        self.out.extend(number.to_be_bytes());
    }

    /// Java looks an alias up in lower case.
    fn entry(&mut self, kind: u32, alias: &str) {
        self.number(kind);
        self.text(&alias.to_lowercase());
        self.out.extend(self.created.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.out.extend(text.bytes().take(usize::from(u16::MAX)));
    }

    fn blob(&mut self, octets: &[u8]) {
        self.number(count(octets.len()));
        self.out.extend(octets);
    }

    fn certificate(&mut self, certificate: &Certificate) {
        self.text("X.509");
        self.blob(certificate.der());
    }
}

/// An EncryptedPrivateKeyInfo: salt, the key combined with a chain of digests, and a digest of the key.
fn protect(pkcs8: &[u8], password: &str) -> Result<Vec<u8>, KeyError> {
    let password = utf16(password);
    let salt: [u8; 20] = random()?;
    let mut out = salt.to_vec();
    let mut pad = salt.to_vec();
    for block in pkcs8.chunks(20) {
        pad = sha1(&[&password, &pad]);
        out.extend(block.iter().zip(&pad).map(|(octet, pad)| octet ^ pad));
    }
    out.extend(sha1(&[&password, pkcs8]));
    Ok(sequence(&[sequence(&[oid(KEY_PROTECTOR), null()]), octets(&out)]))
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
