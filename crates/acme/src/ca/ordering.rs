//! Orders: placed, read, finalized, and the certificate fetched (RFC 8555 section 7.4).

use std::collections::BTreeSet;

use http::StatusCode;
use jamul_pki::Certificate;
use jiff::SignedDuration;

use super::authority::Authority;
use super::context::{Context, missing, owned};
use super::issuing::{self, Rules};
use super::names;
use super::orders::Standing;
use super::profiles::Profile;
use super::random;
use super::records::{
    AccountRecord, AuthorizationId, AuthorizationRecord, AuthorizationState, OrderId, OrderPhase,
    OrderRecord, PENDING_AUTHORIZATION_LIFETIME, Record, RequestedValidity,
};
use super::reply::{Handled, Refusal, Reply, internal, refuse};
use super::request::Verified;
use super::requested;
use super::resource::Resource;
use super::settings::Finalization;
use crate::encoding;
use crate::problem::{Problem, ProblemType};
use crate::wire::{AuthorizationStatus, Finalize, Identifier, NewOrder, Order};

impl Context<'_> {
    pub(super) fn new_order(&mut self, verified: &Verified) -> Handled {
        let account = verified.account()?.clone();
        let request: NewOrder = verified.json()?;
        let profile = Profile::choose(request.profile.as_deref())?;
        let identifiers = check_identifiers(&request.identifiers, self.authority)?;
        let validity = self.check_validity(&request, profile)?;
        if let Some(renewal) = &request.replaces {
            self.check_replaced(renewal, &account, &identifiers)?;
        }
        let wanted = Wanted { identifiers, validity, profile, replaces: request.replaces };
        let (order, authorizations) = self.draft(&account, wanted);
        if let Some(same) = self.objects().same_open_order(&order, self.now) {
            return Ok(self.order_reply(StatusCode::CREATED, same));
        }
        if self.objects().open_order_count(&account.id, self.now) >= MOST_OPEN_ORDERS {
            let detail =
                format!("the account has {MOST_OPEN_ORDERS} open orders; finalize them or let them expire");
            return refuse(ProblemType::RateLimited, detail);
        }
        self.check_limits(&account, &order)?;
        let mut records: Vec<Record> = authorizations.into_iter().map(Record::Authorization).collect();
        records.push(Record::Order(order.clone()));
        self.commit(records)?;
        Ok(self.order_reply(StatusCode::CREATED, &order))
    }

    pub(super) fn read_order(&self, id: &OrderId, verified: &Verified) -> Handled {
        let order = self.order(id, verified.account()?)?;
        verified.is_post_as_get()?;
        Ok(self.order_reply(StatusCode::OK, &order))
    }

    pub(super) fn finalize(&mut self, id: &OrderId, verified: &Verified) -> Handled {
        let account = verified.account()?.clone();
        let mut order = self.order(id, &account)?;
        let request: Finalize = verified.json()?;
        match self.objects().standing(&order, self.now) {
            Standing::Ready => {}
            other @ (Standing::Pending | Standing::Processing | Standing::Valid | Standing::Invalid(_)) => {
                let detail =
                    format!("the order is {}, and only a ready one can be finalized", other.status());
                return refuse(ProblemType::OrderNotReady, detail);
            }
        }
        let csr = requested::check(&request.csr, &order.identifiers, &account.key)?;
        order.phase = OrderPhase::Processing { csr: encoding::encode(csr.der()) };
        self.commit(vec![Record::Order(order.clone())])?;
        match self.settings.finalization {
            Finalization::Asynchronous => self.jobs.add_issuing(order.id.clone()),
            Finalization::Synchronous => {
                let rules = Rules { settings: self.settings, base: self.base };
                issuing::issue(self.ledger, self.authority, &rules, &order.id, self.now)
                    .map_err(|error| internal(&error))?;
            }
        }
        Ok(self.order_reply(StatusCode::OK, &self.order(id, &account)?))
    }

    pub(super) fn read_certificate(&self, id: &OrderId, verified: &Verified) -> Handled {
        let account = verified.account()?;
        verified.is_post_as_get()?;
        match self.objects().certificate(id) {
            Some(record) => {
                let record = owned(record, &record.account, account)?;
                let alternate = self.url(&Resource::AlternateCertificate(id.clone()));
                Ok(Reply::text(PEM_CHAIN, &record.chain).linked(&alternate, "alternate"))
            }
            None => missing("certificate"),
        }
    }

    /// The certificate with the intermediate that the alternate root signed (section 7.4.2).
    pub(super) fn read_alternate_certificate(&self, id: &OrderId, verified: &Verified) -> Handled {
        let account = verified.account()?;
        verified.is_post_as_get()?;
        let Some(record) = self.objects().certificate(id) else { return missing("certificate") };
        let record = owned(record, &record.account, account)?;
        let leaf = Certificate::from_pem(&record.chain).map_err(|error| internal(&error))?;
        let Some(crossed) = self.authority.alternate_of(&leaf) else { return missing("alternate chain") };
        let chain = Certificate::chain_to_pem(&[leaf, crossed]).map_err(|error| internal(&error))?;
        Ok(Reply::text(PEM_CHAIN, &chain))
    }

    /// The order and the authorizations it needs that do not exist yet.
    fn draft(&self, account: &AccountRecord, wanted: Wanted) -> (OrderRecord, Vec<AuthorizationRecord>) {
        let Wanted { identifiers, validity, profile, replaces } = wanted;
        let mut new = Vec::new();
        let mut authorizations = Vec::new();
        for identifier in &identifiers {
            if let Some(id) = self.reusable_authorization(account, identifier) {
                authorizations.push(id);
                continue;
            }
            let authorization = self.draft_authorization(account, identifier);
            authorizations.push(authorization.id.clone());
            new.push(authorization);
        }
        let order = OrderRecord {
            id: OrderId::random(),
            account: account.id.clone(),
            identifiers,
            authorizations,
            validity,
            profile,
            replaces,
            created: self.now,
            expires: self.now + ORDER_LIFETIME,
            phase: OrderPhase::Open,
        };
        (order, new)
    }

    /// A new authorization that waits for its proof.
    pub(super) fn draft_authorization(
        &self,
        account: &AccountRecord,
        identifier: &Identifier,
    ) -> AuthorizationRecord {
        AuthorizationRecord {
            id: AuthorizationId::random(),
            account: account.id.clone(),
            identifier: identifier.clone(),
            token: random::token(),
            expires: self.now + PENDING_AUTHORIZATION_LIFETIME,
            state: AuthorizationState::Pending,
        }
    }

    /// A proof that holds as long as the order would.
    pub(super) fn reusable_authorization(
        &self,
        account: &AccountRecord,
        identifier: &Identifier,
    ) -> Option<AuthorizationId> {
        let found = self.objects().latest_authorization(&account.id, identifier)?;
        let holds = found.status(self.now + ORDER_LIFETIME) == AuthorizationStatus::Valid;
        holds.then(|| found.id.clone())
    }

    /// What the client wants of the validity, cut to what the CA allows.
    fn check_validity(&self, request: &NewOrder, profile: Profile) -> Result<RequestedValidity, Refusal> {
        let longest = profile.validity(self.settings);
        let not_before = request.not_before;
        if let Some(begin) = not_before
            && (begin < self.now - MOST_BACKDATING || begin > self.now + longest)
        {
            let detail = format!("notBefore {begin} is in the past, or later than any certificate made now");
            return refuse(ProblemType::Malformed, detail);
        }
        let begin = not_before.unwrap_or(self.now);
        if let Some(end) = request.not_after
            && end <= begin.max(self.now)
        {
            return refuse(
                ProblemType::Malformed,
                format!("notAfter {end} is not after {}", begin.max(self.now)),
            );
        }
        let latest = begin + longest;
        Ok(RequestedValidity { not_before, not_after: request.not_after.map(|end| end.min(latest)) })
    }

    fn order_reply(&self, status: StatusCode, order: &OrderRecord) -> Reply {
        let standing = self.objects().standing(order, self.now);
        let url = self.url(&Resource::Order(order.id.clone()));
        let reply = Reply::json(status, &self.order_object(order, &standing)).at(&url);
        match standing {
            Standing::Processing => reply.retry_soon(),
            Standing::Pending | Standing::Ready | Standing::Valid | Standing::Invalid(_) => reply,
        }
    }

    fn order_object(&self, order: &OrderRecord, standing: &Standing) -> Order {
        let authorizations = order.authorizations.iter();
        let certificate = self.objects().certificate(&order.id);
        Order {
            status: standing.status(),
            expires: Some(order.expires),
            identifiers: order.identifiers.clone(),
            not_before: order.validity.not_before,
            not_after: order.validity.not_after,
            profile: Some(order.profile.name().to_owned()),
            replaces: order.replaces.clone(),
            error: match standing {
                Standing::Invalid(problem) => Some(problem.clone()),
                Standing::Pending | Standing::Ready | Standing::Processing | Standing::Valid => None,
            },
            authorizations: authorizations.map(|id| self.url(&Resource::Authorization(id.clone()))).collect(),
            finalize: self.url(&Resource::Finalize(order.id.clone())),
            certificate: certificate.map(|_| self.url(&Resource::Certificate(order.id.clone()))),
        }
    }
}

