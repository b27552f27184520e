//! `auth-url` and its companions: another service says who may pass.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use percent_encoding::utf8_percent_encode;

use crate::alphabet::{CONNECTION_HEADERS, LOCATION_SET, QUERY_VALUE_SET, URL, header_name, header_names};
use crate::annotation::{Annotation, Invalid, Key, KeyScope, Lookup, OnInvalid, Risk, Values, parse_bool};
use crate::annotations::basic_auth::exempt_paths;
use crate::draft::Draft;
use crate::filter::{Answer, Filter, Question, Scope, Verdict};
use crate::head::{HeaderEdit, Reply, RequestHead};
use crate::template::{Template, http_host, scheme};

const AUTH_URL: &str = "auth-url";
const AUTH_METHOD: &str = "auth-method";
const RESPONSE_HEADERS: &str = "auth-response-headers";
const SIGNIN: &str = "auth-signin";

const SIGNIN_PARAMETER: &str = "auth-signin-redirect-param";
const REQUEST_REDIRECT: &str = "auth-request-redirect";
const SET_HEADERS: &str = "auth-proxy-set-headers";
const ALWAYS_COOKIE: &str = "auth-always-set-cookie";
const GLOBAL: &str = "enable-global-auth";

/// The query parameter of `auth-signin` that says where to return.
const RETURN_PARAMETER: &str = "rd";

/// The family.
#[derive(Debug)]
pub struct Family;

impl Annotation for Family {
    fn keys(&self) -> &'static [Key] {
        const fn key(name: &'static str, risk: Risk, summary: &'static str, example: &'static str) -> Key {
            let (scope, on_invalid) = (KeyScope::Route, OnInvalid::Close);
            Key { name, default: "", risk, scope, summary, example, on_invalid }
        }
        const KEYS: &[Key] = &[
            key(
                AUTH_URL,
                Risk::High,
                "Asks this URL about each request: 2xx lets it pass, 401 and 403 are answered, else 500.",
                "http://auth.default.svc.cluster.local/check",
            ),
            key(AUTH_METHOD, Risk::Low, "Method of the request to auth-url; GET if not set.", "HEAD"),
            key(
                RESPONSE_HEADERS,
                Risk::Medium,
                "Headers of the answer that the upstream gets instead of the client's.",
                "X-User,X-Groups",
            ),
            key(
                SIGNIN,
                Risk::High,
                "Where 401 is redirected to with 302; the way back is appended as parameter rd.",
                "https://$host/oauth2/start",
            ),
            key(SIGNIN_PARAMETER, Risk::Medium, "Name of that parameter; rd if not set.", "return_to"),
            key(
                REQUEST_REDIRECT,
                Risk::Medium,
                "Value of X-Auth-Request-Redirect in the request to auth-url; path and query if not set.",
                "https://$host$request_uri",
            ),
            key(
                SET_HEADERS,
                Risk::Medium,
                "ConfigMap whose entries are headers of the request to auth-url.",
                "my-headers",
            ),
            key(
                ALWAYS_COOKIE,
                Risk::Low,
                "Cookies of the answer reach the client with errors of the upstream, too.",
                "true",
            ),
            key(
                GLOBAL,
                Risk::Low,
                "false: the setting global-auth-url is not asked; true if not set.",
                "true",
            ),
        ];
        KEYS
    }

    fn compile(
        &self,
        values: &mut Values<'_>,
        draft: &mut Draft,
        lookup: &dyn Lookup,
    ) -> Result<(), Invalid> {
        let mut own = |key| values.take(key).map(str::to_owned);
        let mut texts = Texts {
            url: own(AUTH_URL),
            method: own(AUTH_METHOD),
            copied: own(RESPONSE_HEADERS),
            signin: own(SIGNIN),
            parameter: own(SIGNIN_PARAMETER),
            redirect: own(REQUEST_REDIRECT),
            always_cookie: own(ALWAYS_COOKIE),
        };
        let set_headers = own(SET_HEADERS);
        let is_global = values.take_bool(GLOBAL)?.unwrap_or(true);
        if texts.url.is_none()
            && is_global
            && lookup.setting("global-auth-url").is_some_and(|url| !url.is_empty())
        {
            texts = Texts::of_settings(lookup);
        }
        let filter = texts.parse(set_headers.as_deref(), lookup)?;
        draft.route.filters.extend(filter.map(|filter| Arc::new(filter) as Arc<dyn Filter>));
        Ok(())
    }
}

/// What is written, on the Ingress or in the settings.
#[derive(Debug)]
struct Texts {
    url: Option<String>,
    method: Option<String>,
    copied: Option<String>,
    signin: Option<String>,
    parameter: Option<String>,
    redirect: Option<String>,
    always_cookie: Option<String>,
}

