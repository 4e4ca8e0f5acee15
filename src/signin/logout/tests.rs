//! What follows what in a sign-out.

use super::state::{AppLogout, Initiator, Logout, Progress};
use crate::clock::Timestamp;
use crate::domain::{AppId, NameId, NameIdFormat, Username};
use crate::saml::logout::Outcome;
use crate::sessions::Participant;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Option<Timestamp> {
    Some(format!("2026-11-21T{text}:00Z").parse().unwrap())
}

fn participant(app: &str, name: &str, until: Option<Timestamp>) -> Participant {
    Participant {
        app: AppId::parse(app).unwrap(),
        entity_id: format!("https://{app}.example.com/saml"),
        name_id: NameId { format: NameIdFormat::Persistent, value: name.to_owned() },
        session_index: "_1".to_owned(),
        until,
    }
}

fn apps(participants: &[Participant], initiator: Option<&str>) -> Vec<AppLogout> {
    let initiator = initiator.map(|app| initiator_of(app, false));
    Logout::apps(participants.to_vec(), initiator.as_ref(), now(), |one| one.app.as_str() != "aws")
}

fn initiator_of(app: &str, is_about_all: bool) -> Initiator {
    Initiator { app: AppId::parse(app).unwrap(), request: "_r".to_owned(), relay_state: None, is_about_all }
}

#[test]
fn whoever_asked_for_all_sessions_is_told_that_only_one_ended() {
    for (is_about_all, outcome) in [(false, Outcome::Everywhere), (true, Outcome::Partly)] {
        let initiator = Some(initiator_of("wiki", is_about_all));
        assert_eq!(Logout { initiator, ..logout(Vec::new()) }.outcome(), outcome);
    }
}

fn logout(apps: Vec<AppLogout>) -> Logout {
    let user = Username::parse("ann").unwrap();
    Logout { user, time_zone: None, started: now(), initiator: None, apps }
}

#[test]
fn the_app_that_began_it_is_not_told_under_any_name() {
    let all = [participant("notes", "a", None), participant("wiki", "a", None), participant("wiki", "b", None)];
    let told = |initiator| apps(&all, initiator).iter().map(|app| app.participant.app.to_string()).collect::<Vec<_>>();
    assert_eq!(told(None), ["notes", "wiki", "wiki"]);
    assert_eq!(told(Some("wiki")), ["notes"]);
}

#[test]
fn apps_that_nobody_can_tell_stay_as_long_as_the_longest_of_what_they_were_told() {
    let two = [participant("aws", "a", at("12:30")), participant("aws", "b", at("13:00"))];
    let found = apps(&two, None);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].progress, found[0].participant.until), (&Progress::Stays, at("13:00")));
    let endless = apps(&[participant("aws", "a", None), participant("aws", "b", at("13:00"))], None);
    assert_eq!(endless[0].participant.until, None);
    assert_eq!(apps(&[participant("aws", "a", at("12:00"))], None), [], "what is over is nobody's business");
}

#[test]
fn apps_are_told_in_turn_and_each_may_be_left_out() {
    let begun = logout(apps(&[participant("notes", "a", None), participant("wiki", "a", None)], None));
    let turn = |logout: &Logout| logout.current().map(|app| app.participant.app.to_string());
    assert_eq!(turn(&begun).as_deref(), Some("notes"));
    let asked = begun.asked("_1".to_owned());
    assert_eq!(turn(&asked).as_deref(), Some("notes"), "until it answers or is left out");
    let skipped = asked.skipped();
    assert_eq!(turn(&skipped).as_deref(), Some("wiki"));
    let over = skipped.skipped();
    assert_eq!(turn(&over), None);
    assert_eq!(over.outcome(), Outcome::Partly);
    assert_eq!(logout(Vec::new()).outcome(), Outcome::Everywhere);
}
