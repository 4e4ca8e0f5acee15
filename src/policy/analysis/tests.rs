//! With the real solver, and with ones that fail.

use std::collections::BTreeSet;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Authorizer, Decision as CedarDecision};
use proptest::prelude::*;
use tokio::io::{BufReader, BufWriter};

use super::statement::{Put, yes};
use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::config::Config;
use crate::domain::{Country, DecisionKind, DeviceFacts, Method, MethodSet, Profile, Step, UserStatus};
use crate::policy::bundle::SourceFile;
use crate::policy::case::Table;
use crate::policy::request::{self, STEPS, Shown};
use crate::policy::samples::{SCHEMA, Sample, shipped_sources, today, vocabulary};
use crate::policy::testing;
use crate::signals::{Geo, Observation, Observer, Past, Whereabouts};

const ASSUMPTIONS: &str = include_str!("../../../policies/invariants/assumptions.cedar");

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

/// These policies and these invariants, under the shipped assumptions.
fn analysis(policies: &str, invariants: &str) -> Analysis {
    let sources = PolicySources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("a.cedar", policies)],
        tests: vec![],
        invariants: vec![file("invariants/assumptions.cedar", ASSUMPTIONS), file("invariants/a.cedar", invariants)],
    };
    Analysis::new(&sources, vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A solver that is started by this command line.
struct Command(&'static [&'static str]);

const CVC5: Command = Command(&["cvc5", "--lang", "smt", "--tlimit-per=60000"]);

impl Solvers for Command {
    fn start(&self) -> io::Result<Pipes> {
        let mut command = tokio::process::Command::new(self.0[0]);
        command.args(&self.0[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Ok(Pipes { input: Box::new(BufWriter::new(input)), output: Box::new(BufReader::new(output)) })
    }
}

/// Runs on a stack that expressions fit on.
fn with<T: Send>(solver: &Command, work: impl AsyncFnOnce(&mut Reasoner<'_>) -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(256 << 20).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { work(&mut Reasoner::new(solver, Duration::from_secs(60))).await })
        });
        worker.unwrap().join().unwrap()
    })
}

fn findings(analysis: &Analysis, solver: &Command, wanted: impl Fn(&About) -> bool + Sync) -> Vec<Finding> {
    with(solver, async |reasoner| {
        let mut findings = Vec::new();
        for task in analysis.tasks(None) {
            if wanted(&analysis.describe(task).0) {
                findings.push(analysis.answer(task, reasoner).await);
            }
        }
        findings
    })
}

fn is_invariant(about: &About) -> bool {
    matches!(about, About::Invariant(_) | About::Premise(_))
}

const WIKI: &str = r#"
@id("wiki.open") @description("d")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"wiki");
@id("wiki.proof") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"second_factor") };
"#;

const WIKI_NEEDS_MORE: &str = r#"
@id("wiki.needs-more") @description("Nobody opens the wiki without a second factor.")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
unless { context.proofs.contains(Proof::"second_factor") };
"#;

#[test]
fn an_invariant_that_holds_is_proved_and_one_that_does_not_is_refuted_by_a_sign_in() {
    let holds = findings(&analysis(WIKI, WIKI_NEEDS_MORE), &CVC5, is_invariant);
    assert!(holds.len() == 2 && holds.iter().all(|finding| finding.answer == Answer::Proved), "{holds:?}");
    let weaker = WIKI.replace("unless {", "unless { context.net.networks.contains(Network::\"vpn\") ||");
    let weaker = analysis(&weaker, WIKI_NEEDS_MORE);
    let found = findings(&weaker, &CVC5, is_invariant);
    let Some(Answer::Refuted(Some(example))) = found.get(1).map(|finding| &finding.answer) else {
        panic!("{found:?}");
    };
    assert_eq!(example.words, "Somebody in no group opens `wiki`, having shown nothing, from the network `vpn`.");
    assert_eq!((example.decision, example.by.as_slice()), (Some(DecisionKind::Allow), &["wiki.open".to_owned()][..]));
    // The case can be pasted: it is read, and it says what happens.
    let case = example.case.as_deref().unwrap();
    let table: Table = toml::from_str(case).unwrap_or_else(|error| panic!("{error}: {case}"));
    assert_eq!(table.case.len(), 1);
    let report = testing::run(weaker.bundle(), &[file("tests/a.toml", case)]);
    assert!(report.is_ok(), "{:?}\n{case}", report.failures);
}

