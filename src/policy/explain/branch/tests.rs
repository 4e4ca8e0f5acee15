use super::*;
use crate::domain::{Profile, Repertoire, Required};
use crate::policy::samples::{Sample, shipped, shipped_with};

fn situation(groups: &[&str], app: &str, shown: &[Method]) -> Situation {
    let sample = Sample::new(groups, app);
    let shown: MethodSet = shown.iter().copied().collect();
    Situation {
        asks: Asks::Open(sample.app.roles.clone()),
        user: sample.user,
        app: sample.app,
        proofs: shown,
        fresh: shown,
        signals: sample.signals,
        sp_initiated: false,
        force_authn: false,
        required: Required::NOTHING,
        profile: Profile::default(),
        repertoire: Repertoire {
            enrolled: vec![Method::Password, Method::Totp],
            enrollable: Vec::new(),
            ..Repertoire::default()
        },
    }
}

fn all_open() -> BTreeSet<Fact> {
    Fact::ALL.into_iter().filter(|fact| *fact != Fact::Home).collect()
}

/// Networks of which two lie in one another.
fn networks() -> Vec<BTreeSet<NetworkName>> {
    let set = |names: &[&str]| names.iter().map(|name| NetworkName::parse(name).unwrap()).collect();
    [&[][..], &["blocked"], &["office"], &["vpn"], &["blocked", "vpn"]].map(set).into()
}

fn equipped() -> Vec<Value> {
    vec![
        Value::Enrolled { enrolled: vec![Method::Password, Method::Totp], enrollable: Vec::new() },
        Value::Enrolled { enrolled: vec![Method::Password], enrollable: vec![Method::Totp] },
    ]
}

fn facts(branches: &Branches) -> Vec<Fact> {
    branches.choices.iter().map(|choice| choice.fact).collect()
}

/// Follows the tree to the answer for these classes.
fn look_up(node: &Node, chosen: &[usize]) -> (usize, BTreeSet<PolicyId>) {
    match node {
        Node::Answer { answer, always, .. } => (*answer, always.clone()),
        Node::Split { choice, cases } => {
            let case = cases.iter().find(|(classes, _)| classes.contains(&chosen[*choice])).unwrap();
            look_up(&case.1, chosen)
        }
    }
}

#[test]
fn only_what_policies_read_about_these_people_is_asked() {
    let bundle = shipped();
    let of = |groups: &[&str], app: &str| {
        let there = situation(groups, app, &[Method::Password]);
        Branches::of(&bundle, &there, &all_open(), &equipped(), &networks()).unwrap()
    };
    let (wiki, contractor) = (of(&["aws-users"], "wiki"), of(&["aws-users", "contractors"], "aws"));
    assert!(!facts(&wiki).contains(&Fact::Hour) && facts(&contractor).contains(&Fact::Hour));
    assert!(facts(&contractor).contains(&Fact::Devices), "one device is allowed, the next is not");
    let hours = contractor.choices.iter().find(|choice| choice.fact == Fact::Hour).unwrap();
    assert_eq!(hours.classes.iter().map(Vec::len).collect::<Vec<_>>(), [8, 10, 6], "before, in and after the hours");
    // Nobody grants it, so nothing else matters.
    let stranger = of(&[], "aws");
    assert_eq!((stranger.answers.len(), stranger.answers[0][0].decision), (1, Some(DecisionKind::Deny)));
    assert!(!contractor.cut && contractor.fixed.is_empty());
}

#[test]
fn a_policy_that_fails_for_some_values_denies_for_these() {
    let bundle = shipped_with(
        r#"@id("t.overflow") @description("x")
        forbid (principal is User, action == Action::"signIn", resource == App::"portal")
        when { context.risk.failed_attempts == 7 && context.time.hour + 9223372036854775807 > 9223372036854775807 };"#,
    );
    let there = situation(&["aws-users"], "portal", &[Method::Password, Method::Totp]);
    let open = BTreeSet::from([Fact::FailedAttempts, Fact::Hour]);
    let branches = Branches::of(&bundle, &there, &open, &[], &[]).unwrap();
    for (failed, hour, allowed) in [(7, 0, true), (7, 1, false), (6, 1, true)] {
        let chosen = branches.choices.iter().map(|choice| {
            let number = if choice.fact == Fact::Hour { hour } else { failed };
            choice.classes.iter().position(|class| class.contains(&Value::Number(number))).unwrap()
        });
        let (answer, _) = look_up(&branches.tree, &chosen.collect::<Vec<_>>());
        let kind = branches.answers[answer][0].decision;
        assert_eq!(kind == Some(DecisionKind::Allow), allowed, "{failed} failures at {hour}");
    }
}

