use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::tz::TimeZone;

use super::*;
use crate::domain::{AppId, AuthnContextClass, Country, DecisionKind, NetworkName};
use crate::policy::PolicySources;
use crate::policy::case::{CountryWord, DeviceWord, Messages, Table};
use crate::policy::samples;

#[test]
fn the_shipped_tests_pass_and_see_each_shipped_policy_apply() {
    let report = run(&samples::shipped(), &samples::shipped_sources().tests);
    assert!(report.is_ok(), "{:#?}", report.failures);
    let (_, covered) =
        run_and_cover(&Setting::new(&samples::shipped()), &Tables::read(&samples::shipped_sources().tests));
    let unseen: Vec<_> = covered.policies.iter().filter(|one| one.applies.count == 0).map(|one| &one.policy).collect();
    assert_eq!(unseen, Vec::<&crate::domain::PolicyId>::new());
    assert!(report.passed > 40, "{} cases", report.passed);
}

fn failure(text: &str) -> Failure {
    let report = run(&samples::shipped(), &[SourceFile { path: "t.toml".to_owned(), text: text.to_owned() }]);
    assert_eq!(report.failures.len(), 1, "{text}: {report:?}");
    report.failures.into_iter().next().unwrap()
}

#[test]
fn a_wrong_expectation_is_told_with_its_line() {
    let failure =
        failure("# one\n[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"deny\"\n");
    assert_eq!((failure.line, failure.case.as_str()), (3, "n"));
    assert_eq!(failure.message, "expected deny, got allow by base.portal");
}

#[test]
fn whom_an_alert_goes_to_is_compared() {
    let case = "[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"allow\"\n";
    let failure = failure(&format!("{case}alerts = [\"user\"]\n"));
    assert_eq!(failure.message, "alerts: expected user, got nothing");
}

#[test]
fn cases_come_from_where_they_say() {
    let bundle = samples::parse(
        r#"
        @id("t.portal") @description("d") permit (principal, action == Action::"signIn", resource == App::"portal");
        @id("t.asn") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.net.asn == 7018 };
        @id("t.country") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.net.country == Country::"CN" };
        @id("t.new") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.risk.new_country && !context.unknown.contains(Signal::"new_country") };
        "#,
    )
    .unwrap();
    for (signals, expect) in [
        ("asn = 7018", "expect = \"deny\"\nby = [\"t.asn\"]"),
        ("asn = 7019", "expect = \"allow\""),
        ("country = \"CN\"", "expect = \"deny\"\nby = [\"t.country\"]"),
        ("new_country = true", "expect = \"deny\"\nby = [\"t.new\"]"),
        ("new_country = true, unknown = [\"new_country\"]", "expect = \"allow\""),
    ] {
        let case = format!(
            "[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\nsignals = {{ {signals} }}\n{expect}\n"
        );
        let report = run(&bundle, &[SourceFile { path: "t.toml".to_owned(), text: case }]);
        assert_eq!(report.failures, Vec::new(), "{signals}");
        assert_eq!(report.passed, 1, "{signals}");
    }
}

