//! What holds of every set of policies and every question.

use proptest::prelude::*;

use super::*;
use crate::policy::generated::{Asking, any_askings, any_methods, any_policies, load, load_in_order};

fn goal<'a>(q: &Question<'a>) -> Goal<'a> {
    if q.app.roles.is_empty() { Goal::Step(Step::SignIn) } else { Goal::App { roles: &q.app.roles } }
}

/// Whether the goal is reached with `more`, by asking Cedar for each part of it.
fn reaches(bundle: &Bundle, q: &Question<'_>, more: MethodSet) -> bool {
    let q = Question { proofs: q.proofs.union(more), fresh: q.fresh.union(more), ..*q };
    let role = |role| bundle.evaluate(Step::AssumeRole, Some(role), &q).allowed;
    q.shows_required()
        && bundle.evaluate(Step::SignIn, None, &q).allowed
        && (q.app.roles.is_empty() || q.app.roles.iter().any(role))
}

/// All smallest sets by asking about each.
fn brute_force(bundle: &Bundle, q: &Question<'_>, candidates: MethodSet) -> Vec<MethodSet> {
    let candidates: Vec<Method> = candidates.iter().collect();
    let mut sets: Vec<MethodSet> = (0..1_u32 << candidates.len())
        .map(|bits| candidates.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, m)| *m).collect())
        .collect();
    sets.sort_by_key(|set| set.len());
    let mut good: Vec<MethodSet> = Vec::new();
    for set in sets {
        if good.first().is_some_and(|first| first.len() < set.len()) {
            break;
        }
        if reaches(bundle, q, set) {
            good.push(set);
        }
    }
    good
}

/// The next proof of each set, by the letter of the rule.
fn next_proofs(sets: &[MethodSet], q: &Question<'_>) -> Vec<Method> {
    let is_first = |m: &Method| classes(MethodSet::EMPTY.with(*m), q.profile).contains(Class::FirstFactor);
    let has_first = q.fresh.iter().any(|m| is_first(&m));
    let next = |set: &MethodSet| set.iter().find(|m| !has_first && is_first(m)).or_else(|| set.iter().next());
    sets.iter().filter_map(next).collect::<MethodSet>().iter().collect()
}

fn candidates(asking: &Asking) -> MethodSet {
    asking.repertoire.enrolled.iter().copied().filter(|method| !asking.fresh.contains(*method)).collect()
}

fn decided(bundle: &Bundle, asking: &Asking) -> Plan {
    let q = asking.question();
    plan(bundle, goal(&q), &q, &asking.repertoire).expect("what loads decides within its bound")
}

