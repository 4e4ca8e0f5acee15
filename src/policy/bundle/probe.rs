//! Whether a schema fits what cedargate tells policies.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use cedar_policy::Schema;

use crate::clock::Timestamp;
use crate::domain::{
    App, AppId, Country, DeviceFacts, EmailAddress, IdError, MethodSet, Profile, RiskFacts, RoleName, SignalSet, Step,
    User, UserId, UserStatus, Username,
};
use crate::policy::notify::Outcome;
use crate::policy::question::Question;
use crate::policy::request::{self, Names, Prepared, RequestError, STEPS, Shown};
use crate::policy::vocabulary::Vocabulary;

/// A person, an app and signals that stand for all others when the schema is tried.
pub(super) fn probe(names: &Names, vocabulary: &Vocabulary, schema: &Schema) -> Result<(), ProbeError> {
    let app = App {
        id: AppId::parse("app")?,
        name: String::new(),
        device_limit: 1,
        pilot: None,
        roles: vec![RoleName::parse("role")?],
    };
    let user = User {
        id: UserId::parse("00000000-0000-7000-8000-000000000000").ok_or(ProbeError::Sample)?,
        username: Username::parse("somebody")?,
        email: EmailAddress::parse("somebody@example.com")?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        groups: BTreeSet::new(),
        home_country: Country::unknown(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    };
    let signals = SignalSet {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        country: Country::private(),
        place: None,
        asn: 0,
        networks: BTreeSet::new(),
        anonymous: false,
        now: Timestamp::UNIX_EPOCH,
        hour: 0,
        weekday: 1,
        device: DeviceFacts::default(),
        risk: RiskFacts::default(),
        unknown: crate::domain::UnknownSignal::ALL.into(),
    };
    let all: MethodSet = crate::domain::Method::ALL.into_iter().collect();
    let q = Question {
        user: &user,
        app: &app,
        proofs: all,
        fresh: all,
        signals: &signals,
        sp_initiated: false,
        force_authn: false,
        required: crate::domain::Required::NOTHING,
        profile: Profile::Compat,
    };
    request::visit(names, vocabulary, &app, &signals, Some(schema))?;
    let prepared = Prepared::new(names, vocabulary, &q)?;
    for step in STEPS.into_iter().filter(|step| *step != Step::Visit && names.has(*step)) {
        prepared.ask(step, app.roles.first(), Shown::of(&q), Some(schema))?;
    }
    for outcome in Outcome::ALL {
        prepared.ask_notify(outcome, Shown::of(&q), Some(schema))?;
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error(transparent)]
    Name(#[from] IdError),
    #[error("the sample user has no id")]
    Sample,
    #[error(transparent)]
    Request(#[from] RequestError),
}
