//! Paths: one canonical form, and how rules match it.

use std::borrow::Cow;
use std::fmt;

/// How a rule matches the canonical path.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// Path elements: `/foo` takes `/foo` and `/foo/...`, not `/foobar`. `/foo/` takes `/foo/...` only.
    Prefix(String),
    /// ingress-nginx's regex mode: case-insensitive, anchored at the start, open at the end.
    Regex(Pattern),
}

impl PathMatch {
    /// Whether `path` (canonical) is taken.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => prefix_matches(prefix, path),
            Self::Regex(pattern) => pattern.is_match(path),
        }
    }

    /// The path as the Ingress wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
            Self::Regex(pattern) => &pattern.text,
        }
    }

    /// `Exact`, `Prefix` or `Regex`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exact(_) => "Exact",
            Self::Prefix(_) => "Prefix",
            Self::Regex(_) => "Regex",
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.text())
    }
}

fn prefix_matches(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// A compiled regular expression with bounded work: linear where it can be, else a step budget.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: fancy_regex::Regex,
}

/// Steps that a look-around or back-reference may cost before it counts as no match.
const BACKTRACK_LIMIT: usize = 20_000;

impl Pattern {
    /// Compiles `text` as ingress-nginx would use it for a location: case-insensitive and anchored at the
    /// start.
    ///
    /// # Errors
    /// The reason why it is not a regular expression.
    pub fn location(text: &str) -> Result<Self, String> {
        let regex = fancy_regex::RegexBuilder::new(&format!("(?i)^(?:{text})"))
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Compiles `text` as it is: it matches anywhere, in its case.
    ///
    /// # Errors
    /// The reason why it is not a regular expression.
    pub fn search(text: &str) -> Result<Self, String> {
        let regex = fancy_regex::RegexBuilder::new(text).backtrack_limit(BACKTRACK_LIMIT).build();
        Ok(Self { text: text.to_owned(), regex: regex.map_err(|error| error.to_string())? })
    }

    /// Whether it matches; a pattern that runs out of steps does not.
    #[must_use]
    pub fn is_match(&self, path: &str) -> bool {
        self.regex.is_match(path).unwrap_or(false)
    }

    /// The text of group `index` (0 = whole match) for each group, empty where a group took no part.
    #[must_use]
    pub fn captures(&self, path: &str) -> Option<Vec<String>> {
        let captures = self.regex.captures(path).ok().flatten()?;
        Some(captures.iter().map(|group| group.map_or_else(String::new, |m| m.as_str().to_owned())).collect())
    }
}

/// Why a request target has no canonical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// Does not begin with `/`.
    NotAbsolute,
    /// `..` climbs above the root.
    AboveRoot,
    /// `%` without two hexadecimal digits, or decoded bytes that are no UTF-8.
    BadEscape,
    /// `%00` or a control character.
    Control,
    /// `.` or `..` that only some would see: encoded, beside an encoded slash or a backslash, or before `;`.
    HiddenDots,
}

/// The one canonical path that match, auth and rewrite see: percent-decoded, `//` merged, `.` and `..`
/// resolved (nginx's normalised URI). `path` is a request target without query. What upstreams might resolve
/// otherwise than this is refused; docs/paths.md has the table.
///
/// # Errors
/// [`BadPath`]; the client gets 400.
pub fn normalize(path: &str) -> Result<String, BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath::NotAbsolute);
    }
    let is_plain = |byte: u8| byte != b'%' && byte > 0x20 && byte != 0x7f;
    if path.bytes().all(is_plain) && !path.contains('\\') && !path.contains("//") && !path.contains("/.") {
        return Ok(path.to_owned());
    }
    let decoded = decode(path)?;
    check_dots(path, &decoded)?;
    let mut elements: Vec<&str> = Vec::new();
    let mut is_directory = true;
    for element in decoded.split('/').skip(1) {
        is_directory = matches!(element, "" | "." | "..");
        match element {
            "" | "." => {}
            ".." => {
                elements.pop().ok_or(BadPath::AboveRoot)?;
            }
            name => elements.push(name),
        }
    }
    let mut canonical = String::with_capacity(decoded.len());
    for element in &elements {
        canonical.push('/');
        canonical.push_str(element);
    }
    if is_directory {
        canonical.push('/');
    }
    Ok(canonical)
}