#[test]
fn a_country_that_nobody_names_stands_for_one_that_the_invariant_does_not_name_either() {
    let outside = r#"
@id("wiki.dach") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
unless { [Country::"DE", Country::"AT", Country::"CH", Country::"ZZ"].contains(context.net.country) };"#;
    let found = findings(&analysis(WIKI, outside), &CVC5, is_invariant);
    let Some(Answer::Refuted(Some(example))) = found.get(1).map(|finding| &finding.answer) else {
        panic!("{found:?}");
    };
    let named = ["DE", "AT", "CH", "ZZ"].iter().any(|code| example.words.contains(code));
    assert!(example.words.contains(" in ") && !named, "{}", example.words);
}

#[test]
fn an_invariant_that_fails_is_not_proved_by_that() {
    let fails = r#"
@id("wiki.overflow") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
when { context.time.hour + 9223372036854775807 > 0 };"#;
    let found = findings(&analysis(WIKI, fails), &CVC5, is_invariant);
    assert!(matches!(found[1].answer, Answer::Refuted(Some(_))), "{found:?}");
}

#[test]
fn what_must_always_be_allowed_is_looked_at_too() {
    let always = r#"
@id("wiki.with-passkey") @description("d")
permit (principal is User, action == Action::"signIn", resource == App::"wiki")
when { context.proofs.contains(Proof::"passkey") };"#;
    let found = findings(&analysis(WIKI, always), &CVC5, is_invariant);
    assert!(found.iter().all(|finding| finding.answer == Answer::Proved), "{found:?}");
    let closed = format!(
        "{WIKI}\n@id(\"wiki.night\") @description(\"d\")\nforbid (principal, action == Action::\"signIn\", resource == App::\"wiki\") when {{ context.time.hour < 6 }};"
    );
    let found = findings(&analysis(&closed, always), &CVC5, is_invariant);
    let Some(Answer::Refuted(Some(example))) = found.get(1).map(|finding| &finding.answer) else {
        panic!("{found:?}");
    };
    assert_eq!((example.decision, example.by.as_slice()), (Some(DecisionKind::Deny), &["wiki.night".to_owned()][..]));
}

#[test]
fn an_invariant_about_nothing_says_so() {
    let nothing = r#"
@id("wiki.never") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki") when { context.time.hour > 24 };"#;
    let found = findings(&analysis(WIKI, nothing), &CVC5, is_invariant);
    assert_eq!(found[0].answer, Answer::Refuted(None), "{found:?}");
}

#[test]
fn what_holds_by_assumptions_of_ones_own_alone_is_not_proved() {
    let weaker = WIKI.replace("unless {", "unless { context.net.networks.contains(Network::\"vpn\") ||");
    let assumed =
        |when: &str| format!("\n@id(\"assume.own\") @description(\"d\")\nforbid (principal, action, resource){when};");
    let proof = "\nwhen { action in Action::\"step\" && context.net.networks.contains(Network::\"vpn\") }";
    let own = || vec!["assume.own".to_owned()];
    for (policies, more, answer) in [
        (weaker.as_str(), assumed(proof), Answer::Assumed(own())),
        (weaker.as_str(), assumed(""), Answer::AssumedAway(own())),
        // What holds without them is proved, whatever else is assumed.
        (WIKI, assumed(""), Answer::Proved),
    ] {
        let sources = PolicySources {
            schema: file("schema.cedarschema", SCHEMA),
            policies: vec![file("a.cedar", policies)],
            tests: vec![],
            invariants: vec![
                file("invariants/assumptions.cedar", &format!("{ASSUMPTIONS}{more}")),
                file("invariants/a.cedar", WIKI_NEEDS_MORE),
            ],
        };
        let analysis = Analysis::new(&sources, vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(analysis.own_assumptions().collect::<Vec<_>>(), ["assume.own"]);
        let found = findings(&analysis, &CVC5, is_invariant);
        let answers: Vec<_> = found.iter().map(|finding| &finding.answer).collect();
        assert_eq!(answers, [&Answer::Proved, &answer], "{more}");
    }
    // A shipped one that was changed is one's own, under whichever name; laid out otherwise it is the same.
    for (text, own) in [
        (ASSUMPTIONS.replace("context.time.hour <= 23", "context.time.hour <= 22"), 1),
        (ASSUMPTIONS.replace("assume.clock", "clock").replace("  ", " "), 0),
    ] {
        let mut sources = shipped_sources();
        sources.invariants = vec![file("invariants/assumptions.cedar", &text)];
        let analysis = Analysis::new(&sources, vocabulary(), today()).unwrap();
        assert_eq!(analysis.own_assumptions().count(), own);
    }
}

#[test]
fn a_comparison_rests_on_no_assumption_that_a_change_brings() {
    let sources = |policies: &str, more: &str| PolicySources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("a.cedar", policies)],
        tests: vec![],
        invariants: vec![file("invariants/assumptions.cedar", &format!("{ASSUMPTIONS}{more}"))],
    };
    let open = WIKI.split("@id(\"wiki.proof\")").next().unwrap();
    let all = "\n@id(\"assume.own\") @description(\"d\") forbid (principal, action, resource);";
    let (_, found) = differences((&sources(WIKI, ""), &vocabulary()), (&sources(open, all), &vocabulary()));
    assert_eq!(found.iter().map(|one| one.kind).collect::<Vec<_>>(), [Kind::Freed], "{found:?}");
}

