//! Tokens to typed statements.

use std::time::Duration;

use http::{HeaderName, StatusCode, header};
use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::Refusal;
use super::constructs::{CONSTRUCTS, Construct, Context, Directive};
use super::lexer::{Kind, Token, tokens};
use super::program::{Access, Condition, Flag, Matcher, Operator, Place, Program, Statement};
use super::text::{self, Text};
use crate::alphabet::header_name;
use crate::sizes::parse_size;

/// A snippet that is understood.
#[derive(Debug, Default)]
pub(crate) struct Snippet {
    pub(crate) program: Program,
    /// In order; the first that holds decides.
    pub(crate) access: Vec<Access>,
    pub(crate) is_logged: Option<bool>,
    pub(crate) body_limit: Option<Option<u64>>,
    pub(crate) connect: Option<Duration>,
    pub(crate) read: Option<Duration>,
    pub(crate) send: Option<Duration>,
}

/// Reads a snippet of `context`.
///
/// # Errors
/// [`Refusal`]: the first construct that is not understood.
pub(crate) fn parse(text: &str, context: Context) -> Result<Snippet, Refusal> {
    let mut parser =
        Parser { tokens: tokens(text)?.into_iter(), own: Vec::new(), snippet: Snippet::default() };
    let statements = parser.block(context, Ends::WithTheText)?;
    let Parser { own, mut snippet, .. } = parser;
    snippet.program.own = own.len();
    snippet.program.statements = statements;
    Ok(snippet)
}

/// Compiled size of a regular expression.
const MAX_PATTERN: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    WithTheText,
    WithABrace,
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
    /// Names of variables that were set.
    own: Vec<String>,
    snippet: Snippet,
}

/// One directive with its words.
struct Line<'a> {
    construct: &'static Construct,
    words: &'a [&'a str],
    line: usize,
}

impl Line<'_> {
    fn refuse<T>(&self, what: impl std::fmt::Display) -> Result<T, Refusal> {
        Err(Refusal::new(self.line, format!("{}: {what}", self.construct.name)))
    }

    /// It is not written as the table says.
    fn malformed<T>(&self) -> Result<T, Refusal> {
        self.refuse(format!("expected \"{} {}\"", self.construct.name, self.construct.form))
    }

    fn only(&self) -> Result<&str, Refusal> {
        match self.words {
            [word] => Ok(word),
            _ => self.malformed(),
        }
    }

    fn text(&self, word: &str, own: &[String]) -> Result<Text, Refusal> {
        Text::parse(word, own).or_else(|what| self.refuse(format!("{what} is not supported")))
    }

    fn name(&self, word: &str) -> Result<HeaderName, Refusal> {
        let refuse = || self.refuse(format!("{word:?} is no name of a header that may be changed"));
        header_name(word).map_or_else(refuse, Ok)
    }

    fn regex(&self, pattern: &str, is_caseless: bool) -> Result<Regex, Refusal> {
        let built = RegexBuilder::new(pattern).case_insensitive(is_caseless).size_limit(MAX_PATTERN).build();
        built.or_else(|_| {
            self.refuse(format!(
                "{pattern:?} is no regular expression without look-around and back-references"
            ))
        })
    }
}

impl Parser {
    fn block(&mut self, context: Context, ends: Ends) -> Result<Vec<Statement>, Refusal> {
        let mut statements = Vec::new();
        let mut words: Vec<Token> = Vec::new();
        let mut last = 1;
        while let Some(token) = self.tokens.next() {
            last = token.line;
            match token.kind {
                Kind::Word(_) => words.push(token),
                Kind::Semicolon => {
                    self.directive(&std::mem::take(&mut words), last, context, &mut statements)?;
                }
                Kind::Open => {
                    let words = std::mem::take(&mut words);
                    statements.push(self.braced(&words, last, context)?);
                }
                Kind::Close if ends == Ends::WithABrace && words.is_empty() => return Ok(statements),
                Kind::Close => return Err(Refusal::new(last, "\"}\" without a block that it ends")),
            }
        }
        if let Some(word) = words.first() {
            return Err(Refusal::new(word.line, "a directive that no \";\" ends"));
        }
        match ends {
            Ends::WithTheText => Ok(statements),
            Ends::WithABrace => Err(Refusal::new(last, "a block that no \"}\" ends")),
        }
    }

