//! Accounts: registration, changes, closing, key change, and the list of orders (RFC 8555 section 7.3).

use http::StatusCode;

use super::context::{Context, owned};
use super::external_keys;
use super::records::{AccountId, AccountRecord, Record};
use super::reply::{Handled, Refusal, Reply, internal, refuse, refuse_with};
use super::request::{Verified, check_usable, jose_refusal};
use super::resource::Resource;
use super::settings::Registration;
use crate::jose::{FlattenedJws, Jwk, KeyReference};
use crate::problem::{Problem, ProblemType};
use crate::wire::{Account, AccountStatus, AccountUpdate, KeyChange, NewAccount, OrderStatus, Orders};

impl Context<'_> {
    pub(super) fn new_account(&mut self, verified: &Verified) -> Handled {
        let key = verified.key()?;
        let request: NewAccount = verified.json()?;
        if let Some(account) = self.objects().account_by_key(key) {
            check_usable(account)?;
            return Ok(self.account_reply(StatusCode::OK, account));
        }
        if request.only_return_existing {
            return refuse(ProblemType::AccountDoesNotExist, "this key has no account here");
        }
        check_contact(&request.contact)?;
        let external_account = self.check_binding(&request, key)?;
        if self.objects().account_count() >= MOST_ACCOUNTS {
            return refuse(ProblemType::RateLimited, "the CA has as many accounts as it can hold");
        }
        let account = AccountRecord {
            id: AccountId::random(),
            key: key.clone(),
            contact: request.contact,
            status: AccountStatus::Valid,
            created: self.now,
            external_account,
        };
        self.commit(vec![Record::Account(account.clone())])?;
        Ok(self.account_reply(StatusCode::CREATED, &account))
    }

    /// Reads, changes or closes the account (sections 7.3.2 and 7.3.6).
    pub(super) fn account(&mut self, id: &AccountId, verified: &Verified) -> Handled {
        let mut account = own_account(id, verified)?;
        if verified.payload().is_none() {
            return Ok(self.account_reply(StatusCode::OK, &account));
        }
        let update: AccountUpdate = verified.json()?;
        if let Some(contact) = update.contact {
            check_contact(&contact)?;
            account.contact = contact;
        }
        match update.status {
            None | Some(AccountStatus::Valid) => {}
            Some(AccountStatus::Deactivated) => account.status = AccountStatus::Deactivated,
            Some(AccountStatus::Revoked) => {
                return refuse(
                    ProblemType::Malformed,
                    "only the CA revokes an account; it can be deactivated",
                );
            }
        }
        self.commit(vec![Record::Account(account.clone())])?;
        Ok(self.account_reply(StatusCode::OK, &account))
    }

    /// A page of the account's orders, oldest first, without invalid ones (section 7.1.2.1).
    pub(super) fn orders(&self, id: &AccountId, from: usize, verified: &Verified) -> Handled {
        let account = own_account(id, verified)?;
        verified.is_post_as_get()?;
        let objects = self.objects();
        let mut orders = objects
            .orders_of(&account.id)
            .filter(|order| objects.standing(order, self.now).status() != OrderStatus::Invalid)
            .map(|order| self.url(&Resource::Order(order.id.clone())))
            .skip(from);
        let page = Orders { orders: orders.by_ref().take(PAGE).collect() };
        let reply = Reply::json(StatusCode::OK, &page);
        Ok(match orders.next() {
            Some(_) => reply.linked(&self.url(&Resource::Orders(account.id.clone(), from + PAGE)), "next"),
            None => reply,
        })
    }

    /// Gives the account another key (section 7.3.5): the old one signs the outside, the new one the inside.
    pub(super) fn change_key(&mut self, verified: &Verified) -> Handled {
        let account = verified.account()?.clone();
        let inner = FlattenedJws::parse(verified.payload().unwrap_or_default()).map_err(jose_refusal)?;
        let protected = inner.protected().map_err(jose_refusal)?;
        let KeyReference::Jwk(new) = protected.key else {
            return refuse(ProblemType::Malformed, "the inner JWS has to carry the new key as \"jwk\"");
        };
        inner.verify(&new).map_err(jose_refusal)?;
        if protected.nonce.is_some() || self.base.parse_url(&protected.url) != Some(Resource::KeyChange) {
            let detail = "the inner JWS needs the URL of the outer one and no nonce";
            return refuse(ProblemType::Malformed, detail);
        }
        let change: KeyChange = serde_json::from_slice(inner.payload()).map_err(|error| {
            let detail = format!("the inner payload is not a key change: {error}");
            Box::new(Problem::new(ProblemType::Malformed, detail))
        })?;
        if change.account != self.url(&Resource::Account(account.id.clone())) || change.old_key != account.key
        {
            let detail = "the inner payload names another account, or another key than the account has";
            return refuse(ProblemType::Malformed, detail);
        }
        if let Some(owner) = self.objects().account_by_key(&new) {
            let url = self.url(&Resource::Account(owner.id.clone()));
            let problem = Problem::new(ProblemType::Malformed, "the new key has an account already");
            return Ok(Reply::problem(&problem.with_status(StatusCode::CONFLICT)).at(&url));
        }
        let account = AccountRecord { key: new, ..account };
        self.commit(vec![Record::Account(account.clone())])?;
        Ok(self.account_reply(StatusCode::OK, &account))
    }

    fn account_reply(&self, status: StatusCode, account: &AccountRecord) -> Reply {
        let object = Account {
            status: account.status,
            contact: account.contact.clone(),
            terms_of_service_agreed: None,
            orders: Some(self.url(&Resource::Orders(account.id.clone(), 0))),
        };
        Reply::json(status, &object).at(&self.url(&Resource::Account(account.id.clone())))
    }

    /// The key identifier of the external account (section 7.3.4). One that nobody asked for has to be right as well.
    fn check_binding(&self, request: &NewAccount, key: &Jwk) -> Result<Option<String>, Refusal> {
        let Some(binding) = &request.external_account_binding else {
            return match self.settings.registration {
                Registration::Open => Ok(None),
                Registration::Bound => {
                    let detail = "this CA needs an external account binding; ask its operator for a key";
                    refuse(ProblemType::ExternalAccountRequired, detail)
                }
            };
        };
        let jws = binding.decode().map_err(jose_refusal)?;
        let known = external_keys::find(self.state, jws.binding_kid().unwrap_or_default());
        let known = known.map_err(|error| internal(&error))?;
        let url = self.url(&Resource::NewAccount);
        // One answer for an unknown identifier and a wrong key: it must not tell which identifiers exist.
        let Some(known) = known.filter(|known| known.verify(&jws, &url, key).is_ok()) else {
            let detail = "the external account binding has an unknown key, or does not verify with it";
            return refuse_with(StatusCode::UNAUTHORIZED, ProblemType::Unauthorized, detail);
        };
        if self.objects().is_bound(known.kid()) {
            let detail = "the key of the external account binding has an account already; ask for another";
            return refuse_with(StatusCode::UNAUTHORIZED, ProblemType::Unauthorized, detail);
        }
        Ok(Some(known.kid().to_owned()))
    }
}

