//! The rule that makes decisions monotone: showing more never costs anything.
//!
//! `context.proofs` and `context.fresh` may stand only where more of them helps: under `permit … when` and `forbid … unless`,
//! below `&&` and `||` alone, as the left side of `contains`, `containsAll` or `containsAny` with written-out proofs. The
//! planner relies on it: what fails with all proofs fails with fewer, and only proofs that are written out can matter.

use cedar_policy::pst::{BinaryOp, Clause, Effect, Expr, Literal, Policy, Var};

/// What to do about a refused policy.
pub(super) const HELP: &str = "write `permit … when { context.proofs.contains(…) }` or \
     `forbid … unless { context.proofs.contains(…) }`, joined by `&&` and `||` alone";

/// Why `policy` is not monotone; `None` when it is.
pub(super) fn refuse(policy: &Policy) -> Option<&'static str> {
    let body = policy.body();
    body.clauses().iter().find_map(|clause| match (body.effect, clause) {
        (Effect::Permit, Clause::When(expr)) | (Effect::Forbid, Clause::Unless(expr)) => refuse_positive(expr),
        (Effect::Permit, Clause::Unless(expr)) => {
            touches(expr).then_some("a permit may read proofs under `when` alone")
        }
        (Effect::Forbid, Clause::When(expr)) => {
            touches(expr).then_some("a forbid may read proofs under `unless` alone")
        }
    })
}

fn refuse_positive(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            refuse_positive(left).or_else(|| refuse_positive(right))
        }
        Expr::BinaryOp { op: BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny, left, right }
            if is_proofs(left) =>
        {
            (!is_written_out(right)).then_some("proofs are compared with written-out proofs alone")
        }
        _ => touches(expr).then_some("proofs may not be negated, compared, counted or passed on"),
    }
}

/// Which set of proofs `expr` reads: `Some(true)` for the fresh ones; `None` when it reads none.
pub(super) fn reads_fresh(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::GetAttr { attr, .. } if is_proofs(expr) => Some(attr == "fresh"),
        _ => None,
    }
}

/// `context.proofs`, `context.fresh`, and the same one record deeper (`context.sign_in.proofs`).
fn is_proofs(expr: &Expr) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if matches!(attr.as_str(), "proofs" | "fresh") && is_context(expr))
}

fn is_context(expr: &Expr) -> bool {
    match expr {
        Expr::Var(Var::Context) => true,
        Expr::GetAttr { expr, attr } => attr == "sign_in" && is_context(expr),
        _ => false,
    }
}

fn is_written_out(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Literal::EntityUID(_)) => true,
        Expr::Set(items) => items.iter().all(|item| is_written_out(item)),
        _ => false,
    }
}

/// Whether proofs can flow into the value of `expr`: they are read, or a record that holds them is taken whole.
pub(super) fn touches(expr: &Expr) -> bool {
    match expr {
        _ if is_proofs(expr) || is_context(expr) => true,
        Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } => !is_context(expr) && touches(expr),
        Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) => false,
        Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => touches(expr),
        Expr::BinaryOp { left, right, .. } => touches(left) || touches(right),
        Expr::Is { expr, in_expr, .. } => touches(expr) || in_expr.as_ref().is_some_and(|within| touches(within)),
        Expr::IfThenElse { cond, then_expr, else_expr } => [cond, then_expr, else_expr].into_iter().any(|e| touches(e)),
        Expr::Set(items) => items.iter().any(|item| touches(item)),
        Expr::Record(fields) => fields.values().any(|field| touches(field)),
        // A construct that this version of the crate does not know could hide anything.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_stand_only_where_more_of_them_helps() {
        for (policy, good) in [
            (r#"permit (principal, action, resource) when { context.proofs.contains(Proof::"totp") };"#, true),
            (
                r#"forbid (principal, action, resource) unless { context.fresh.containsAny([Proof::"totp"]) || context.x };"#,
                true,
            ),
            (r#"forbid (principal, action, resource) when { !context.x && context.net.y == 3 };"#, true),
            (r#"permit (principal, action, resource) when { context.sign_in.proofs.contains(Proof::"totp") };"#, true),
            (r#"forbid (principal, action, resource) when { context.proofs.contains(Proof::"totp") };"#, false),
            (r#"permit (principal, action, resource) unless { context.proofs.contains(Proof::"totp") };"#, false),
            (r#"permit (principal, action, resource) when { !context.proofs.contains(Proof::"totp") };"#, false),
            (r#"permit (principal, action, resource) when { context.fresh.isEmpty() };"#, false),
            (r#"permit (principal, action, resource) when { context.proofs == [] };"#, false),
            (r#"permit (principal, action, resource) when { [Proof::"totp"].containsAll(context.proofs) };"#, false),
            (r#"permit (principal, action, resource) when { context.proofs.containsAll(context.fresh) };"#, false),
            (
                r#"permit (principal, action, resource) when { if context.proofs.contains(Proof::"totp") then false else true };"#,
                false,
            ),
            (r#"permit (principal, action, resource) when { {"a": context} == {"a": context} };"#, false),
            (
                r#"permit (principal, action, resource) when { (if true then context else context).proofs.isEmpty() };"#,
                false,
            ),
            (r#"permit (principal, action, resource) when { context["proofs"].isEmpty() };"#, false),
        ] {
            let parsed = cedar_policy::Policy::parse(None, policy).unwrap().to_pst().unwrap();
            assert_eq!(refuse(&parsed).is_none(), good, "{policy}");
        }
    }
}