    /// `if` and `location`.
    fn braced(&mut self, tokens: &[Token], line: usize, context: Context) -> Result<Statement, Refusal> {
        let words = texts(tokens);
        let (construct, words) = lookup(&words, tokens, line, context)?;
        let line = Line { construct, words, line };
        match construct.directive {
            Directive::If => {
                let condition = self.condition(&line)?;
                let then = self.block(Context::Condition, Ends::WithABrace)?;
                Ok(Statement::If { condition, then })
            }
            Directive::Location => {
                let place = place(&line)?;
                let access = std::mem::take(&mut self.snippet.access);
                let mut then = self.block(Context::Server, Ends::WithABrace)?;
                let rules = std::mem::replace(&mut self.snippet.access, access);
                match rules.as_slice() {
                    [] => {}
                    [rule] if rule.denies_all() => then.push(Statement::Return(StatusCode::FORBIDDEN, None)),
                    _ => return line.refuse("of allow and deny only \"deny all\" may stand in it"),
                }
                if !matches!(then.last(), Some(Statement::Return(..) | Statement::Redirect(..))) {
                    return line.refuse(
                        "it must end with \"return\" or \"deny all\": no upstream can be named in it",
                    );
                }
                Ok(Statement::At { place, then })
            }
            _ => line.malformed(),
        }
    }

    fn directive(
        &mut self,
        tokens: &[Token],
        line: usize,
        context: Context,
        statements: &mut Vec<Statement>,
    ) -> Result<(), Refusal> {
        if tokens.is_empty() {
            return Ok(());
        }
        let words = texts(tokens);
        let (construct, words) = lookup(&words, tokens, line, context)?;
        let line = Line { construct, words, line: tokens.first().map_or(line, |token| token.line) };
        let own = &self.own;
        match construct.directive {
            Directive::If | Directive::Location => return line.malformed(),
            Directive::AccessLog => match line.only()? {
                "off" => self.snippet.is_logged = Some(false),
                _ => return line.malformed(),
            },
            Directive::AddHeader => {
                let (name, value, is_always) = match words {
                    [name, value] => (name, value, false),
                    [name, value, "always"] => (name, value, true),
                    _ => return line.malformed(),
                };
                let (name, value) = (line.name(name)?, line.text(value, own)?);
                statements.push(if is_always {
                    Statement::Add(name, value)
                } else {
                    Statement::AddUnlessError(name, value)
                });
            }
            Directive::Allow => self.snippet.access.push(Access::Allow(ranges(&line)?)),
            Directive::Deny => self.snippet.access.push(Access::Deny(ranges(&line)?)),
            Directive::Break => match words {
                [] => statements.push(Statement::Break),
                _ => return line.malformed(),
            },
            Directive::ClearHeaders | Directive::HideHeader => {
                for name in names(&line)? {
                    statements.push(Statement::Clear(name));
                }
            }
            Directive::ClearInputHeaders => {
                for name in names(&line)? {
                    statements.push(Statement::ClearInput(name));
                }
            }
            Directive::SetHeaders | Directive::InputHeaders => {
                if words.is_empty() {
                    return line.malformed();
                }
                for word in words {
                    let (name, value) = word.split_once(':').unwrap_or((word, ""));
                    let (name, value) = (line.name(name.trim())?, line.text(value.trim(), own)?);
                    let is_empty = value.constant() == Some("");
                    statements.push(match (construct.directive, is_empty) {
                        (Directive::SetHeaders, true) => Statement::Clear(name),
                        (Directive::SetHeaders, false) => Statement::SetHeader(name, value),
                        (_, true) => Statement::ClearInput(name),
                        (_, false) => Statement::SetInput(name, value),
                    });
                }
            }
            Directive::ConnectTimeout => self.snippet.connect = Some(time(&line)?),
            Directive::ReadTimeout => self.snippet.read = Some(time(&line)?),
            Directive::SendTimeout => self.snippet.send = Some(time(&line)?),
            Directive::MaxBodySize => {
                let Some(size) = parse_size(line.only()?) else { return line.malformed() };
                self.snippet.body_limit = Some((size != 0).then_some(size));
            }
            Directive::DefaultType => {
                let value = line.only()?;
                match http::HeaderValue::from_str(value) {
                    Ok(value) => self.snippet.program.default_type = Some(value),
                    Err(_) => return line.malformed(),
                }
            }
            Directive::ProxySetHeader => {
                let [name, value] = words else { return line.malformed() };
                let value = line.text(value, own)?;
                let lower = name.to_ascii_lowercase();
                if matches!(lower.as_str(), "connection" | "upgrade") {
                    return Ok(());
                }
                let name = if lower == "host" { header::HOST } else { line.name(name)? };
                statements.push(Statement::Upstream(name, value));
            }
            Directive::Return => statements.push(answer(&line, own)?),
            Directive::Rewrite => statements.push(rewrite(&line, own, context)?),
            Directive::Set => {
                let [name, value] = words else { return line.malformed() };
                let Some(name) = name.strip_prefix('$').filter(|name| text::is_free(name)) else {
                    return line.refuse(format!("{name:?} cannot be set"));
                };
                let value = line.text(value, own)?;
                let index = own.iter().position(|known| known == name).unwrap_or_else(|| {
                    self.own.push(name.to_owned());
                    self.own.len() - 1
                });
                statements.push(Statement::Set(index, value));
            }
            Directive::Tuning if words.is_empty() => return line.malformed(),
            Directive::Tuning => {}
        }
        Ok(())
    }

