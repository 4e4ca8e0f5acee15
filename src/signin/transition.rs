//! Which stage follows which: pure, so that the whole machine is one table in a test.

use crate::domain::{Decision, DenyReason, Method, Proof};

use super::flow::{Extras, LinkMail, Person, Registration, Stage};

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A name was typed.
    Named(String),
    /// "Not you?": another name is to be typed.
    Renamed,
    /// A first factor was right, or a session brings one along.
    Recognised(Person),
    /// Somebody who registers opened the link we sent.
    Invited(Person),
    /// The policies are asked again, since their answer may have changed.
    Reconsidered,
    /// The policies answered.
    Decided(Decision),
    /// The policies refuse, and with fewer devices they would not.
    AtLimit(DenyReason),
    /// "See your devices".
    DevicesWanted,
    /// Removing a device is permitted.
    RemovalPermitted,
    /// A device was removed, or none is to be.
    DevicesDone,
    /// Another of the offered methods was chosen.
    Chosen(Method),
    /// "I no longer have this".
    Lost(Method),
    /// The asked-for proof was right.
    Proved(Proof),
    /// The mail with the link went to the outbox.
    LinkSent,
    /// Adding a method is permitted, and its secret was drawn.
    EnrolmentStarted {
        /// The new secret, sealed.
        sealed_secret: String,
    },
    /// The new method was tried and stored.
    Enrolled {
        /// The trial, which counts as proof only while registering.
        trial: Proof,
        /// The person's `session_epoch` after it.
        epoch: i64,
    },
    /// The new password was stored.
    PasswordSet {
        /// The password just chosen.
        proof: Proof,
        /// The person's `session_epoch` after it.
        epoch: i64,
    },
}

impl Event {
    /// The name in logs and in the transition table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Named(_) => "named",
            Self::Renamed => "renamed",
            Self::Recognised(_) => "recognised",
            Self::Invited(_) => "invited",
            Self::Reconsidered => "reconsidered",
            Self::Decided(_) => "decided",
            Self::AtLimit(_) => "at-limit",
            Self::DevicesWanted => "devices-wanted",
            Self::RemovalPermitted => "removal-permitted",
            Self::DevicesDone => "devices-done",
            Self::Chosen(_) => "chosen",
            Self::Lost(_) => "lost",
            Self::Proved(_) => "proved",
            Self::LinkSent => "link-sent",
            Self::EnrolmentStarted { .. } => "enrolment-started",
            Self::Enrolled { .. } => "enrolled",
            Self::PasswordSet { .. } => "password-set",
        }
    }
}

/// The event does not fit the stage: a form from another page, a second tab, or a forged one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` can't happen in stage `{stage}`")]
pub struct InvalidTransition {
    /// The stage.
    pub stage: &'static str,
    /// The event.
    pub event: &'static str,
}

/// The stage after `event`.
///
/// # Errors
/// The event does not fit the stage; the sign-in stays as it was.
pub fn transition(stage: Stage, event: Event) -> Result<Stage, InvalidTransition> {
    let invalid = InvalidTransition { stage: stage.name(), event: event.name() };
    match (stage, event) {
        (Stage::Identify, Event::Named(typed)) => Ok(Stage::Password { typed, link: None }),
        // Who came by a link is who the link was sent to.
        (Stage::Password { link: None, .. }, Event::Named(typed)) => Ok(Stage::Password { typed, link: None }),
        (Stage::Identify | Stage::Password { .. }, Event::Renamed) => Ok(Stage::Identify),
        (Stage::Identify | Stage::Password { .. }, Event::Recognised(person)) => Ok(Stage::Deciding { person }),
        (Stage::Identify, Event::Invited(person)) => Ok(Stage::SettingPassword { person }),
        (Stage::Deciding { person }, Event::Decided(decision)) => decided(person, decision, &invalid),
        (Stage::Deciding { person }, Event::EnrolmentStarted { sealed_secret }) => {
            Ok(Stage::Enrolling { person, sealed_secret })
        }
        (
            Stage::Enrolling { person, .. } | Stage::SettingPassword { person } | Stage::ChoosingDevice { person },
            Event::Reconsidered,
        ) => Ok(Stage::Deciding { person }),
        (Stage::Deciding { person }, Event::AtLimit(reason)) => Ok(Stage::AtLimit { person, reason }),
        (Stage::Deciding { person }, Event::RemovalPermitted) => Ok(Stage::ChoosingDevice { person }),
        (Stage::AtLimit { person, .. }, Event::DevicesWanted) => Ok(Stage::Deciding { person }),
        (Stage::Challenge { person, extras: Extras { devices: true, .. }, .. }, Event::DevicesWanted) => {
            Ok(Stage::Deciding { person })
        }
        (Stage::ChoosingDevice { person }, Event::DevicesDone) => Ok(Stage::Deciding { person }),
        (Stage::Challenge { person, offers, policies, extras, .. }, Event::Chosen(method))
            if offers.iter().any(|offer| offer.method == method) =>
        {
            Ok(Stage::Challenge { person, offers, chosen: method, policies, extras })
        }
        (Stage::Challenge { mut person, offers, .. }, Event::Lost(method))
            if offers.iter().any(|offer| offer.method == method) =>
        {
            person.lost = person.lost.with(method);
            Ok(Stage::Deciding { person })
        }
        (Stage::Challenge { mut person, chosen, .. }, Event::Proved(proof)) if proof.method == chosen => {
            person.shown.push(proof);
            Ok(Stage::Deciding { person })
        }
        (Stage::AwaitingLink { person, policies, .. }, Event::LinkSent) => {
            Ok(Stage::AwaitingLink { person, mail: LinkMail::Sent, policies })
        }
        (Stage::Enrolling { person, .. }, Event::Enrolled { trial, epoch }) => Ok(enrolled(person, trial, epoch)),
        (Stage::SettingPassword { mut person }, Event::PasswordSet { proof, epoch }) => {
            person.shown.push(proof);
            person.epoch = epoch;
            Ok(Stage::Deciding { person })
        }
        _ => Err(invalid),
    }
}