#[test]
fn each_kind_of_finding_is_found() {
    let policies = format!(
        "{WIKI}{}",
        r#"
@id("wiki.overflow") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
when { context.risk.failed_attempts * 9000000000 > 5 };
@id("wiki.dead") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki") when { context.time.weekday == 8 };
@id("wiki.again") @description("d")
permit (principal in Group::"contractors", action == Action::"signIn", resource == App::"wiki");
@id("wiki.dated") @description("d") @expires("2027-01-31")
permit (principal is User, action == Action::"trustDevice", resource == App::"wiki");
@id("wiki.trial") @description("d") @mode("report")
forbid (principal, action == Action::"signIn", resource == App::"wiki");"#
    );
    let found = findings(&analysis(&policies, ""), &CVC5, |_| true);
    let of = |answer: &dyn Fn(&Answer) -> bool| -> Vec<String> {
        let these = found.iter().filter(|finding| answer(&finding.answer));
        these.map(|finding| format!("{:?} {}", finding.about, finding.scene.as_deref().unwrap_or("-"))).collect()
    };
    let proved: BTreeSet<String> = of(&|answer| *answer == Answer::Proved).into_iter().collect();
    for about in ["Dead(\"wiki.dead\") -", "Redundant(\"wiki.dead\") -", "Redundant(\"wiki.again\") -"] {
        assert!(proved.contains(about), "{about}: {proved:?}");
    }
    for about in [
        "Dead(\"wiki.again\") -",
        "Redundant(\"wiki.open\") -",
        "Redundant(\"wiki.proof\") -",
        "Redundant(\"wiki.dated\") -",
    ] {
        assert!(!proved.contains(about), "{about}: {proved:?}");
    }
    assert_eq!(of(&|answer| matches!(answer, Answer::Unknown | Answer::Failed(_))), Vec::<String>::new());
    let failing = found.iter().find(|finding| matches!(finding.answer, Answer::Refuted(Some(_)))).unwrap();
    assert_eq!((&failing.about, failing.scene.as_deref()), (&About::NeverFails, Some("signIn wiki")));
    let Answer::Refuted(Some(example)) = &failing.answer else { panic!("{failing:?}") };
    assert_eq!(example.failed, ["wiki.overflow"]);
    assert!(found.iter().all(|finding| finding.about != About::Dead("wiki.trial".to_owned())), "trials decide nothing");
}

#[test]
fn a_solver_that_does_not_answer_proves_nothing() {
    let analysis = analysis(WIKI, WIKI_NEEDS_MORE);
    let unknown = Command(&["sh", "-c", "while read -r line; do [ \"$line\" = '(check-sat)' ] && echo unknown; done"]);
    for finding in findings(&analysis, &unknown, is_invariant) {
        assert_eq!(finding.answer, Answer::Unknown);
    }
    for (solver, told) in [
        (Command(&["sh", "-c", "exit 3"]), "the solver ended before it answered|Broken pipe|IO error"),
        (Command(&["sh", "-c", "while read -r line; do [ \"$line\" = '(check-sat)' ] && echo tomato; done"]), "tomato"),
    ] {
        for finding in findings(&analysis, &solver, is_invariant) {
            let Answer::Failed(why) = &finding.answer else { panic!("{finding:?}") };
            assert!(told.split('|').any(|told| why.contains(told)), "{why}");
        }
    }
}

