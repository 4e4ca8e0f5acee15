//! What the shipped policies say to everybody, everywhere, under every signal: one reviewed text. A change of the shipped set shows
//! as a difference in `snapshots`; `INSTA_UPDATE=always cargo test --test it golden` writes it anew.

use std::fmt::Write as _;
use std::thread;

use cedargate::config;
use cedargate::domain::{
    Country, Decision, DecisionKind, GroupName, Method, NetworkName, Step, UnknownSignal, UserStatus,
};
use cedargate::policy::Bundle;
use cedargate::policy::case::{Case, StepName};
use cedargate::runtime::Candidate;

use crate::harness::repository;

type Change = fn(&mut Case);
/// Each answer, and the signals under which it is given.
type Answers = Vec<(String, Vec<&'static str>)>;

/// Who asks. Each has a password, an authenticator app and a security key, where nothing else is said.
const PEOPLE: [(&str, &[&str], Change); 7] = [
    ("staff", &["staff"], |_| {}),
    ("aws-users", &["aws-users"], |_| {}),
    ("aws-users without a second factor", &["aws-users"], |case| {
        case.enrolled = vec![Method::Password];
        case.enrollable = vec![Method::Totp];
    }),
    ("aws-admins", &["aws-users", "aws-admins"], |_| {}),
    ("contractors", &["aws-users", "contractors"], |_| {}),
    ("helpdesk", &["helpdesk"], |_| {}),
    ("suspended aws-users", &["aws-users"], |case| case.status = UserStatus::Suspended),
];

/// What is asked for: the app and the role that was chosen.
const APPS: [(&str, &str, Option<&str>); 5] = [
    ("the portal", "portal", None),
    ("the wiki", "wiki", None),
    ("AWS", "aws", None),
    ("AWS as Admin", "aws", Some("Admin")),
    ("the console", "console", None),
];

const SHOWN: [(&str, &[Method], &[Method]); 5] = [
    ("password", &[Method::Password], &[]),
    ("password, totp", &[Method::Password, Method::Totp], &[]),
    ("password and totp earlier in the session", &[], &[Method::Password, Method::Totp]),
    ("passkey", &[Method::Passkey], &[]),
    ("magic_link", &[Method::MagicLink], &[]),
];

const SIGNALS: [(&str, Change); 15] = [
    ("nothing special", |_| {}),
    ("office", |case| network(case, "office")),
    ("vpn", |case| network(case, "vpn")),
    ("blocked network", |case| network(case, "blocked")),
    ("blocked country", |case| case.signals.country = country("KP")),
    ("anonymiser", |case| case.signals.anonymous = true),
    ("abroad", |case| case.signals.country = country("FR")),
    ("abroad on a new device", |case| {
        case.signals.country = country("FR");
        case.signals.device_known = false;
    }),
    ("new device", |case| case.signals.device_known = false),
    ("fourth device", |case| {
        case.signals.device_known = false;
        case.signals.devices = 3;
    }),
    ("devices not known", |case| {
        case.signals.device_known = false;
        case.signals.devices = u32::MAX;
        case.signals.unknown.insert(UnknownSignal::DeviceHistory);
    }),
    ("trusted device", |case| case.signals.device_trusted = true),
    ("Sunday at three", |case| (case.signals.hour, case.signals.weekday) = (3, 7)),
    ("five failures", |case| case.signals.failed_attempts = 5),
    ("twenty failures on a new device", |case| {
        case.signals.failed_attempts = 20;
        case.signals.device_known = false;
    }),
];

fn network(case: &mut Case, name: &str) {
    case.signals.networks.insert(NetworkName::parse(name).unwrap());
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

/// The shipped policies, under the shipped config.toml.
fn shipped() -> Bundle {
    let loaded = config::load(&repository("config.toml"), []).unwrap();
    let candidate = Candidate::current(&loaded).unwrap();
    candidate.bundle(jiff::civil::date(2026, 11, 22)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Somebody at home, on a known device, on a Wednesday morning.
fn case(app: &str, (_, groups, change): (&str, &[&str], Change), shown: &[Method], earlier: &[Method]) -> Case {
    let mut case = Case::new("golden", app, DecisionKind::Allow);
    case.signals.home = country("DE");
    case.signals.country = country("DE");
    case.groups = groups.iter().map(|group| GroupName::parse(group).unwrap()).collect();
    case.enrolled = vec![Method::Password, Method::Totp, Method::SecurityKey];
    (case.shown, case.earlier) = (shown.to_vec(), earlier.to_vec());
    change(&mut case);
    case
}

/// The decision, what is offered, by which policies, and who is told.
fn answer(bundle: &Bundle, case: &Case) -> String {
    let situation = case.situation(bundle).unwrap();
    let plan = situation.decide(bundle).unwrap();
    let alerts = situation.alerts(bundle, &plan.decision);
    assert!(alerts.failed.is_empty(), "{case:?}: {alerts:?}");
    let offers: Vec<&str> = match &plan.decision {
        Decision::Challenge { offers, .. } => offers.iter().map(|offer| offer.method.code()).collect(),
        Decision::Enrol { methods, .. } => methods.iter().map(|method| method.code()).collect(),
        Decision::Allow | Decision::Deny(_) => Vec::new(),
    };
    let by: Vec<&str> = plan.determining.iter().map(|policy| policy.id.as_str()).collect();
    let mut text = plan.decision.kind().code().to_owned();
    if !offers.is_empty() {
        write!(text, " {}", offers.join(", ")).unwrap();
    }
    write!(text, " by {}", if by.is_empty() { "no permit".to_owned() } else { by.join(", ") }).unwrap();
    for (name, told) in [("the person", &alerts.user), ("security", &alerts.security)] {
        if !told.is_empty() {
            write!(text, "; mails {name}").unwrap();
        }
    }
    text
}

/// All answers to the cases that `make` makes of each person, equal ones together.
fn block(
    bundle: &Bundle,
    title: &str,
    make: impl Fn((&'static str, &'static [&'static str], Change)) -> Case,
) -> String {
    let mut groups: Vec<(Vec<&str>, Answers)> = Vec::new();
    for person in PEOPLE {
        let mut answers: Answers = Vec::new();
        for (signal, change) in SIGNALS {
            let mut case = make(person);
            change(&mut case);
            let answer = answer(bundle, &case);
            match answers.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, signals)) => signals.push(signal),
                None => answers.push((answer, vec![signal])),
            }
        }
        match groups.iter_mut().find(|(_, known)| *known == answers) {
            Some((people, _)) => people.push(person.0),
            None => groups.push((vec![person.0], answers)),
        }
    }
    let mut text = format!("\n## {title}\n");
    for (people, answers) in groups {
        writeln!(text, "{}", people.join("; ")).unwrap();
        for (answer, signals) in answers {
            // Where nothing is special comes first; the others are told apart from it.
            let special = signals.first() != Some(&SIGNALS[0].0);
            let signals = if special { signals.join(", ") } else { "otherwise".to_owned() };
            writeln!(text, "  {signals:38}  {answer}").unwrap();
        }
    }
    text
}

#[test]
fn the_shipped_policies_say_what_they_said_when_they_were_reviewed() {
    let bundle = &shipped();
    let opening: String = thread::scope(|scope| {
        let of_app = |(title, app, role): (&'static str, &'static str, Option<&'static str>)| {
            scope.spawn(move || {
                let blocks = SHOWN.iter().map(|(words, shown, earlier)| {
                    block(bundle, &format!("to open {title}, shown: {words}"), |person| {
                        let mut case = case(app, person, shown, earlier);
                        case.role = role.map(str::to_owned);
                        case
                    })
                });
                blocks.collect::<String>()
            })
        };
        let threads: Vec<_> = APPS.into_iter().map(of_app).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    insta::assert_snapshot!("opening", opening);

    let mut steps = String::new();
    for (step, app) in [
        (Step::Visit, "portal"),
        (Step::TrustDevice, "aws"),
        (Step::Enroll, "portal"),
        (Step::RemoveDevice, "portal"),
        (Step::Recover, "portal"),
    ] {
        let password = ("password", &[Method::Password][..]);
        let shown = [
            password,
            ("password, totp", &[Method::Password, Method::Totp]),
            ("password, activation_link", &[Method::Password, Method::ActivationLink]),
            ("totp, recovery_link", &[Method::Totp, Method::RecoveryLink]),
        ];
        // Before a first factor nothing is shown.
        let shown = if step == Step::Visit { &[("nothing", &[][..])][..] } else { &shown };
        for (words, methods) in shown {
            steps.push_str(&block(bundle, &format!("{} {app}, shown: {words}", step.action()), |person| {
                let mut case = case(app, person, methods, &[]);
                case.step = StepName::Step(step);
                case
            }));
        }
    }
    insta::assert_snapshot!("steps", steps);
}