#[test]
fn networks_are_tried_in_the_sets_that_an_address_can_be_in() {
    let bundle = shipped_with(
        r#"@id("t.both") @description("x")
        forbid (principal is User, action == Action::"signIn", resource == App::"portal")
        when { context.net.networks.contains(Network::"office") && context.net.networks.contains(Network::"vpn") };"#,
    );
    let there = situation(&["aws-users"], "portal", &[Method::Password]);
    let open = BTreeSet::from([Fact::Network]);
    let set = |names: &[&str]| names.iter().map(|name| NetworkName::parse(name).unwrap()).collect::<BTreeSet<_>>();
    let of = |networks: &[BTreeSet<NetworkName>]| {
        let branches = Branches::of(&bundle, &there, &open, &[], networks).unwrap();
        let denied = branches.choices.iter().flat_map(|choice| &choice.classes).enumerate().filter(|(class, _)| {
            let (answer, _) = look_up(&branches.tree, &[*class]);
            branches.answers[answer][0].decision == Some(DecisionKind::Deny)
        });
        denied.flat_map(|(_, class)| class.clone()).collect::<Vec<_>>()
    };
    let apart = [set(&[]), set(&["office"]), set(&["vpn"])];
    assert_eq!(of(&apart), [], "no address is in both");
    let both = [set(&[]), set(&["office"]), set(&["office", "vpn"])];
    assert_eq!(of(&both), [Value::Networks(set(&["office", "vpn"]))]);
}

#[test]
fn time_is_cut_where_an_exception_or_a_permit_ends() {
    let bundle = shipped_with(
        r#"@id("t.closed") @description("x")
        forbid (principal is User, action == Action::"signIn", resource == App::"portal")
        unless { context.time.now < datetime("2027-01-31") };
        @id("t.guests") @description("x") @expires("2027-03-01")
        permit (principal in Group::"aws-admins", action == Action::"signIn", resource == App::"wiki");"#,
    );
    let at = |text: &str| text.parse::<crate::clock::Timestamp>().unwrap();
    let of = |groups: &[&str], app: &str| {
        let mut there = situation(groups, app, &[Method::Password, Method::Totp]);
        there.signals.now = at("2026-11-22T10:00:00Z");
        Branches::of(&bundle, &there, &BTreeSet::from([Fact::Instant]), &[], &[]).unwrap()
    };
    for (groups, app, end) in
        [(["aws-users"], "portal", "2027-01-31T00:00:00Z"), (["aws-admins"], "wiki", "2027-03-01T00:00:00Z")]
    {
        let branches = of(&groups, app);
        let [choice] = branches.choices.as_slice() else { panic!("{:?}", branches.choices) };
        let before = Value::Instants { from: at("2026-11-22T10:00:00Z"), until: Some(at(end)) };
        assert_eq!(choice.classes.first(), Some(&vec![before]));
        let kinds = [0, 1].map(|class| branches.answers[look_up(&branches.tree, &[class]).0][0].decision);
        assert_eq!(kinds, [Some(DecisionKind::Allow), Some(DecisionKind::Deny)], "{app}");
    }
    // Before neither of them, nothing depends on it; and what is reckoned with cannot be cut.
    assert!(of(&["aws-users"], "wiki").choices.is_empty());
    let odd = shipped_with(
        r#"@id("t.odd") @description("x")
        forbid (principal is User, action == Action::"signIn", resource == App::"portal")
        when { context.time.now.toTime() < duration("1h") };"#,
    );
    let there = situation(&["aws-users"], "portal", &[Method::Password]);
    let branches = Branches::of(&odd, &there, &all_open(), &[], &networks()).unwrap();
    assert_eq!(branches.now_alone.iter().map(PolicyId::as_str).collect::<Vec<_>>(), ["t.odd"]);
}

/// Numbers that jump about, the same each time.
fn jumping(seed: &mut usize, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn the_table_says_of_every_value_what_a_sign_in_would_say() {
    let (bundle, mut seed) = (shipped(), 1);
    let nothing: &[Method] = &[];
    for (groups, app, shown) in [
        (&["aws-users"][..], "aws", nothing),
        (&["aws-users", "contractors"], "aws", &[Method::Password]),
        (&["aws-users", "aws-admins"], "aws", &[Method::Password, Method::Totp]),
        (&["contractors"], "wiki", &[Method::Password]),
        (&[], "portal", nothing),
    ] {
        let there = situation(groups, app, shown);
        let branches = Branches::of(&bundle, &there, &all_open(), &equipped(), &networks()).unwrap();
        assert!(!branches.cut && branches.fixed.is_empty());
        for _ in 0..40 {
            let (mut chosen, mut values, mut concrete) = (Vec::new(), Vec::new(), there.clone());
            for choice in &branches.choices {
                let class = jumping(&mut seed, choice.classes.len());
                // Any value of the class, not the one that stood for it.
                values.push(&choice.classes[class][jumping(&mut seed, choice.classes[class].len())]);
                chosen.push(class);
            }
            for (choice, value) in branches.choices.iter().zip(&values).rev() {
                choice.fact.set(value, &mut concrete);
            }
            let (found, always) = look_up(&branches.tree, &chosen);
            for (place, equipment) in equipped().iter().enumerate() {
                Fact::Enrolled.set(equipment, &mut concrete);
                let (decision, trace, _, determining) = planned(&bundle, &concrete).unwrap();
                assert_eq!(branches.answers[found][place], answer(&decision, trace), "{groups:?} {app} {values:?}");
                if decision.kind() == DecisionKind::Deny {
                    assert!(always.is_subset(&determining), "{values:?}: {always:?} of {determining:?}");
                }
            }
        }
    }
}
