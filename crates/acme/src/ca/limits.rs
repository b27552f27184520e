//! How much one account may ask for, when the settings limit it. All of it follows from the records, so a restart forgets
//! nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::records::{AccountRecord, AuthorizationState, OrderPhase, OrderRecord};
use super::reply::Refusal;
use super::settings::Quota;
use crate::problem::{Problem, ProblemType};
use crate::wire::Identifier;

impl Context<'_> {
    /// Whether the account may place this order, too.
    pub(super) fn check_limits(&self, account: &AccountRecord, order: &OrderRecord) -> Result<(), Refusal> {
        self.check_failures(account, &order.identifiers)?;
        let Some(limits) = self.settings.limits else { return Ok(()) };
        // RFC 9773 section 5: who renews when the CA asks for it is not to be refused for it.
        if order.replaces.is_some() {
            return Ok(());
        }
        let placed = self.objects().orders_of(&account.id).map(|order| order.created);
        let who = || format!("account {}", account.id);
        self.within(limits.orders, placed, || format!("orders of {}", who()))?;
        let same = self.objects().orders_of(&account.id).filter(|earlier| {
            matches!(earlier.phase, OrderPhase::Issued) && earlier.identifiers == order.identifiers
        });
        self.within(limits.duplicates, same.map(|order| order.created), || {
            "certificates for exactly these names".to_owned()
        })
    }

    /// Whether the account has failed at one of these names too often of late.
    pub(super) fn check_failures(
        &self,
        account: &AccountRecord,
        identifiers: &[Identifier],
    ) -> Result<(), Refusal> {
        let Some(limits) = self.settings.limits else { return Ok(()) };
        for identifier in identifiers {
            let failed =
                self.objects().authorizations_for(&account.id, identifier).filter_map(|record| match &record
                    .state
                {
                    AuthorizationState::Invalid { .. } => Some(record.created()),
                    AuthorizationState::Pending
                    | AuthorizationState::Validating(_)
                    | AuthorizationState::Valid { .. }
                    | AuthorizationState::Deactivated => None,
                });
            self.within(limits.failures, failed, || format!("failed authorizations of {identifier}"))
                .map_err(|refusal| Box::new(refusal.about(identifier.clone())))?;
        }
        Ok(())
    }

    fn within(
        &self,
        quota: Quota,
        times: impl Iterator<Item = Timestamp>,
        what: impl FnOnce() -> String,
    ) -> Result<(), Refusal> {
        let mut recent: Vec<Timestamp> =
            times.filter(|time| self.now.duration_since(*time) < quota.within).collect();
        if recent.len() < quota.count {
            return Ok(());
        }
        recent.sort_unstable();
        // The one whose leaving makes room again.
        let leaver = recent.len().checked_sub(quota.count.max(1)).and_then(|index| recent.get(index));
        let free = leaver.map_or(quota.within, |time| quota.within - self.now.duration_since(*time));
        let wait = Duration::try_from(free).unwrap_or(Duration::ZERO) + Duration::from_secs(1);
        let detail = format!(
            "{} {} within {:#}; there is room again in {} s",
            recent.len(),
            what(),
            quota.within,
            wait.as_secs()
        );
        Err(Box::new(Problem::new(ProblemType::RateLimited, detail).passing_after(wait)))
    }
}
