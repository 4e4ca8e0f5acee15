//! Which expressions can always be evaluated, by how they are written. Validated policies fail where a number overflows, and
//! hardly anywhere else: most need no solver to tell.

use serde_json::Value;

/// Whether `expression`, once validated, has a value whatever it is asked about. `false` says only that it may have none:
/// everything that is not known to be harmless is not.
pub(super) fn always_works(expression: &Value) -> bool {
    let Some((op, of)) = expression.as_object().filter(|object| object.len() == 1).and_then(|one| one.iter().next())
    else {
        return false;
    };
    let side = |name: &str| of.get(name).is_some_and(always_works);
    let each = || of.as_array().is_some_and(|items| items.iter().all(always_works));
    match op.as_str() {
        "Value" | "Var" => true,
        "Set" => each(),
        "Record" => of.as_object().is_some_and(|fields| fields.values().all(always_works)),
        "!" | "isEmpty" => side("arg"),
        "." | "has" | "like" => side("left"),
        "is" => side("left") && of.get("in").is_none_or(always_works),
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" | "in" | "contains" | "containsAll" | "containsAny" => {
            side("left") && side("right")
        }
        "if-then-else" => side("if") && side("then") && side("else"),
        // The validator has read what these are made of, where it is written out.
        "ip" | "decimal" | "datetime" | "duration" => {
            of.as_array().is_some_and(|items| items.iter().all(|item| item.get("Value").is_some()))
        }
        "isIpv4" | "isIpv6" | "isLoopback" | "isMulticast" | "isInRange" | "lessThan" | "lessThanOrEqual"
        | "greaterThan" | "greaterThanOrEqual" => each(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::statement::expression;
    use super::*;

    #[test]
    fn what_may_overflow_or_be_malformed_may_fail_and_comparisons_do_not() {
        for (text, works) in [
            ("context.time.hour < 8 || !context.device.known", true),
            ("principal in Group::\"staff\" && resource is App && resource.device_limit != 0", true),
            ("context.proofs.containsAny([Proof::\"totp\"]) && context.net.networks.isEmpty()", true),
            ("context.net.ip.isInRange(ip(\"10.0.0.0/8\"))", true),
            ("context.time.now < datetime(\"2027-01-31\")", true),
            ("if context.device.known then true else context has risk && context.risk.new_country", true),
            ("context.risk.failed_attempts + 1 > 3", false),
            ("context.risk.failed_attempts * 2 > 3", false),
            ("-context.risk.failed_attempts < 3", false),
            ("true || [context.time.hour - 1].contains(3)", false),
            ("ip(principal.status).isLoopback()", false),
            ("context.time.now.offset(duration(\"1d\")) < context.time.now", false),
            ("{ here: context.time.hour + 1 } == { here: 2 }", false),
        ] {
            assert_eq!(always_works(&expression(text).unwrap()), works, "{text}");
        }
    }
}