fn decided(person: Person, decision: Decision, invalid: &InvalidTransition) -> Result<Stage, InvalidTransition> {
    match decision {
        Decision::Allow => Ok(Stage::Allowed { person }),
        Decision::Challenge { offers, policies } => {
            let chosen = offers.first().ok_or_else(|| invalid.clone())?.method;
            Ok(Stage::Challenge { person, offers, chosen, policies, extras: Extras::default() })
        }
        // Where enrolling is permitted, a secret is drawn first: that is `EnrolmentStarted`.
        Decision::Enrol { permitted: true, .. } => Err(invalid.clone()),
        Decision::Enrol { permitted: false, policies, .. } => {
            Ok(Stage::AwaitingLink { person, mail: LinkMail::Offered, policies })
        }
        Decision::Deny(reason) => Ok(Stage::Denied { reason }),
    }
}

fn enrolled(mut person: Person, trial: Proof, epoch: i64) -> Stage {
    match person.registration {
        Registration::Underway => {
            person.shown.push(trial);
            person.epoch = epoch;
            person.registration = Registration::Complete;
            Stage::Deciding { person }
        }
        // INVARIANT: what is enrolled in a sign-in is no proof in that sign-in.
        Registration::Complete => Stage::Enrolled { person },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedEntropy, Timestamp};
    use crate::domain::{MethodSet, Offer, UserId};

    fn proof(method: Method) -> Proof {
        Proof { method, at: Timestamp::UNIX_EPOCH, authenticator: None }
    }

    fn person(registration: Registration) -> Person {
        Person {
            user: UserId::new(Timestamp::UNIX_EPOCH, &FixedEntropy::seeded(1)).unwrap(),
            session: None,
            epoch: 1,
            shown: vec![proof(Method::Password)],
            earlier: Vec::new(),
            lost: MethodSet::EMPTY,
            registration,
        }
    }

    fn challenge(offers: Vec<Offer>, extras: Extras) -> Stage {
        let person = person(Registration::Complete);
        Stage::Challenge { person, offers, chosen: Method::Totp, policies: Vec::new(), extras }
    }

    fn stages() -> Vec<(&'static str, Stage)> {
        let complete = || person(Registration::Complete);
        let offers = vec![Offer { method: Method::Totp }, Offer { method: Method::BackupCode }];
        vec![
            ("identify", Stage::Identify),
            ("password", Stage::Password { typed: "ann".into(), link: None }),
            ("password after link", Stage::Password { typed: "ann".into(), link: Some("token".into()) }),
            ("deciding", Stage::Deciding { person: complete() }),
            ("challenge", challenge(offers.clone(), Extras::default())),
            ("challenge at device limit", challenge(offers, Extras { devices: true, ..Extras::default() })),
            ("at-limit", Stage::AtLimit { person: complete(), reason: DenyReason::NoPermit }),
            ("choosing-device", Stage::ChoosingDevice { person: complete() }),
            (
                "awaiting-link",
                Stage::AwaitingLink { person: complete(), mail: LinkMail::Offered, policies: Vec::new() },
            ),
            ("enrolling", Stage::Enrolling { person: complete(), sealed_secret: "s".into() }),
            (
                "enrolling while registering",
                Stage::Enrolling { person: person(Registration::Underway), sealed_secret: "s".into() },
            ),
            ("setting-password", Stage::SettingPassword { person: person(Registration::Underway) }),
            ("allowed", Stage::Allowed { person: complete() }),
            ("enrolled", Stage::Enrolled { person: complete() }),
            ("denied", Stage::Denied { reason: DenyReason::NoPermit }),
        ]
    }

    fn events() -> Vec<(&'static str, Event)> {
        let enrol = |permitted| Decision::Enrol { methods: vec![Method::Totp], permitted, policies: Vec::new() };
        let challenge = |offers| Decision::Challenge { offers, policies: Vec::new() };
        vec![
            ("named", Event::Named("bob".into())),
            ("renamed", Event::Renamed),
            ("recognised", Event::Recognised(person(Registration::Complete))),
            ("invited", Event::Invited(person(Registration::Underway))),
            ("reconsidered", Event::Reconsidered),
            ("decided allow", Event::Decided(Decision::Allow)),
            ("decided challenge", Event::Decided(challenge(vec![Offer { method: Method::Totp }]))),
            ("decided challenge without offers", Event::Decided(challenge(Vec::new()))),
            ("decided enrol, permitted", Event::Decided(enrol(true))),
            ("decided enrol, link first", Event::Decided(enrol(false))),
            ("decided deny", Event::Decided(Decision::Deny(DenyReason::NoPermit))),
            ("at-limit", Event::AtLimit(DenyReason::NoPermit)),
            ("devices-wanted", Event::DevicesWanted),
            ("removal-permitted", Event::RemovalPermitted),
            ("devices-done", Event::DevicesDone),
            ("chosen, offered", Event::Chosen(Method::BackupCode)),
            ("chosen, not offered", Event::Chosen(Method::SmsOtp)),
            ("lost, offered", Event::Lost(Method::Totp)),
            ("lost, not offered", Event::Lost(Method::SmsOtp)),
            ("proved, asked for", Event::Proved(proof(Method::Totp))),
            ("proved, not asked for", Event::Proved(proof(Method::BackupCode))),
            ("link-sent", Event::LinkSent),
            ("enrolment-started", Event::EnrolmentStarted { sealed_secret: "s".into() }),
            ("enrolled", Event::Enrolled { trial: proof(Method::Totp), epoch: 2 }),
            ("password-set", Event::PasswordSet { proof: proof(Method::Password), epoch: 2 }),
        ]
    }

    #[test]
    fn every_stage_answers_every_event_as_the_golden_table_says() {
        let mut table = String::new();
        for (stage_name, stage) in stages() {
            for (event_name, event) in events() {
                let next = match transition(stage.clone(), event) {
                    Ok(next) => next.name().to_owned(),
                    Err(_) => "-".to_owned(),
                };
                table += &format!("{stage_name:28} + {event_name:34} = {next}\n");
            }
        }
        insta::assert_snapshot!("transitions", table);
    }

    #[test]
    fn a_method_enrolled_here_proves_nothing_here_except_while_registering() {
        let event = || Event::Enrolled { trial: proof(Method::Totp), epoch: 2 };
        let stage = |registration| Stage::Enrolling { person: person(registration), sealed_secret: "s".into() };
        let done = transition(stage(Registration::Complete), event());
        assert!(matches!(done, Ok(Stage::Enrolled { person }) if person.shown.len() == 1));
        let Ok(Stage::Deciding { person }) = transition(stage(Registration::Underway), event()) else {
            panic!("registering goes on")
        };
        assert_eq!(Proof::methods_within(&person.shown, 0, Timestamp::UNIX_EPOCH).len(), 2);
        assert_eq!(person.epoch, 2, "the sign-in survives the change it made itself");
    }

    #[test]
    fn a_lost_method_is_remembered_for_this_sign_in() {
        let (_, stage) = stages().into_iter().find(|(name, _)| *name == "challenge").unwrap();
        let Ok(Stage::Deciding { person }) = transition(stage, Event::Lost(Method::Totp)) else {
            panic!("plans again")
        };
        assert!(person.lost.contains(Method::Totp));
    }
}
