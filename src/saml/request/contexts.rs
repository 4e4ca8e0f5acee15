//! RequestedAuthnContext: which of our classes would satisfy it, and which of them to state (SAML core §3.3.2.2.1).

use crate::domain::{AuthnContextClass, MethodSet, Profile};

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

/// The classes we know that satisfy the request, strongest first; of those as strong as each other the ones that were asked
/// for, in the order asked. Empty: none does. Unknown classes are passed over: they can be satisfied by nothing we say.
pub(super) fn accepted(comparison: Comparison, asked: &[String]) -> Vec<AuthnContextClass> {
    let known: Vec<_> = asked.iter().filter_map(|uri| AuthnContextClass::parse(uri)).collect();
    let weakest = known.iter().map(|class| class.strength()).min();
    let strongest = known.iter().map(|class| class.strength()).max();
    let (Some(weakest), Some(strongest)) = (weakest, strongest) else { return Vec::new() };
    let satisfies = |class: &AuthnContextClass| match comparison {
        Comparison::Exact => known.contains(class),
        Comparison::Minimum => class.strength() >= weakest,
        Comparison::Maximum => class.strength() <= strongest,
        // Better than all of them: an unknown one cannot be compared, so nothing is known to be better.
        Comparison::Better => class.strength() > strongest && known.len() == asked.len(),
    };
    let mut accepted: Vec<_> = AuthnContextClass::ALL.into_iter().rev().filter(satisfies).collect();
    let place = |class: &AuthnContextClass| known.iter().position(|asked| asked == class).unwrap_or(known.len());
    accepted.sort_by_key(|class| (std::cmp::Reverse(class.strength()), place(class)));
    accepted
}

/// The class to state of what was shown: one in the sender's own words where that is true, the strongest of them.
pub(super) fn to_state(
    accepted: &[AuthnContextClass],
    asked: &[AuthnContextClass],
    proofs: MethodSet,
    profile: Profile,
) -> Option<AuthnContextClass> {
    let shown = |class: &&AuthnContextClass| class.required().is_met_by(proofs, profile);
    let in_their_words = accepted.iter().filter(|class| asked.contains(class)).find(shown);
    in_their_words.or_else(|| accepted.iter().find(shown)).copied()
}

#[cfg(test)]
mod tests {
    use AuthnContextClass::{
        MultipleAuthn, Password, PasswordProtectedTransport as Transport, RefedsMfa, TimeSyncToken as Token,
        Unspecified,
    };

    use super::*;
    use crate::domain::Method;

    #[test]
    fn each_comparison_accepts_what_saml_says() {
        for (comparison, asked, expected) in [
            (None, vec![Transport], vec![Transport]),
            (Some("exact"), vec![Transport, Token], vec![Token, Transport]),
            (Some("exact"), vec![MultipleAuthn, RefedsMfa], vec![MultipleAuthn, RefedsMfa]),
            (Some("minimum"), vec![Transport], vec![Token, RefedsMfa, MultipleAuthn, Transport, Password]),
            (Some("minimum"), vec![Token], vec![Token]),
            (Some("minimum"), vec![MultipleAuthn], vec![Token, MultipleAuthn, RefedsMfa]),
            (Some("better"), vec![Transport], vec![Token, RefedsMfa, MultipleAuthn]),
            (Some("better"), vec![Token], vec![]),
            (Some("maximum"), vec![Password], vec![Password, Transport, Unspecified]),
            (Some("maximum"), vec![Unspecified], vec![Unspecified]),
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
        let both = [kerberos, Transport.uri().to_owned()];
        assert_eq!(accepted(Comparison::Better, &both), []);
        assert_eq!(accepted(Comparison::Exact, &both), [Transport]);
    }

    #[test]
    fn what_was_shown_is_stated_in_the_words_asked_for() {
        let set = |methods: &[Method]| methods.iter().copied().collect::<MethodSet>();
        let (one, mailed) = (set(&[Method::Password]), set(&[Method::Password, Method::EmailOtp]));
        let two = set(&[Method::Password, Method::Totp]);
        for (comparison, asked, proofs, stated) in [
            (Comparison::Exact, vec![Transport], two, Some(Transport)),
            (Comparison::Exact, vec![Transport, Token], two, Some(Token)),
            (Comparison::Exact, vec![Transport, Token], one, Some(Transport)),
            (Comparison::Exact, vec![Token], mailed, None),
            (Comparison::Exact, vec![RefedsMfa], mailed, Some(RefedsMfa)),
            (Comparison::Exact, vec![MultipleAuthn], two, Some(MultipleAuthn)),
            (Comparison::Exact, vec![RefedsMfa], one, None),
            (Comparison::Exact, vec![Unspecified], two, Some(Unspecified)),
            (Comparison::Minimum, vec![RefedsMfa], two, Some(RefedsMfa)),
            (Comparison::Minimum, vec![Password], two, Some(Password)),
            (Comparison::Better, vec![Transport], mailed, Some(RefedsMfa)),
            (Comparison::Better, vec![Transport], two, Some(Token)),
            (Comparison::Maximum, vec![Transport], two, Some(Transport)),
            (Comparison::Maximum, vec![Token], one, Some(Transport)),
        ] {
            let uris: Vec<String> = asked.iter().map(|class| class.uri().to_owned()).collect();
            let accepted = accepted(comparison, &uris);
            assert_eq!(to_state(&accepted, &asked, proofs, Profile::Compat), stated, "{comparison:?} {asked:?}");
        }
    }
}