#[test]
fn two_sets_differ_in_whom_they_let_in() {
    let sources = |policies: &str| PolicySources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("a.cedar", policies)],
        tests: vec![],
        invariants: vec![file("invariants/assumptions.cedar", ASSUMPTIONS)],
    };
    let open = WIKI.split("@id(\"wiki.proof\")").next().unwrap();
    let closed = format!(
        "{WIKI}@id(\"wiki.office\") @description(\"d\") forbid (principal, action == Action::\"signIn\", resource == App::\"wiki\") unless {{ context.net.networks.contains(Network::\"office\") }};"
    );
    let turned = WIKI.replace("unless {", "when { true } unless {");
    for (before, after, kinds) in [
        (open, WIKI, vec![(Kind::Challenged, DecisionKind::Allow, DecisionKind::Challenge)]),
        (WIKI, open, vec![(Kind::Freed, DecisionKind::Challenge, DecisionKind::Allow)]),
        (WIKI, closed.as_str(), vec![(Kind::LockedOut, DecisionKind::Allow, DecisionKind::Deny)]),
        (closed.as_str(), WIKI, vec![(Kind::Gained, DecisionKind::Deny, DecisionKind::Allow)]),
        (WIKI, turned.as_str(), vec![]),
    ] {
        let (before, after) = (sources(before), sources(after));
        let (_, found) = differences((&before, &vocabulary()), (&after, &vocabulary()));
        let found: Vec<_> = found
            .into_iter()
            .filter_map(|difference| Some((difference.kind, difference.found.unwrap()?)))
            .map(|(kind, pair)| (kind, pair.before.unwrap(), pair.after.decision.unwrap()))
            .collect();
        assert_eq!(found, kinds);
    }
}

/// Looks for everything in which two sets differ, each under its own names.
fn differences(
    before: (&PolicySources, &Vocabulary),
    after: (&PolicySources, &Vocabulary),
) -> (usize, Vec<Difference>) {
    let comparison = Comparison::new(before, after, today()).unwrap();
    let found = with(&CVC5, async |reasoner| {
        let mut found = Vec::new();
        for task in comparison.tasks() {
            found.push(comparison.answer(task, reasoner).await);
        }
        found
    });
    assert!(found.iter().all(|difference| difference.found.is_ok()), "{found:?}");
    (comparison.tasks().len(), found.into_iter().filter(|one| one.found != Ok(None)).collect())
}

#[test]
fn limits_pilots_and_lists_are_for_each_side_what_its_own_config_says() {
    let policies = r#"
@id("wiki.open") @description("d")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"wiki");
@id("wiki.limit") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
when { resource.device_limit > 0 && context.device.registered > resource.device_limit }
unless { context.proofs.contains(Proof::"second_factor") };
@id("wiki.embargo") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki")
when { context.net.country in CountryList::"blocked" };
@id("wiki.pilot") @description("d")
forbid (principal, action == Action::"signIn", resource == App::"wiki") unless { principal in resource.pilot };"#;
    let sources = PolicySources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("a.cedar", policies)],
        tests: vec![],
        invariants: vec![file("invariants/assumptions.cedar", ASSUMPTIONS)],
    };
    let app = |change: fn(&mut crate::domain::App)| {
        let mut names = vocabulary();
        names.apps.iter_mut().filter(|app| app.id.as_str() == "wiki").for_each(change);
        names
    };
    let mut more_blocked = vocabulary();
    more_blocked.country_lists.values_mut().for_each(|list| _ = list.insert(Country::parse("DE").unwrap()));
    let mut none_blocked = vocabulary();
    none_blocked.country_lists.values_mut().for_each(BTreeSet::clear);
    let pilot = app(|app| app.pilot = Some(crate::domain::GroupName::parse("contractors").unwrap()));
    for (changed, comes, goes) in [
        (app(|app| app.device_limit = 2), Kind::Challenged, Kind::Freed),
        (pilot, Kind::LockedOut, Kind::Gained),
        (more_blocked, Kind::LockedOut, Kind::Gained),
        (none_blocked, Kind::Gained, Kind::LockedOut),
    ] {
        for (before, after, kind) in [(&vocabulary(), &changed, comes), (&changed, &vocabulary(), goes)] {
            let (tasks, found) = differences((&sources, before), (&sources, after));
            let kinds: Vec<_> = found.iter().map(|one| (one.scene.as_str(), one.kind)).collect();
            // Four kinds, in the one scene where the change can matter.
            assert_eq!((tasks, kinds), (4, vec![("signIn wiki", kind)]), "{found:?}");
        }
    }
    assert_eq!(differences((&sources, &vocabulary()), (&sources, &vocabulary())).0, 0);
}