/// The account a URL names, if it is the one that signed.
fn own_account(id: &AccountId, verified: &Verified) -> Result<AccountRecord, Refusal> {
    let account = verified.account()?;
    owned(account, id, account)
}

fn check_contact(contact: &[String]) -> Result<(), Refusal> {
    if contact.len() > MOST_CONTACTS {
        let detail = format!("{} contacts; at most {MOST_CONTACTS} are kept", contact.len());
        return refuse(ProblemType::InvalidContact, detail);
    }
    contact.iter().try_for_each(|url| check_contact_url(url))
}

/// Only `mailto:` with one address and no header fields (section 7.3).
fn check_contact_url(url: &str) -> Result<(), Refusal> {
    let address = match url.split_once(':') {
        Some((scheme, address)) if scheme.eq_ignore_ascii_case("mailto") => address,
        Some(_) | None => {
            let detail = format!("contact {url:?} is not a mailto: URL");
            return refuse(ProblemType::UnsupportedContact, detail);
        }
    };
    let is_address = address.len() <= LONGEST_ADDRESS
        && address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && address.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ',' | '?' | '<' | '>'));
    match is_address {
        true => Ok(()),
        false => {
            let detail =
                format!("contact {url:?} is not one plain e-mail address like mailto:you@example.com");
            refuse(ProblemType::InvalidContact, detail)
        }
    }
}

const MOST_ACCOUNTS: usize = 100_000;
const MOST_CONTACTS: usize = 10;
/// The longest address there can be (RFC 5321 section 4.5.3.1).
const LONGEST_ADDRESS: usize = 320;
/// Orders in one page.
const PAGE: usize = 100;