/// What the upstream gets of `target` (path and query) if no filter rewrites it: as the client wrote it, less the
/// elements `.` and `..`, which are resolved as in [`normalize`]. Its path has a canonical form.
#[must_use]
pub fn resolve(target: &str) -> Cow<'_, str> {
    if !has_dots(target) {
        return Cow::Borrowed(target);
    }
    let (path, query) = match target.find('?') {
        Some(query) => target.split_at_checked(query).unwrap_or((target, "")),
        None => (target, ""),
    };
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/').skip(1) {
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()),
            name => elements.push(name),
        }
    }
    let is_directory = path.rsplit('/').next().is_none_or(|last| matches!(last, "" | "." | ".."));
    let slash = if is_directory && !elements.is_empty() { "/" } else { "" };
    Cow::Owned(format!("/{}{slash}{query}", elements.join("/")))
}

/// Whether the path of `target` has an element `.` or `..`.
#[must_use]
pub fn has_dots(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.contains("/.") && path.split('/').any(is_dots)
}

fn is_dots(element: &str) -> bool {
    matches!(element, "." | "..")
}

/// Only `.` and `..` that everybody sees are resolved, and only where everybody sees the same elements.
fn check_dots(path: &str, decoded: &str) -> Result<(), BadPath> {
    let seen = path.split('/').filter(|element| is_dots(element)).count();
    let elements = || decoded.split(['/', '\\']);
    // Servlet containers take what stands behind `;` for parameters.
    let names = elements().map(|element| element.split(';').next().unwrap_or_default());
    let hides_slashes = elements().count() != path.split('/').count();
    if names.filter(|name| is_dots(name)).count() != seen || (seen > 0 && hides_slashes) {
        return Err(BadPath::HiddenDots);
    }
    Ok(())
}

fn decode(path: &str) -> Result<String, BadPath> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let value = if byte == b'%' {
            let (high, low) = (bytes.next().and_then(hex), bytes.next().and_then(hex));
            high.zip(low).map(|(high, low)| high * 16 + low).ok_or(BadPath::BadEscape)?
        } else {
            byte
        };
        if value < 0x20 || value == 0x7f {
            return Err(BadPath::Control);
        }
        decoded.push(value);
    }
    String::from_utf8(decoded).map_err(|_| BadPath::BadEscape)
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_canonical_form() {
        for (path, canonical) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/%61dmin", "/admin"),
            ("/a%2fb", "/a/b"),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(normalize(path).as_deref(), Ok(canonical), "{path}");
        }
    }

    #[test]
    fn paths_that_climb_or_hide_control_characters_are_refused() {
        assert_eq!(normalize("a"), Err(BadPath::NotAbsolute));
        assert_eq!(normalize("/.."), Err(BadPath::AboveRoot));
        for path in ["/a/%2e%2e/x", "/a%2f..%2fb", "/a%2fb/../c", "/a\\..\\b", "/a%5c..", "/..;x/a", "/a/%2e"]
        {
            assert_eq!(normalize(path), Err(BadPath::HiddenDots), "{path}");
        }
        assert_eq!(normalize("/%0"), Err(BadPath::BadEscape));
        assert_eq!(normalize("/%00"), Err(BadPath::Control));
        assert_eq!(normalize("/%ff"), Err(BadPath::BadEscape));
    }

    #[test]
    fn a_prefix_matches_whole_elements() {
        let prefix = PathMatch::Prefix("/foo".to_owned());
        assert!(prefix.matches("/foo") && prefix.matches("/foo/bar") && !prefix.matches("/foobar"));
        let slash = PathMatch::Prefix("/foo/".to_owned());
        assert!(slash.matches("/foo/") && !slash.matches("/foo"));
        assert!(PathMatch::Prefix("/".to_owned()).matches("/any"));
    }

    #[test]
    fn a_regex_ignores_case_and_is_open_at_the_end() {
        let regex = PathMatch::Regex(Pattern::location("/app(?!/admin)").expect("compiles"));
        assert!(regex.matches("/APP/x") && !regex.matches("/app/admin") && !regex.matches("/x/app"));
    }
}