impl Texts {
    /// `global-auth-*`.
    fn of_settings(lookup: &dyn Lookup) -> Self {
        let read = |key: &str| {
            lookup.setting(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        Self {
            url: read("global-auth-url"),
            method: read("global-auth-method"),
            copied: read("global-auth-response-headers"),
            signin: read("global-auth-signin"),
            parameter: read("global-auth-signin-redirect-param"),
            redirect: read("global-auth-request-redirect"),
            always_cookie: read("global-auth-always-set-cookie"),
        }
    }

    /// The filter; `None` without a URL. All is read before, so that no mistake waits for a URL to come.
    fn parse(self, set_headers: Option<&str>, lookup: &dyn Lookup) -> Result<Option<ExternalAuth>, Invalid> {
        let method = self.method.as_deref().map(parse_method).transpose()?;
        let copied = self.copied.as_deref().map(parse_header_names).transpose()?.unwrap_or_default();
        let parameter = self.parameter.as_deref().map_or(Ok(RETURN_PARAMETER), parse_parameter)?;
        let signin = self.signin.as_deref().map(|text| Signin::parse(text, parameter)).transpose()?;
        let redirect = self.redirect.as_deref().map(parse_redirect).transpose()?;
        let added = set_headers.map(|name| read_headers(name, lookup)).transpose()?.unwrap_or_default();
        let always = self.always_cookie.as_deref().map(|text| parse_bool(ALWAYS_COOKIE, text)).transpose()?;
        let cookies = if always == Some(true) { Cookies::Always } else { Cookies::UnlessError };
        let Some(url) = self.url else { return Ok(None) };
        let url = parse_url(AUTH_URL, &url)?;
        let exempt = exempt_paths(lookup);
        Ok(Some(ExternalAuth { url, method, copied, signin, redirect, added, cookies, exempt }))
    }
}

/// When the client gets the cookies of an answer that lets its request pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cookies {
    Always,
    UnlessError,
}

/// Asks a service about each request.
#[derive(Debug)]
struct ExternalAuth {
    url: Template,
    /// `None` = GET, without the headers that come with a method.
    method: Option<Method>,
    /// Copied from the answer to the upstream request.
    copied: Vec<HeaderName>,
    signin: Option<Signin>,
    /// `X-Auth-Request-Redirect`; `None` = the request's target.
    redirect: Option<Template>,
    /// More headers of the question.
    added: Vec<(HeaderName, HeaderValue)>,
    cookies: Cookies,
    /// Rules below these paths are not asked about.
    exempt: Vec<String>,
}

impl Filter for ExternalAuth {
    fn name(&self) -> &'static str {
        AUTH_URL
    }

