//! The objects in memory, and the indexes that find them without looking at all.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::ca::orders::Standing;
use crate::ca::profiles::Profile;
use crate::ca::records::{
    AccountId, AccountRecord, AuthorizationId, AuthorizationRecord, AuthorizationState, CertificateRecord,
    OrderId, OrderPhase, OrderRecord, Record, RequestedValidity, Revocation,
};
use crate::jose::Jwk;
use crate::wire::Identifier;

/// All objects. It is made of records, the later ones replacing the earlier.
#[derive(Debug, Default)]
pub(in crate::ca) struct Objects {
    accounts: HashMap<AccountId, AccountRecord>,
    orders: HashMap<OrderId, OrderRecord>,
    authorizations: HashMap<AuthorizationId, AuthorizationRecord>,
    certificates: HashMap<OrderId, CertificateRecord>,
    accounts_by_key: HashMap<Jwk, AccountId>,
    certificates_by_fingerprint: HashMap<String, OrderId>,
    /// In the order they were created.
    orders_by_account: HashMap<AccountId, Vec<OrderId>>,
    /// Orders in phase `Open`, even if they failed or expired meanwhile.
    open_orders: HashMap<AccountId, HashSet<OrderId>>,
    latest_order: HashMap<OrderContent, OrderId>,
    /// In the order they were created.
    authorizations_by_name: HashMap<(AccountId, Identifier), Vec<AuthorizationId>>,
    certificates_by_renewal: HashMap<String, OrderId>,
    /// Hexadecimal.
    serials: HashSet<String>,
    /// By what they replace; the newest order counts.
    replacements: HashMap<String, OrderId>,
    /// Key identifiers of external accounts.
    bound: HashSet<String>,
}

/// What makes two orders ask for the same.
type OrderContent = (AccountId, Vec<Identifier>, RequestedValidity, Profile, Option<String>);

impl Objects {
    pub(in crate::ca) fn account(&self, id: &AccountId) -> Option<&AccountRecord> {
        self.accounts.get(id)
    }

    pub(in crate::ca) fn account_by_key(&self, key: &Jwk) -> Option<&AccountRecord> {
        self.account(self.accounts_by_key.get(key)?)
    }

    pub(in crate::ca) fn account_count(&self) -> usize {
        self.accounts.len()
    }

    pub(in crate::ca) fn order(&self, id: &OrderId) -> Option<&OrderRecord> {
        self.orders.get(id)
    }

    /// The orders of an account, oldest first.
    pub(in crate::ca) fn orders_of(&self, account: &AccountId) -> impl Iterator<Item = &OrderRecord> {
        self.orders_by_account.get(account).into_iter().flatten().filter_map(|id| self.order(id))
    }

    /// Where an order stands.
    pub(in crate::ca) fn standing(&self, order: &OrderRecord, now: Timestamp) -> Standing {
        order.standing(order.authorizations.iter().filter_map(|id| self.authorization(id)), now)
    }

    /// The order that asks for the same and can still be finalized.
    pub(in crate::ca) fn same_open_order(&self, order: &OrderRecord, now: Timestamp) -> Option<&OrderRecord> {
        let found = self.order(self.latest_order.get(&content(order))?)?;
        is_open(&self.standing(found, now)).then_some(found)
    }

    /// How many orders of an account can still be finalized.
    pub(in crate::ca) fn open_order_count(&self, account: &AccountId, now: Timestamp) -> usize {
        let orders = self.open_orders.get(account).into_iter().flatten().filter_map(|id| self.order(id));
        orders.filter(|order| is_open(&self.standing(order, now))).count()
    }

    pub(in crate::ca) fn authorization(&self, id: &AuthorizationId) -> Option<&AuthorizationRecord> {
        self.authorizations.get(id)
    }

    /// The newest authorization of an account for a name.
    pub(in crate::ca) fn latest_authorization(
        &self,
        account: &AccountId,
        identifier: &Identifier,
    ) -> Option<&AuthorizationRecord> {
        self.authorizations_for(account, identifier).next_back()
    }

    /// The authorizations of an account for a name, oldest first.
    pub(in crate::ca) fn authorizations_for(
        &self,
        account: &AccountId,
        identifier: &Identifier,
    ) -> impl DoubleEndedIterator<Item = &AuthorizationRecord> {
        let found = self.authorizations_by_name.get(&(account.clone(), identifier.clone()));
        found.into_iter().flatten().filter_map(|id| self.authorization(id))
    }

    /// Whether an external account has its account here.
    pub(in crate::ca) fn is_bound(&self, key_id: &str) -> bool {
        self.bound.contains(key_id)
    }

    /// The order that replaces the certificate of this identifier and has not failed.
    pub(in crate::ca) fn replacement(&self, renewal: &str, now: Timestamp) -> Option<&OrderRecord> {
        let order = self.order(self.replacements.get(renewal)?)?;
        match self.standing(order, now) {
            Standing::Invalid(_) => None,
            Standing::Pending | Standing::Ready | Standing::Processing | Standing::Valid => Some(order),
        }
    }

    /// The certificate that renewal information calls so.
    pub(in crate::ca) fn certificate_by_renewal(&self, renewal: &str) -> Option<&CertificateRecord> {
        self.certificate(self.certificates_by_renewal.get(renewal)?)
    }

    /// Whether a certificate has this serial number.
    pub(in crate::ca) fn has_serial(&self, serial: &[u8]) -> bool {
        self.serials.contains(&serial.iter().map(|octet| format!("{octet:02x}")).collect::<String>())
    }

