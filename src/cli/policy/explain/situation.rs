//! From flags to a situation: what is said, what is read from accounts and config, and what stays open.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::person::Person;
use super::{Asked, Facts, networks};
use crate::clock::{ManualClock, SystemClock};
use crate::domain::{
    App, AppId, Country, DeviceFacts, EmailAddress, Method, NetworkName, Profile, Repertoire, Required, SignalSet,
    Step, UnknownSignal, User, UserId, UserStatus, Username,
};
use crate::policy::case::{DeviceWord, StepName, moment};
use crate::policy::explain::{Fact, Value};
use crate::policy::networks::together;
use crate::policy::{Asks, Situation};
use crate::signals::{Geo, Observation, Observer, Past};

/// A home that nobody named: codes of ISO 3166-1 that are left to users stand for no country.
const SOME_HOME: &str = "QM";

/// A situation and what is open in it.
pub(super) struct Posed {
    pub(super) situation: Situation,
    pub(super) open: BTreeSet<Fact>,
    /// How somebody may be equipped, where that is open.
    pub(super) equipped: Vec<Value>,
    /// The sets of networks that an address can be in.
    pub(super) networks: Vec<BTreeSet<NetworkName>>,
    /// What people should know about the facts.
    pub(super) notes: Vec<String>,
}

/// Puts the situation together.
///
/// # Errors
/// Something is named that there is not.
pub(super) fn pose(facts: &Facts, app: &AppId, asked: &Asked, person: Option<&Person>) -> anyhow::Result<Posed> {
    let app = find_app(app, asked)?.clone();
    let user = user(facts, asked, person)?;
    let mails = asked.loaded.config.mail.is_some() && user.status == UserStatus::Active;
    let (repertoire, equipped) = repertoire(facts, person, mails);
    let mut posed = Posed {
        situation: Situation {
            asks: asks(facts, &app)?,
            proofs: facts.shown.iter().chain(&facts.earlier).copied().collect(),
            fresh: facts.shown.iter().copied().collect(),
            signals: harmless(&app, asked, facts, &user)?,
            sp_initiated: facts.sp_initiated.unwrap_or(false),
            force_authn: facts.force_authn,
            required: Required::any_of(&facts.requested),
            profile: Profile::default(),
            repertoire,
            user,
            app,
        },
        open: Fact::ALL.into_iter().collect(),
        equipped,
        networks: together(&asked.candidate.config.networks),
        notes: Vec::new(),
    };
    if !facts.requested.is_empty() && !posed.situation.asks.is_opening() {
        bail!("--requested counts when an app is opened: leave it out, or leave out --step");
    }
    posed.open.remove(&Fact::Home);
    posed.place(facts, asked)?;
    posed.home(facts, person);
    posed.device(facts);
    posed.rest(facts);
    Ok(posed)
}

fn find_app<'a>(id: &AppId, asked: &'a Asked) -> anyhow::Result<&'a App> {
    let vocabulary = asked.bundle.vocabulary();
    vocabulary.app(id.as_str()).with_context(|| {
        let known: Vec<&str> = vocabulary.apps.iter().map(|app| app.id.as_str()).collect();
        format!("no app is called `{id}`; there are: {}", known.join(", "))
    })
}

fn asks(facts: &Facts, app: &App) -> anyhow::Result<Asks> {
    if let Some(role) = facts.role.as_ref().filter(|role| !app.roles.contains(role)) {
        let known: Vec<&str> = app.roles.iter().map(|role| role.as_str()).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has: {}", known.join(", ")) };
        bail!("app `{}` has no role `{role}`; {known}", app.id);
    }
    Ok(match (facts.step, &facts.role) {
        (StepName::Open(_), Some(role)) => Asks::Open(vec![role.clone()]),
        (StepName::Open(_), None) => Asks::Open(app.roles.clone()),
        (StepName::Step(Step::AssumeRole), Some(role)) => Asks::Role(role.clone()),
        (StepName::Step(Step::AssumeRole), None) => bail!("`--step assumeRole` needs a `--role`"),
        (StepName::Step(step), _) => Asks::Step(step),
    })
}

