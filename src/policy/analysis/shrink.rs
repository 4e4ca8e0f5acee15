//! The solver's examples are full of what does not matter. Here each fact is put back to what is usual, as long as what was
//! found stays true.

use std::collections::BTreeSet;

use jiff::ToSpan as _;

use crate::domain::{Country, Method, MethodSet, Profile, SignalSet, UnknownSignal, UserStatus, Username};
use crate::policy::case::Signals;
use crate::policy::situation::Situation;

type Change = Box<dyn Fn(&mut Situation)>;

/// The most usual sign-in of which `holds` is true, starting from one of which it is.
pub(super) fn smallest(mut situation: Situation, holds: impl Fn(&Situation) -> bool) -> Situation {
    // Each round leaves fewer facts; a change that was not possible before may be after. Halving 32 bits takes 32 rounds.
    for _ in 0..64 {
        let before = situation.clone();
        for change in changes(&situation) {
            let mut other = situation.clone();
            change(&mut other);
            if other != situation && holds(&other) {
                situation = other;
            }
        }
        if situation == before {
            break;
        }
    }
    situation
}

fn changes(now: &Situation) -> Vec<Change> {
    let usual = Signals::default();
    let mut changes: Vec<Change> = Vec::new();
    let mut to = |change: Change| changes.push(change);
    to(Box::new(|s| s.profile = Profile::default()));
    to(Box::new(|s| s.user.status = UserStatus::Active));
    to(Box::new(|s| {
        if let Ok(name) = Username::parse("somebody") {
            s.user.username = name;
        }
    }));
    to(Box::new(|s| s.user.groups = BTreeSet::new()));
    for group in now.user.groups.clone() {
        to(Box::new(move |s| _ = s.user.groups.remove(&group)));
    }
    to(Box::new(|s| (s.proofs, s.fresh) = (MethodSet::EMPTY, MethodSet::EMPTY)));
    for method in now.proofs.iter().collect::<Vec<_>>() {
        to(Box::new(move |s| (s.proofs, s.fresh) = (s.proofs.without(method), s.fresh.without(method))));
    }
    to(Box::new(|s| s.fresh = s.proofs));
    // A password and a code from an app are what most people show.
    for method in
        now.proofs.iter().filter(|method| ![Method::Password, Method::Totp].contains(method)).collect::<Vec<_>>()
    {
        for usual in [Method::Password, Method::Totp] {
            to(Box::new(move |s| {
                let other = |set: MethodSet| if set.contains(method) { set.without(method).with(usual) } else { set };
                (s.proofs, s.fresh) = (other(s.proofs), other(s.fresh));
            }));
        }
    }
    to(Box::new(|s| (s.sp_initiated, s.force_authn) = (false, false)));
    to(Box::new(|s| s.force_authn = false));
    to(Box::new(|s| {
        s.signals.country = Country::unknown();
        s.user.home_country = Country::unknown();
    }));
    to(Box::new(|s| s.user.home_country = Country::unknown()));
    to(Box::new(|s| s.user.home_country = s.signals.country.clone()));
    signal(&mut to, |signals| signals.unknown = BTreeSet::new());
    for missing in now.signals.unknown.iter().copied().collect::<Vec<UnknownSignal>>() {
        signal(&mut to, move |signals| {
            signals.unknown.remove(&missing);
            if missing == UnknownSignal::DeviceHistory {
                signals.device.registered = 0;
            }
        });
    }
    signal(&mut to, |signals| signals.networks = BTreeSet::new());
    for network in now.signals.networks.clone() {
        signal(&mut to, move |signals| _ = signals.networks.remove(&network));
    }
    signal(&mut to, move |signals| signals.ip = usual.ip);
    signal(&mut to, |signals| signals.asn = 0);
    signal(&mut to, |signals| signals.anonymous = false);
    signal(&mut to, |signals| signals.hour = 10);
    signal(&mut to, |signals| signals.weekday = 3);
    signal(&mut to, |signals| (signals.device.known, signals.risk.failed_attempts) = (true, 0));
    signal(&mut to, |signals| signals.device.trusted = false);
    signal(&mut to, |signals| signals.device.registered = 1);
    signal(&mut to, |signals| signals.device.registered = signals.device.registered.min(2));
    signal(&mut to, |signals| signals.risk.failed_attempts = 0);
    signal(&mut to, |signals| signals.risk.new_country = false);
    signal(&mut to, |signals| signals.risk.impossible_travel = false);
    // Numbers as small as they go: bisected by the rounds.
    signal(&mut to, |signals| signals.device.registered = halved(signals.device.registered));
    signal(&mut to, |signals| signals.device.registered = one_less(signals.device.registered));
    signal(&mut to, |signals| signals.risk.failed_attempts = halved(signals.risk.failed_attempts));
    signal(&mut to, |signals| signals.risk.failed_attempts = one_less(signals.risk.failed_attempts));
    signal(&mut to, |signals| {
        let whole = signals.now.as_second().div_euclid(86_400) * 86_400;
        if let Some(noon) =
            crate::clock::Timestamp::from_second(whole).ok().and_then(|day| day.checked_add(12.hours()).ok())
        {
            signals.now = noon;
        }
    });
    changes
}

/// Numbers go down to one: that is the usual one, or none at all is, which is tried before.
fn halved(number: u32) -> u32 {
    if number > 1 { number / 2 } else { number }
}

fn one_less(number: u32) -> u32 {
    if number > 1 { number - 1 } else { number }
}

fn signal(to: &mut impl FnMut(Change), change: impl Fn(&mut SignalSet) + 'static) {
    to(Box::new(move |situation| change(&mut situation.signals)));
}