    fn on_request(&self, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        let path = scope.route.path.text();
        if self.exempt.iter().any(|exempt| path.starts_with(exempt)) {
            return Verdict::Continue;
        }
        let url = self.url.expand(head, &[]);
        match self.headers(head).filter(|_| is_url(&url)) {
            Some(headers) => {
                let method = self.method.clone().unwrap_or(Method::GET);
                Verdict::Ask(Question { method, url, headers })
            }
            None => Verdict::Reply(Reply::status(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }

    fn on_answer(&self, answer: &Answer, head: &mut RequestHead, scope: &mut Scope<'_>) -> Verdict {
        match answer.status {
            Some(status) if status.is_success() => {
                self.copy(answer, head);
                let cookies = answer.headers.get_all(header::SET_COOKIE).iter().cloned();
                scope.response_edits.extend(cookies.map(|cookie| match self.cookies {
                    Cookies::Always => HeaderEdit::Add(header::SET_COOKIE, cookie),
                    Cookies::UnlessError => HeaderEdit::AddUnlessError(header::SET_COOKIE, cookie),
                }));
                Verdict::Continue
            }
            Some(StatusCode::UNAUTHORIZED) => Verdict::Reply(self.unauthorized(answer, head)),
            Some(StatusCode::FORBIDDEN) => Verdict::Reply(refused(StatusCode::FORBIDDEN, answer)),
            Some(_) | None => Verdict::Reply(Reply::status(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }
}

impl ExternalAuth {
    /// What the service is told; `None` if a value is no header value.
    fn headers(&self, head: &RequestHead) -> Option<HeaderMap> {
        let mut headers = head.headers.clone();
        for name in CONNECTION_HEADERS {
            headers.remove(name);
        }
        headers.remove("x-forwarded-proto");
        let (scheme, host) = (scheme(head), http_host(head));
        let client = head.client.to_canonical().to_string();
        let target = utf8_percent_encode(&head.target, LOCATION_SET).to_string();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).ok()?);
            Some(())
        };
        set("x-original-url", &format!("{scheme}://{host}{target}"))?;
        set("x-original-method", head.method.as_str())?;
        set("x-sent-from", "nginx-ingress-controller")?;
        set("x-real-ip", &client)?;
        set("x-forwarded-for", &client)?;
        match &self.redirect {
            Some(redirect) => set("x-auth-request-redirect", &redirect.expand(head, &[]))?,
            None => set("x-auth-request-redirect", &target)?,
        }
        if self.method.is_some() {
            set("x-original-uri", &target)?;
            set("x-scheme", scheme)?;
        }
        headers.extend(self.added.iter().cloned());
        Some(headers)
    }

    /// A name that the answer lacks is removed: the upstream must not take the client's word for it.
    fn copy(&self, answer: &Answer, head: &mut RequestHead) {
        for name in &self.copied {
            head.headers.remove(name);
            for value in answer.headers.get_all(name) {
                head.headers.append(name, value.clone());
            }
        }
    }

    fn unauthorized(&self, answer: &Answer, head: &RequestHead) -> Reply {
        let Some(signin) = &self.signin else { return refused(StatusCode::UNAUTHORIZED, answer) };
        let mut reply = Reply::redirect_to(StatusCode::FOUND, &signin.location(head));
        keep(&header::SET_COOKIE, answer, &mut reply);
        reply
    }
}

/// Where a client without a session is sent to.
#[derive(Debug)]
struct Signin {
    template: Template,
    /// Name of the parameter that says where to return.
    parameter: String,
    /// Whether the way back is already in the URL as written.
    has_return: bool,
}

impl Signin {
    fn parse(text: &str, parameter: &str) -> Result<Self, Invalid> {
        let template = parse_url(SIGNIN, text)?;
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let is_return = |pair: &str| pair.split('=').next() == Some(parameter);
        Ok(Self { template, parameter: parameter.to_owned(), has_return: query.split('&').any(is_return) })
    }

    fn location(&self, head: &RequestHead) -> String {
        let mut location = self.template.expand(head, &[]);
        if !self.has_return {
            let back = format!("{}://{}", scheme(head), http_host(head));
            let target = utf8_percent_encode(&head.target, QUERY_VALUE_SET);
            let separator = if location.contains('?') { '&' } else { '?' };
            location.push_str(&format!("{separator}{}={back}{target}", self.parameter));
        }
        location
    }
}

fn refused(status: StatusCode, answer: &Answer) -> Reply {
    let mut reply = Reply::status(status);
    keep(&header::WWW_AUTHENTICATE, answer, &mut reply);
    keep(&header::SET_COOKIE, answer, &mut reply);
    reply
}

fn keep(name: &HeaderName, answer: &Answer, reply: &mut Reply) {
    for value in answer.headers.get_all(name) {
        reply.headers.append(name.clone(), value.clone());
    }
}

fn parse_url(key: &'static str, text: &str) -> Result<Template, Invalid> {
    let invalid = |expected: String| Invalid::new(key, text, expected);
    let template = Template::parse(text, URL).map_err(invalid)?;
    let authority =
        text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let has_scheme = text.starts_with("http://") || text.starts_with("https://");
    let is_valid = has_scheme && !authority.is_empty() && !authority.contains("..");
    if !is_valid || (template.is_constant() && !is_url(text)) {
        return Err(invalid("a URL that begins with http:// or https:// and names a host".to_owned()));
    }
    Ok(template)
}

fn is_url(text: &str) -> bool {
    text.parse::<Uri>()
        .is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()))
}

fn parse_method(text: &str) -> Result<Method, Invalid> {
    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let expected = "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS";
    let found = METHODS.into_iter().find(|method| method.as_str() == text);
    found.ok_or_else(|| Invalid::new(AUTH_METHOD, text, expected))
}

fn parse_parameter(text: &str) -> Result<&str, Invalid> {
    let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_name { Ok(text) } else { Err(Invalid::new(SIGNIN_PARAMETER, text, "letters, digits, -, _ and .")) }
}

fn parse_redirect(text: &str) -> Result<Template, Invalid> {
    Template::parse(text, URL).map_err(|expected| Invalid::new(REQUEST_REDIRECT, text, expected))
}

/// The entries of a ConfigMap as headers: bytes that are checked, never text that is pasted (CVE-2025-15566).
fn read_headers(name: &str, lookup: &dyn Lookup) -> Result<Vec<(HeaderName, HeaderValue)>, Invalid> {
    let invalid = |expected: String| Invalid::new(SET_HEADERS, name, expected);
    let data = lookup
        .config_map(name)
        .ok_or_else(|| invalid("the name of a ConfigMap in the namespace of the Ingress".to_owned()))?;
    let read = |(name, value): (&String, &String)| {
        let header = header_name(name).ok_or_else(|| format!("a ConfigMap of header names, not {name:?}"))?;
        let value = HeaderValue::from_str(value.trim()).ok().filter(|_| !value.contains('$'));
        let value =
            value.ok_or_else(|| format!("plain text without variables on one line for header {name:?}"))?;
        Ok((header, value))
    };
    data.iter().map(read).collect::<Result<_, String>>().map_err(invalid)
}

fn parse_header_names(text: &str) -> Result<Vec<HeaderName>, Invalid> {
    let expected = "a comma list of header names that frame no message, such as X-User,X-Groups";
    header_names(text).ok_or_else(|| Invalid::new(RESPONSE_HEADERS, text, expected))
}

#[cfg(test)]
mod tests;
