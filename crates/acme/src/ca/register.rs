//! Accounts and orders in memory, each change on disk before it counts.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::orders::{Order, Proof};
use super::state::{Folder, Kind, StateError};
use super::validation::Validation;
use crate::jose::{self, Jwk};
use crate::wire::AccountStatus;

/// An account and the key that speaks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) status: AccountStatus,
    pub(super) contact: Vec<String>,
    pub(super) key: Jwk,
}

/// What the CA knows.
#[derive(Debug)]
pub(super) struct Register {
    folder: Folder,
    accounts: HashMap<String, Account>,
    /// Account ids by the thumbprint of their key.
    keys: HashMap<String, String>,
    orders: HashMap<String, Order>,
}

impl Register {
    /// Reads everything in `folder`.
    pub(super) fn open(folder: Folder) -> Result<Self, StateError> {
        let accounts: Vec<Account> = folder.load(Kind::Accounts)?;
        let orders: Vec<Order> = folder.load(Kind::Orders)?;
        Ok(Self {
            keys: accounts.iter().map(|account| (account.key.thumbprint(), account.id.clone())).collect(),
            accounts: accounts.into_iter().map(|account| (account.id.clone(), account)).collect(),
            orders: orders.into_iter().map(|order| (order.id.clone(), order)).collect(),
            folder,
        })
    }

    pub(super) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    pub(super) fn account_of(&self, key: &Jwk) -> Option<&Account> {
        self.accounts.get(self.keys.get(&key.thumbprint())?)
    }

    pub(super) fn put_account(&mut self, account: Account) -> Result<(), StateError> {
        self.folder.put(Kind::Accounts, &account.id, &account)?;
        if let Some(old) = self.accounts.get(&account.id) {
            self.keys.remove(&old.key.thumbprint());
        }
        self.keys.insert(account.key.thumbprint(), account.id.clone());
        self.accounts.insert(account.id.clone(), account);
        Ok(())
    }

    pub(super) fn order(&self, id: &str) -> Option<&Order> {
        self.orders.get(id)
    }

    pub(super) fn orders_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Order> {
        self.orders.values().filter(move |order| order.account == account)
    }

    /// The order whose certificate has this serial number.
    pub(super) fn order_of_serial(&self, wanted: &str) -> Option<&Order> {
        self.orders.values().find(|order| order.serial() == Some(wanted))
    }

    pub(super) fn put_order(&mut self, order: Order) -> Result<(), StateError> {
        self.folder.put(Kind::Orders, &order.id, &order)?;
        self.orders.insert(order.id.clone(), order);
        Ok(())
    }

    /// Removes the orders nobody will ask for again.
    pub(super) fn forget(&mut self, now: Timestamp) -> Result<(), StateError> {
        let past = self.orders.values().filter(|order| order.is_forgettable(now));
        let past: Vec<String> = past.map(|order| order.id.clone()).collect();
        for id in past {
            self.folder.remove(Kind::Orders, &id)?;
            self.orders.remove(&id);
        }
        Ok(())
    }

    /// The validation of one challenge, if it is to be looked at.
    pub(super) fn validation(&self, order: &str, index: usize) -> Option<Validation> {
        let order = self.orders.get(order)?;
        let authorization = order.authorizations.get(index)?;
        let key = &self.accounts.get(&order.account)?.key;
        (authorization.proof == Proof::Processing).then(|| Validation {
            order: order.id.clone(),
            index,
            identifier: authorization.identifier.clone(),
            token: authorization.token.clone(),
            key_authorization: jose::key_authorization(&authorization.token, key),
        })
    }

    /// Every challenge whose proof was not looked at before the last stop.
    pub(super) fn unfinished(&self) -> Vec<Validation> {
        let challenges =
            self.orders.values().flat_map(|order| (0..order.authorizations.len()).map(move |i| (&order.id, i)));
        challenges.filter_map(|(order, index)| self.validation(order, index)).collect()
    }
}
