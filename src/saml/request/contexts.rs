//! RequestedAuthnContext: which of our classes would satisfy it (SAML core §3.3.2.2.1).

use crate::domain::AuthnContextClass;

/// Our classes, weakest first.
const BY_STRENGTH: [AuthnContextClass; 3] =
    [AuthnContextClass::Unspecified, AuthnContextClass::PasswordProtectedTransport, AuthnContextClass::TimeSyncToken];

/// How the classes of a request are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Exact,
    Minimum,
    Maximum,
    Better,
}

impl Comparison {
    pub(super) fn parse(attribute: Option<&str>) -> Option<Self> {
        match attribute {
            None | Some("exact") => Some(Self::Exact),
            Some("minimum") => Some(Self::Minimum),
            Some("maximum") => Some(Self::Maximum),
            Some("better") => Some(Self::Better),
            Some(_) => None,
        }
    }
}

fn strength(class: AuthnContextClass) -> usize {
    BY_STRENGTH.iter().position(|other| *other == class).unwrap_or(0)
}

/// Whether a person who reached `reached` also reached `asked`: a second factor includes the first.
pub(super) fn includes(reached: AuthnContextClass, asked: AuthnContextClass) -> bool {
    strength(reached) >= strength(asked)
}

/// The classes we know that satisfy the request, in the order asked for; empty: none does. Unknown classes are passed over:
/// they can be satisfied by nothing we say.
pub(super) fn accepted(comparison: Comparison, asked: &[String]) -> Vec<AuthnContextClass> {
    let known = asked.iter().filter_map(|uri| BY_STRENGTH.into_iter().find(|class| class.uri() == uri));
    let known: Vec<_> = known.collect();
    let strengths = || known.iter().map(|class| strength(*class));
    match comparison {
        Comparison::Exact => known,
        Comparison::Minimum => from(strengths().min(), 0),
        // Better than all of them: an unknown one cannot be compared, so nothing is known to be better.
        Comparison::Better if known.len() == asked.len() => from(strengths().max(), 1),
        Comparison::Better => Vec::new(),
        Comparison::Maximum => match strengths().max() {
            Some(most) => BY_STRENGTH.into_iter().take(most + 1).rev().collect(),
            None => Vec::new(),
        },
    }
}

fn from(least: Option<usize>, more: usize) -> Vec<AuthnContextClass> {
    least.map_or_else(Vec::new, |least| BY_STRENGTH.into_iter().skip(least + more).collect())
}

#[cfg(test)]
mod tests {
    use AuthnContextClass::{PasswordProtectedTransport as Password, TimeSyncToken as Token, Unspecified};

    use super::*;

    #[test]
    fn each_comparison_accepts_what_saml_says() {
        for (comparison, asked, expected) in [
            (None, vec![Password], vec![Password]),
            (Some("exact"), vec![Token, Password], vec![Token, Password]),
            (Some("minimum"), vec![Password], vec![Password, Token]),
            (Some("minimum"), vec![Token], vec![Token]),
            (Some("better"), vec![Password], vec![Token]),
            (Some("better"), vec![Token], vec![]),
            (Some("maximum"), vec![Password], vec![Password, Unspecified]),
        ] {
            let uris: Vec<String> = asked.iter().map(|class| class.uri().to_owned()).collect();
            let comparison = Comparison::parse(comparison).unwrap();
            assert_eq!(accepted(comparison, &uris), expected, "{comparison:?} {asked:?}");
        }
    }

    #[test]
    fn unknown_classes_widen_nothing() {
        let kerberos = "urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos".to_owned();
        for comparison in [Comparison::Exact, Comparison::Minimum, Comparison::Maximum, Comparison::Better] {
            assert_eq!(accepted(comparison, std::slice::from_ref(&kerberos)), [], "{comparison:?}");
        }
        let both = [kerberos, Password.uri().to_owned()];
        assert_eq!(accepted(Comparison::Better, &both), []);
        assert_eq!(accepted(Comparison::Exact, &both), [Password]);
    }
}
