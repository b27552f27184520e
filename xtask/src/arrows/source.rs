//! The paths that a Rust file names: `use` trees spread out, and mentions like `jamul_api::core::Secret`.
//!
//! A reader of tokens, not a parser: comments, strings and characters are passed over, nesting is known
//! only as far as inline modules and their `#[cfg(test)]` need it. That is enough to tell who names whom.

use std::iter::Peekable;
use std::str::Chars;

/// One path that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPath {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
    pub(super) role: Role,
    /// Inside `#[cfg(test)] mod ... { }`.
    pub(super) is_test: bool,
    /// How many inline modules are around it: what `super` has to leave before it leaves the file.
    pub(super) depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Use,
    /// `pub use`: the file passes it on and does not itself need it.
    Reexport,
    /// Anywhere else, with at least one `::`.
    Mention,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Sign(char),
}

/// All paths of a file, in order.
pub(super) fn paths(text: &str) -> Vec<NamedPath> {
    let mut reader = Reader { tokens: tokens(text), at: 0, scopes: Vec::new(), found: Vec::new() };
    reader.read();
    reader.found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Module,
    TestModule,
    Block,
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
    scopes: Vec<Scope>,
    found: Vec<NamedPath>,
}

impl Reader {
    fn read(&mut self) {
        while let Some(token) = self.token(0).cloned() {
            match token {
                Token::Word(word) if word == "use" && self.token(1) != Some(&Token::Sign('<')) => {
                    let role = if self.is_public() { Role::Reexport } else { Role::Use };
                    self.at += 1;
                    self.tree(&[], role);
                }
                Token::Word(word) if word == "mod" && self.token(2) == Some(&Token::Sign('{')) => {
                    self.scopes.push(if self.is_for_tests() { Scope::TestModule } else { Scope::Module });
                    self.at += 3;
                }
                Token::Word(_) => self.mention(),
                Token::Sign('{') => {
                    self.scopes.push(Scope::Block);
                    self.at += 1;
                }
                Token::Sign('}') => {
                    self.scopes.pop();
                    self.at += 1;
                }
                Token::Colons | Token::Sign(_) => self.at += 1,
            }
        }
    }

    /// A `use` tree, from where it begins to its end.
    fn tree(&mut self, prefix: &[String], role: Role) {
        let line = self.line();
        let mut segments = prefix.to_vec();
        loop {
            match self.token(0).cloned() {
                Some(Token::Word(word)) if word == "as" => self.at += 2,
                Some(Token::Word(word)) => {
                    segments.push(word);
                    self.at += 1;
                }
                Some(Token::Colons) => self.at += 1,
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while self.token(0).is_some_and(|token| *token != Token::Sign('}')) {
                        self.tree(&segments, role);
                        if self.token(0) == Some(&Token::Sign(',')) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    break;
                }
                Some(Token::Sign(',' | ';' | '}')) | None => break,
                Some(Token::Sign(_)) => {
                    self.at += 1;
                    break;
                }
            }
        }
        self.push(line, segments, role);
    }

