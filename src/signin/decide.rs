//! One question to the policies: gathers the facts, plans, and records what was decided.

use tracing::Instrument as _;

use crate::accounts::Authenticator;
use crate::audit::DecisionRecord;
use crate::clock::{Stopwatch, Timestamp};
use crate::devices::{DeviceToken, Factors, Recorded};
use crate::domain::{
    App, AppId, Class, Decision, DenyReason, EnforcedPolicy, Method, MethodSet, PolicyId, Profile, Proof, ReferenceId,
    RoleName, SessionId, SignInId, SignalSet, Step, TotpSecret, User, classes,
};
use crate::policy::planner::plan;
use crate::policy::{Goal, Plan, Question, Refused, Repertoire, Verdict};
use crate::runtime::Snapshot;
use crate::signals::{NetworkPrefix, Observation};
use crate::state::{Key, Kind, Ttl};

use super::error::SignInError;
use super::flow::{Aim, Person, Registration, SignIn, Target};
use super::reply::{Reply, View};
use super::service::{Client, Service};
use super::transition::Event;

/// How often a decision is taken again because the device facts under it changed.
const MOST_DECISIONS: usize = 8;

/// How many refusals of strangers are kept per hour. They are logged all the same.
const MOST_STRANGERS_PER_HOUR: u64 = 1000;

/// Everything a question about one person is asked with.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) user: User,
    pub(super) proofs: MethodSet,
    pub(super) fresh: MethodSet,
    /// When the newest counting proof was shown.
    pub(super) newest: Timestamp,
    pub(super) signals: SignalSet,
    pub(super) repertoire: Repertoire,
    sp_initiated: bool,
    force_authn: bool,
}

impl Facts {
    pub(super) fn question<'a>(&'a self, app: &'a App) -> Question<'a> {
        Question {
            user: &self.user,
            app,
            proofs: self.proofs,
            fresh: self.fresh,
            signals: &self.signals,
            sp_initiated: self.sp_initiated,
            force_authn: self.force_authn,
            profile: Profile::default(),
        }
    }
}

/// An answer, recorded.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub(super) facts: Facts,
    pub(super) decision: Decision,
    pub(super) reference: ReferenceId,
    pub(super) subject: Subject,
}

impl Service {
    /// Reads the facts anew: nothing about a person is remembered between two questions.
    pub(super) async fn gather(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        person: &Person,
        target: &Target,
    ) -> Result<Facts, SignInError> {
        let parts = &self.parts;
        let user = self.person(person).await?;
        let authenticators = parts.accounts.authenticators(user.id).await?;
        let now = parts.clock.now();
        let has_second = !authenticators.is_empty();
        let counting = |proofs: &[Proof]| -> Vec<Proof> {
            let counts = |proof: &&Proof| {
                // A link and a password are no way around a second factor that is there already.
                let spared = has_second && proof.method == Method::ActivationLink;
                proof.is_within(Proof::MAX_AGE_SECONDS, now) && still_enrolled(proof, &authenticators) && !spared
            };
            proofs.iter().filter(counts).cloned().collect()
        };
        let (shown, earlier) = (counting(&person.shown), counting(&person.earlier));
        let fresh = Proof::methods_within(&shown, Proof::FRESH_SECONDS, now);
        let proofs =
            if target.force_authn() { fresh } else { shown.iter().chain(&earlier).map(|proof| proof.method).collect() };
        let newest = shown.iter().chain(&earlier).map(|proof| proof.at).max().unwrap_or(now);
        let device = parts.devices.facts(user.id, &target.app, client.device.as_ref()).await?;
        // Strangers must not be able to slow down somebody on a device of their own.
        let failed_attempts = if device.known {
            0
        } else {
            let subject = parts.failures.subject(user.username.as_str());
            parts.failures.recent_passwords(&subject, NetworkPrefix::of(client.ip)).await?
        };
        let observation = Observation { ip: client.ip, device: Some(device), failed_attempts };
        let signals = parts.signals.observe(&snapshot.observer, &observation);
        let repertoire = repertoire(&authenticators, person.lost);
        Ok(Facts {
            user,
            proofs,
            fresh,
            newest,
            signals,
            repertoire,
            sp_initiated: target.request.is_some(),
            force_authn: target.force_authn(),
        })
    }

