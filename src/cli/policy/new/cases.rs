//! Cases that show a new policy at work, each decided by the whole set as a sign-in would be.

use std::collections::BTreeSet;

use toml::Spanned;

use super::kinds::Proposal;
use super::{Args, Kind};
use crate::domain::{AppId, CONSOLE, Country, Decision, DecisionKind, GroupName, Method, NetworkName, PORTAL};
use crate::policy::case::{Case, Table};
use crate::policy::{Bundle, Situation, SourceFile};

/// Cases for policies/tests.
pub(super) struct Shown {
    /// As TOML.
    pub(super) text: String,
    /// Whether one of the new policies decides one of them, or an exception makes a difference.
    pub(super) decides: bool,
}

/// Shows what `after` decides with the policies of `proposal`.
pub(super) fn show(args: &Args, proposal: &Proposal, before: &Bundle, after: &Bundle, tests: &[SourceFile]) -> Shown {
    let base = stopped(args, before, after, tests).or_else(|| somebody_who_may(args, before, after));
    let Some(base) = base else {
        return Shown { text: String::new(), decides: false };
    };
    let (mut text, mut decides) = (String::new(), false);
    for mut case in cases(args, &base, after) {
        let (old, new) = (decided(&case, args, before), decided(&case, args, after));
        let Some(new) = new else { continue };
        decides |= old.as_ref().is_none_or(|old| (old.kind, &old.by) != (new.kind, &new.by));
        decides |= new.by.iter().any(|id| proposal.ids().iter().any(|proposal| proposal.as_str() == id.as_str()));
        case.expect = new.kind;
        case.by = Some(new.by);
        case.offers = (!new.offers.is_empty()).then_some(new.offers);
        // What else a case of the tests expects is about the policies as they were.
        (case.message, case.roles, case.alerts) = (None, None, None);
        if let Some(user) = &args.user {
            case.user = Some(user.to_string());
        }
        text.push_str(&format!("{}\n", case.to_toml()));
    }
    Shown { text, decides }
}

/// The first case of the tests in which the forbid, alone if possible, stops whom the exception is for.
fn stopped(args: &Args, before: &Bundle, after: &Bundle, tests: &[SourceFile]) -> Option<Case> {
    let to = args.to.as_ref()?;
    let tables = tests.iter().filter_map(|file| toml::from_str::<Table>(&file.text).ok());
    let cases = tables.flat_map(|table| table.case).map(|mut case| {
        case.groups.extend(args.group.clone());
        case
    });
    let stopped: Vec<Case> = cases
        .filter(|case| decided(case, args, before).is_some_and(|decided| decided.by.contains(to.as_str())))
        .collect();
    let is_freed = |case: &&Case| decided(case, args, after).is_some_and(|decided| decided.kind == DecisionKind::Allow);
    stopped.iter().find(is_freed).or(stopped.first()).cloned()
}

struct Decided {
    kind: DecisionKind,
    by: BTreeSet<String>,
    offers: Vec<Method>,
}

fn decided(case: &Case, args: &Args, bundle: &Bundle) -> Option<Decided> {
    let mut situation: Situation = case.situation(bundle).ok()?;
    if let Some(user) = &args.user {
        situation.user.username = user.clone();
    }
    let plan = situation.decide(bundle).ok()?;
    let offers = match &plan.decision {
        Decision::Challenge { offers, .. } => offers.iter().map(|offer| offer.method).collect(),
        Decision::Enrol { methods, .. } => methods.clone(),
        Decision::Allow | Decision::Deny(_) => Vec::new(),
    };
    let by = plan.determining.iter().map(|policy| policy.id.to_string()).collect();
    Some(Decided { kind: plan.decision.kind(), by, offers })
}

/// The first person, app and set of proofs that open something as things are: what the new policy changes shows on them.
fn somebody_who_may(args: &Args, before: &Bundle, after: &Bundle) -> Option<Case> {
    // Access is new, so it shows on the set that has it.
    let bundle =
        if matches!(args.kind, Kind::Access) || args.to.is_none() && args.expires.is_some() { after } else { before };
    let known = &bundle.vocabulary().apps;
    let own = known.iter().map(|app| &app.id).filter(|id| ![PORTAL, CONSOLE].contains(&id.as_str()));
    let apps: Vec<&AppId> = match &args.app {
        Some(app) => vec![app],
        None => own.chain(known.iter().map(|app| &app.id)).collect(),
    };
    let given: BTreeSet<GroupName> = args.group.iter().cloned().collect();
    let groups = bundle.vocabulary().groups.keys().map(|group| given.iter().chain([group]).cloned().collect());
    let groups: Vec<BTreeSet<GroupName>> = std::iter::once(given.clone()).chain(groups).collect();
    let shown = [vec![Method::Password], vec![Method::Password, Method::Totp], vec![Method::Passkey]];
    let networks = [None, Some("office")];
    for app in &apps {
        for groups in &groups {
            for network in networks {
                for shown in &shown {
                    let mut case = plain(app, groups.clone(), shown.clone());
                    case.signals.networks =
                        network.and_then(|name| NetworkName::parse(name).ok()).into_iter().collect();
                    if decided(&case, args, bundle).is_some_and(|decided| decided.kind == DecisionKind::Allow) {
                        return Some(case);
                    }
                }
            }
        }
    }
    // Nobody may, as far as can be seen: the cases show that too.
    let app = apps.first().map_or_else(|| known.iter().map(|app| &app.id).next(), |app| Some(*app));
    app.map(|app| plain(app, given, vec![Method::Password]))
}

