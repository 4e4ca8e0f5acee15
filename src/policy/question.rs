//! What is asked, before Cedar sees it.

use crate::domain::{App, MethodSet, Profile, Required, SignalSet, User};

/// Who asks, for which app, having shown what, under which signals. The caller has already dropped proofs that the app does
/// not accept, that are too old, or whose authenticator is gone.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Read from the accounts database for this question.
    pub user: &'a User,
    /// The app that is opened, or on whose behalf something is done.
    pub app: &'a App,
    /// What was shown and still counts.
    pub proofs: MethodSet,
    /// What was shown in this sign-in, within ten minutes.
    pub fresh: MethodSet,
    /// The observed facts.
    pub signals: &'a SignalSet,
    /// The service provider sent the person here.
    pub sp_initiated: bool,
    /// The service provider wants a new authentication: only fresh proofs count, and no trusted device.
    pub force_authn: bool,
    /// What the service provider wants shown before the app opens, besides what policies ask for.
    pub required: Required,
    /// How strict the classes are.
    pub profile: Profile,
}

impl Question<'_> {
    /// Whether what the service provider wants shown was shown. A trusted device shows nothing.
    #[must_use]
    pub fn shows_required(&self) -> bool {
        self.required.is_met_by(self.counting(), self.profile)
    }

    /// The proofs that count: with ForceAuthn only the fresh ones.
    #[must_use]
    pub fn counting(&self) -> MethodSet {
        if self.force_authn { self.counting_fresh() } else { self.proofs }
    }

    /// The fresh proofs that count: a proof that was dropped from `proofs` is not fresh either.
    #[must_use]
    pub fn counting_fresh(&self) -> MethodSet {
        self.fresh.difference(self.fresh.difference(self.proofs))
    }
}
