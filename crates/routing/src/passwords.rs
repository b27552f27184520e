//! Password files as `htpasswd` writes them: who may come, and how a password is checked.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;

/// Users and the hashes of their passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Passwords(BTreeMap<String, Hash>);

/// Hashes are secrets: they are not shown.
impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A hash of a known kind.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Hash {
    /// `{PLAIN}secret`.
    Plain(String),
    /// `{SHA}` and `{SSHA}`: SHA-1 over the password and a salt.
    Sha1 { digest: [u8; 20], salt: Vec<u8> },
    /// `$apr1$` and `$1$`: a thousand rounds of MD5.
    Md5 { magic: &'static str, text: String },
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt(String),
    /// `$5$`, `$6$`.
    ShaCrypt(String),
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "plain",
            Self::Sha1 { .. } => "sha1",
            Self::Md5 { .. } => "md5",
            Self::Bcrypt(_) => "bcrypt",
            Self::ShaCrypt(_) => "sha-crypt",
        })
    }
}

/// Largest cost of bcrypt that is taken: each step doubles the time, 2^16 is some five seconds.
const MAX_BCRYPT_COST: u32 = 16;
/// Most rounds of SHA-crypt that are taken.
const MAX_SHA_ROUNDS: u32 = 1_000_000;

impl Passwords {
    /// Reads lines of `user:hash`; empty ones and those that begin with `#` are comments.
    ///
    /// # Errors
    /// What is expected instead, with the user or line, never with the hash.
    pub(crate) fn from_file(text: &str) -> Result<Self, String> {
        let mut users = BTreeMap::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) =
                line.split_once(':').ok_or_else(|| format!("user:hash in line {}", index + 1))?;
            // htpasswd writes nothing behind a hash; nginx takes a comment there.
            let hash = hash.split(':').next().unwrap_or_default();
            users.insert(user.to_owned(), Hash::parse(user, hash)?);
        }
        Ok(Self(users))
    }

    /// Reads a map of user to hash.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub(crate) fn from_map(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        let read = |(user, hash): (&String, &Vec<u8>)| {
            let hash = std::str::from_utf8(hash).map_err(|_| format!("text as the hash of user {user:?}"))?;
            Ok((user.clone(), Hash::parse(user, hash.trim())?))
        };
        data.iter().map(read).collect::<Result<_, String>>().map(Self)
    }

    /// The hash of a user's password.
    pub(crate) fn hash_of(&self, user: &str) -> Option<&Hash> {
        self.0.get(user)
    }
}

impl Hash {
    fn parse(user: &str, text: &str) -> Result<Self, String> {
        let kinds = "bcrypt ($2y$), $apr1$, $1$, $5$, $6$, {SHA}, {SSHA} or {PLAIN}";
        let other =
            || format!("a password of user {user:?} hashed with {kinds}; write it anew with htpasswd -B");
        let sha1 = |encoded: &str| {
            let bytes = STANDARD.decode(encoded).ok()?;
            let (digest, salt) = bytes.split_first_chunk::<20>()?;
            Some(Self::Sha1 { digest: *digest, salt: salt.to_vec() })
        };
        if let Some(password) = text.strip_prefix("{PLAIN}") {
            return Ok(Self::Plain(password.to_owned()));
        }
        if let Some(encoded) = text.strip_prefix("{SHA}").or_else(|| text.strip_prefix("{SSHA}")) {
            return sha1(encoded).ok_or_else(other);
        }
        for magic in ["$apr1$", "$1$"] {
            if text.starts_with(magic) && salt_of(magic, text).is_some() {
                return Ok(Self::Md5 { magic, text: text.to_owned() });
            }
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|magic| text.starts_with(magic)) {
            let cost = text.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok()).ok_or_else(other)?;
            if cost > MAX_BCRYPT_COST {
                return Err(format!("a bcrypt cost of at most {MAX_BCRYPT_COST} for user {user:?}"));
            }
            return Ok(Self::Bcrypt(text.to_owned()));
        }
        if text.starts_with("$5$") || text.starts_with("$6$") {
            let rounds = text.split('$').nth(2).and_then(|part| part.strip_prefix("rounds="));
            if rounds
                .is_some_and(|rounds| rounds.parse::<u32>().map_or(true, |rounds| rounds > MAX_SHA_ROUNDS))
            {
                return Err(format!("at most {MAX_SHA_ROUNDS} rounds for user {user:?}"));
            }
            return Ok(Self::ShaCrypt(text.to_owned()));
        }
        Err(other())
    }

    /// Whether checking takes long enough to hold up a worker.
    pub(crate) fn is_slow(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Sha1 { .. } => false,
            Self::Md5 { .. } | Self::Bcrypt(_) | Self::ShaCrypt(_) => true,
        }
    }

    /// Whether `password` is the one.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Plain(expected) => is_same(expected.as_bytes(), password),
            Self::Sha1 { digest, salt } => {
                let found = Sha1::new().chain_update(password).chain_update(salt).finalize();
                is_same(digest, &found)
            }
            Self::Md5 { magic, text } => salt_of(magic, text)
                .is_some_and(|salt| is_same(md5_crypt(magic, salt, password).as_bytes(), text.as_bytes())),
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::ShaCrypt(hash) => {
                use sha_crypt::PasswordVerifier as _;
                sha_crypt::ShaCrypt::default().verify_password(password, hash.as_str()).is_ok()
            }
        }
    }
}

