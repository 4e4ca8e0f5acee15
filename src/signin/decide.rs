//! One question to the policies: gathers the facts, plans, and records what was decided.

use tracing::Instrument as _;

use crate::accounts::Authenticator;
use crate::audit::DecisionRecord;
use crate::clock::{Stopwatch, Timestamp};
use crate::devices::{Allowed, Device, DeviceName, DeviceToken, Factors, Recorded, Sighting};
use crate::domain::{
    App, AppId, Class, Country, Decision, DenyReason, Method, MethodSet, Profile, Proof, ReferenceId, Repertoire,
    Required, RoleName, SessionId, SignInId, SignalSet, Step, TotpSecret, User, UserId, UserStatus, classes,
};
use crate::policy::planner::plan;
use crate::policy::{Goal, Plan, Question, Refused, Trial, recorded};
use crate::runtime::Snapshot;
use crate::signals::{NetworkPrefix, Observation};

use super::error::SignInError;
use super::flow::{Aim, Errand, Extras, Person, Registration, SignIn, Target};
use super::reply::{Reply, View};
use super::service::{Client, Delivery, Service};
use super::transition::Event;

/// How often a decision is taken again because the device facts under it changed.
const MOST_DECISIONS: usize = 8;

/// Everything a question about one person is asked with.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) user: User,
    pub(super) proofs: MethodSet,
    pub(super) fresh: MethodSet,
    /// What was shown within ten minutes, here or on the session. Read for trusting the device, which gives nobody anything now.
    pub(super) recent: MethodSet,
    /// When the newest counting proof was shown.
    pub(super) newest: Timestamp,
    pub(super) signals: SignalSet,
    pub(super) repertoire: Repertoire,
    /// When the store was born that the device facts were read from.
    store_born: Timestamp,
    /// The browser is one of those recorded for the user and the app.
    is_listed: bool,
    sp_initiated: bool,
    force_authn: bool,
    required: Required,
}

/// What is known of whether the person has devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    /// None was ever recorded.
    None,
    /// The store holds them.
    Held,
    /// Another store held them, which is gone.
    Lost,
}

impl History {
    fn of(user: &User, store_born: Timestamp) -> Self {
        match user.devices_since {
            None => Self::None,
            Some(since) if since == store_born => Self::Held,
            // Not "before": a clock that was set back, or an older store in place of this one, must not look like the same.
            Some(_) => Self::Lost,
        }
    }
}

impl Facts {
    /// Facts that are stated instead of gathered: all of `shown` is shown now.
    pub(super) fn stated(
        user: User,
        shown: MethodSet,
        signals: SignalSet,
        repertoire: Repertoire,
        sp_initiated: bool,
    ) -> Self {
        let now = signals.now;
        Self {
            user,
            proofs: shown,
            fresh: shown,
            recent: shown,
            newest: now,
            signals,
            repertoire,
            store_born: now,
            is_listed: false,
            sp_initiated,
            force_authn: false,
            required: Required::NOTHING,
        }
    }

    /// The question whether the device may be trusted: somebody who typed the password at the portal a minute ago and the code
    /// just now has shown both now.
    pub(super) fn trust_question<'a>(&'a self, app: &'a App) -> Question<'a> {
        Question { fresh: self.recent, ..self.question(app) }
    }

