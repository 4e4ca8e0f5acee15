//! The facts that may be left open, and the values of each that policies can tell apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use cedar_policy::pst::{Expr, Literal, UnaryOp, Var};
use serde::Serialize;

use super::instants;
use crate::clock::Timestamp;
use crate::domain::{Country, Method, NetworkName, SignalSet, UnknownSignal};
use crate::policy::situation::Situation;
use crate::policy::vocabulary::Vocabulary;

/// A fact of a situation that may be left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The address itself.
    Address,
    /// The named networks that hold it.
    Network,
    /// The country it is in.
    Country,
    /// Whether the country it is in is the person's own, where it is known and theirs is not.
    Home,
    /// The autonomous system.
    Asn,
    /// Whether it is an anonymiser's.
    Anonymous,
    /// Whether the device is known or trusted.
    Device,
    /// How many devices are recorded.
    Devices,
    /// Wrong passwords of late.
    FailedAttempts,
    /// Whether the country is new for the person.
    NewCountry,
    /// Whether the person could have travelled here.
    ImpossibleTravel,
    /// What the directory says of the person.
    Directory,
    /// The hour.
    Hour,
    /// The day of the week.
    Weekday,
    /// The instant, where dates of policies lie ahead.
    Instant,
    /// Whether the app asked.
    SpInitiated,
    /// Which methods the person has.
    Enrolled,
}

/// One value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each says what it is")]
pub enum Value {
    Address(IpAddr),
    /// All that hold the address.
    Networks(BTreeSet<NetworkName>),
    Country(Country),
    /// The home country, whichever that is.
    Home,
    /// Some country that no policy names, and not the home country.
    Abroad,
    Unknown,
    No,
    Yes,
    NewDevice,
    KnownDevice,
    TrustedDevice,
    Number(u32),
    /// A stretch of time: its first instant, and the first one after it; `None` where it does not end.
    Instants {
        from: Timestamp,
        until: Option<Timestamp>,
    },
    Enrolled {
        enrolled: Vec<Method>,
        enrollable: Vec<Method>,
    },
}

/// A code that ISO 3166-1 leaves to users, for a country that no policy names.
const NOWHERE: &str = "QO";
/// An address of documentation, in no network.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

impl Fact {
    /// All of them, in the order in which people ask.
    pub const ALL: [Self; 17] = [
        Self::Network,
        Self::Address,
        Self::Country,
        Self::Home,
        Self::Anonymous,
        Self::Asn,
        Self::Device,
        Self::Devices,
        Self::FailedAttempts,
        Self::NewCountry,
        Self::ImpossibleTravel,
        Self::Directory,
        Self::Weekday,
        Self::Hour,
        Self::Instant,
        Self::SpInitiated,
        Self::Enrolled,
    ];

    /// The signal that says it could not be had.
    fn signal(self) -> Option<UnknownSignal> {
        match self {
            Self::Country => Some(UnknownSignal::Country),
            Self::Asn => Some(UnknownSignal::Asn),
            Self::Anonymous => Some(UnknownSignal::Anonymous),
            Self::Device => Some(UnknownSignal::DeviceHistory),
            Self::NewCountry => Some(UnknownSignal::NewCountry),
            Self::ImpossibleTravel => Some(UnknownSignal::ImpossibleTravel),
            Self::Directory => Some(UnknownSignal::Directory),
            _ => None,
        }
    }

    /// Gives the fact this value.
    pub(super) fn set(self, value: &Value, situation: &mut Situation) {
        let signals = &mut situation.signals;
        if let (Value::Unknown, Some(signal)) = (value, self.signal()) {
            signals.unknown.insert(signal);
        }
        let (is_yes, number) = match value {
            Value::Yes | Value::Unknown => (true, 0),
            Value::Number(number) => (false, *number),
            _ => (false, 0),
        };
        match (self, value) {
            (Self::Address, Value::Address(ip)) => signals.ip = *ip,
            (Self::Network, Value::Networks(networks)) => signals.networks.clone_from(networks),
            (Self::Country, Value::Country(country)) => signals.country = country.clone(),
            (Self::Country, Value::Home) => signals.country = situation.user.home_country.clone(),
            (Self::Country, Value::Abroad) => signals.country = elsewhere(),
            (Self::Country, _) => signals.country = Country::unknown(),
            (Self::Home, Value::Home) => situation.user.home_country = signals.country.clone(),
            (Self::Home, _) => situation.user.home_country = elsewhere(),
            (Self::Anonymous, _) => signals.anonymous = is_yes,
            (Self::Asn, _) => signals.asn = number,
            (Self::Device, _) => set_device(signals, value),
            (Self::Devices, _) => signals.device.registered = number,
            (Self::FailedAttempts, _) => signals.risk.failed_attempts = number,
            (Self::NewCountry, _) => signals.risk.new_country = is_yes,
            (Self::ImpossibleTravel, _) => signals.risk.impossible_travel = is_yes,
            (Self::Hour, _) => signals.hour = u8::try_from(number).unwrap_or(0),
            (Self::Weekday, _) => signals.weekday = u8::try_from(number).unwrap_or(1),
            (Self::Instant, Value::Instants { from, .. }) => signals.now = *from,
            (Self::SpInitiated, _) => situation.sp_initiated = is_yes,
            (Self::Enrolled, Value::Enrolled { enrolled, enrollable }) => {
                situation.repertoire.enrolled.clone_from(enrolled);
                situation.repertoire.enrollable.clone_from(enrollable);
            }
            (Self::Address | Self::Network | Self::Instant | Self::Enrolled | Self::Directory, _) => {}
        }
    }

