//! Visits: what is asked before anybody is known. Whoever causes the records that come of it, they are few.

use crate::audit::{DecisionRecord, Kept, Record};
use crate::domain::{App, Decision, DecisionKind, MethodSet, Profile, ReferenceId, Repertoire, SignalSet, Step};
use crate::policy::{Trial, Verdict};
use crate::runtime::Snapshot;
use crate::signals::Observation;
use crate::state::{Key, Kind, Ttl};

use super::error::SignInError;
use super::flow::Target;
use super::reply::{Reply, View};
use super::service::{Client, Service};

/// How many refusals of strangers are kept per hour. They are logged all the same.
pub(super) const MOST_STRANGERS_PER_HOUR: u64 = 1000;
/// Of allowed visits that a policy on trial would refuse far fewer are kept: they share the space of the day with those that were
/// refused.
const MOST_TRIED_OUT_PER_HOUR: u64 = 100;

impl Service {
    /// The page for a refusal before anybody is known. Strangers can cause these, so no more than a capped number is kept.
    pub(super) async fn visit_denied(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
        verdict: Verdict,
    ) -> Result<Reply, SignInError> {
        let reference = ReferenceId::new(&*self.parts.entropy)?;
        let signals = self.parts.signals.observe(&snapshot.observer, &Observation::of_visitor(client.ip, &target.app));
        let reason = verdict.reason();
        self.parts.metrics.decided(Step::Visit, "deny", 1, 0);
        let at = signals.now;
        tracing::warn!(
            decision.reference = %reference,
            client.ip = %client.ip,
            policy.ids = ?verdict.determining.iter().map(|policy| policy.id.as_str()).collect::<Vec<_>>(),
            "a visit was refused"
        );
        self.count_refused_visit(snapshot, client, at, &verdict.determining).await;
        if self.may_record_stranger("recorded", MOST_STRANGERS_PER_HOUR).await? {
            let trial = snapshot.app(&target.app).map(|app| snapshot.bundle.try_out_visit(app, &signals, &verdict));
            let visit =
                Visit { reference: reference.clone(), decision: Decision::Deny(reason.clone()), signals, verdict };
            self.record_stranger(visit.record(snapshot, target, trial.unwrap_or_default())).await?;
        }
        let mut reply = Reply::of(View::Blocked { reason, reference, at, time_zone: None, back: None, devices: None });
        reply.app_name = snapshot.display_name(&target.app);
        Ok(reply)
    }

    /// Records an allowed visit that the policies on trial would refuse: the others are on no record. No more than a capped
    /// number, and what goes wrong is in the log: nobody is kept out by a trial.
    pub(super) async fn try_out_visit(
        &self,
        snapshot: &Snapshot,
        app: &App,
        target: &Target,
        signals: SignalSet,
        verdict: Verdict,
    ) {
        let trial = snapshot.bundle.try_out_visit(app, &signals, &verdict);
        if trial.would != Some(DecisionKind::Deny) {
            return;
        }
        let recorded = async {
            if self.may_record_stranger("tried out", MOST_TRIED_OUT_PER_HOUR).await? {
                let reference = ReferenceId::new(&*self.parts.entropy)?;
                let visit = Visit { reference, decision: Decision::Allow, signals, verdict };
                self.record_stranger(visit.record(snapshot, target, trial)).await?;
            }
            Ok::<(), SignInError>(())
        };
        if let Err(error) = recorded.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what the policies on trial say of a visit could not be recorded"
            );
        }
    }

    /// Whether there is room for another record of this kind that strangers cause.
    pub(super) async fn may_record_stranger(&self, kind: &str, most_per_hour: u64) -> Result<bool, SignInError> {
        let key = Key::new(Kind::Failures, "strangers", kind);
        Ok(self.parts.store.increment(&key, Ttl::seconds(60 * 60)).await? <= most_per_hour)
    }

    /// Writes a record that strangers cause, as far as there is room for such; the log has it all the same.
    pub(super) async fn record_stranger(&self, record: impl Into<Record>) -> Result<(), SignInError> {
        if let Kept::LeftOut(why) = self.parts.journal.append_of_stranger(record).await? {
            tracing::info!(audit.left_out = why.code(), "a record that a stranger caused was left out of the journal");
        }
        Ok(())
    }
}

/// A visit, and what was said to it.
struct Visit {
    reference: ReferenceId,
    decision: Decision,
    signals: SignalSet,
    verdict: Verdict,
}

impl Visit {
    fn record(self, snapshot: &Snapshot, target: &Target, trial: Trial) -> DecisionRecord {
        DecisionRecord {
            reference: self.reference,
            at: self.signals.now,
            sign_in: None,
            session: None,
            user: None,
            app: target.app.clone(),
            step: Step::Visit,
            role: None,
            groups: std::collections::BTreeSet::new(),
            status: None,
            home_country: None,
            proofs: MethodSet::EMPTY,
            fresh: MethodSet::EMPTY,
            signals: self.signals,
            sp_initiated: target.request.is_some(),
            force_authn: target.force_authn(),
            required: target.required(),
            profile: Profile::default(),
            roles: Vec::new(),
            repertoire: Repertoire::default(),
            decision: self.decision,
            at_permit: false,
            determining: self.verdict.determining,
            shadow: trial.policies,
            shadow_failed: trial.failed,
            would: trial.would,
            would_tell: trial.would_tell,
            policy_digest: snapshot.bundle.digest().to_owned(),
            evaluations: 1,
            micros: 0,
        }
    }
}