/// Compares in a time that does not tell where they differ.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |found, (left, right)| found | (left ^ right)) == 0
}

fn salt_of<'a>(magic: &str, text: &'a str) -> Option<&'a str> {
    let (salt, digest) = text.strip_prefix(magic)?.split_once('$')?;
    (digest.len() == 22 && salt.len() <= 8).then_some(salt)
}

/// The MD5 scheme of FreeBSD's crypt, which Apache took over under another name.
fn md5_crypt(magic: &str, salt: &str, password: &[u8]) -> String {
    let alternate = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for chunk in password.chunks(alternate.len()) {
        first.update(alternate.get(..chunk.len()).unwrap_or(&alternate));
    }
    let mut length = password.len();
    while length > 0 {
        // An old mistake that is part of the scheme: a zero, or the first letter.
        if length % 2 == 1 {
            first.update([0]);
        } else {
            first.update(password.get(..1).unwrap_or_default());
        }
        length /= 2;
    }
    let mut digest = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        let (odd, even): (&[u8], &[u8]) =
            if round % 2 == 1 { (password, &digest) } else { (&digest, password) };
        next.update(odd);
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(even);
        digest = next.finalize();
    }
    format!("{magic}{salt}${}", md5_letters(&digest))
}

/// The digest in the letters and the order of crypt.
fn md5_letters(digest: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let byte = |index: usize| digest.get(index).map_or(0, |byte| u32::from(*byte));
    let mut letters = String::new();
    let mut put = |mut value: u32, count: usize| {
        for _ in 0..count {
            let letter = LETTERS.get((value & 63) as usize).copied().unwrap_or(b'.');
            letters.push(char::from(letter));
            value >>= 6;
        }
    };
    for [high, middle, low] in GROUPS {
        put(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    put(byte(11), 2);
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_hashed_by_htpasswd_and_openssl_are_known() {
        for (hash, password) in [
            ("{PLAIN}secret", "secret"),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password"),
            ("$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00", "password"),
            ("$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", "myPassword"),
            ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"),
            (
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
                "Hello world!",
            ),
        ] {
            let users = Passwords::from_file(&format!("# users\n\njane:{hash}\n")).expect("known");
            let found = users.hash_of("jane").expect("jane");
            assert!(found.verify(password.as_bytes()), "{hash}");
            assert!(!found.verify(b"wrong") && !found.verify(b""), "{hash}");
        }
    }

    #[test]
    fn other_hashes_are_refused_without_being_told() {
        for hash in ["rqXexS6ZhobKA", "secret", "$2y$31$xxx", "{SHA}short", "$6$rounds=9999999$a$b", ""] {
            let error = Passwords::from_file(&format!("jane:{hash}")).expect_err(hash);
            assert!(error.contains("jane") && (hash.is_empty() || !error.contains(hash)), "{error}");
        }
        assert!(Passwords::from_file("garbage").is_err());
    }
}
