//! Requests to responses: which resource, which method, and what every answer carries (RFC 8555 sections 6 and 7.1).

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use jamul_pki::Certificate;

use super::context::Context;
use super::nonces::Nonces;
use super::profiles::Profile;
use super::reply::{Handled, Reply, refuse_with};
use super::request::Verified;
use super::resource::{BaseUrl, Resource};
use super::settings::{CaaPolicy, Registration};
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
    let status = match *request.method() {
        Method::HEAD => StatusCode::OK,
        // Section 7.2 tells the two apart for nonces.
        _ => StatusCode::NO_CONTENT,
    };
    match (context.read(resource, status), request.method()) {
        (Some(answer), &(Method::GET | Method::HEAD)) => answer,
        (None, &Method::POST) => {
            let verified = Verified::check(request, resource, context.base, context.objects(), nonces)?;
            context.post(resource, &verified)
        }
        (Some(_), method) => refuse_method(method, "GET or HEAD"),
        (None, method) => refuse_method(method, "POST, also to read (POST-as-GET)"),
    }
}

fn refuse_method(method: &Method, allowed: &str) -> Handled {
    let detail = format!("{method} is not possible here; use {allowed}");
    refuse_with(StatusCode::METHOD_NOT_ALLOWED, ProblemType::Malformed, detail)
}

impl Context<'_> {
    /// The few resources that need no signature; `None` for the others.
    fn read(&self, resource: &Resource, nonce_status: StatusCode) -> Option<Handled> {
        let pem = |root: &Certificate| {
            Ok(Reply::text("application/x-pem-file", &root.to_pem().unwrap_or_default()))
        };
        Some(match resource {
            Resource::Directory => Ok(Reply::json(StatusCode::OK, &self.directory())),
            Resource::Root => pem(self.authority.root()),
            Resource::AlternateRoot => pem(self.authority.alternate_root()),
            Resource::NewNonce => Ok(Reply::empty(nonce_status)),
            Resource::RenewalInfo(id) => self.renewal_info(id),
            Resource::RevocationList(mark) => self.revocation_list(mark),
            Resource::NewAccount
            | Resource::NewOrder
            | Resource::NewAuthz
            | Resource::RevokeCert
            | Resource::KeyChange
            | Resource::Account(_)
            | Resource::Orders(..)
            | Resource::Order(_)
            | Resource::Finalize(_)
            | Resource::Certificate(_)
            | Resource::AlternateCertificate(_)
            | Resource::Authorization(_)
            | Resource::Challenge(..) => return None,
        })
    }

    fn post(&mut self, resource: &Resource, verified: &Verified) -> Handled {
        match resource {
            Resource::NewAccount => self.new_account(verified),
            Resource::Account(id) => self.account(id, verified),
            Resource::Orders(id, from) => self.orders(id, *from, verified),
            Resource::KeyChange => self.change_key(verified),
            Resource::NewOrder => self.new_order(verified),
            Resource::NewAuthz => self.new_authorization(verified),
            Resource::Order(id) => self.read_order(id, verified),
            Resource::Finalize(id) => self.finalize(id, verified),
            Resource::Certificate(id) => self.read_certificate(id, verified),
            Resource::AlternateCertificate(id) => self.read_alternate_certificate(id, verified),
            Resource::Authorization(id) => self.read_authorization(id, verified),
            Resource::Challenge(id, kind) => self.challenge(id, kind, verified),
            Resource::RevokeCert => self.revoke(verified),
            Resource::Directory
            | Resource::Root
            | Resource::AlternateRoot
            | Resource::RevocationList(_)
            | Resource::RenewalInfo(_)
            | Resource::NewNonce => refuse_method(&Method::POST, "GET or HEAD"),
        }
    }

    fn directory(&self) -> Directory {
        Directory {
            new_nonce: self.url(&Resource::NewNonce),
            new_account: self.url(&Resource::NewAccount),
            new_order: self.url(&Resource::NewOrder),
            revoke_cert: self.url(&Resource::RevokeCert),
            key_change: Some(self.url(&Resource::KeyChange)),
            new_authz: Some(self.url(&Resource::NewAuthz)),
            renewal_info: Some(self.url(&Resource::RenewalInfo(String::new()))),
            meta: Meta {
                external_account_required: match self.settings.registration {
                    Registration::Open => false,
                    Registration::Bound => true,
                },
                caa_identities: match &self.settings.caa {
                    CaaPolicy::Ignored => Vec::new(),
                    CaaPolicy::Heeded { identities } => identities.clone(),
                },
                profiles: Profile::described(self.settings),
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