#[test]
fn a_misspelt_name_fails_the_case_with_the_one_that_was_meant() {
    for (line, told) in [
        ("app = \"portall\"\n", "no app is called `portall`; did you mean `portal`?"),
        ("app = \"aws\"\ngroups = [\"aws-user\"]\n", "no group is called `aws-user`; did you mean `aws-users`?"),
        ("app = \"aws\"\ngroups = [\"everything\"]\n", "no group is called `everything`"),
        (
            "app = \"aws\"\nsignals = { networks = [\"offices\"] }\n",
            "no network is called `offices`; did you mean `office`?",
        ),
        ("app = \"aws\"\nrole = \"Owner\"\n", "`aws` has no role `Owner`"),
        (
            "app = \"aws\"\nby = [\"aws.second-facto\"]\n",
            "no policy is called `aws.second-facto`; did you mean `aws.second-factor`?",
        ),
        ("app = \"aws\"\nshow = [\"totp\"]\n", "unknown key `show`; did you mean `shown`?"),
        ("app = \"aws\"\nshown = [\"otp\"]\n", "unknown word `otp`; did you mean `totp`?"),
        ("app = \"aws\"\nsignals = { hours = 3 }\n", "unknown key `hours`; did you mean `hour`?"),
        ("app = \"aws\"\ndevice = \"old\"\n", "unknown word `old`; known are known, new, trusted"),
        ("app = \"aws\"\nstep = \"signin\"\n", "unknown step `signin`; did you mean `signIn`?"),
        ("app = \"aws\"\ncountry = \"Germany\"\n", "`Germany` is no country: write two capital letters"),
        ("app = \"aws\"\nmessage = 3\n", "`message` is the key of a text, or a list of them"),
        ("", "`app` is missing"),
        ("app = \"aws\"\ntime = \"nine\"\n", "`nine` is no time; write it as"),
        ("app = \"aws\"\ntime = \"2026-11-25\"\n", "`2026-11-25` is no time; write it as"),
        ("app = \"aws\"\nuser = \"two\\nlines\"\n", "two"),
    ] {
        let failure = failure(&format!("[[case]]\nname = \"n\"\n{line}expect = \"allow\"\n"));
        assert!(failure.message.starts_with(told) || failure.message.contains(told), "{line}: {}", failure.message);
    }
}

#[test]
fn one_wrong_case_does_not_hide_the_others() {
    let good = "[[case]]\nname = \"good\"\napp = \"portal\"\nshown = [\"password\"]\nexpect = \"allow\"\n";
    let bad = "[[case]]\nname = \"bad\"\napp = \"portal\"\nexpekt = \"allow\"\n";
    let fails = good.replace("\"allow\"", "\"deny\"");
    let text = format!("# All of them.\n\n{good}\n{bad}\n{bad}\n{fails}");
    let report = run(&samples::shipped(), &[SourceFile { path: "t.toml".to_owned(), text }]);
    let told: Vec<_> = report.failures.iter().map(|one| (one.line, one.message.as_str())).collect();
    let key = "unknown key `expekt`; did you mean `expect`?";
    assert_eq!(told, [(12, key), (17, key), (20, "expected deny, got allow by base.portal")]);
    assert_eq!(report.passed, 1);
    // What is wrong only as a whole is told as a whole.
    for (text, line) in
        [("[[case]]\nname = \"n\"\n", 1), ("[case]\nname = \"n\"\n", 1), ("[[case]\n", 1), ("x = 1\n", 1)]
    {
        let report = run(&samples::shipped(), &[SourceFile { path: "t.toml".to_owned(), text: text.to_owned() }]);
        let told: Vec<_> = report.failures.iter().map(|one| one.line).collect();
        assert_eq!((told, report.passed), (vec![line], 0), "{text}");
    }
}

/// A server whose office is 203.0.113.0/24, whose files place 203.0.113.9 in France, and whose clocks show Berlin's time; those
/// of the wiki Tokyo's.
struct Server;

impl Surroundings for Server {
    fn networks(&self, address: IpAddr) -> BTreeSet<NetworkName> {
        let office = address.to_string().starts_with("203.0.113.");
        office.then(|| NetworkName::parse("office").unwrap()).into_iter().collect()
    }

    fn country(&self, address: IpAddr) -> Option<Country> {
        (address.to_string() == "203.0.113.9").then(|| Country::parse("FR").unwrap())
    }

    fn zone(&self, app: &AppId) -> TimeZone {
        TimeZone::get(if app.as_str() == "wiki" { "Asia/Tokyo" } else { "Europe/Berlin" }).unwrap()
    }
}

/// What comes of a case with these lines about the portal, or of another app that they name.
fn outcome_of(bundle: &Bundle, surroundings: bool, lines: &str) -> String {
    let app = if lines.contains("app = ") { "" } else { "app = \"portal\"\n" };
    let text = format!("[[case]]\nname = \"n\"\n{app}shown = [\"password\"]\n{lines}\nexpect = \"allow\"\n");
    let surroundings = surroundings.then(|| Box::new(Server) as Box<dyn Surroundings>);
    let setting = Setting { surroundings, ..Setting::new(bundle) };
    let report = run_in(&setting, &Tables::read(&[SourceFile { path: "t.toml".to_owned(), text }]));
    report.failures.first().map_or_else(|| "allow".to_owned(), |failure| failure.message.clone())
}

