//! Suppose it were otherwise: questions about what would be decided if one fact were another. What a page may offer is computed
//! by them, from the policies alone; nothing is permitted on such an answer.

use super::bundle::Bundle;
use super::planner::{Goal, PlanError, plan};
use super::question::Question;
use crate::domain::{Decision, DeviceFacts, MethodSet, Repertoire, SignalSet, Step, UnknownSignal};

impl Bundle {
    /// Whether a device that was trusted on `proofs` counts as trusted now: with them shown once more, instead of the trust,
    /// the app of the question would open. What was enough for another policy set, or for less, counts for nothing.
    #[must_use]
    pub fn is_trust_enough(&self, q: &Question<'_>, proofs: MethodSet) -> bool {
        let signals = with_device(q.signals, DeviceFacts { trusted: false, ..q.signals.device });
        let again = Question { proofs: q.proofs.union(proofs), fresh: q.fresh.union(proofs), signals: &signals, ..*q };
        !q.force_authn && self.evaluate(Step::SignIn, None, &again).allowed
    }

    /// The methods among `offered` after which this device might be trusted for the app of the question, if trust would spare
    /// the same challenge the next time. Empty where no policy knows trust: a promise must have an effect.
    #[must_use]
    pub fn trustable_after(&self, q: &Question<'_>, offered: MethodSet) -> MethodSet {
        let spared = |trusted| {
            let signals = with_device(q.signals, DeviceFacts { known: true, trusted, ..q.signals.device });
            self.evaluate(Step::SignIn, None, &Question { signals: &signals, ..*q }).allowed
        };
        if q.force_authn || !spared(true) || spared(false) {
            return MethodSet::EMPTY;
        }
        let permitted = |method| {
            let more = MethodSet::EMPTY.with(method);
            let shown = Question { proofs: q.proofs.union(more), fresh: q.fresh.union(more), ..*q };
            self.evaluate(Step::TrustDevice, None, &shown).allowed
        };
        offered.iter().filter(|method| permitted(*method)).collect()
    }

    /// Whether `decision` would be a better one if the user had no other device: nothing or less to show, fewer reasons
    /// to ask, or no refusal.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn would_fewer_devices_help(
        &self,
        goal: Goal<'_>,
        q: &Question<'_>,
        repertoire: &Repertoire,
        decision: &Decision,
    ) -> Result<bool, PlanError> {
        // Removing one does not bring back what was lost.
        let is_unknown = q.signals.unknown.contains(&UnknownSignal::DeviceHistory);
        if is_unknown || q.signals.device.registered == 0 || *decision == Decision::Allow {
            return Ok(false);
        }
        let signals = with_device(q.signals, DeviceFacts { registered: 0, ..q.signals.device });
        let otherwise = plan(self, goal, &Question { signals: &signals, ..*q }, repertoire)?.decision;
        Ok(effort(&otherwise) < effort(decision))
    }
}

fn with_device(signals: &SignalSet, device: DeviceFacts) -> SignalSet {
    SignalSet { device, ..signals.clone() }
}

