//! What requests are for, so that whoever sends them can count them by it.

/// What a request is for: a transport finds it in the extensions of the request. A request for a nonce is part of the
/// operation that needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The directory is read.
    Discover,
    /// An account is created, or found by its key.
    Register,
    /// An account is looked at.
    GetAccount,
    /// An account gets another contact, or ends.
    UpdateAccount,
    /// An account gets another key.
    ChangeKey,
    /// The orders of an account are listed.
    ListOrders,
    /// A certificate is ordered.
    NewOrder,
    /// An order is looked at.
    GetOrder,
    /// The certificate request is handed in.
    Finalize,
    /// The chain is fetched.
    FetchCertificate,
    /// Another chain for the same certificate is fetched.
    FetchAlternate,
    /// A name is to be proved before it is ordered.
    NewAuthorization,
    /// An authorization is looked at.
    GetAuthorization,
    /// An authorization is given up.
    UpdateAuthorization,
    /// A challenge is looked at.
    GetChallenge,
    /// A proof is in place.
    Accept,
    /// A certificate is revoked.
    Revoke,
    /// The server is asked when to renew.
    GetRenewalInfo,
}

impl Operation {
    /// What cert-manager's metrics call it in their label `action`; names of our own in the same style where
    /// cert-manager does no such thing.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Register => "register_account",
            Self::GetAccount => "get_registration",
            Self::UpdateAccount => "update_registration",
            Self::ChangeKey => "change_key",
            Self::ListOrders => "list_orders",
            Self::NewOrder => "authorize_order",
            Self::GetOrder => "get_order",
            Self::Finalize => "create_order_cert",
            Self::FetchCertificate => "fetch_cert",
            Self::FetchAlternate => "list_cert_alternates",
            Self::NewAuthorization => "create_authorization",
            Self::GetAuthorization => "get_authorization",
            Self::UpdateAuthorization => "update_authorization",
            Self::GetChallenge => "get_challenge",
            Self::Accept => "accept_challenge",
            Self::Revoke => "revoke_cert",
            Self::GetRenewalInfo => "get_renewal_info",
        }
    }
}