#[test]
fn the_short_words_stand_for_the_facts_that_follow_from_them() {
    let forbid = |id: &str, condition: &str| {
        format!(
            "@id(\"{id}\") @description(\"d\") @message(\"m.{id}\") forbid (principal is User, action == Action::\"signIn\", \
             resource) when {{ {condition} }};\n"
        )
    };
    let policies = [
        "@id(\"open\") @description(\"d\") permit (principal, action == Action::\"signIn\", resource);".to_owned(),
        forbid("office", "context.net.networks.contains(Network::\"office\")"),
        forbid("ip", "context.net.ip == ip(\"198.51.100.1\")"),
        forbid("country", "context.net.country == Country::\"FR\""),
        forbid("night", "context.time.hour < 6"),
        forbid("sunday", "context.time.weekday == 7"),
        forbid("late", "context.time.now >= datetime(\"2027-01-31\")"),
        forbid("new", "!context.device.known"),
        forbid("trusted", "context.device.trusted"),
        forbid("many", "context.device.registered > 3"),
        forbid("ann", "principal == User::\"ann\""),
        forbid("sent", "context.sp_initiated"),
    ];
    let bundle = samples::parse(&policies.concat()).unwrap_or_else(|errors| panic!("{errors}"));
    let denied = |by: &str| format!("expected allow, got deny by {by}");
    for (lines, expected) in [
        ("", "allow".to_owned()),
        ("address = \"192.0.2.7\"", "allow".to_owned()),
        ("address = \"203.0.113.7\"", denied("office")),
        ("address = \"198.51.100.1\"", denied("ip")),
        ("country = \"FR\"", denied("country")),
        ("country = \"DE\"", "allow".to_owned()),
        ("address = \"203.0.113.9\"\ncountry = \"by-address\"", denied("country, office")),
        ("time = \"2026-11-25T09:00+01:00\"", "allow".to_owned()),
        ("time = 2026-11-25T09:00:00+01:00", "allow".to_owned()),
        ("time = \"2026-11-25T04:00Z\"", denied("night")),
        ("time = \"2026-11-25T05:00Z\"", "allow".to_owned()),
        ("time = \"2026-11-25T05:59\"", denied("night")),
        ("time = \"2026-11-25 06:00\"", "allow".to_owned()),
        ("time = \"2026-11-25T23:00-05:00[America/New_York]\"", denied("night")),
        ("app = \"wiki\"\ntime = \"2026-11-25T18:00+01:00\"", denied("night")),
        ("time = \"2026-11-29T12:00+01:00\"", denied("sunday")),
        ("time = \"2027-02-01T12:00+01:00\"", denied("late")),
        ("device = \"known\"", "allow".to_owned()),
        ("device = \"new\"", denied("new")),
        ("device = \"trusted\"", denied("trusted")),
        ("devices = 4", denied("many")),
        ("user = \"ann\"", denied("ann")),
        ("user = 'User::\"ann\"'", denied("ann")),
        ("user = \"bob\"", "allow".to_owned()),
        ("sp_initiated = true", denied("sent")),
        ("sp_initiated = true\nmessage = \"m.sent\"", denied("sent")),
        (
            "sp_initiated = true\nmessage = []\nby = [\"ann\"]\nalerts = [\"security\"]",
            format!(
                "{}; by: expected ann, got sent; message: expected nothing, got m.sent; alerts: expected security, got nothing",
                denied("sent")
            ),
        ),
        (
            "address = \"192.0.2.8\"\ncountry = \"by-address\"",
            "no geo file of this server tells the country of 192.0.2.8".to_owned(),
        ),
        ("country = \"by-address\"", "`country = \"by-address\"` needs an `address`".to_owned()),
    ] {
        assert_eq!(outcome_of(&bundle, true, lines), expected, "{lines}");
    }
    for (lines, expected) in [
        ("time = \"2026-11-25T05:59+01:00\"", denied("night").as_str()),
        ("time = \"2026-11-25T06:00+01:00\"", "allow"),
        ("address = \"203.0.113.7\"", "an `address` means nothing without the networks of config.toml"),
    ] {
        assert_eq!(outcome_of(&bundle, false, lines), expected, "without a server: {lines}");
    }
}