    fn mention(&mut self) {
        let line = self.line();
        let mut segments = Vec::new();
        while let Some(Token::Word(word)) = self.token(0) {
            segments.push(word.clone());
            self.at += 1;
            if self.token(0) != Some(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        if segments.len() > 1 {
            self.push(line, segments, Role::Mention);
        }
    }

    fn push(&mut self, line: usize, segments: Vec<String>, role: Role) {
        let is_test = self.scopes.contains(&Scope::TestModule);
        let depth = self.scopes.iter().filter(|scope| **scope != Scope::Block).count();
        self.found.push(NamedPath { line, segments, role, is_test, depth });
    }

    fn token(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(line, _)| *line)
    }

    /// Whether `pub` or `pub(...)` stands right before the current token.
    fn is_public(&self) -> bool {
        let before = self.tokens.get(..self.at).unwrap_or_default();
        let mut words = before.iter().rev().map(|(_, token)| token).peekable();
        if words.next_if(|token| **token == Token::Sign(')')).is_some() {
            words.by_ref().find(|token| **token == Token::Sign('('));
        }
        words.next().is_some_and(|token| *token == Token::Word("pub".into()))
    }

    /// Whether one of the attributes right before the current `mod` says `cfg(test)`.
    fn is_for_tests(&self) -> bool {
        let before: Vec<&Token> =
            self.tokens.get(..self.at).unwrap_or_default().iter().map(|(_, token)| token).collect();
        let mut rest = before.as_slice();
        if let [front @ .., Token::Word(word)] = rest
            && word == "pub"
        {
            rest = front;
        }
        while let [front @ .., Token::Sign(']')] = rest {
            let Some(hash) = front.iter().rposition(|token| **token == Token::Sign('#')) else {
                return false;
            };
            let (front, attribute) = front.split_at(hash);
            let words = ["cfg", "test"].map(|word| Token::Word(word.into()));
            if words.iter().all(|word| attribute.contains(&word)) {
                return true;
            }
            rest = front;
        }
        false
    }
}

/// The words, `::` and signs of a text, each with its line (from 1).
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut scanner = Scanner { chars: text.chars().peekable(), line: 1 };
    let mut found = Vec::new();
    while let Some(c) = scanner.next() {
        let line = scanner.line;
        match c {
            '/' if scanner.take('/') => scanner.pass_line(),
            '/' if scanner.take('*') => scanner.pass_comment(),
            '"' => scanner.pass_string(),
            '\'' => scanner.pass_character_or_lifetime(),
            ':' if scanner.take(':') => found.push((line, Token::Colons)),
            c if c.is_alphabetic() || c == '_' => {
                let word = scanner.word(c);
                match (word.as_str(), scanner.chars.peek()) {
                    ("r" | "br" | "cr", Some('"' | '#')) => {
                        if let Some(raw) = scanner.pass_raw() {
                            found.push((line, Token::Word(raw)));
                        }
                    }
                    // A prefix of what follows and no word of its own; the next turn passes over that.
                    ("b" | "c", Some('"' | '\'')) => {}
                    _ => found.push((line, Token::Word(word))),
                }
            }
            c if c.is_whitespace() => {}
            // A number's suffix is no word: 1usize.
            c if c.is_ascii_digit() => {
                scanner.word(c);
            }
            c => found.push((line, Token::Sign(c))),
        }
    }
    found
}

struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.chars.next_if_eq(&wanted).is_some()
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        word
    }

    fn pass_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    fn pass_comment(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some('/') if self.take('*') => depth += 1,
                Some('*') if self.take('/') => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn pass_string(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    self.next();
                }
                '"' => return,
                _ => {}
            }
        }
    }

    /// After `r`: a raw string is passed over; of a raw identifier (`r#type`) the name is returned.
    fn pass_raw(&mut self) -> Option<String> {
        let mut hashes = 0;
        while self.take('#') {
            hashes += 1;
        }
        if !self.take('"') {
            let first = self.next()?;
            return Some(self.word(first));
        }
        while let Some(c) = self.next() {
            if c == '"' && (0..hashes).all(|_| self.take('#')) {
                break;
            }
        }
        None
    }

    /// After `'`: `'x'` and `'\n'` are passed over; of `'static` only the sign, for it opens nothing.
    fn pass_character_or_lifetime(&mut self) {
        match self.next() {
            Some('\\') => {
                self.next();
                while self.next().is_some_and(|c| c != '\'') {}
            }
            Some(first) => {
                let name = self.word(first);
                if name.chars().count() == 1 {
                    self.take('\'');
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        paths(text).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        let text = "use a::{b::{C, D as E}, f::*}; pub(crate) use g::H;";
        assert_eq!(named(text), ["a::b::C", "a::b::D", "a::f", "g::H"]);
        let roles: Vec<Role> = paths(text).into_iter().map(|path| path.role).collect();
        assert_eq!(roles, [Role::Use, Role::Use, Role::Use, Role::Reexport]);
    }

    #[test]
    fn mentions_are_found_and_single_words_are_not() {
        assert_eq!(named("fn f(x: a::B) -> Vec<C> { let y = d::e::<F>(x.g); y }"), ["a::B", "d::e"]);
    }

    #[test]
    fn comments_strings_characters_and_lifetimes_name_nothing() {
        let text = r###"// a::b
            /* c::d /* e::f */ */ const A: &'static str = "g::h \" i::j"; const B: char = '"'; const C: char = '\'';
            const D: &str = r#"k::l " m::n"#; const E: &[u8] = b"o::p"; fn q<'r>(s: &'r t::U) {}"###;
        assert_eq!(named(text), ["t::U"]);
    }

    #[test]
    fn inline_modules_are_counted_and_tests_are_known() {
        let text = "use a::A; mod b { use c::C; } \
            #[cfg(test)] #[allow(x, reason = \"y\")] mod tests { fn t() { d::d(); } } use e::E;";
        let seen: Vec<_> = paths(text).into_iter().map(|path| (path.depth, path.is_test)).collect();
        assert_eq!(seen, [(0, false), (1, false), (1, true), (0, false)]);
    }
}