    /// Asks the policies whether `person` may go where the sign-in leads, or what is missing; and records the answer.
    pub(super) async fn decide(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
    ) -> Result<Decided, SignInError> {
        // Whoever signs out in one tab has signed out in all of them.
        if let Some(session) = person.session
            && self.visitor(client).await?.is_none_or(|visitor| visitor.session.id != session)
        {
            return Err(SignInError::StartAgain);
        }
        let gathered = self.gather(snapshot, client, person, &sign_in.target);
        let facts = gathered.instrument(tracing::info_span!("gather facts")).await?;
        // Until registration is complete, the only thing to ask is whether a method may be added.
        let enrols = person.registration == Registration::Underway || sign_in.target.aim == Aim::Enrol;
        let (app, step) = if enrols {
            (snapshot.portal(), Step::Enroll)
        } else {
            (snapshot.app(&sign_in.target.app).ok_or(SignInError::UnknownApp)?, Step::SignIn)
        };
        let span = tracing::info_span!(
            "decide",
            app.id = %app.id,
            decision.step = step.action(),
            decision.outcome = tracing::field::Empty,
            policy.evaluations = tracing::field::Empty,
        );
        let entered = span.clone().entered();
        let stopwatch = Stopwatch::start();
        let roles = roles_asked(&sign_in.target, app);
        let goal = if step == Step::Enroll { Goal::Step(step) } else { Goal::App { roles: &roles } };
        let mut planned = plan(&snapshot.bundle, goal, &facts.question(app), &facts.repertoire)?;
        if step == Step::Enroll && planned.decision == Decision::Allow {
            planned.decision = Decision::Enrol { methods: vec![Method::Totp], permitted: true, policies: Vec::new() };
        }
        let micros = stopwatch.micros();
        span.record("decision.outcome", outcome_code(&planned.decision));
        span.record("policy.evaluations", planned.evaluations);
        drop(entered);
        let shadow =
            snapshot.bundle.shadow(step, None, &facts.question(app)).into_iter().map(|policy| policy.id).collect();
        let role = sign_in.target.role.clone();
        let subject = Subject { sign_in: sign_in.id, session: person.session, step, app: app.id.clone(), role, shadow };
        let reference = self.record(snapshot, &subject, &facts, &planned, micros).await?;
        Ok(Decided { facts, decision: planned.decision, reference, subject })
    }

    /// Decides, and on Allow records the device, atomically with it: when the device facts that the decision rests on changed
    /// meanwhile (fifty tabs at a limit of three), the policies are asked again.
    pub(super) async fn decide_and_record_device(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
    ) -> Result<(Decided, Option<DeviceToken>), SignInError> {
        for _ in 0..MOST_DECISIONS {
            let decided = self.decide(snapshot, client, sign_in, person).await?;
            if decided.decision != Decision::Allow {
                return Ok((decided, None));
            }
            let facts = &decided.facts;
            let two = classes(facts.proofs, Profile::default()).contains(Class::SecondFactor);
            let factors = if two { Factors::Two } else { Factors::One };
            let (app, device) = (&sign_in.target.app, &facts.signals.device);
            let recorded =
                self.parts.devices.record_allow(person.user, app, client.device.as_ref(), device, factors).await?;
            if let Recorded::Done { token, .. } = recorded {
                return Ok((decided, Some(token)));
            }
        }
        Err(SignInError::Busy)
    }