    fn condition(&self, line: &Line<'_>) -> Result<Condition, Refusal> {
        let joined = line.words.join("\u{0}");
        let inner = joined.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let Some(inner) = inner else { return line.malformed() };
        let words: Vec<&str> = inner.split('\u{0}').map(str::trim).filter(|word| !word.is_empty()).collect();
        let is_empty_text = inner.ends_with('\u{0}') && words.len() == 2;
        let (variable, operator, operand) = match words.as_slice() {
            [variable] => (variable, None, ""),
            [variable, operator, operand] => (variable, Some(*operator), *operand),
            [variable, operator] if is_empty_text => (variable, Some(*operator), ""),
            _ => return line.malformed(),
        };
        if !variable.starts_with('$') {
            return line.refuse(format!("the condition {variable:?} is not supported"));
        }
        let subject = line.text(variable, &self.own)?;
        let operator = match operator {
            None => Operator::Is,
            Some("=") => Operator::Equals(line.text(operand, &self.own)?),
            Some("!=") => Operator::Differs(line.text(operand, &self.own)?),
            Some("~") => Operator::Matches(line.regex(operand, false)?),
            Some("~*") => Operator::Matches(line.regex(operand, true)?),
            Some("!~") => Operator::MatchesNot(line.regex(operand, false)?),
            Some("!~*") => Operator::MatchesNot(line.regex(operand, true)?),
            Some(other) => return line.refuse(format!("the operator {other:?} is not supported")),
        };
        Ok(Condition { subject, operator })
    }
}

fn texts(tokens: &[Token]) -> Vec<&str> {
    tokens
        .iter()
        .filter_map(|token| match &token.kind {
            Kind::Word(word) => Some(word.as_str()),
            Kind::Semicolon | Kind::Open | Kind::Close => None,
        })
        .collect()
}

