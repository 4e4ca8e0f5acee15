//! Sets of policies and questions by chance, for properties that hold for all of them.

use proptest::prelude::*;

use super::samples::{self, Sample, group};
use super::{Bundle, BundleErrors, PolicySources, Question, SourceFile};
use crate::domain::{AuthnContextClass, Method, MethodSet, Profile, Repertoire, Required};

/// The methods that generated policies and people know: few, so that all sets of them can be tried.
pub(super) const METHODS: [Method; 7] = [
    Method::Password,
    Method::Passkey,
    Method::Totp,
    Method::Push,
    Method::EmailOtp,
    Method::SecurityKey,
    Method::MagicLink,
];
const PROOFS: [&str; 10] = [
    "password",
    "passkey",
    "totp",
    "push",
    "email_otp",
    "security_key",
    "magic_link",
    "first_factor",
    "second_factor",
    "phishing_resistant",
];
const FACTS: [&str; 7] = [
    "context.device.known",
    "context.device.trusted",
    "!context.net.anonymous",
    "context.time.hour < 18",
    "principal in Group::\"contractors\"",
    "context.net.networks.contains(Network::\"office\")",
    "context.device.registered < 2",
];
/// Fails when it is reached.
const FAILS: &str = "context.device.registered + 9223372036854775807 < 0";

pub(super) fn any_methods() -> impl Strategy<Value = MethodSet> {
    (0_u32..1 << METHODS.len()).prop_map(|bits| {
        METHODS.into_iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, m)| m).collect()
    })
}

/// What a service provider may want shown.
fn any_required() -> impl Strategy<Value = Required> {
    use AuthnContextClass::{PasswordProtectedTransport, RefedsMfa, TimeSyncToken};
    let wanted = vec![vec![], vec![], vec![PasswordProtectedTransport], vec![RefedsMfa], vec![TimeSyncToken]];
    prop::sample::select(wanted).prop_map(|wanted| Required::any_of(&wanted))
}

/// A fact; with `fails`, now and then one that cannot be computed.
fn any_fact(fails: bool) -> impl Strategy<Value = String> {
    let mut facts: Vec<&str> = FACTS.to_vec();
    if fails {
        facts.push(FAILS);
    }
    prop::sample::select(facts).prop_map(str::to_owned)
}

/// Proofs that are read where more of them helps, and facts, joined by `&&` and `||`.
fn any_condition(fails: bool) -> impl Strategy<Value = String> {
    let set = || prop::sample::select(vec!["proofs", "fresh"]);
    let several = || {
        let proof = prop::sample::select(PROOFS.to_vec()).prop_map(|proof| format!("Proof::\"{proof}\""));
        prop::collection::vec(proof, 1..3).prop_map(|all| all.join(", "))
    };
    let one = (set(), prop::sample::select(PROOFS.to_vec()))
        .prop_map(|(set, proof)| format!("context.{set}.contains(Proof::\"{proof}\")"));
    let any = (set(), several()).prop_map(|(set, all)| format!("context.{set}.containsAny([{all}])"));
    let all = (set(), several()).prop_map(|(set, all)| format!("context.{set}.containsAll([{all}])"));
    let leaf = prop_oneof![4 => one, 1 => any, 1 => all, 2 => any_fact(fails)];
    leaf.prop_recursive(2, 6, 3, |inner| {
        (prop::collection::vec(inner, 2..4), prop::bool::ANY)
            .prop_map(|(parts, or)| format!("({})", parts.join(if or { " || " } else { " && " })))
    })
}

/// What a scope may hold: steps and what they are asked on, as schema and samples have them.
fn any_scope() -> impl Strategy<Value = String> {
    let who = prop::sample::select(vec![
        "principal is User",
        "principal in Group::\"aws-users\"",
        "principal == User::\"ann\"",
    ]);
    let what = prop::sample::select(vec![
        "action == Action::\"signIn\", resource",
        "action == Action::\"signIn\", resource == App::\"aws\"",
        "action == Action::\"assumeRole\", resource",
        "action == Action::\"assumeRole\", resource == Role::\"aws/Dev\"",
        "action in [Action::\"signIn\", Action::\"assumeRole\"], resource",
        "action in Action::\"step\", resource",
    ]);
    (who, what).prop_map(|(who, what)| format!("({who}, {what})"))
}

