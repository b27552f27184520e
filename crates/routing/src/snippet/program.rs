//! What a snippet does to one request.

use http::{HeaderName, HeaderValue, StatusCode, header};
use ipnet::IpNet;
use regex::Regex;

use super::text::{Scene, Text};
use crate::alphabet::PATH_SET;
use crate::filter::{Scope, Verdict};
use crate::head::{HeaderEdit, Reply, RequestHead};

/// The statements of a snippet.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(super) statements: Vec<Statement>,
    /// How many variables of its own it has.
    pub(super) own: usize,
    /// Type of texts that it answers with; nginx's is `text/html` here.
    pub(super) default_type: Option<HeaderValue>,
}

#[derive(Debug)]
pub(super) enum Statement {
    Set(usize, Text),
    If {
        condition: Condition,
        then: Vec<Self>,
    },
    /// `location` of a server-snippet.
    At {
        place: Place,
        then: Vec<Self>,
    },
    Break,
    Return(StatusCode, Option<Text>),
    Redirect(StatusCode, Text),
    Rewrite {
        pattern: Regex,
        replacement: Text,
        flag: Flag,
    },
    Add(HeaderName, Text),
    AddUnlessError(HeaderName, Text),
    SetHeader(HeaderName, Text),
    Clear(HeaderName),
    SetInput(HeaderName, Text),
    ClearInput(HeaderName),
    /// `proxy_set_header`
    Upstream(HeaderName, Text),
}

#[derive(Debug)]
pub(super) struct Condition {
    pub(super) subject: Text,
    pub(super) operator: Operator,
}

#[derive(Debug)]
pub(super) enum Operator {
    /// Neither empty nor `0`.
    Is,
    Equals(Text),
    Differs(Text),
    Matches(Regex),
    MatchesNot(Regex),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Flag {
    Break,
    Redirect(StatusCode),
}

#[derive(Debug)]
pub(super) enum Place {
    Path(Matcher, String),
    Regex(Regex),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Matcher {
    Exact,
    Prefix,
    /// A prefix that gives way to nothing (`^~`).
    Firm,
}

/// `allow` and `deny`; without a range for all.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    Allow(Option<IpNet>),
    Deny(Option<IpNet>),
}

impl Access {
    pub(super) fn denies_all(&self) -> bool {
        matches!(self, Self::Deny(None))
    }

    /// Whether the first of `rules` that is about `client` denies it.
    pub(crate) fn denies(rules: &[Self], client: std::net::IpAddr) -> bool {
        let client = client.to_canonical();
        let is_meant = |range: &Option<IpNet>| range.is_none_or(|range| range.contains(&client));
        let first = rules.iter().find(|rule| match rule {
            Self::Allow(range) | Self::Deny(range) => is_meant(range),
        });
        matches!(first, Some(Self::Deny(_)))
    }
}

/// How a block ended.
enum End {
    /// The next statement follows.
    Next,
    /// No statement follows.
    Break,
    Reply(Reply),
}

/// One request on its way through a program.
struct Run<'p, 'h, 's, 'r> {
    program: &'p Program,
    head: &'h mut RequestHead,
    scope: &'s mut Scope<'r>,
    own: Vec<String>,
    captures: Vec<String>,
}

impl Program {
    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Does it to a request.
    pub(crate) fn run(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let own = vec![String::new(); self.own];
        let mut run = Run { program: self, head, scope, own, captures: Vec::new() };
        match run.block(&self.statements) {
            End::Next | End::Break => Verdict::Continue,
            End::Reply(reply) => Verdict::Reply(reply),
        }
    }
}

impl Run<'_, '_, '_, '_> {
    /// What rewrites the request happens in order, as in nginx; headers hold wherever they stand in the block.
    fn block(&mut self, statements: &[Statement]) -> End {
        let mut end = End::Next;
        for statement in statements {
            let is_over = !matches!(end, End::Next);
            match statement {
                Statement::Set(..)
                | Statement::If { .. }
                | Statement::At { .. }
                | Statement::Break
                | Statement::Return(..)
                | Statement::Redirect(..)
                | Statement::Rewrite { .. } => {
                    if !is_over {
                        end = self.step(statement);
                    }
                }
                Statement::Add(name, text) => {
                    self.respond(text, |value| HeaderEdit::Add(name.clone(), value));
                }
                Statement::AddUnlessError(name, text) => {
                    self.respond(text, |value| HeaderEdit::AddUnlessError(name.clone(), value));
                }
                Statement::SetHeader(name, text) => {
                    self.respond(text, |value| HeaderEdit::Set(name.clone(), value));
                }
                Statement::Clear(name) => self.scope.response_edits.push(HeaderEdit::Remove(name.clone())),
                Statement::ClearInput(name) => drop(self.head.headers.remove(name)),
                Statement::SetInput(name, text) => match self.value(text) {
                    Some(value) => drop(self.head.headers.insert(name, value)),
                    None => drop(self.head.headers.remove(name)),
                },
                Statement::Upstream(name, text) => {
                    let value = self.value(text);
                    self.head.edits.push(match value {
                        Some(value) => HeaderEdit::Set(name.clone(), value),
                        None => HeaderEdit::Remove(name.clone()),
                    });
                }
            }
        }
        end
    }

