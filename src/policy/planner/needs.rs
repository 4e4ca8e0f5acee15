//! What a policy needs shown, read from its text: the only part of a question that the planner changes.
//!
//! `positive` lets proofs stand in a policy only as the left side of `contains` and its like, below `&&` and `||`. So a policy is a
//! function of facts, which stay as they are while somebody shows more, and of its needs, each met or not; meeting one more
//! never makes a policy stricter.

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, Policy};

use crate::domain::{Class, ClassSet, Method, MethodSet, Profile, Required, classes};
use crate::policy::positive;
use crate::policy::request::Shown;

/// A group of proofs, any one of which will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::policy) struct Need {
    /// Only fresh ones count.
    fresh: bool,
    methods: MethodSet,
    classes: ClassSet,
}

impl Need {
    /// What a service provider wants shown; `None` when it wants nothing.
    pub(super) fn of_required(required: Required) -> Option<Self> {
        (!required.is_nothing()).then(|| Self {
            fresh: false,
            methods: required.methods(),
            classes: required.classes().iter().collect(),
        })
    }

    pub(super) fn fresh(self) -> bool {
        self.fresh
    }

    pub(super) fn methods(self) -> MethodSet {
        self.methods
    }

    pub(super) fn classes(self) -> ClassSet {
        self.classes
    }

    fn is_met(self, methods: MethodSet, classes: ClassSet) -> bool {
        self.methods.iter().any(|method| methods.contains(method))
            || self.classes.iter().any(|class| classes.contains(class))
    }
}

/// The needs that are met, one bit each, in the order of `needs`; those beyond 64 are left out, which no set that loads has.
pub(super) fn met(needs: &[Need], shown: Shown, profile: Profile) -> u64 {
    let (all, fresh) = (classes(shown.proofs, profile), classes(shown.fresh, profile));
    let is_met = |need: &Need| {
        if need.fresh { need.is_met(shown.fresh, fresh) } else { need.is_met(shown.proofs, all) }
    };
    needs.iter().take(64).enumerate().filter(|(_, need)| is_met(need)).fold(0, |bits, (place, _)| bits | 1 << place)
}

/// The needs of a policy, each once, in order. None: showing more changes nothing for it.
pub(in crate::policy) fn of(policy: &Policy) -> Vec<Need> {
    let mut needs = Vec::new();
    for clause in policy.body().clauses() {
        let (Clause::When(expr) | Clause::Unless(expr)) = clause;
        collect(expr, &mut needs);
    }
    needs.sort_unstable();
    needs.dedup();
    needs
}

fn collect(expr: &Expr, needs: &mut Vec<Need>) {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            collect(left, needs);
            collect(right, needs);
        }
        Expr::BinaryOp { op: BinaryOp::Or, .. } => {
            // `a || b || …`: what is read of one set is one need.
            let (mut one_of, mut others) = (Vec::new(), Vec::new());
            alternatives(expr, &mut one_of, &mut others);
            for fresh in [false, true] {
                let joined = one_of.iter().filter(|need: &&Need| need.fresh == fresh).copied().reduce(either);
                needs.extend(joined);
            }
            for other in others {
                collect(other, needs);
            }
        }
        Expr::BinaryOp { op, left, right } if is_comparison(op) => {
            if let Some(fresh) = positive::reads_fresh(left) {
                let named = named(right);
                // Each of `containsAll` is a need of its own.
                if *op == BinaryOp::ContainsAll {
                    needs.extend(named.into_iter().filter_map(|name| need(fresh, [name])));
                } else {
                    needs.extend(need(fresh, named));
                }
            }
        }
        _ => {}
    }
}

fn is_comparison(op: &BinaryOp) -> bool {
    matches!(op, BinaryOp::Contains | BinaryOp::ContainsAny | BinaryOp::ContainsAll)
}

fn alternatives<'a>(expr: &'a Expr, one_of: &mut Vec<Need>, others: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
            alternatives(left, one_of, others);
            alternatives(right, one_of, others);
        }
        Expr::BinaryOp { op: BinaryOp::Contains | BinaryOp::ContainsAny, left, right } => {
            let fresh = positive::reads_fresh(left);
            one_of.extend(fresh.and_then(|fresh| need(fresh, named(right))));
        }
        _ => others.push(expr),
    }
}

fn either(one: Need, other: Need) -> Need {
    let classes = other.classes.iter().fold(one.classes, ClassSet::with);
    Need { fresh: one.fresh, methods: one.methods.union(other.methods), classes }
}

/// A proof that nobody can show meets nothing, so a need of such proofs alone is none.
fn need<'a>(fresh: bool, names: impl IntoIterator<Item = &'a str>) -> Option<Need> {
    let mut need = Need { fresh, methods: MethodSet::EMPTY, classes: ClassSet::EMPTY };
    for name in names {
        if let Some(method) = Method::parse(name) {
            need.methods = need.methods.with(method);
        } else if let Some(class) = Class::ALL.into_iter().find(|class| class.code() == name) {
            need.classes = need.classes.with(class);
        }
    }
    (!need.methods.is_empty() || !need.classes.is_empty()).then_some(need)
}

/// The proofs that are written out.
fn named(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Literal(Literal::EntityUID(uid)) => vec![uid.eid.as_str()],
        Expr::Set(items) => items.iter().flat_map(|item| named(item)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(condition: &str) -> Vec<String> {
        let policy = format!("forbid (principal, action, resource) unless {{ {condition} }};");
        let parsed = cedar_policy::Policy::parse(None, policy).unwrap().to_pst().unwrap();
        assert_eq!(positive::refuse(&parsed), None, "{condition}");
        let written = |need: &Need| {
            let kind = if need.fresh { "fresh" } else { "proofs" };
            let names = need.methods.iter().map(Method::code).chain(need.classes.iter().map(Class::code));
            format!("{kind}:{}", names.collect::<Vec<_>>().join("|"))
        };
        let mut written: Vec<String> = of(&parsed).iter().map(written).collect();
        written.sort();
        written
    }

    #[test]
    fn alternatives_are_one_need_and_what_is_joined_by_and_are_several() {
        for (condition, wanted) in [
            (r#"context.proofs.contains(Proof::"totp")"#, vec!["proofs:totp"]),
            (r#"context.sign_in.fresh.contains(Proof::"totp")"#, vec!["fresh:totp"]),
            (r#"context.device.known || context.time.hour > 8"#, vec![]),
            (
                r#"context.proofs.contains(Proof::"totp") || context.device.trusted || context.proofs.contains(Proof::"push")"#,
                vec!["proofs:totp|push"],
            ),
            (
                r#"context.proofs.containsAny([Proof::"totp", Proof::"second_factor"])"#,
                vec!["proofs:totp|second_factor"],
            ),
            (r#"context.proofs.containsAll([Proof::"totp", Proof::"push"])"#, vec!["proofs:push", "proofs:totp"]),
            (r#"context.proofs.containsAny([])"#, vec![]),
            (
                r#"context.proofs.contains(Proof::"totp") || context.fresh.contains(Proof::"totp")"#,
                vec!["fresh:totp", "proofs:totp"],
            ),
            (
                r#"context.fresh.contains(Proof::"recovery_link") &&
                   (context.fresh.contains(Proof::"second_factor") || context.fresh.contains(Proof::"fallback"))"#,
                vec!["fresh:recovery_link", "fresh:second_factor|fallback"],
            ),
        ] {
            assert_eq!(needs(condition), wanted, "{condition}");
        }
    }
}