    /// The certificates that were revoked before their end.
    pub(in crate::ca) fn revoked(&self) -> impl Iterator<Item = (&CertificateRecord, Revocation)> {
        self.certificates.values().filter_map(|record| Some((record, record.revoked?)))
    }

    pub(in crate::ca) fn certificate(&self, order: &OrderId) -> Option<&CertificateRecord> {
        self.certificates.get(order)
    }

    pub(in crate::ca) fn certificate_by_fingerprint(&self, fingerprint: &str) -> Option<&CertificateRecord> {
        self.certificate(self.certificates_by_fingerprint.get(fingerprint)?)
    }

    /// What was begun and not ended: after a restart it has to be taken up again.
    pub(in crate::ca) fn unfinished(
        &self,
    ) -> (impl Iterator<Item = &AuthorizationRecord>, impl Iterator<Item = &OrderRecord>) {
        let validating = |record: &&AuthorizationRecord| match record.state {
            AuthorizationState::Validating(_) => true,
            AuthorizationState::Pending
            | AuthorizationState::Valid { .. }
            | AuthorizationState::Invalid { .. }
            | AuthorizationState::Deactivated => false,
        };
        let processing = |record: &&OrderRecord| match record.phase {
            OrderPhase::Processing { .. } => true,
            OrderPhase::Open | OrderPhase::Issued | OrderPhase::Failed(_) => false,
        };
        (self.authorizations.values().filter(validating), self.orders.values().filter(processing))
    }

    /// The records worth keeping: what is over, and which nobody can use any more, is left out.
    pub(in crate::ca) fn kept(&self, now: Timestamp) -> impl Iterator<Item = Record> {
        let accounts = self.accounts.values().cloned().map(Record::Account);
        let certificates = self.certificates.values().filter(move |record| now < record.not_after);
        // In the order of creation, because the indexes are.
        let authorizations = self.authorizations_by_name.values().flatten();
        let authorizations = authorizations.filter_map(|id| self.authorization(id));
        let authorizations = authorizations.filter(move |record| now < record.expires);
        let orders = self.orders_by_account.values().flatten().filter_map(|id| self.order(id));
        let orders = orders.filter(move |order| self.is_order_kept(order, now));
        accounts
            .chain(authorizations.cloned().map(Record::Authorization))
            .chain(orders.cloned().map(Record::Order))
            .chain(certificates.cloned().map(Record::Certificate))
    }

    fn is_order_kept(&self, order: &OrderRecord, now: Timestamp) -> bool {
        match order.phase {
            OrderPhase::Processing { .. } => true,
            OrderPhase::Issued => self.certificate(&order.id).is_some_and(|record| now < record.not_after),
            OrderPhase::Open | OrderPhase::Failed(_) => now < order.expires,
        }
    }

    fn insert(&mut self, record: Record) {
        match record {
            Record::Account(account) => self.insert_account(account),
            Record::Order(order) => self.insert_order(order),
            Record::Authorization(record) => {
                let name = (record.account.clone(), record.identifier.clone());
                if !self.authorizations.contains_key(&record.id) {
                    self.authorizations_by_name.entry(name).or_default().push(record.id.clone());
                }
                self.authorizations.insert(record.id.clone(), record);
            }
            Record::Certificate(record) => {
                self.certificates_by_fingerprint.insert(record.fingerprint.clone(), record.order.clone());
                self.serials.insert(record.serial.clone());
                if !record.renewal.is_empty() {
                    self.certificates_by_renewal.insert(record.renewal.clone(), record.order.clone());
                }
                self.certificates.insert(record.order.clone(), record);
            }
        }
    }

    fn insert_account(&mut self, account: AccountRecord) {
        if let Some(before) = self.accounts.get(&account.id)
            && before.key != account.key
        {
            self.accounts_by_key.remove(&before.key);
        }
        self.bound.extend(account.external_account.clone());
        self.accounts_by_key.insert(account.key.clone(), account.id.clone());
        self.accounts.insert(account.id.clone(), account);
    }

    fn insert_order(&mut self, order: OrderRecord) {
        if !self.orders.contains_key(&order.id) {
            self.orders_by_account.entry(order.account.clone()).or_default().push(order.id.clone());
            self.latest_order.insert(content(&order), order.id.clone());
            if let Some(replaced) = &order.replaces {
                self.replacements.insert(replaced.clone(), order.id.clone());
            }
        }
        let open = self.open_orders.entry(order.account.clone()).or_default();
        match order.phase {
            OrderPhase::Open => open.insert(order.id.clone()),
            OrderPhase::Processing { .. } | OrderPhase::Issued | OrderPhase::Failed(_) => {
                open.remove(&order.id)
            }
        };
        self.orders.insert(order.id.clone(), order);
    }
}

impl Extend<Record> for Objects {
    fn extend<T: IntoIterator<Item = Record>>(&mut self, records: T) {
        records.into_iter().for_each(|record| self.insert(record));
    }
}

impl FromIterator<Record> for Objects {
    fn from_iter<T: IntoIterator<Item = Record>>(records: T) -> Self {
        let mut objects = Self::default();
        objects.extend(records);
        objects
    }
}

fn content(order: &OrderRecord) -> OrderContent {
    (order.account.clone(), order.identifiers.clone(), order.validity, order.profile, order.replaces.clone())
}

fn is_open(standing: &Standing) -> bool {
    match standing {
        Standing::Pending | Standing::Ready => true,
        Standing::Processing | Standing::Valid | Standing::Invalid(_) => false,
    }
}
