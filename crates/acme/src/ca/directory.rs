//! Requests to responses: which resource, which method, and what every answer carries (RFC 8555 sections 6 and 7.1).

use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::context::Context;
use super::nonces::Nonces;
use super::reply::{Handled, Reply, refuse_with};
use super::request::Verified;
use super::resource::{BaseUrl, Resource};
use super::settings::Registration;
use crate::problem::ProblemType;
use crate::wire::{Directory, Meta};

/// Answers one request.
pub(super) fn handle(
    request: &Request<Vec<u8>>,
    nonces: &Nonces,
    context: &mut Context<'_>,
) -> Response<Vec<u8>> {
    let base = context.base;
    let resource = base.resource(request.uri());
    let reply = match dispatch(request, resource.as_ref(), nonces, context) {
        Ok(reply) => reply,
        Err(problem) => Reply::problem(&problem),
    };
    let takes_nonce = resource == Some(Resource::NewNonce) || request.method() == Method::POST;
    finish(reply, takes_nonce.then(|| nonces.issue()), base, resource.as_ref())
}

fn dispatch(
    request: &Request<Vec<u8>>,
    resource: Option<&Resource>,
    nonces: &Nonces,
    context: &mut Context<'_>,
) -> Handled {
    let Some(resource) = resource else {
        let detail = format!("there is nothing at {}; begin at /directory", request.uri().path());
        return refuse_with(StatusCode::NOT_FOUND, ProblemType::Malformed, detail);
    };
    match (readable(resource), request.method()) {
        (Some(read), &Method::GET) => Ok(read(context, StatusCode::NO_CONTENT)),
        (Some(read), &Method::HEAD) => Ok(read(context, StatusCode::OK)),
        (None, &Method::POST) => {
            let verified = Verified::check(request, resource, context.base, context.objects(), nonces)?;
            context.post(resource, &verified)
        }
        (Some(_), method) => refuse_method(method, "GET or HEAD"),
        (None, method) => refuse_method(method, "POST, also to read (POST-as-GET)"),
    }
}

/// How to read the few resources that need no signature. The status is the one of a nonce: section 7.2 tells GET and
/// HEAD apart there.
fn readable(resource: &Resource) -> Option<fn(&Context<'_>, StatusCode) -> Reply> {
    match resource {
        Resource::Directory => Some(|context, _| Reply::json(StatusCode::OK, &context.directory())),
        Resource::Root => Some(|context, _| {
            Reply::text("application/x-pem-file", &context.authority.root().to_pem().unwrap_or_default())
        }),
        Resource::NewNonce => Some(|_, status| Reply::empty(status)),
        Resource::NewAccount
        | Resource::NewOrder
        | Resource::RevokeCert
        | Resource::KeyChange
        | Resource::Account(_)
        | Resource::Orders(..)
        | Resource::Order(_)
        | Resource::Finalize(_)
        | Resource::Certificate(_)
        | Resource::Authorization(_)
        | Resource::Challenge(..) => None,
    }
}

fn refuse_method(method: &Method, allowed: &str) -> Handled {
    let detail = format!("{method} is not possible here; use {allowed}");
    refuse_with(StatusCode::METHOD_NOT_ALLOWED, ProblemType::Malformed, detail)
}

impl Context<'_> {
    fn post(&mut self, resource: &Resource, verified: &Verified) -> Handled {
        match resource {
            Resource::NewAccount => self.new_account(verified),
            Resource::Account(id) => self.account(id, verified),
            Resource::Orders(id, from) => self.orders(id, *from, verified),
            Resource::KeyChange => self.change_key(verified),
            Resource::NewOrder => self.new_order(verified),
            Resource::Order(id) => self.read_order(id, verified),
            Resource::Finalize(id) => self.finalize(id, verified),
            Resource::Certificate(id) => self.read_certificate(id, verified),
            Resource::Authorization(id) => self.read_authorization(id, verified),
            Resource::Challenge(id, kind) => self.challenge(id, kind, verified),
            Resource::RevokeCert => self.revoke(verified),
            Resource::Directory | Resource::Root | Resource::NewNonce => {
                refuse_method(&Method::POST, "GET or HEAD")
            }
        }
    }

    fn directory(&self) -> Directory {
        Directory {
            new_nonce: self.url(&Resource::NewNonce),
            new_account: self.url(&Resource::NewAccount),
            new_order: self.url(&Resource::NewOrder),
            revoke_cert: self.url(&Resource::RevokeCert),
            key_change: Some(self.url(&Resource::KeyChange)),
            renewal_info: None,
            meta: Meta {
                external_account_required: match self.settings.registration {
                    Registration::Open => false,
                    Registration::Bound(_) => true,
                },
                ..Meta::default()
            },
        }
    }
}

fn finish(
    reply: Reply,
    nonce: Option<String>,
    base: &BaseUrl,
    resource: Option<&Resource>,
) -> Response<Vec<u8>> {
    let reply = match resource {
        Some(Resource::Directory) => reply,
        Some(_) | None => reply.linked(&base.of(&Resource::Directory), "index"),
    };
    let mut response = reply.into_response();
    // Nothing here may come from a cache: nonces least of all (section 6.5.1).
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok()) {
        response.headers_mut().insert("replay-nonce", nonce);
    }
    response
}