    /// The values that the leaves of policies can tell apart, or more: those that nobody tells apart are joined later. `networks`
    /// are the sets of networks that an address can be in.
    pub(super) fn values(
        self,
        named: &Named,
        situation: &Situation,
        (vocabulary, networks): (&Vocabulary, &[BTreeSet<NetworkName>]),
    ) -> Vec<Value> {
        let known = |mut values: Vec<Value>| {
            // Not having it is a value of its own where a policy asks for that.
            if self.signal().is_some_and(|signal| named.signals.contains(signal.code())) {
                values.push(Value::Unknown);
            }
            values
        };
        let numbers = |from: u32, to: u32| {
            let near =
                named.numbers.iter().flat_map(|number| [number.saturating_sub(1), *number, number.saturating_add(1)]);
            let all: BTreeSet<u32> = (from..=to).chain(near).collect();
            all.into_iter().map(Value::Number).collect::<Vec<_>>()
        };
        match self {
            Self::Address => {
                let named = named.addresses.iter().filter_map(|text| address_in(text));
                std::iter::once(ELSEWHERE).chain(named).map(Value::Address).collect()
            }
            Self::Network => networks.iter().cloned().map(Value::Networks).collect(),
            Self::Country => known(countries(named, situation, vocabulary)),
            Self::Home => vec![Value::Home, Value::Abroad],
            Self::Asn => known(numbers(0, 1)),
            Self::Device => {
                let mut values = vec![Value::KnownDevice, Value::NewDevice];
                if named.trust {
                    values.insert(0, Value::TrustedDevice);
                }
                known(values)
            }
            Self::Devices => {
                let mut values = numbers(0, 10);
                let limit = situation.app.device_limit;
                values.extend([limit, limit.saturating_add(1)].into_iter().map(Value::Number));
                values.sort_by_key(|value| if let Value::Number(number) = value { *number } else { 0 });
                values.dedup();
                values
            }
            Self::FailedAttempts => numbers(0, 10),
            Self::Hour => (0..24).map(Value::Number).collect(),
            Self::Weekday => (1..=7).map(Value::Number).collect(),
            Self::Instant => instants::stretches(&named.instants, situation.signals.now),
            Self::Anonymous | Self::NewCountry | Self::ImpossibleTravel => known(vec![Value::No, Value::Yes]),
            Self::SpInitiated => vec![Value::No, Value::Yes],
            Self::Directory => known(vec![Value::No]),
            Self::Enrolled => Vec::new(),
        }
    }
}

/// A country that no policy names and nobody lives in.
fn elsewhere() -> Country {
    Country::parse(NOWHERE).unwrap_or_else(|_| Country::unknown())
}

fn set_device(signals: &mut SignalSet, value: &Value) {
    let device = &mut signals.device;
    (device.known, device.trusted) = match value {
        Value::KnownDevice => (true, false),
        Value::TrustedDevice => (true, true),
        _ => (false, false),
    };
    // A known device is one of them; of what is lost none is counted.
    device.registered = match value {
        Value::Unknown => 0,
        Value::KnownDevice | Value::TrustedDevice => device.registered.max(1),
        _ => device.registered,
    };
}

fn countries(named: &Named, situation: &Situation, vocabulary: &Vocabulary) -> Vec<Value> {
    let home = &situation.user.home_country;
    let lists = vocabulary.country_lists.iter().filter(|(list, _)| named.lists.contains(list.as_str()));
    let listed = lists.flat_map(|(_, countries)| countries.iter().cloned());
    let all: BTreeSet<Country> =
        listed.chain(named.countries.iter().filter_map(|code| Country::parse(code).ok())).collect();
    let others = all.into_iter().filter(|country| country != home).map(Value::Country);
    [Value::Home, Value::Abroad].into_iter().chain(others).collect()
}

/// The first address of a block.
fn address_in(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}

/// What expressions read and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) facts: BTreeSet<Fact>,
    numbers: BTreeSet<u32>,
    addresses: BTreeSet<String>,
    countries: BTreeSet<String>,
    lists: BTreeSet<String>,
    signals: BTreeSet<String>,
    /// The instants with which the one of the question is compared.
    instants: BTreeSet<Timestamp>,
    /// The instant is read otherwise than by comparing it with one that is written out.
    pub(super) reckons_with_time: bool,
    trust: bool,
}