/// How far from an Allow a decision is; of two challenges, by how many reasons there are to ask.
fn effort(decision: &Decision) -> (u8, usize) {
    match decision {
        Decision::Allow => (0, 0),
        Decision::Challenge { policies, .. } => (1, policies.len()),
        Decision::Enrol { policies, .. } => (2, policies.len()),
        Decision::Deny(_) => (3, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Method;
    use crate::policy::samples::{self, Sample};

    fn set(methods: &[Method]) -> MethodSet {
        methods.iter().copied().collect()
    }

    fn sample(app: &str, device: DeviceFacts) -> Sample {
        let mut sample = Sample::new(&["aws-users"], app);
        sample.signals.device = device;
        sample
    }

    const KNOWN: DeviceFacts = DeviceFacts { known: true, trusted: false, registered: 1 };

    #[test]
    fn trust_counts_only_where_what_was_shown_for_it_would_be_enough() {
        let bundle = samples::shipped();
        let aws = sample("aws", KNOWN);
        for (shown, trusted_on, counts) in [
            (vec![Method::Password], vec![Method::Password, Method::Totp], true),
            // A mailed link is no first factor for AWS, whatever it was enough for when the device was trusted.
            (vec![Method::MagicLink], vec![Method::MagicLink, Method::Totp], false),
            (vec![Method::Password], vec![Method::Password], false),
        ] {
            let q = aws.question(set(&shown));
            assert_eq!(bundle.is_trust_enough(&q, set(&trusted_on)), counts, "{shown:?} on {trusted_on:?}");
        }
        let strict = samples::parse(
            r#"
            @id("p") @description("d") permit (principal is User, action in [Action::"signIn", Action::"trustDevice"], resource);
            @id("f") @description("d") forbid (principal is User, action == Action::"signIn", resource)
            unless { context.proofs.contains(Proof::"phishing_resistant") || context.device.trusted };"#,
        )
        .unwrap();
        let q = aws.question(set(&[Method::Password]));
        assert!(!strict.is_trust_enough(&q, set(&[Method::Password, Method::Totp])), "the policies ask for more now");
        assert!(strict.is_trust_enough(&q, set(&[Method::Password, Method::SecurityKey])));
        assert!(!strict.is_trust_enough(&Question { force_authn: true, ..q }, set(&[Method::SecurityKey])));
    }

    #[test]
    fn remembering_is_offered_where_it_is_permitted_and_spares_something() {
        let bundle = samples::shipped();
        let offered = set(&[Method::Totp, Method::BackupCode]);
        let aws = sample("aws", DeviceFacts::default());
        let q = aws.question(set(&[Method::Password]));
        assert_eq!(bundle.trustable_after(&q, offered), offered);
        assert_eq!(bundle.trustable_after(&Question { force_authn: true, ..q }, offered), MethodSet::EMPTY);
        let q = aws.question(MethodSet::EMPTY);
        assert_eq!(bundle.trustable_after(&q, set(&[Method::Password])), MethodSet::EMPTY, "not after a first factor");
        // The portal asks from abroad, and on a known device no longer: trust would change nothing.
        let mut portal = sample("portal", DeviceFacts::default());
        portal.signals.country = crate::domain::Country::parse("FR").unwrap();
        let q = portal.question(set(&[Method::Password]));
        assert_eq!(bundle.trustable_after(&q, offered), MethodSet::EMPTY);
    }

    #[test]
    fn fewer_devices_help_where_their_number_is_what_stands_in_the_way() {
        let bundle = samples::shipped();
        let repertoire = Repertoire { enrolled: vec![Method::Password, Method::Totp], ..Repertoire::default() };
        let roles = [samples::role("Dev")];
        let goal = Goal::App { roles: &roles };
        let both = set(&[Method::Password, Method::Totp]);
        let helps = |device: DeviceFacts, fresh: MethodSet| {
            let sample = sample("aws", device);
            let q = Question { fresh, ..sample.question(both) };
            let decision = plan(&bundle, goal, &q, &repertoire).unwrap().decision;
            bundle.would_fewer_devices_help(goal, &q, &repertoire, &decision).unwrap()
        };
        let fourth = DeviceFacts { known: false, trusted: false, registered: 3 };
        assert!(helps(fourth, MethodSet::EMPTY), "proofs of earlier would do on a third device");
        assert!(!helps(fourth, both), "it opens anyway");
        let password = sample("aws", fourth);
        let q = password.question(set(&[Method::Password]));
        let decision = plan(&bundle, goal, &q, &repertoire).unwrap().decision;
        let helps_with = |q: &Question<'_>| bundle.would_fewer_devices_help(goal, q, &repertoire, &decision).unwrap();
        assert!(helps_with(&q), "the code is asked for either way, but no longer for the number of devices");
        let mut lost = password.clone();
        lost.signals.unknown.insert(UnknownSignal::DeviceHistory);
        assert!(!helps_with(&lost.question(set(&[Method::Password]))), "removing one brings back none that was lost");
        assert!(!helps(DeviceFacts { registered: 2, ..fourth }, MethodSet::EMPTY));
        assert!(!helps(KNOWN, MethodSet::EMPTY));
    }
}