#[test]
fn a_fact_that_is_told_twice_is_refused() {
    let bundle = samples::shipped();
    for (lines, told) in [
        (
            "address = \"203.0.113.7\"\nsignals = { networks = [\"vpn\"] }",
            "`address` and `ip` or `networks` of `signals`",
        ),
        ("country = \"DE\"\nsignals = { country = \"FR\" }", "`country` and `country` of `signals`"),
        ("time = \"2026-11-25T09:00\"\nsignals = { hour = 3 }", "`time` and `hour` or `weekday` of `signals`"),
        ("device = \"known\"\nsignals = { device_known = false }", "`device` and `device_known` or `device_trusted`"),
        ("devices = 2\nsignals = { devices = 3 }", "`devices` and `devices` of `signals` tell the same: keep one"),
    ] {
        let got = outcome_of(&bundle, true, lines);
        assert!(got.starts_with(told), "{lines}: {got}");
    }
}

#[test]
fn a_case_with_a_time_knows_a_permit_before_and_after_it_expired() {
    let text = "@id(\"open\") @description(\"d\") @expires(\"2026-11-01\") \
                permit (principal, action == Action::\"signIn\", resource == App::\"portal\");";
    let sources = PolicySources {
        policies: vec![SourceFile { path: "a.cedar".to_owned(), text: text.to_owned() }],
        ..samples::shipped_sources()
    };
    let parse = |day| Bundle::parse(&sources, samples::vocabulary(), day).unwrap_or_else(|errors| panic!("{errors}"));
    let bundle = parse(samples::today());
    let case = |time: &str, expect: &str| {
        format!("[[case]]\nname = \"n\"\napp = \"portal\"\nshown = [\"password\"]\n{time}\nexpect = \"{expect}\"\n\n")
    };
    let text =
        [case("time = \"2026-10-31T23:59Z\"", "allow"), case("time = \"2026-11-01T00:00Z\"", "deny"), case("", "deny")];
    let tables = Tables::read(&[SourceFile { path: "t.toml".to_owned(), text: text.concat() }]);
    let setting = Setting { earlier: Some(parse(jiff::civil::Date::MIN)), ..Setting::new(&bundle) };
    assert_eq!(run_in(&setting, &tables), Report { passed: 3, failures: vec![] });
    // Cedar knows no dates of expiry: there is one set for each time.
    let export = Export::of(&setting, &tables, &sources).unwrap();
    let names: Vec<&str> = export.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["schema.cedarschema", "policies.cedar", "tests.json", "policies-2.cedar", "tests-2.json"]);
    assert!(!export.files[1].1.contains("expires") && export.files[3].1.contains("expires"), "{export:?}");
}

#[test]
fn a_case_reads_back_as_it_was_written() {
    let mut case = Case::new("a case", "aws", DecisionKind::Challenge);
    case.time = Some("2026-11-25T09:00+01:00".to_owned());
    case.country = Some(CountryWord::Code(Country::parse("DE").unwrap()));
    case.address = Some("203.0.113.9".parse().unwrap());
    case.device = Some(DeviceWord::Trusted);
    case.message = Some(Messages::One("second-factor.required".to_owned()));
    case.signals.failed_attempts = 5;
    case.requested = vec![AuthnContextClass::TimeSyncToken, AuthnContextClass::MultipleAuthn];
    let text = toml::to_string(&Table { case: vec![case.clone()] }).unwrap();
    let read = Tables::read(&[SourceFile { path: "t.toml".to_owned(), text: text.clone() }]);
    assert_eq!(read.problems, vec![], "{text}");
    assert_eq!(read.rows.into_iter().map(|row| row.case).collect::<Vec<_>>(), [case]);
}