impl Named {
    /// Takes in another expression's.
    pub(super) fn add(&mut self, other: &Self) {
        self.facts.extend(&other.facts);
        self.numbers.extend(&other.numbers);
        for (into, from) in [
            (&mut self.addresses, &other.addresses),
            (&mut self.countries, &other.countries),
            (&mut self.lists, &other.lists),
            (&mut self.signals, &other.signals),
        ] {
            into.extend(from.iter().cloned());
        }
        self.instants.extend(&other.instants);
        self.reckons_with_time |= other.reckons_with_time;
        self.trust |= other.trust;
    }

    /// What a policy reads that ends at an instant.
    pub(super) fn ending(at: Timestamp) -> Self {
        Self { facts: BTreeSet::from([Fact::Instant]), instants: BTreeSet::from([at]), ..Self::default() }
    }

    /// What `expr` reads and names.
    pub(super) fn of(expr: &Expr) -> Self {
        let mut named = Self::default();
        named.read(expr);
        // A signal that is asked for is one value of its fact.
        if named.facts.remove(&Fact::Directory) {
            if named.signals.is_empty() {
                named.signals = UnknownSignal::ALL.into_iter().map(|signal| signal.code().to_owned()).collect();
            }
            let about = |fact: &Fact| fact.signal().is_some_and(|signal| named.signals.contains(signal.code()));
            let facts: Vec<Fact> = Fact::ALL.into_iter().filter(about).collect();
            named.facts.extend(facts);
        }
        // A count of devices is none where their history is lost, and at least one on a known device.
        if named.facts.contains(&Fact::Devices) {
            named.facts.insert(Fact::Device);
        }
        named
    }

    fn read(&mut self, expr: &Expr) {
        if let Some(at) = instants::compared_with(expr) {
            self.add(&Self::ending(at));
            return;
        }
        if let Some(path) = path(expr) {
            self.read_path(&path);
            return;
        }
        match expr {
            Expr::GetAttr { expr, attr } if matches!(&**expr, Expr::Var(Var::Principal)) && attr == "home_country" => {
                self.facts.insert(Fact::Home);
            }
            Expr::Literal(Literal::Long(number)) => self.numbers.extend(u32::try_from(*number).ok()),
            Expr::Literal(Literal::EntityUID(uid)) => {
                let id = uid.eid.to_string();
                match uid.ty.to_string().as_str() {
                    "Country" => self.countries.insert(id),
                    "CountryList" => self.lists.insert(id),
                    "Signal" => self.signals.insert(id),
                    _ => false,
                };
            }
            Expr::UnaryOp { op: UnaryOp::Ip, expr } => {
                if let Expr::Literal(Literal::String(text)) = &**expr {
                    self.addresses.insert(text.to_string());
                }
            }
            Expr::UnaryOp { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::GetAttr { expr, .. }
            | Expr::HasAttr { expr, .. } => self.read(expr),
            Expr::BinaryOp { left, right, .. } => [left, right].into_iter().for_each(|part| self.read(part)),
            Expr::Is { expr, in_expr, .. } => {
                self.read(expr);
                in_expr.iter().for_each(|part| self.read(part));
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                [cond, then_expr, else_expr].into_iter().for_each(|part| self.read(part));
            }
            Expr::Set(items) => items.iter().for_each(|item| self.read(item)),
            Expr::Record(fields) => fields.values().for_each(|field| self.read(field)),
            _ => {}
        }
    }

    /// Notes what lies at and below an attribute of the context.
    fn read_path(&mut self, path: &[&str]) {
        const FACTS: [(&[&str], &[Fact]); 16] = [
            (&["net", "ip"], &[Fact::Address]),
            (&["net", "networks"], &[Fact::Network]),
            (&["net", "country"], &[Fact::Country]),
            (&["net", "asn"], &[Fact::Asn]),
            (&["net", "anonymous"], &[Fact::Anonymous]),
            (&["time", "hour"], &[Fact::Hour]),
            (&["time", "weekday"], &[Fact::Weekday]),
            (&["device", "known"], &[Fact::Device]),
            (&["device", "trusted"], &[Fact::Device]),
            (&["device", "registered"], &[Fact::Devices]),
            (&["risk", "failed_attempts"], &[Fact::FailedAttempts]),
            (&["risk", "new_country"], &[Fact::NewCountry]),
            (&["risk", "impossible_travel"], &[Fact::ImpossibleTravel]),
            (&["sp_initiated"], &[Fact::SpInitiated]),
            // Which signals is told by the literals beside it.
            (&["unknown"], &[Fact::Directory]),
            (&["time", "now"], &[Fact::Instant]),
        ];
        let touches = |known: &[&str]| known.iter().zip(path).all(|(a, b)| a == b);
        for (known, facts) in FACTS.into_iter().filter(|(known, _)| touches(known)) {
            self.facts.extend(facts);
            self.trust |= known == ["device", "trusted"];
            self.reckons_with_time |= known == ["time", "now"];
        }
    }
}

/// `["net", "country"]` of `context.net.country`; `None` for what is not of the context.
pub(super) fn path(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Var(Var::Context) => Some(Vec::new()),
        Expr::GetAttr { expr, attr } => {
            let mut path = path(expr)?;
            path.push(attr.as_str());
            Some(path)
        }
        _ => None,
    }
}