fn user(facts: &Facts, asked: &Asked, person: Option<&Person>) -> anyhow::Result<User> {
    let known = &asked.bundle.vocabulary().groups;
    if let Some(group) = facts.groups.iter().find(|group| !known.contains_key(*group)) {
        let all: Vec<&str> = known.keys().map(|group| group.as_str()).collect();
        bail!("no group is called `{group}`; there are: {}", all.join(", "));
    }
    let mut user = match person {
        Some(person) => person.user.clone(),
        None => User {
            id: UserId::parse("00000000-0000-7000-8000-000000000000").context("a fixed id is well formed")?,
            username: facts.user.clone().map_or_else(|| Username::parse("somebody"), Ok)?,
            email: EmailAddress::parse("somebody@example.invalid")?,
            first_name: String::new(),
            last_name: String::new(),
            phone: None,
            groups: BTreeSet::new(),
            home_country: Country::parse(SOME_HOME)?,
            time_zone: None,
            language: None,
            status: UserStatus::Active,
            session_epoch: 0,
            devices_since: None,
        },
    };
    if !facts.groups.is_empty() {
        user.groups = facts.groups.iter().cloned().collect();
    }
    user.status = facts.status.unwrap_or(user.status);
    if let Some(home) = &facts.home {
        user.home_country = home.clone();
    }
    Ok(user)
}

/// What they can show; and when nobody said that, the ways people are equipped.
fn repertoire(facts: &Facts, person: Option<&Person>, mails: bool) -> (Repertoire, Vec<Value>) {
    let with = |enrolled: &[Method]| {
        let could_add: Vec<Method> = if enrolled.contains(&Method::Totp) { Vec::new() } else { vec![Method::Totp] };
        (enrolled.to_vec(), facts.enrollable.clone().unwrap_or(could_add))
    };
    let read = match (&facts.enrolled, person) {
        (Some(stated), _) => Some(with(stated)),
        (None, Some(person)) => {
            let read = crate::signin::repertoire(&person.authenticators, mails, facts.lost.iter().copied().collect());
            return (
                Repertoire { enrollable: facts.enrollable.clone().unwrap_or(read.enrollable.clone()), ..read },
                Vec::new(),
            );
        }
        (None, None) => None,
    };
    let repertoire = |(enrolled, enrollable): (Vec<Method>, Vec<Method>)| Repertoire {
        enrolled: enrolled.into_iter().filter(|method| !facts.lost.contains(method)).collect(),
        lost: facts.lost.clone(),
        enrollable,
        last_used: None,
    };
    if let Some(read) = read {
        return (repertoire(read), Vec::new());
    }
    let mailed = if mails { vec![Method::EmailOtp] } else { Vec::new() };
    let equipped = [vec![Method::Password, Method::Totp], vec![Method::Password]].map(|own| {
        let (enrolled, enrollable) = with(&[own, mailed.clone()].concat());
        Repertoire { ..repertoire((enrolled, enrollable)) }
    });
    let values = equipped
        .iter()
        .map(|one| Value::Enrolled { enrolled: one.enrolled.clone(), enrollable: one.enrollable.clone() });
    let values = values.collect();
    let [first, _] = equipped;
    (first, values)
}

/// What the server would observe of the address and the time that are stated; the rest harmless.
fn harmless(app: &App, asked: &Asked, facts: &Facts, user: &User) -> anyhow::Result<SignalSet> {
    let config = &asked.candidate.config;
    let geo = Arc::new(Geo::open(&config.geoip, None).unwrap_or_default());
    let mut observer = Observer::new(config, Arc::clone(&geo), Arc::new(SystemClock));
    if let Some(time) = &facts.time {
        let zone = observer.zone_of(&app.id, user.time_zone.as_deref()).0;
        let at = moment(time, Some(zone)).map_err(anyhow::Error::msg)?.timestamp();
        observer = Observer::new(config, geo, Arc::new(ManualClock::at(at)));
    }
    let mut signals = observer.observe(&Observation {
        ip: facts.address.unwrap_or_else(|| [192, 0, 2, 7].into()),
        app: &app.id,
        time_zone: user.time_zone.as_deref(),
        device: Some(DeviceFacts { known: true, trusted: false, registered: 1 }),
        failed_attempts: facts.failed_attempts.unwrap_or(0),
        past: &Past::First,
    });
    // Earlier sign-ins are nothing that an address tells.
    signals.risk.new_country = false;
    for unknown in [UnknownSignal::NewCountry, UnknownSignal::ImpossibleTravel] {
        signals.unknown.remove(&unknown);
    }
    if facts.address.is_none() {
        signals.networks.clear();
        signals.country = user.home_country.clone();
        (signals.anonymous, signals.asn) = (false, 0);
        signals.unknown.clear();
    }
    Ok(signals)
}