/// The policies of a set, each without its id.
pub(super) fn any_policies(fails: bool) -> impl Strategy<Value = Vec<String>> {
    let forbid =
        (any_scope(), prop::option::of(any_fact(fails)), any_condition(fails)).prop_map(|(scope, fact, unless)| {
            let when = fact.map(|fact| format!(" when {{ {fact} }}")).unwrap_or_default();
            format!("forbid {scope}{when} unless {{ {unless} }};")
        });
    let permit =
        (any_scope(), any_condition(fails)).prop_map(|(scope, when)| format!("permit {scope} when {{ {when} }};"));
    let open = any_scope().prop_map(|scope| format!("permit {scope};"));
    let all = "permit (principal is User, action, resource);".to_owned();
    (prop::collection::vec(prop_oneof![4 => forbid, 1 => permit, 1 => open], 1..5), prop::bool::weighted(0.8)).prop_map(
        move |(mut policies, is_open)| {
            policies.extend(is_open.then(|| all.clone()));
            policies
        },
    )
}

/// The set of these policies, one a file, in this order of files.
pub(super) fn load(policies: &[(usize, String)]) -> Result<Bundle, BundleErrors> {
    let file = |path: String, text: String| SourceFile { path, text };
    let written = policies.iter().enumerate().map(|(at, (id, policy))| {
        file(format!("{at:02}.cedar"), format!("@id(\"p{id}\") @description(\"d\") {policy}\n"))
    });
    let sources = PolicySources {
        schema: file("schema.cedarschema".to_owned(), samples::SCHEMA.to_owned()),
        policies: written.collect(),
        tests: vec![],
        invariants: vec![],
    };
    Bundle::parse(&sources, samples::vocabulary(), samples::today())
}

/// [`load`] in the order given; `None` when finding out what to show could take too long, the one thing that may be wrong.
pub(super) fn load_in_order(policies: &[String]) -> Option<Bundle> {
    let numbered: Vec<(usize, String)> = policies.iter().cloned().enumerate().collect();
    match load(&numbered) {
        Ok(bundle) => Some(bundle),
        Err(errors) => {
            assert!(errors.problems.iter().all(|problem| problem.rule == super::Rule::Search), "{errors}");
            None
        }
    }
}

/// Somebody before an app, and what they can show.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    sample: Sample,
    pub(super) fresh: MethodSet,
    earlier: MethodSet,
    required: Required,
    force_authn: bool,
    profile: Profile,
    pub(super) repertoire: Repertoire,
}

impl Asking {
    pub(super) fn question(&self) -> Question<'_> {
        Question {
            proofs: self.fresh.union(self.earlier),
            required: self.required,
            force_authn: self.force_authn,
            profile: self.profile,
            ..self.sample.question(self.fresh)
        }
    }
}

/// Several of them: reading a set takes longer than asking it.
pub(super) fn any_askings(adds: bool) -> impl Strategy<Value = Vec<Asking>> {
    prop::collection::vec(any_asking(adds), 8)
}

/// Anybody before the portal or an app with two roles. `adds`: they may have something to add.
fn any_asking(adds: bool) -> impl Strategy<Value = Asking> {
    let person = (
        prop::sample::subsequence(vec!["aws-users", "contractors"], 0..=2),
        prop::sample::select(vec!["portal", "aws"]),
        prop::sample::select(vec![Profile::Compat, Profile::L2]),
    );
    let facts = (prop::bool::ANY, prop::bool::ANY, prop::bool::ANY, prop::bool::ANY, 0_u32..4);
    let wanted = (any_required(), prop::bool::weighted(0.2));
    (person, facts, any_methods(), any_methods(), any_methods(), any_methods(), wanted).prop_map(
        move |((groups, app, profile), facts, fresh, earlier, enrolled, enrollable, (required, force_authn))| {
            let mut sample = Sample::new(&groups, app);
            sample.user.groups = groups.iter().map(|name| group(name)).collect();
            let (known, trusted, anonymous, late, registered) = facts;
            sample.signals.device.known = known || trusted;
            sample.signals.device.trusted = trusted;
            sample.signals.device.registered = registered;
            sample.signals.anonymous = anonymous;
            sample.signals.hour = if late { 20 } else { 10 };
            let enrollable = if adds { enrollable.difference(enrolled).iter().collect() } else { Vec::new() };
            let repertoire = Repertoire { enrolled: enrolled.iter().collect(), enrollable, ..Repertoire::default() };
            Asking { sample, fresh, earlier, required, force_authn, profile, repertoire }
        },
    )
}