    async fn record(
        &self,
        snapshot: &Snapshot,
        subject: &Subject,
        facts: &Facts,
        planned: &Plan,
        micros: u64,
    ) -> Result<ReferenceId, SignInError> {
        let reference = ReferenceId::new(&*self.parts.entropy)?;
        let record = DecisionRecord {
            reference: reference.clone(),
            at: facts.signals.now,
            sign_in: Some(subject.sign_in),
            session: subject.session,
            user: Some(facts.user.username.clone()),
            app: subject.app.clone(),
            step: subject.step,
            role: subject.role.clone(),
            groups: facts.user.groups.clone(),
            status: Some(facts.user.status),
            home_country: Some(facts.user.home_country.clone()),
            proofs: facts.proofs,
            fresh: facts.fresh,
            signals: facts.signals.clone(),
            sp_initiated: facts.sp_initiated,
            force_authn: facts.force_authn,
            decision: planned.decision.clone(),
            determining: planned.determining.clone(),
            shadow: subject.shadow.clone(),
            policy_digest: snapshot.bundle.digest().to_owned(),
            evaluations: planned.evaluations,
            micros,
        };
        self.parts.metrics.decided(subject.step, outcome_code(&planned.decision), planned.evaluations, micros);
        self.parts.journal.append(record).instrument(tracing::info_span!("journal")).await?;
        tracing::info!(
            decision.reference = %reference,
            user.name = %facts.user.username,
            app.id = %subject.app,
            decision.outcome = outcome_code(&planned.decision),
            "decided"
        );
        Ok(reference)
    }

    /// Records that the permit was refused after the plan said Allow, and gives the reference of that.
    pub(super) async fn record_refusal(
        &self,
        snapshot: &Snapshot,
        decided: &Decided,
        refused: &Refused,
    ) -> Result<ReferenceId, SignInError> {
        let planned = Plan {
            decision: Decision::Deny(refused.reason.clone()),
            evaluations: 1,
            determining: refused.verdict.determining.clone(),
        };
        self.record(snapshot, &decided.subject, &decided.facts, &planned, 0).await
    }

    /// The event that a decision is to the sign-in's stages.
    pub(super) fn event_of(&self, decided: &Decided, person: &Person) -> Result<Event, SignInError> {
        match &decided.decision {
            Decision::Enrol { permitted: true, .. } => {
                let secret = crate::methods::totp::new_secret(&*self.parts.entropy)?;
                Ok(Event::EnrolmentStarted { sealed_secret: self.seal_secret(person, &secret)? })
            }
            decision => Ok(Event::Decided(decision.clone())),
        }
    }

    /// The page for a refusal, with the refusal to hand back to the service provider that asked.
    pub(super) async fn blocked(
        &self,
        snapshot: &Snapshot,
        target: &Target,
        reason: DenyReason,
        decided: Decided,
    ) -> Result<Reply, SignInError> {
        let back = self.request_denied(snapshot, target).await?;
        Ok(Reply {
            view: View::Blocked {
                reason,
                reference: decided.reference,
                at: decided.facts.signals.now,
                time_zone: decided.facts.user.time_zone,
                back: back.map(Box::new),
            },
            cookies: super::reply::CookieChanges::default(),
            app_name: snapshot.display_name(&target.app),
            language: decided.facts.user.language,
        })
    }

    /// The page for a refusal before anybody is known. Strangers can cause these, so no more than a capped number is kept.
    pub(super) async fn visit_denied(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        target: &Target,
        verdict: Verdict,
    ) -> Result<Reply, SignInError> {
        let reference = ReferenceId::new(&*self.parts.entropy)?;
        let signals = self.parts.signals.observe(&snapshot.observer, &Observation::of_visitor(client.ip));
        let reason = visit_reason(&verdict);
        self.parts.metrics.decided(Step::Visit, "deny", 1, 0);
        let at = signals.now;
        tracing::warn!(
            decision.reference = %reference,
            client.ip = %client.ip,
            policy.ids = ?verdict.determining.iter().map(|policy| policy.id.as_str()).collect::<Vec<_>>(),
            "a visit was refused"
        );
        if self.may_record_stranger().await? {
            let record = DecisionRecord {
                reference: reference.clone(),
                at,
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
                signals,
                sp_initiated: target.request.is_some(),
                force_authn: target.force_authn(),
                decision: Decision::Deny(reason.clone()),
                determining: verdict.determining,
                shadow: Vec::new(),
                policy_digest: snapshot.bundle.digest().to_owned(),
                evaluations: 1,
                micros: 0,
            };
            self.parts.journal.append(record).await?;
        }
        let mut reply = Reply::of(View::Blocked { reason, reference, at, time_zone: None, back: None });
        reply.app_name = snapshot.display_name(&target.app);
        Ok(reply)
    }

