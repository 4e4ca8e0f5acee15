//! Nobody locks themselves out: a set under which no administrator could open the console is refused, if one could before.

use std::net::{IpAddr, Ipv4Addr};

use crate::accounts::{Accounts, AccountsError};
use crate::clock::Timestamp;
use crate::domain::{
    App, CONSOLE, Country, DeviceFacts, Method, MethodSet, Profile, RiskFacts, SignalSet, Step, User, UserStatus,
};
use crate::policy::Question;

use super::Snapshot;

/// The groups whose members can put policies right again from the console.
const KEEPERS: [&str; 2] = ["owners", "administrators"];
/// How many people are read at once.
const PAGE: u32 = 1000;

/// Whether `new` may follow `old`: somebody who can open the console under `old` can under `new`, or nobody can under either.
///
/// # Errors
/// The accounts cannot be read.
pub(super) async fn keeps_somebody(
    old: &Snapshot,
    new: &Snapshot,
    accounts: &Accounts,
    now: Timestamp,
) -> Result<bool, AccountsError> {
    let (mut somebody_before, mut after) = (false, None);
    loop {
        let page = accounts.list(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(!somebody_before) };
        after = Some(last.username.clone());
        for user in page.iter().filter(|user| is_keeper(user)) {
            let methods = methods_of(accounts, user).await?;
            if can_open_console(new, user, methods, now) {
                return Ok(true);
            }
            somebody_before = somebody_before || can_open_console(old, user, methods, now);
        }
    }
}

fn is_keeper(user: &User) -> bool {
    user.status == UserStatus::Active && user.groups.iter().any(|group| KEEPERS.contains(&group.as_str()))
}

async fn methods_of(accounts: &Accounts, user: &User) -> Result<MethodSet, AccountsError> {
    let authenticators = accounts.authenticators(user.id).await?;
    Ok(authenticators.iter().map(|authenticator| authenticator.method).chain([Method::Password]).collect())
}

/// With everything they can show, just shown, from some place that the policies name, on a working day.
fn can_open_console(set: &Snapshot, user: &User, methods: MethodSet, now: Timestamp) -> bool {
    let Some(console) = set.bundle.vocabulary().app(CONSOLE) else { return false };
    places(set, user).any(|signals| allows(set, console, user, methods, &SignalSet { now, ..signals }))
}

fn allows(set: &Snapshot, console: &App, user: &User, methods: MethodSet, signals: &SignalSet) -> bool {
    let question = Question {
        user,
        app: console,
        proofs: methods,
        fresh: methods,
        signals,
        sp_initiated: false,
        force_authn: false,
        required: crate::domain::Required::NOTHING,
        profile: Profile::default(),
    };
    set.bundle.evaluate(Step::SignIn, None, &question).allowed
}

/// The home country from no named network, and from each named one; at ten and at three on a Wednesday.
fn places<'a>(set: &'a Snapshot, user: &'a User) -> impl Iterator<Item = SignalSet> + 'a {
    let nowhere = std::iter::once(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let named = set.config.networks.values().flat_map(|blocks| blocks.iter().map(ipnet::IpNet::addr));
    nowhere.chain(named).flat_map(move |ip| {
        let known = user.home_country.as_str() != Country::UNKNOWN;
        let country = if known { user.home_country.clone() } else { Country::private() };
        [10, 15].map(|hour| SignalSet {
            place: None,
            ip,
            country: country.clone(),
            asn: 0,
            networks: set.observer.networks_of(ip),
            anonymous: false,
            now: Timestamp::UNIX_EPOCH,
            hour,
            weekday: 3,
            device: DeviceFacts { known: true, trusted: false, registered: 1 },
            risk: RiskFacts::default(),
            unknown: std::collections::BTreeSet::new(),
        })
    })
}
