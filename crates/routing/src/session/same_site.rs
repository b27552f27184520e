//! The `SameSite` attribute, and the clients that take `None` for `Strict` or refuse the cookie
//! (<https://www.chromium.org/updates/same-site/incompatible-clients/>).

/// `session-cookie-samesite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent with all requests; needs `Secure`.
    None,
    /// Sent with links from elsewhere, but not with what other pages embed.
    Lax,
    /// Sent from the same site only.
    Strict,
}

impl SameSite {
    /// Reads the annotation's words.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Lax, Self::Strict].into_iter().find(|known| known.word() == word)
    }

    /// As it is written in a cookie.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Lax => "Lax",
            Self::Strict => "Strict",
        }
    }
}

/// Whether a client of this `User-Agent` mistakes `SameSite=None`: iOS 12, Safari and embedded browsers on macOS
/// 10.14, Chrome 51 to 66.
pub(super) fn mistakes_none(agent: &str) -> bool {
    let is_ios_12 = agent.contains("iPhone OS 12_") || agent.contains("iPad; CPU OS 12_");
    let is_chromium = agent.contains("Chrome/") || agent.contains("Chromium/");
    let is_webkit_of_mojave =
        agent.contains("Mac OS X 10_14") && agent.contains("AppleWebKit/") && !is_chromium;
    let version = ["Chrome/", "Chromium/"].into_iter().find_map(|name| {
        let (_, rest) = agent.split_once(name)?;
        rest.split_once('.').map_or(rest, |(major, _)| major).parse::<u32>().ok()
    });
    is_ios_12 || is_webkit_of_mojave || version.is_some_and(|version| (51..=66).contains(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_clients_are_told_apart() {
        let mistaken = [
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/12.1 Safari/605.1.15",
            "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/60.0.3112.113 Safari/537.36",
            "Mozilla/5.0 (iPad; CPU OS 12_1 like Mac OS X) AppleWebKit/605.1.15",
        ];
        assert!(mistaken.into_iter().all(mistakes_none));
        let right = [
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/537.36 Chrome/80.0.3987.87 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 13_1 like Mac OS X) AppleWebKit/605.1.15",
            "curl/8.5.0",
            "",
        ];
        assert!(!right.into_iter().any(mistakes_none));
    }
}