impl Posed {
    fn close(&mut self, facts: &[Fact], signal: Option<UnknownSignal>) {
        for fact in facts {
            self.open.remove(fact);
        }
        if let Some(signal) = signal {
            self.situation.signals.unknown.remove(&signal);
        }
    }

    /// Where they come from.
    fn place(&mut self, facts: &Facts, asked: &Asked) -> anyhow::Result<()> {
        if facts.address.is_some() {
            self.close(&[Fact::Address, Fact::Network], None);
            let geoip = &asked.loaded.config.geoip;
            if Geo::open(geoip, None).is_ok() {
                self.close(&[Fact::Country, Fact::Asn, Fact::Anonymous], None);
            } else {
                self.notes.push("the geo files can't be read here, so the address tells its networks alone".to_owned());
                for signal in [UnknownSignal::Country, UnknownSignal::Asn, UnknownSignal::Anonymous] {
                    self.situation.signals.unknown.remove(&signal);
                }
            }
        }
        if !facts.networks.is_empty() {
            let named: BTreeSet<NetworkName> = networks(&facts.networks, asked)?.into_iter().collect();
            if !self.networks.contains(&named) {
                let names: Vec<&str> = named.iter().map(NetworkName::as_str).collect();
                let names = if names.is_empty() { "no network".to_owned() } else { names.join(" and ") };
                self.notes.push(format!("by [networks] of config.toml there is no address in {names}, and no other"));
            }
            self.situation.signals.networks = named;
            self.close(&[Fact::Network], None);
        }
        if let Some(country) = &facts.country {
            self.situation.signals.country = country.clone();
            self.close(&[Fact::Country], Some(UnknownSignal::Country));
            if *country == Country::unknown() {
                self.situation.signals.unknown.insert(UnknownSignal::Country);
            }
        }
        if let Some(asn) = facts.asn {
            self.situation.signals.asn = asn;
            self.close(&[Fact::Asn], Some(UnknownSignal::Asn));
        }
        if let Some(anonymous) = facts.anonymous {
            self.situation.signals.anonymous = anonymous;
            self.close(&[Fact::Anonymous], Some(UnknownSignal::Anonymous));
        }
        Ok(())
    }

    /// Where the country of the address is known and the person's is not, they may be at home there or not.
    fn home(&mut self, facts: &Facts, person: Option<&Person>) {
        if facts.home.is_none() && person.is_none() && !self.open.contains(&Fact::Country) {
            self.open.insert(Fact::Home);
        }
    }

    fn device(&mut self, facts: &Facts) {
        let signals = &mut self.situation.signals;
        if let Some(devices) = facts.devices {
            signals.device.registered = devices;
            self.open.remove(&Fact::Devices);
        }
        let Some(device) = facts.device else { return };
        // Of whom nothing is known, no device is.
        device.word().unwrap_or(DeviceWord::New).tell(&mut signals.device);
        if device.word().is_none() {
            signals.unknown.insert(UnknownSignal::DeviceHistory);
            signals.device.registered = 0;
            self.open.remove(&Fact::Devices);
        }
        self.open.remove(&Fact::Device);
    }

    fn rest(&mut self, facts: &Facts) {
        if facts.time.is_some() {
            self.close(&[Fact::Hour, Fact::Weekday, Fact::Instant], None);
        }
        let signals = &mut self.situation.signals;
        if facts.failed_attempts.is_some() {
            self.open.remove(&Fact::FailedAttempts);
        }
        if let Some(new) = facts.new_country {
            signals.risk.new_country = new;
            self.open.remove(&Fact::NewCountry);
        }
        if let Some(travel) = facts.impossible_travel {
            signals.risk.impossible_travel = travel;
            self.open.remove(&Fact::ImpossibleTravel);
        }
        if facts.sp_initiated.is_some() {
            self.open.remove(&Fact::SpInitiated);
        }
    }
}