#[test]
fn what_the_tests_show_and_the_words_say_takes_no_solver() {
    let cases = r#"
[[case]]
name = "in"
app = "wiki"
step = "signIn"
shown = ["password", "totp"]
expect = "allow"
[[case]]
name = "not yet"
app = "wiki"
step = "signIn"
shown = ["password"]
expect = "challenge"
"#;
    let sources = PolicySources {
        schema: file("schema.cedarschema", SCHEMA),
        policies: vec![file("a.cedar", WIKI)],
        tests: vec![file("tests/a.toml", cases)],
        invariants: vec![
            file("invariants/assumptions.cedar", ASSUMPTIONS),
            file("invariants/a.cedar", WIKI_NEEDS_MORE),
        ],
    };
    let analysis = Analysis::new(&sources, vocabulary(), today()).unwrap_or_else(|errors| panic!("{errors}"));
    let none = Command(&["sh", "-c", "exit 3"]);
    let found = findings(&analysis, &none, |about| !matches!(about, About::Invariant(_) | About::Monotone));
    for finding in &found {
        let expected = if finding.about == About::NeverFails { Answer::Proved } else { Answer::Refuted(None) };
        let expected = if matches!(finding.about, About::Premise(_)) { Answer::Proved } else { expected };
        assert_eq!(finding.answer, expected, "{finding:?}");
    }
    assert!(found.len() > 5, "{found:?}");
}

#[test]
fn acts_of_which_the_policies_say_the_same_are_one_scene() {
    let scenes: Vec<String> = analysis(WIKI, "").scenes().iter().map(ToString::to_string).collect();
    for told in ["importUsers console (and 4 like it)", "importUsers console (and 4 like it) by ApiToken"] {
        assert!(scenes.iter().any(|scene| scene == told), "{told}: {scenes:?}");
    }
    let apart = format!(
        "{WIKI}{}",
        r#"@id("import") @description("d") forbid (principal is User, action == Action::"importUsers", resource);"#
    );
    let scenes: Vec<String> = analysis(&apart, "").scenes().iter().map(ToString::to_string).collect();
    for told in ["previewAssertion console (and 3 like it)", "importUsers console"] {
        assert!(scenes.iter().any(|scene| scene == told), "{told}: {scenes:?}");
    }
}