    fn step(&mut self, statement: &Statement) -> End {
        match statement {
            Statement::Set(index, text) => {
                let value = text.expand(&self.scene());
                if let Some(place) = self.own.get_mut(*index) {
                    *place = value;
                }
                End::Next
            }
            Statement::If { condition, then } if self.holds(condition) => self.block(then),
            Statement::At { place, then } if self.is_at(place) => self.block(then),
            Statement::Break => End::Break,
            Statement::Return(status, text) => End::Reply(self.reply(*status, text.as_ref())),
            Statement::Redirect(status, text) => {
                let location = self.absolute(text.expand(&self.scene()));
                End::Reply(Reply::redirect_to(*status, &location))
            }
            Statement::Rewrite { pattern, replacement, flag } => self.rewrite(pattern, replacement, *flag),
            Statement::If { .. }
            | Statement::At { .. }
            | Statement::Add(..)
            | Statement::AddUnlessError(..)
            | Statement::SetHeader(..)
            | Statement::Clear(_)
            | Statement::SetInput(..)
            | Statement::ClearInput(_)
            | Statement::Upstream(..) => End::Next,
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene { head: self.head, scope: self.scope, captures: &self.captures, own: &self.own }
    }

    fn value(&self, text: &Text) -> Option<HeaderValue> {
        let value = text.expand(&self.scene());
        HeaderValue::from_str(&value).ok().filter(|value| !value.is_empty())
    }

    fn respond(&mut self, text: &Text, edit: impl FnOnce(HeaderValue) -> HeaderEdit) {
        let edit = self.value(text).map(edit);
        self.scope.response_edits.extend(edit);
    }

    fn holds(&mut self, condition: &Condition) -> bool {
        let subject = condition.subject.expand(&self.scene());
        match &condition.operator {
            Operator::Is => !subject.is_empty() && subject != "0",
            Operator::Equals(text) => subject == text.expand(&self.scene()),
            Operator::Differs(text) => subject != text.expand(&self.scene()),
            Operator::Matches(pattern) => self.matches(pattern, &subject),
            Operator::MatchesNot(pattern) => !pattern.is_match(&subject),
        }
    }

    /// Remembers the groups of a match.
    fn matches(&mut self, pattern: &Regex, subject: &str) -> bool {
        let Some(found) = pattern.captures(subject) else { return false };
        let group = |group: Option<regex::Match<'_>>| {
            group.map_or_else(String::new, |group| group.as_str().to_owned())
        };
        self.captures = found.iter().map(group).collect();
        true
    }

    fn is_at(&mut self, place: &Place) -> bool {
        let path = self.head.path.as_str();
        match place {
            Place::Path(Matcher::Exact, text) => path == text,
            Place::Path(Matcher::Firm, text) => path.starts_with(text.as_str()),
            Place::Path(Matcher::Prefix, text) => {
                path.starts_with(text.as_str()) && self.scope.route.path.text().len() <= text.len()
            }
            Place::Regex(pattern) => {
                let path = path.to_owned();
                self.matches(pattern, &path)
            }
        }
    }

    fn reply(&self, status: StatusCode, text: Option<&Text>) -> Reply {
        let Some(text) = text else { return Reply::status(status) };
        let mut reply = Reply::text(status, text.expand(&self.scene()));
        let kind = self.program.default_type.clone();
        reply.headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("text/html")));
        reply
    }

    fn rewrite(&mut self, pattern: &Regex, replacement: &Text, flag: Flag) -> End {
        let path = self.head.path.clone();
        if !self.matches(pattern, &path) {
            return End::Next;
        }
        let mut target = replacement.expand_url(&self.scene(), PATH_SET);
        // nginx: a "?" at the end keeps the query of the request away.
        match (target.strip_suffix('?').map(str::to_owned), self.head.query()) {
            (Some(bare), _) => target = bare,
            (None, Some(query)) if !query.is_empty() => {
                target.push(if target.contains('?') { '&' } else { '?' });
                target.push_str(query);
            }
            (None, Some(_) | None) => {}
        }
        match flag {
            Flag::Redirect(status) => End::Reply(Reply::redirect_to(status, &self.absolute(target))),
            Flag::Break => {
                let (path, _) = target.split_once('?').unwrap_or((&target, ""));
                let is_climbing = path.split('/').any(|element| element == "..");
                if is_climbing
                    || !target.starts_with('/')
                    || http::uri::PathAndQuery::try_from(target.as_str()).is_err()
                {
                    return End::Reply(Reply::status(StatusCode::BAD_REQUEST));
                }
                self.head.target = target;
                End::Break
            }
        }
    }

    /// A path gets scheme and host, as nginx's `absolute_redirect` does.
    fn absolute(&self, location: String) -> String {
        if !location.starts_with('/') {
            return location;
        }
        let (scheme, host) = (crate::template::scheme(self.head), crate::template::http_host(self.head));
        format!("{scheme}://{host}{location}")
    }
}