/// The decision and the ids behind it, whatever the order of files.
fn reasons(bundle: &Bundle, asking: &Asking) -> (String, Vec<String>) {
    let plan = decided(bundle, asking);
    let mut ids: Vec<String> = plan.determining.iter().map(|policy| policy.id.to_string()).collect();
    ids.sort();
    let decision = match plan.decision {
        Decision::Deny(reason) => {
            let name = format!("{reason:?}");
            format!("deny {}", name.split([' ', '(', '{']).next().unwrap_or_default())
        }
        Decision::Challenge { offers, .. } => format!("challenge {offers:?}"),
        Decision::Enrol { methods, permitted, .. } => format!("enrol {methods:?} {permitted}"),
        Decision::Allow => "allow".to_owned(),
    };
    (decision, ids)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_planner_offers_what_brute_force_finds(policies in any_policies(false), askings in any_askings(false)) {
        let Some(bundle) = load_in_order(&policies) else { return Ok(()) };
        for asking in &askings {
            let q = asking.question();
            let plan = decided(&bundle, asking);
            let sets = brute_force(&bundle, &q, candidates(asking));
            match plan.decision {
                Decision::Allow => prop_assert_eq!(sets, vec![MethodSet::EMPTY]),
                Decision::Challenge { offers, .. } => {
                    let offered: Vec<Method> = offers.iter().map(|offer| offer.method).collect();
                    prop_assert!(sets.iter().all(|set| !set.is_empty()));
                    prop_assert_eq!(offered, next_proofs(&sets, &q));
                }
                Decision::Deny(_) => prop_assert!(sets.is_empty(), "{:?}", sets),
                Decision::Enrol { .. } => prop_assert!(false, "nothing can be added"),
            }
            prop_assert!(plan.evaluations <= MOST_EVALUATIONS, "{} evaluations", plan.evaluations);
        }
    }

    #[test]
    fn what_may_be_added_is_what_helps(policies in any_policies(false), askings in any_askings(true)) {
        let Some(bundle) = load_in_order(&policies) else { return Ok(()) };
        for asking in &askings {
            let q = asking.question();
            let plan = decided(&bundle, asking);
            if let Decision::Enrol { methods, .. } = plan.decision {
                let all = candidates(asking);
                prop_assert!(!reaches(&bundle, &q, all));
                let theirs = asking.repertoire.enrolled.iter().copied().chain(q.proofs.iter()).collect::<MethodSet>();
                let addable = asking.repertoire.enrollable.iter().copied().filter(|method| !theirs.contains(*method));
                let helpful: MethodSet = addable.filter(|method| reaches(&bundle, &q, all.with(*method))).collect();
                prop_assert_eq!(methods, helpful.iter().collect::<Vec<_>>());
            }
            prop_assert!(plan.evaluations <= MOST_EVALUATIONS, "{} evaluations", plan.evaluations);
        }
    }

    #[test]
    fn removing_a_proof_never_gains(policies in any_policies(false), askings in any_askings(false), gone in any_methods()) {
        let Some(bundle) = load_in_order(&policies) else { return Ok(()) };
        for asking in &askings {
            let with = asking.question();
            let without = Question { proofs: with.proofs.difference(gone), fresh: with.fresh.difference(gone), ..with };
            let allowed = |q: &Question<'_>| reaches(&bundle, q, MethodSet::EMPTY);
            prop_assert!(!allowed(&without) || allowed(&with));
        }
    }

    #[test]
    fn the_order_of_files_is_irrelevant(
        policies in any_policies(true).prop_map(|all| all.into_iter().enumerate().collect::<Vec<_>>()),
        other in any::<prop::sample::Index>(), askings in any_askings(true),
    ) {
        let mut turned = policies.clone();
        turned.rotate_left(other.index(policies.len()));
        turned.reverse();
        match (load(&policies), load(&turned)) {
            (Ok(one), Ok(two)) => {
                for asking in &askings {
                    prop_assert_eq!(reasons(&one, asking), reasons(&two, asking));
                }
            }
            (one, two) => prop_assert_eq!(one.is_ok(), two.is_ok()),
        }
    }

    #[test]
    fn equal_questions_have_equal_answers(policies in any_policies(true), askings in any_askings(true)) {
        let (Some(one), Some(two)) = (load_in_order(&policies), load_in_order(&policies)) else { return Ok(()) };
        prop_assert_eq!(one.digest(), two.digest());
        for asking in &askings {
            prop_assert_eq!(decided(&one, asking), decided(&two, asking));
            prop_assert_eq!(decided(&one, asking), decided(&one, &asking.clone()));
        }
    }

    #[test]
    fn a_policy_that_fails_refuses_whatever_the_others_say(policies in any_policies(true), askings in any_askings(true)) {
        let Some(bundle) = load_in_order(&policies) else { return Ok(()) };
        for asking in &askings {
            let q = asking.question();
            let failed = !bundle.evaluate(Step::SignIn, None, &q).errors.is_empty();
            let plan = decided(&bundle, asking);
            if failed {
                let refused = matches!(plan.decision, Decision::Deny(DenyReason::EvaluationError { .. }));
                prop_assert!(refused, "{:?}", plan.decision);
            }
            // And also where it fails only later: whoever is let in or asked, is so by policies that can be evaluated now.
            if plan.decision == Decision::Allow {
                prop_assert!(reaches(&bundle, &q, MethodSet::EMPTY));
            }
        }
    }

    #[test]
    fn annotations_and_notices_never_decide(policies in any_policies(false), askings in any_askings(true)) {
        let Some(plain) = load_in_order(&policies) else { return Ok(()) };
        let noted: Vec<String> = policies
            .iter()
            .map(|policy| format!("@message(\"m\") @alert(\"user,security\") @severity(\"high\") @owner(\"o\")\n{policy}"))
            .chain(["permit (principal, action == Action::\"notify\", resource);".to_owned()])
            .collect();
        let Some(noted) = load_in_order(&noted) else { return Err(TestCaseError::fail("does not load")) };
        for asking in &askings {
            prop_assert_eq!(reasons(&plain, asking), reasons(&noted, asking));
            prop_assert_eq!(decided(&plain, asking).evaluations, decided(&noted, asking).evaluations);
        }
    }
}
