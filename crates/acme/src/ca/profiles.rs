//! The kinds of certificates to choose from (draft-ietf-acme-profiles).

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::reply::{Refusal, refuse};
use super::settings::CaSettings;
use crate::problem::ProblemType;

/// A kind of certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Profile {
    /// As long as the settings say.
    #[default]
    Default,
    /// Some days: over before anybody could use a stolen key for long.
    Shortlived,
}

impl Profile {
    const ALL: [Self; 2] = [Self::Default, Self::Shortlived];

    /// The profile an order asks for, or the default one.
    pub(super) fn choose(name: Option<&str>) -> Result<Self, Refusal> {
        let Some(name) = name else { return Ok(Self::default()) };
        if let Some(found) = Self::ALL.into_iter().find(|profile| profile.name() == name) {
            return Ok(found);
        }
        let offered = Self::ALL.map(Self::name).join(" and ");
        refuse(ProblemType::InvalidProfile, format!("there is no profile {name:?}; there are {offered}"))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Shortlived => "shortlived",
        }
    }

    /// How long a certificate holds, at most.
    pub(super) fn validity(self, settings: &CaSettings) -> SignedDuration {
        match self {
            Self::Default => settings.validity,
            Self::Shortlived => settings.validity.min(SHORT),
        }
    }

    /// All of them with a sentence each, for the directory.
    pub(super) fn described(settings: &CaSettings) -> BTreeMap<String, String> {
        let describe = |profile: Self| {
            let hours = profile.validity(settings).as_hours();
            (profile.name().to_owned(), format!("for TLS servers, valid for {hours} hours"))
        };
        Self::ALL.into_iter().map(describe).collect()
    }
}

/// 160 hours, as public CAs have it.
const SHORT: SignedDuration = SignedDuration::from_hours(160);
