//! What handlers work with: the objects, the rules, the time, and the work they leave to be done.

use std::path::Path;

use http::StatusCode;
use jiff::Timestamp;

use super::authority::Authority;
use super::jobs::Jobs;
use super::ledger::{Ledger, Objects};
use super::records::{
    AccountId, AccountRecord, AuthorizationId, AuthorizationRecord, OrderId, OrderRecord, Record,
};
use super::reply::{Refusal, internal, refuse, refuse_with};
use super::resource::{BaseUrl, Resource};
use super::settings::CaSettings;
use crate::problem::ProblemType;

/// One request's view of the CA. The handlers are its methods, a file for each kind of object.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) settings: &'a CaSettings,
    /// The folder of the CA.
    pub(super) state: &'a Path,
    pub(super) base: &'a BaseUrl,
    pub(super) authority: &'a Authority,
    pub(super) ledger: &'a mut Ledger,
    pub(super) jobs: &'a Jobs,
    pub(super) now: Timestamp,
}

impl Context<'_> {
    pub(super) fn objects(&self) -> &Objects {
        self.ledger.objects()
    }

    /// Makes changes durable before they are answered.
    pub(super) fn commit(&mut self, records: Vec<Record>) -> Result<(), Refusal> {
        self.ledger.commit(records, self.now).map_err(|error| internal(&error))
    }

    pub(super) fn url(&self, resource: &Resource) -> String {
        self.base.of(resource)
    }

    /// An order, if it is the account's.
    pub(super) fn order(&self, id: &OrderId, account: &AccountRecord) -> Result<OrderRecord, Refusal> {
        match self.objects().order(id) {
            Some(order) => owned(order, &order.account, account),
            None => missing("order"),
        }
    }

    /// An authorization, if it is the account's.
    pub(super) fn authorization(
        &self,
        id: &AuthorizationId,
        account: &AccountRecord,
    ) -> Result<AuthorizationRecord, Refusal> {
        match self.objects().authorization(id) {
            Some(authorization) => owned(authorization, &authorization.account, account),
            None => missing("authorization"),
        }
    }
}

/// `object`, if it belongs to `account`.
pub(super) fn owned<T: Clone>(object: &T, owner: &AccountId, account: &AccountRecord) -> Result<T, Refusal> {
    match *owner == account.id {
        true => Ok(object.clone()),
        false => refuse(ProblemType::Unauthorized, "this belongs to another account"),
    }
}

/// Refuses because there is no such object.
pub(super) fn missing<T>(what: &str) -> Result<T, Refusal> {
    let detail = format!("there is no such {what}; it may have expired");
    refuse_with(StatusCode::NOT_FOUND, ProblemType::Malformed, detail)
}