#[test]
fn a_policy_is_seen_both_ways_or_what_is_missing_is_told() {
    let bundle = samples::parse(
        r#"
        @id("open") @description("d") permit (principal, action == Action::"signIn", resource);
        @id("both") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.net.anonymous };
        @id("never") @description("d") forbid (principal is User, action == Action::"signIn", resource)
        when { context.risk.new_country };
        @id("always") @description("d") forbid (principal is User, action == Action::"signIn", resource == App::"wiki")
        unless { context.proofs.contains(Proof::"totp") };
        @id("elsewhere") @description("d") permit (principal, action == Action::"assumeRole", resource);
        @id("console") @description("d") permit (principal, action == Action::"readLog", resource);
        @id("trial") @description("d") @mode("report") forbid (principal is User, action == Action::"signIn", resource);
        "#,
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let text = "\
[[case]]
name = \"one\"
app = \"portal\"
shown = [\"password\"]
expect = \"allow\"

[[case]]
name = \"two\"
app = \"wiki\"
signals = { anonymous = true }
expect = \"allow\"
";
    let tables = Tables::read(&[SourceFile { path: "t.toml".to_owned(), text: text.to_owned() }]);
    let (report, coverage) = run_and_cover(&Setting::new(&bundle), &tables);
    assert_eq!((report.passed, report.failures.len()), (1, 1), "a case that fails shows what it shows all the same");
    let seen = |seen: &Sightings| (seen.count, seen.first.as_ref().map_or(0, |first| first.line));
    let of =
        |one: &Covered| (one.policy.to_string(), seen(&one.applies), one.stays_out.as_ref().map(seen), one.missing());
    let policies: Vec<_> = coverage.policies.iter().map(of).collect();
    let expected: [(&str, _, _, &[&str]); 6] = [
        ("open", (2, 2), None, &[]),
        ("both", (1, 8), Some((1, 2)), &[]),
        ("never", (0, 0), Some((2, 2)), &["applies"]),
        ("always", (1, 8), Some((0, 0)), &["stays_out"]),
        ("elsewhere", (0, 0), None, &["applies"]),
        ("console", (0, 0), None, &[]),
    ];
    assert_eq!(policies, expected.map(|(id, applies, out, missing)| (id.to_owned(), applies, out, missing.to_vec())));
}

#[test]
fn what_an_app_requests_comes_on_top_of_the_policies() {
    let bundle = samples::shipped();
    let case = |lines: &str, expect: &str| {
        format!(
            "[[case]]\nname = \"{}\"\napp = \"portal\"\nshown = [\"password\"]\n{lines}\n{expect}\n",
            lines.replace('"', "'").replace('\n', " ")
        )
    };
    let both = "enrolled = [\"password\", \"totp\"]\n";
    let text = [
        case(both, "expect = \"allow\""),
        case(&format!("{both}requested = [\"PasswordProtectedTransport\"]"), "expect = \"allow\""),
        case(
            &format!("{both}requested = [\"mfa\", \"TimeSyncToken\"]"),
            "expect = \"challenge\"\noffers = [\"totp\"]\nby = []",
        ),
        case(&format!("{both}requested = [\"https://refeds.org/profile/mfa\"]"), "expect = \"challenge\""),
        case("requested = [\"TimeSyncToken\"]", "expect = \"deny\"\nby = []\nmessage = []"),
        case("requested = [\"TimeSyncTokn\"]", "expect = \"deny\""),
        case("step = \"trustDevice\"\nrequested = [\"mfa\"]", "expect = \"deny\""),
    ]
    .concat();
    let report = run(&bundle, &[SourceFile { path: "t.toml".to_owned(), text }]);
    let told: Vec<&str> = report.failures.iter().map(|failure| failure.message.as_str()).collect();
    let misspelt = "no class of authentication is called `TimeSyncTokn`; did you mean `TimeSyncToken`?";
    let unread = "`requested` counts when an app is opened: leave it out, or leave out `step`";
    assert_eq!((report.passed, told), (5, vec![misspelt, unread]));
}