fn plain(app: &AppId, groups: BTreeSet<GroupName>, shown: Vec<Method>) -> Case {
    Case { groups, enrolled: shown.clone(), shown, ..Case::new("", app.to_string(), DecisionKind::Deny) }
}

/// `base`, once on each side of the policy.
fn cases(args: &Args, base: &Case, bundle: &Bundle) -> Vec<Case> {
    let id = &base.app;
    let who = match (&args.user, &args.group) {
        (Some(user), _) => user.to_string(),
        (None, Some(group)) => format!("somebody of {group}"),
        (None, None) => "somebody".to_owned(),
    };
    let case = |name: String, change: &dyn Fn(&mut Case)| {
        let mut case = base.clone();
        case.name = Spanned::new(0..0, name);
        change(&mut case);
        case
    };
    let known = |case: &mut Case| case.signals.device_known = true;
    let unknown = |case: &mut Case| {
        case.signals.device_known = false;
        case.shown = vec![Method::Password];
        case.enrolled = vec![Method::Password, Method::Totp];
    };
    match args.kind {
        Kind::Access => vec![
            case(format!("{who} opens {id}"), &|_| ()),
            case(format!("{who} before {id} with a password alone"), &|case| {
                case.shown = vec![Method::Password];
                case.enrolled = vec![Method::Password, Method::Totp];
            }),
            case(format!("somebody else before {id}"), &|case| case.groups.clear()),
        ],
        Kind::OfficeOnly => {
            let inside = args.network.first().cloned().or_else(|| NetworkName::parse("office").ok());
            vec![
                case(format!("{who} opens {id} from inside"), &|case| {
                    case.signals.networks = inside.clone().into_iter().collect();
                }),
                case(format!("{who} before {id} from elsewhere"), &|case| case.signals.networks.clear()),
            ]
        }
        Kind::CountryBlock => {
            let listed = args.list.as_ref().and_then(|list| bundle.vocabulary().country_lists.get(list));
            let blocked = args.country.first().cloned().or_else(|| listed.and_then(|list| list.first().cloned()));
            let home = |country: &Option<Country>, case: &mut Case| {
                case.signals.country = country.clone().unwrap_or_else(Country::unknown);
                case.signals.home = case.signals.country.clone();
            };
            let other = ["DE", "FR", "US"].into_iter().filter_map(|code| Country::parse(code).ok());
            let is_blocked =
                |one: &Country| args.country.contains(one) || listed.is_some_and(|list| list.contains(one));
            let other = other.into_iter().find(|one| !is_blocked(one));
            vec![
                case(format!("{who} before {id} from a blocked country"), &|case| home(&blocked, case)),
                case(format!("{who} opens {id} from another country"), &|case| home(&other, case)),
            ]
        }
        Kind::Hours => {
            let open = args.from.unwrap_or_default();
            let closed = args.until.map_or(0, |until| until % 24);
            let day = (1..=7).find(|day| args.days.as_ref().is_none_or(|days| days.contains(*day))).unwrap_or(1);
            let at = |hour: u8| {
                move |case: &mut Case| {
                    case.signals.hour = hour;
                    case.signals.weekday = day;
                }
            };
            vec![
                case(format!("{who} opens {id} at {open}"), &at(open)),
                case(format!("{who} before {id} at {closed}"), &at(closed)),
            ]
        }
        Kind::DeviceLimit => vec![
            case(format!("{who} opens {id} on a known device"), &known),
            case(format!("{who} before {id} with one device too many"), &|case| {
                unknown(case);
                let limit = bundle.vocabulary().app(&case.app).map_or(0, |app| app.device_limit);
                case.signals.devices = args.limit.unwrap_or(limit);
            }),
        ],
        Kind::NewDevice => vec![
            case(format!("{who} opens {id} on a known device"), &known),
            case(format!("{who} before {id} on a device not seen before"), &unknown),
        ],
        Kind::Exception if args.to.is_some() => {
            vec![case(format!("{who} before {id}, as long as the exception lasts"), &|_| ())]
        }
        Kind::Exception => vec![case(format!("{who} opens {id} for a while"), &|_| ())],
    }
}