    pub(super) fn question<'a>(&'a self, app: &'a App) -> Question<'a> {
        Question {
            user: &self.user,
            app,
            proofs: self.proofs,
            fresh: self.fresh,
            signals: &self.signals,
            sp_initiated: self.sp_initiated,
            force_authn: self.force_authn,
            required: self.required,
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
    /// On Allow: the browser, as it is recorded now, and its token.
    pub(super) device: Option<(DeviceToken, Device)>,
}

impl Decided {
    /// Whether it was about opening an app, and not about adding a method.
    pub(super) fn asks_to_open(&self) -> bool {
        self.subject.step == Step::SignIn
    }
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
        let recent = fresh.union(Proof::methods_within(&earlier, Proof::FRESH_SECONDS, now));
        let newest = shown.iter().chain(&earlier).map(|proof| proof.at).max().unwrap_or(now);
        let recognised = parts.devices.recognise(user.id, &target.app, client.device.as_ref()).await?;
        // After what was read from it: facts of an emptied store must not pass for those of the one before.
        let store_born = parts.store.born().await?;
        let lost = History::of(&user, store_born) == History::Lost;
        let device = (!lost).then_some(recognised.facts);
        // Strangers must not be able to slow down somebody on a device of their own.
        let failed_attempts = if device.is_some_and(|device| device.known) {
            0
        } else {
            let network = NetworkPrefix::of(client.ip);
            let mut recent = 0_u32;
            // By either name: the two are counted apart.
            for name in [user.username.as_str(), user.email.as_str()] {
                let subject = parts.failures.subject(name);
                recent = recent.saturating_add(parts.failures.recent_passwords(&subject, network).await?);
            }
            recent
        };
        let past = parts.baselines.past(user.id).await?;
        let observation = Observation {
            ip: client.ip,
            app: &target.app,
            time_zone: user.time_zone.as_deref(),
            device,
            failed_attempts,
            past: &past,
        };
        let signals = parts.signals.observe(&snapshot.observer, &observation);
        let mailable = parts.delivery == Delivery::Outbox && user.status == UserStatus::Active;
        let repertoire = repertoire(&authenticators, mailable, person.lost);
        let mut facts = Facts {
            user,
            proofs,
            fresh,
            recent,
            newest,
            signals,
            repertoire,
            store_born,
            is_listed: recognised.is_listed && !lost,
            sp_initiated: target.request.is_some(),
            force_authn: target.force_authn(),
            required: target.required(),
        };
        let days = snapshot.config.devices.trust_days;
        let trust = recognised.trust.filter(|trust| !lost && trust.stands(&facts.user, days, now));
        if let (Some(trust), Some(app)) = (trust, snapshot.app(&target.app)) {
            facts.signals.device.trusted = snapshot.bundle.is_trust_enough(&facts.question(app), trust.proofs);
        }
        Ok(facts)
    }

    /// Asks the policies whether `person` may go where the sign-in leads, or what is missing; and records the answer.
    pub(super) async fn decide(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
    ) -> Result<Decided, SignInError> {
        self.session_of(client, person).await?;
        let gathered = self.gather(snapshot, client, person, &sign_in.target);
        let facts = gathered.instrument(tracing::info_span!("gather facts")).await?;
        let step = step_of(sign_in, person);
        let app = match step {
            Step::SignIn => snapshot.app(&sign_in.target.app).ok_or(SignInError::UnknownApp)?,
            // Self-service is asked on the portal.
            _ => snapshot.portal(),
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
        let goal = if step == Step::SignIn { Goal::App { roles: &roles } } else { Goal::Step(step) };
        let mut planned = plan(&snapshot.bundle, goal, &facts.question(app), &facts.repertoire)?;
        planned.decision = recorded(step, planned.decision);
        let micros = stopwatch.micros();
        span.record("decision.outcome", planned.decision.kind().code());
        span.record("policy.evaluations", planned.evaluations);
        drop(entered);
        let trial = snapshot.bundle.try_out(goal, &facts.question(app), &facts.repertoire, &planned.decision);
        if !trial.failed.is_empty() {
            // Nobody is refused for it, so nobody else would tell.
            tracing::warn!(policy.ids = ?trial.failed, "a policy on trial could not be evaluated");
        }
        let role = sign_in.target.role.clone();
        let roles = if step == Step::SignIn { roles } else { Vec::new() };
        let subject =
            Subject { sign_in: sign_in.id, session: person.session, step, app: app.id.clone(), role, roles, trial };
        let reference = self.record(snapshot, &subject, &facts, &planned, Some(micros)).await?;
        Ok(Decided { facts, decision: planned.decision, reference, subject, device: None })
    }

    /// Decides, and on Allow records the device, atomically with it: when the device facts that the decision rests on changed
    /// meanwhile (fifty tabs at a limit of three), the policies are asked again.
    ///
    /// That somebody has devices is written into the accounts, too, where it outlives the store. Before the first one is
    /// recorded: what is on record nowhere would be lost without a trace. When a store was lost, after one is recorded in
    /// the next, and only by an Allow with a second factor shown now: until then it stays unknown.
    pub(super) async fn decide_and_record_device(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
    ) -> Result<Decided, SignInError> {
        for _ in 0..MOST_DECISIONS {
            let decided = self.decide(snapshot, client, sign_in, person).await?;
            // Only opening an app makes a device one of somebody's.
            if decided.decision != Decision::Allow || decided.subject.step != Step::SignIn {
                return Ok(decided);
            }
            let facts = &decided.facts;
            let has_two = |proofs| classes(proofs, Profile::default()).contains(Class::SecondFactor);
            let factors = if has_two(facts.proofs) { Factors::Two } else { Factors::One };
            let history = History::of(&facts.user, facts.store_born);
            if history == History::None {
                self.note_devices(facts).await?;
            }
            let allowed = Allowed {
                user: person.user,
                app: &sign_in.target.app,
                token: client.device.as_ref(),
                decided_on: &facts.signals.device,
                was_listed: facts.is_listed,
                factors,
                sighting: sighting(client, &facts.signals),
            };
            if let Recorded::Done { token, device } = self.parts.devices.record_allow(allowed).await? {
                if history == History::Lost && has_two(facts.fresh) {
                    self.note_devices(facts).await?;
                }
                self.record_baseline(snapshot, person.user, &facts.signals).await?;
                return Ok(Decided { device: Some((token, device)), ..decided });
            }
        }
        Err(SignInError::Busy)
    }

    /// Writes down which store holds the person's devices.
    async fn note_devices(&self, facts: &Facts) -> Result<(), SignInError> {
        let (user, born) = (&facts.user, facts.store_born);
        Ok(self.parts.accounts.set_devices_since(user.id, user.devices_since, born).await?)
    }

    /// Writes down that somebody was allowed from there: the country is new no more, and travel is reckoned from there.
    async fn record_baseline(&self, snapshot: &Snapshot, user: UserId, signals: &SignalSet) -> Result<(), SignInError> {
        let known = ![Country::unknown(), Country::private()].contains(&signals.country);
        let coordinates = snapshot.observer.whereabouts(signals.ip).coordinates;
        Ok(self.parts.baselines.record_allow(user, known.then_some(&signals.country), coordinates).await?)
    }

    /// Records a plan that took so many microseconds; or, without them, a refusal when the permit was asked for.
    async fn record(
        &self,
        snapshot: &Snapshot,
        subject: &Subject,
        facts: &Facts,
        planned: &Plan,
        micros: Option<u64>,
    ) -> Result<ReferenceId, SignInError> {
        let reference = ReferenceId::new(&*self.parts.entropy)?;
        let (at_permit, micros) = (micros.is_none(), micros.unwrap_or(0));
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
            required: facts.required,
            profile: Profile::default(),
            roles: subject.roles.clone(),
            repertoire: facts.repertoire.clone(),
            decision: planned.decision.clone(),
            at_permit,
            determining: planned.determining.clone(),
            shadow: subject.trial.policies.clone(),
            shadow_failed: subject.trial.failed.clone(),
            would: subject.trial.would,
            would_tell: subject.trial.would_tell.clone(),
            policy_digest: snapshot.bundle.digest().to_owned(),
            evaluations: planned.evaluations,
            micros,
        };
        self.parts.metrics.decided(subject.step, planned.decision.kind().code(), planned.evaluations, micros);
        self.parts.journal.append(record).instrument(tracing::info_span!("journal")).await?;
        tracing::info!(
            decision.reference = %reference,
            user.name = %facts.user.username,
            app.id = %subject.app,
            decision.outcome = planned.decision.kind().code(),
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
        self.record(snapshot, &decided.subject, &decided.facts, &planned, None).await
    }

    /// The event that a decision is to the sign-in's stages.
    pub(super) fn event_of(
        &self,
        decided: &Decided,
        sign_in: &SignIn,
        person: &Person,
        extras: Extras,
    ) -> Result<Event, SignInError> {
        match &decided.decision {
            Decision::Allow if sign_in.errand == Errand::RemoveDevice => Ok(Event::RemovalPermitted),
            Decision::Deny(reason) if extras.devices => Ok(Event::AtLimit(reason.clone())),
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
        client: &Client,
        target: &Target,
        reason: DenyReason,
        decided: Decided,
    ) -> Result<Reply, SignInError> {
        let back = self.request_denied(snapshot, client, target, &reason, &decided).await?;
        Ok(Reply {
            view: View::Blocked {
                reason,
                reference: decided.reference,
                at: decided.facts.signals.now,
                time_zone: decided.facts.user.time_zone,
                back: back.map(Box::new),
                devices: None,
            },
            cookies: super::reply::CookieChanges::default(),
            app_name: snapshot.display_name(&target.app),
            language: decided.facts.user.language,
        })
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
    pub(super) step: Step,
    app: AppId,
    role: Option<RoleName>,
    /// The roles that would do.
    roles: Vec<RoleName>,
    /// What the policies on trial would have said; for the record alone.
    trial: Trial,
}

fn secret_binding<T>(owner: &str, with: impl FnOnce(crate::accounts::Binding<'_>) -> T) -> T {
    with(crate::accounts::Binding { column: "sign-in.new-totp-secret", owner })
}

/// The step that has to be permitted for the sign-in to go on.
fn step_of(sign_in: &SignIn, person: &Person) -> Step {
    // Until registration is complete, the only thing to ask is whether a method may be added.
    if person.registration == Registration::Underway || sign_in.target.aim == Aim::Enrol {
        return Step::Enroll;
    }
    // Whoever has no session any more opens the portal first.
    let looks_after_devices = sign_in.target.aim == Aim::Devices && person.session.is_some();
    if sign_in.errand == Errand::RemoveDevice || looks_after_devices { Step::RemoveDevice } else { Step::SignIn }
}

/// What the list of the person's devices will say of this browser.
fn sighting(client: &Client, signals: &SignalSet) -> Sighting {
    let name = client.user_agent.as_deref().map(DeviceName::of_user_agent).unwrap_or_default();
    Sighting { name, place: signals.place_in_words(), ip: signals.ip }
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

/// What somebody can show. A mailed code takes nothing but an address and a server that sends mail.
pub(crate) fn repertoire(authenticators: &[Authenticator], mailable: bool, lost: MethodSet) -> Repertoire {
    let own = authenticators.iter().map(|authenticator| authenticator.method);
    let enrolled: MethodSet = own.chain([Method::Password]).chain(mailable.then_some(Method::EmailOtp)).collect();
    let last_used = authenticators.iter().max_by_key(|authenticator| authenticator.last_used);
    Repertoire {
        enrolled: enrolled.difference(lost).iter().collect(),
        lost: lost.iter().collect(),
        enrollable: if enrolled.contains(Method::Totp) { Vec::new() } else { vec![Method::Totp] },
        last_used: last_used.filter(|last| last.last_used.is_some()).map(|last| last.method),
    }
}