/// The name in its only spelling, if the CA issues for it and its root can vouch for it.
pub(super) fn check_identifier(
    identifier: &Identifier,
    authority: &Authority,
) -> Result<Identifier, Problem> {
    let identifier = names::check(identifier)?;
    if !authority.permits(&identifier) {
        let detail =
            format!("the root of this CA is constrained, and {identifier} is outside of what it permits");
        return Err(Problem::new(ProblemType::RejectedIdentifier, detail));
    }
    Ok(identifier)
}

/// The names in one spelling, sorted, without duplicates; or a problem that tells of every bad one.
fn check_identifiers(identifiers: &[Identifier], authority: &Authority) -> Result<Vec<Identifier>, Refusal> {
    if identifiers.is_empty() || identifiers.len() > MOST_IDENTIFIERS {
        let detail = format!("an order has 1 to {MOST_IDENTIFIERS} identifiers, not {}", identifiers.len());
        return refuse(ProblemType::Malformed, detail);
    }
    let mut good = BTreeSet::new();
    let mut problems = Vec::new();
    for identifier in identifiers {
        match check_identifier(identifier, authority) {
            Ok(identifier) => {
                good.insert(identifier);
            }
            Err(problem) => problems.push(problem.about(identifier.clone())),
        }
    }
    match problems.as_slice() {
        [] => Ok(good.into_iter().collect()),
        [only] => Err(Box::new(only.clone())),
        [first, rest @ ..] => {
            let kind = match rest.iter().all(|problem| problem.kind == first.kind) {
                true => first.kind.clone(),
                false => ProblemType::Compound,
            };
            let detail = format!("{} of {} identifiers are refused", problems.len(), identifiers.len());
            let mut problem = Problem::new(kind, detail);
            problem.subproblems = problems;
            Err(Box::new(problem))
        }
    }
}

/// What an order is for, checked.
struct Wanted {
    identifiers: Vec<Identifier>,
    validity: RequestedValidity,
    profile: Profile,
    replaces: Option<String>,
}

const PEM_CHAIN: &str = "application/pem-certificate-chain";

/// A client has this long to prove all names and to finalize.
const ORDER_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How far a client's clock may be behind.
const MOST_BACKDATING: SignedDuration = SignedDuration::from_hours(1);

const MOST_IDENTIFIERS: usize = 100;

/// What one account may keep in memory with orders it never finalizes.
const MOST_OPEN_ORDERS: usize = 300;
