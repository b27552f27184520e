//! Cipher suites of TLS 1.2 by OpenSSL's names, as far as they are safe: ephemeral keys and authenticated encryption.
//! TLS 1.3 has suites of its own, which such lists do not touch (as in nginx).

/// A cipher suite of TLS 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// ECDHE-ECDSA-AES256-GCM-SHA384
    EcdsaAes256,
    /// ECDHE-ECDSA-AES128-GCM-SHA256
    EcdsaAes128,
    /// ECDHE-ECDSA-CHACHA20-POLY1305
    EcdsaChaCha20,
    /// ECDHE-RSA-AES256-GCM-SHA384
    RsaAes256,
    /// ECDHE-RSA-AES128-GCM-SHA256
    RsaAes128,
    /// ECDHE-RSA-CHACHA20-POLY1305
    RsaChaCha20,
}

/// Each suite with its name and the words that select it in a list (ciphers(1) of OpenSSL).
const SUITES: &[(Cipher, &str, &[&str])] = &[
    (
        Cipher::EcdsaAes256,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM", "SHA384"],
    ),
    (
        Cipher::EcdsaAes128,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM", "SHA256"],
    ),
    (Cipher::EcdsaChaCha20, "ECDHE-ECDSA-CHACHA20-POLY1305", &["ECDSA", "aECDSA", "CHACHA20"]),
    (Cipher::RsaAes256, "ECDHE-RSA-AES256-GCM-SHA384", &["RSA", "aRSA", "AES", "AES256", "AESGCM", "SHA384"]),
    (Cipher::RsaAes128, "ECDHE-RSA-AES128-GCM-SHA256", &["RSA", "aRSA", "AES", "AES128", "AESGCM", "SHA256"]),
    (Cipher::RsaChaCha20, "ECDHE-RSA-CHACHA20-POLY1305", &["RSA", "aRSA", "CHACHA20"]),
];

/// Words that select all of [`SUITES`].
const ALL: &[&str] = &["ALL", "DEFAULT", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "TLSv1.2"];

/// Reads an OpenSSL cipher list in its order. Suites that are not known are left out; `None` if nothing remains.
#[must_use]
pub fn parse(list: &str) -> Option<Vec<Cipher>> {
    let mut chosen: Vec<Cipher> = Vec::new();
    let mut banned: Vec<Cipher> = Vec::new();
    for word in list.split([':', ',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        match (word.strip_prefix('!'), word.strip_prefix('-')) {
            (Some(rest), _) => banned.extend(select(rest)),
            (None, Some(rest)) => {
                let removed: Vec<Cipher> = select(rest).collect();
                chosen.retain(|cipher| !removed.contains(cipher));
            }
            (None, None) => {
                let more: Vec<Cipher> = select(word.trim_start_matches('+')).collect();
                chosen.extend(more.into_iter().filter(|cipher| !chosen.contains(cipher)).collect::<Vec<_>>());
            }
        }
    }
    chosen.retain(|cipher| !banned.contains(cipher));
    (!chosen.is_empty()).then_some(chosen)
}

/// The suites that a word of a list names, such as `EECDH+AESGCM`.
fn select(word: &str) -> impl Iterator<Item = Cipher> {
    let has = move |name: &str, words: &[&str]| {
        name == word || word.split('+').all(|part| ALL.contains(&part) || words.contains(&part))
    };
    SUITES.iter().filter(move |(_, name, words)| has(name, words)).map(|(cipher, _, _)| *cipher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_order_and_leaves_out_what_is_not_safe() {
        let list =
            "ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:AES128-SHA";
        assert_eq!(parse(list), Some(vec![Cipher::RsaAes128, Cipher::EcdsaAes256]));
        assert_eq!(parse("AES128-SHA:DES-CBC3-SHA"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn words_select_and_take_away() {
        assert_eq!(parse("EECDH+AESGCM:EECDH+CHACHA20").map(|found| found.len()), Some(6));
        assert_eq!(parse("HIGH:!aNULL:!MD5").map(|found| found.len()), Some(6));
        assert_eq!(parse("ALL:!RSA:-CHACHA20"), Some(vec![Cipher::EcdsaAes256, Cipher::EcdsaAes128]));
        assert_eq!(parse("!AES:ECDHE+aRSA"), Some(vec![Cipher::RsaChaCha20]));
    }
}