/// The construct that the first word names, if it may stand here.
fn lookup<'a>(
    words: &'a [&'a str],
    tokens: &[Token],
    line: usize,
    context: Context,
) -> Result<(&'static Construct, &'a [&'a str]), Refusal> {
    let line = tokens.first().map_or(line, |token| token.line);
    let Some((name, rest)) = words.split_first() else {
        return Err(Refusal::new(line, "\"{\" without a directive"));
    };
    let Some(construct) = CONSTRUCTS.iter().find(|construct| construct.name == *name) else {
        return Err(Refusal::new(line, format!("the directive {name:?} is not supported")));
    };
    if !construct.contexts.contains(&context) {
        return Err(Refusal::new(line, format!("the directive {name:?} is not supported here")));
    }
    Ok((construct, rest))
}

fn names(line: &Line<'_>) -> Result<Vec<HeaderName>, Refusal> {
    if line.words.is_empty() {
        return line.malformed();
    }
    let words = line.words.iter().flat_map(|word| word.split_whitespace());
    words.map(|word| line.name(word.trim_end_matches(':'))).collect()
}

fn ranges(line: &Line<'_>) -> Result<Option<IpNet>, Refusal> {
    let word = line.only()?;
    if word == "all" {
        return Ok(None);
    }
    let address = || word.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    match word.parse::<IpNet>().ok().or_else(address) {
        Some(range) => Ok(Some(range)),
        None => line.malformed(),
    }
}

/// nginx's times: seconds, or a number with ms, s, m, h or d.
fn time(line: &Line<'_>) -> Result<Duration, Refusal> {
    let word = line.only()?;
    let end = word.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at_checked(end).unwrap_or_default();
    let Ok(number @ 1..=31_536_000) = number.parse::<u64>() else { return line.malformed() };
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        "h" => Ok(Duration::from_secs(number * 3600)),
        "d" => Ok(Duration::from_secs(number * 86_400)),
        _ => line.malformed(),
    }
}

fn place(line: &Line<'_>) -> Result<Place, Refusal> {
    let (matcher, path) = match line.words {
        ["=", path] => (Matcher::Exact, *path),
        ["^~", path] => (Matcher::Firm, *path),
        ["~", pattern] => return Ok(Place::Regex(line.regex(pattern, false)?)),
        ["~*", pattern] => return Ok(Place::Regex(line.regex(pattern, true)?)),
        [path] => (Matcher::Prefix, *path),
        _ => return line.malformed(),
    };
    if !path.starts_with('/') {
        return line.malformed();
    }
    Ok(Place::Path(matcher, path.to_owned()))
}

fn answer(line: &Line<'_>, own: &[String]) -> Result<Statement, Refusal> {
    let (status, rest) = match line.words {
        [url] if url.starts_with("http") || url.starts_with('$') => (StatusCode::FOUND, Some(*url)),
        [code] => (code_of(line, code)?, None),
        [code, rest] => (code_of(line, code)?, Some(*rest)),
        _ => return line.malformed(),
    };
    let Some(rest) = rest else { return Ok(Statement::Return(status, None)) };
    let text = line.text(rest, own)?;
    if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(Statement::Redirect(status, text));
    }
    Ok(Statement::Return(status, Some(text)))
}

fn code_of(line: &Line<'_>, word: &str) -> Result<StatusCode, Refusal> {
    match word.parse::<u16>() {
        Ok(444) => Ok(StatusCode::FORBIDDEN),
        Ok(code @ 200..=599) => StatusCode::from_u16(code).or_else(|_| line.malformed()),
        _ => line.malformed(),
    }
}

fn rewrite(line: &Line<'_>, own: &[String], context: Context) -> Result<Statement, Refusal> {
    let [pattern, replacement, flags @ ..] = line.words else { return line.malformed() };
    let pattern = line.regex(pattern, false)?;
    let replacement = line.text(replacement, own)?;
    let flag = match flags {
        ["permanent"] => Flag::Redirect(StatusCode::MOVED_PERMANENTLY),
        ["redirect"] => Flag::Redirect(StatusCode::FOUND),
        _ if replacement.is_absolute() => Flag::Redirect(StatusCode::FOUND),
        ["break"] if context != Context::Server => Flag::Break,
        ["break"] => return line.refuse("in a server-snippet only redirect and permanent are supported"),
        ["last"] | [] => {
            return line.refuse(
                "without \"break\", \"redirect\" or \"permanent\" it would choose another path's rules",
            );
        }
        _ => return line.malformed(),
    };
    Ok(Statement::Rewrite { pattern, replacement, flag })
}