/// Facts as the observer makes them, about a person and what they showed.
fn questions() -> impl Strategy<Value = (Sample, MethodSet, MethodSet, bool, Profile)> {
    let methods = || proptest::sample::subsequence(Method::ALL.to_vec(), 0..=6);
    let country = || proptest::option::of(proptest::sample::select(vec!["DE", "KP", "FR", "XX-PRIVATE"]));
    let place = (country(), proptest::option::of(0_u32..), proptest::option::of(any::<bool>()));
    let device = proptest::option::of((any::<bool>(), any::<bool>(), 0_u32..5));
    let person = (
        proptest::sample::subsequence(vec!["aws-users", "aws-admins", "contractors", "helpdesk", "owners"], 0..=5),
        proptest::sample::select(vec!["aws", "wiki", "portal", "console"]),
        proptest::sample::select(vec![UserStatus::Active, UserStatus::Pending, UserStatus::Suspended]),
        country(),
    );
    let networks = proptest::sample::subsequence(vec!["office", "vpn", "blocked"], 0..=3);
    let rest = (any::<bool>(), any::<bool>(), 0_i64..4_000_000_000, any::<u32>(), any::<bool>());
    (person, place, device, networks, methods(), methods(), rest).prop_map(
        |((groups, app, status, home), place, device, networks, shown, fresh, rest)| {
            let (force_authn, strict, later, failed_attempts, first) = rest;
            let mut sample = Sample::new(&groups, app);
            let code = |code: Option<&str>| code.map(|code| Country::parse(code).unwrap());
            sample.user.status = status;
            sample.user.home_country = code(home).unwrap_or_else(Country::unknown);
            let whereabouts =
                Whereabouts { country: code(place.0), asn: place.1, anonymous: place.2, ..Whereabouts::default() };
            let device = device.map(|(known, trusted, registered)| DeviceFacts { known, trusted, registered });
            let past = if first { Past::First } else { Past::Unknown };
            let start = Timestamp::from_second(1_795_824_000).unwrap();
            let clock = ManualClock::at(Timestamp::from_second(start.as_second() + later).unwrap());
            let observer = Observer::new(&Config::default(), Arc::new(Geo::default()), Arc::new(clock));
            let observation = Observation {
                device,
                failed_attempts,
                past: &past,
                ..Observation::of_visitor("192.0.2.7".parse().unwrap(), &sample.app.id)
            };
            sample.signals = observer.observe_at(&observation, whereabouts);
            sample.signals.networks =
                vocabulary().networks.into_iter().filter(|name| networks.contains(&name.as_str())).collect();
            let fresh: MethodSet = fresh.into_iter().collect();
            let profile = if strict { Profile::L2 } else { Profile::Compat };
            (sample, fresh.union(shown.into_iter().collect()), fresh, force_authn, profile)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_is_assumed_cannot_be_is_never_asked((sample, proofs, fresh, force_authn, profile) in questions()) {
        let mut sources = shipped_sources();
        sources.invariants = vec![file("invariants/assumptions.cedar", ASSUMPTIONS)];
        static ANALYSIS: std::sync::OnceLock<Analysis> = std::sync::OnceLock::new();
        let analysis = ANALYSIS.get_or_init(|| Analysis::new(&sources, vocabulary(), today()).unwrap());
        let q = crate::policy::Question { proofs, fresh, force_authn, profile, ..sample.question(proofs) };
        for step in STEPS {
            for role in if step == Step::AssumeRole { q.app.roles.iter().map(Some).collect() } else { vec![None] } {
                let asked = match step {
                    Step::Visit => request::visit(analysis.bundle.names(), analysis.bundle.vocabulary(), q.app, q.signals, None),
                    _ => analysis.bundle.prepare(&q).unwrap().ask(step, role, Shown::of(&q), None),
                }
                .unwrap();
                let about = |scene: &&Scene| {
                    scene.step == Some(step)
                        && (scene.app.as_ref() == Some(q.app) || scene.app.as_ref().is_some_and(|app| app.id.as_str() == "portal"))
                        && scene.may_be(asked.request.resource().unwrap())
                };
                let Some(scene) = analysis.scenes.iter().find(about) else { continue };
                let possible = Put::default().with(true, &yes()).unwrap();
                let possible = analysis.bounded(possible, scene, &analysis.statements).unwrap().set();
                let response = Authorizer::new().is_authorized(&asked.request, &possible, &asked.entities);
                let alone = analysis.invariants.tested.iter().filter(|one| {
                    let alone = Put::default().with(true, &one.condition(scene)).unwrap().set();
                    one.matters(scene, &analysis.actions)
                        && Authorizer::new().is_authorized(&asked.request, &alone, &asked.entities).decision() == CedarDecision::Allow
                });
                let alone: Vec<&str> = alone.map(|one| one.id.as_str()).collect();
                prop_assert!(
                    response.decision() == CedarDecision::Allow && response.diagnostics().errors().count() == 0,
                    "{scene}: {alone:?} or the world says this cannot be: {}", asked.request
                );
            }
        }
    }
}

#[test]
fn a_wrong_invariant_is_told_with_its_place() {
    for (name, text, told) in [
        ("a.cedar", "forbid (principal, action, resource);", "an invariant without `@id`"),
        (
            "a.cedar",
            "@id(\"a\") @description(\"d\") forbid (principal in Group::\"stafff\", action, resource);",
            "`Group::\"stafff\"` is not declared",
        ),
        (
            "a.cedar",
            "@id(\"a\") @description(\"d\") forbid (principal, action, resource) when { context.nonsense };",
            "nonsense",
        ),
        ("a.cedar", "@id(\"a\")", "unexpected"),
        (
            "assumptions.cedar",
            "@id(\"a\") @description(\"d\") permit (principal, action, resource);",
            "an assumption is a forbid",
        ),
        (
            "a.cedar",
            "@id(\"a\") @description(\"d\") permit (principal, action, resource);\n@id(\"a\") @description(\"d\") permit (principal, action, resource);",
            "another invariant is called `a`",
        ),
    ] {
        let mut sources = shipped_sources();
        sources.invariants = vec![file(&format!("invariants/{name}"), text)];
        let errors = Analysis::new(&sources, vocabulary(), today()).unwrap_err();
        assert!(errors.to_string().contains(told), "{text}: {errors}");
        assert!(errors.problems.iter().all(|problem| problem.file.starts_with("invariants/")), "{errors:?}");
    }
}