    async fn may_record_stranger(&self) -> Result<bool, SignInError> {
        let key = Key::new(Kind::Failures, "strangers", "recorded");
        Ok(self.parts.store.increment(&key, Ttl::seconds(60 * 60)).await? <= MOST_STRANGERS_PER_HOUR)
    }

    pub(super) fn seal_secret(&self, person: &Person, secret: &TotpSecret) -> Result<String, SignInError> {
        let binding = secret_binding(&person.user.to_string(), |binding| {
            self.parts.envelope.seal_text(binding, secret.bytes(), &*self.parts.entropy)
        });
        binding.map_err(|_| SignInError::StartAgain)
    }

    pub(super) fn open_secret(&self, person: &Person, sealed: &str) -> Result<TotpSecret, SignInError> {
        let bytes = secret_binding(&person.user.to_string(), |binding| self.parts.envelope.open_text(binding, sealed))
            .map_err(|_| SignInError::StartAgain)?;
        TotpSecret::from_bytes(bytes.to_vec()).map_err(|_| SignInError::StartAgain)
    }
}

/// What was asked, for the record.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    sign_in: SignInId,
    session: Option<SessionId>,
    step: Step,
    app: AppId,
    role: Option<RoleName>,
    shadow: Vec<PolicyId>,
}

fn secret_binding<T>(owner: &str, with: impl FnOnce(crate::accounts::Binding<'_>) -> T) -> T {
    with(crate::accounts::Binding { column: "sign-in.new-totp-secret", owner })
}

/// The roles that would do: the one asked for, or any the app has.
pub(super) fn roles_asked(target: &Target, app: &App) -> Vec<RoleName> {
    match &target.role {
        Some(role) => vec![role.clone()],
        None => app.roles.clone(),
    }
}

fn still_enrolled(proof: &Proof, authenticators: &[Authenticator]) -> bool {
    match &proof.authenticator {
        Some(id) => authenticators.iter().any(|authenticator| authenticator.id.to_string() == *id),
        None => true,
    }
}

fn repertoire(authenticators: &[Authenticator], lost: MethodSet) -> Repertoire {
    let enrolled: MethodSet =
        authenticators.iter().map(|authenticator| authenticator.method).chain([Method::Password]).collect();
    let last_used = authenticators.iter().max_by_key(|authenticator| authenticator.last_used);
    Repertoire {
        enrolled: enrolled.difference(lost).iter().collect(),
        lost: lost.iter().collect(),
        enrollable: if enrolled.contains(Method::Totp) { Vec::new() } else { vec![Method::Totp] },
        last_used: last_used.filter(|last| last.last_used.is_some()).map(|last| last.method),
    }
}

fn visit_reason(verdict: &Verdict) -> DenyReason {
    if !verdict.errors.is_empty() {
        DenyReason::EvaluationError { policies: verdict.errors.clone() }
    } else if verdict.determining.is_empty() {
        DenyReason::NoPermit
    } else {
        DenyReason::Forbidden { policies: verdict.determining.iter().map(EnforcedPolicy::clone).collect() }
    }
}

fn outcome_code(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Challenge { .. } => "challenge",
        Decision::Enrol { .. } => "enrol",
        Decision::Deny(_) => "deny",
    }
}
