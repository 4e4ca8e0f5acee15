//! A person's own devices: having one remembered, and removing one, on the page of their account or on the way to an app that
//! allows no further one.

use crate::audit::{EventKind, EventRecord};
use crate::clock::Timestamp;
use crate::devices::{ListedDevice, Trust};
use crate::domain::{
    App, AppId, Decision, DenyReason, DeviceId, EnforcedPolicy, Method, MethodSet, Offer, SignInId, Step, User,
};
use crate::notify::NoticeKind;
use crate::policy::planner::plan;
use crate::policy::{Goal, RemoveDevice, StepPermit};
use crate::runtime::Snapshot;

use super::decide::{Decided, Facts, roles_asked};
use super::error::SignInError;
use super::flow::{Aim, Errand, Extras, Person, Remember, SignIn, Stage, Target};
use super::handle::Live;
use super::reply::{Reply, View};
use super::service::{Client, Service};
use super::transition::{Event, transition};

/// A device as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDevice {
    /// What is known of it.
    pub listed: ListedDevice,
    /// It is the one that asks.
    pub is_current: bool,
    /// The apps it is remembered for, by the names people read, and until when at the latest.
    pub remembered: Vec<(String, Timestamp)>,
}

/// Whether a person may remove devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Now.
    Permitted,
    /// After showing more.
    ExtraStep,
    /// Not at all, for these policies.
    Refused(Vec<EnforcedPolicy>),
}

/// Whose devices, and what may be done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicesPage {
    /// Whose.
    pub user: User,
    /// The devices, the one used last first.
    pub devices: Vec<OwnDevice>,
    /// Whether they may be removed.
    pub removal: Removal,
}

impl Service {
    /// What a challenge or a refusal may offer besides, computed from the policies.
    pub(super) fn extras(snapshot: &Snapshot, sign_in: &SignIn, decided: &Decided) -> Result<Extras, SignInError> {
        let Some(app) = snapshot.app(&sign_in.target.app).filter(|_| decided.subject.step == Step::SignIn) else {
            return Ok(Extras::default());
        };
        let facts = &decided.facts;
        let trustable = match &decided.decision {
            Decision::Challenge { offers, .. } if snapshot.config.devices.trust_days > 0 => {
                let offered = offers.iter().map(|offer: &Offer| offer.method).collect();
                snapshot.bundle.trustable_after(&facts.trust_question(app), offered)
            }
            _ => MethodSet::EMPTY,
        };
        let roles = roles_asked(&sign_in.target, app);
        let goal = Goal::App { roles: &roles };
        let helps = snapshot.bundle.would_fewer_devices_help(
            goal,
            &facts.question(app),
            &facts.repertoire,
            &decided.decision,
        )?;
        // Whoever may not remove one, whatever they show, is not led to a page that says no.
        let devices = helps && !matches!(removal(snapshot, facts)?, Removal::Refused(_));
        Ok(Extras { trustable, devices })
    }

    /// For how many days the page of `method` offers to remember the device.
    pub(super) fn remember_days(&self, extras: Extras, method: Method) -> Option<u16> {
        let days = self.snapshot().config.devices.trust_days;
        (days > 0 && extras.trustable.contains(method)).then_some(days)
    }

    /// Has the device of an Allow remembered, if the person asked for it and the policies permit it.
    pub(super) async fn remember_device(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        app: &App,
        decided: &Decided,
    ) -> Result<(), SignInError> {
        let (facts, days) = (&decided.facts, snapshot.config.devices.trust_days);
        let (Remember::Yes, Some((_, device))) = (sign_in.remember, &decided.device) else { return Ok(()) };
        if days == 0 {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let permit = match snapshot.bundle.permit_trust_device(&facts.trust_question(app), now) {
            Ok(permit) => permit,
            Err(refused) => {
                let ids: Vec<_> = refused.verdict.determining.iter().map(|policy| policy.id.as_str()).collect();
                tracing::info!(user.name = %facts.user.username, policy.ids = ?ids, "a device is not trusted");
                return Ok(());
            }
        };
        let user = permit.redeem(now).map_err(|_| SignInError::Expired)?;
        let trust = Trust { proofs: facts.recent, at: now, epoch: facts.user.session_epoch };
        if self.parts.devices.trust(user, device.id, &app.id, trust, days).await? {
            self.log_device(client, EventKind::DeviceTrusted, &facts.user, Some(sign_in.id), device.id).await?;
        }
        Ok(())
    }

    /// "See your devices", on a challenge or a refusal: what removing one takes is asked for first.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn devices_wanted(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let mut live = self.live(client, handle).await?;
        let stage = transition(live.sign_in.stage.clone(), Event::DevicesWanted)?;
        live.sign_in.errand = Errand::RemoveDevice;
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// The page on which one device is chosen: those that count for the app.
    pub(super) async fn device_choice(
        &self,
        client: &Client,
        live: &Live,
        person: &Person,
    ) -> Result<Reply, SignInError> {
        let user = self.person(person).await?;
        let snapshot = self.snapshot();
        let app = &live.sign_in.target.app;
        let mut devices = self.own_devices(&snapshot, client, &user).await?;
        devices.retain(|device| device.listed.apps.contains(app));
        let view = View::ChooseDevice { handle: live.handle(), devices, time_zone: user.time_zone };
        self.reply_for(live, view).await
    }

    /// A device was chosen to be removed: the sign-in goes on where it was.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn device_chosen(&self, client: &Client, handle: &str, device: DeviceId) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        let Stage::ChoosingDevice { person } = live.sign_in.stage.clone() else { return Err(SignInError::StartAgain) };
        let snapshot = self.snapshot();
        let facts = self.gather(&snapshot, client, &person, &live.sign_in.target).await?;
        let Some(permit) = self.may_remove(&snapshot, &facts) else {
            return self.reconsider(client, live).await;
        };
        // Of two forms sent at once one goes on.
        let live = self.parts.sign_ins.claim(live, &client.browser).await?;
        self.remove(&snapshot, client, permit, &facts.user, device, Some(live.sign_in.id)).await?;
        self.go_on(client, live).await
    }

    /// "Go on without removing one".
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn devices_done(&self, client: &Client, handle: &str) -> Result<Reply, SignInError> {
        let live = self.live(client, handle).await?;
        self.go_on(client, live).await
    }

    async fn go_on(&self, client: &Client, mut live: Live) -> Result<Reply, SignInError> {
        let stage = transition(live.sign_in.stage.clone(), Event::DevicesDone)?;
        live.sign_in.errand = Errand::None;
        self.settle(client, SignIn { stage, ..live.sign_in.clone() }, Some(live)).await
    }

    /// The devices of whoever the session belongs to; `None` when there is no session, or the policies want more first.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn account_devices(&self, client: &Client) -> Result<Option<DevicesPage>, SignInError> {
        let snapshot = self.snapshot();
        let Some(facts) = self.account_facts(&snapshot, client).await? else { return Ok(None) };
        let goal = Goal::App { roles: &[] };
        let planned = plan(&snapshot.bundle, goal, &facts.question(snapshot.portal()), &facts.repertoire)?;
        if planned.decision != Decision::Allow {
            return Ok(None);
        }
        let removal = removal(&snapshot, &facts)?;
        let devices = self.own_devices(&snapshot, client, &facts.user).await?;
        Ok(Some(DevicesPage { user: facts.user, devices, removal }))
    }

    /// Removes one of the devices of whoever the session belongs to. Where that takes more than was shown, a sign-in asks for
    /// it and leads back to the page.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn remove_device(&self, client: &Client, device: DeviceId) -> Result<Reply, SignInError> {
        let snapshot = self.snapshot();
        let Some(facts) = self.account_facts(&snapshot, client).await? else {
            return self.begin(client, self.portal_target()).await;
        };
        match self.may_remove(&snapshot, &facts) {
            Some(permit) => {
                self.remove(&snapshot, client, permit, &facts.user, device, None).await?;
                Ok(Reply::of(View::AccountDevices))
            }
            None => self.begin(client, Target { aim: Aim::Devices, ..self.portal_target() }).await,
        }
    }

    /// Ends the trust in one of the devices of whoever the session belongs to. That gives nobody anything, so no policy is asked.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn end_trust(&self, client: &Client, device: DeviceId) -> Result<Reply, SignInError> {
        let Some(visitor) = self.visitor(client).await? else {
            return self.begin(client, self.portal_target()).await;
        };
        if self.parts.devices.end_trust(visitor.user.id, device).await? {
            self.log_device(client, EventKind::TrustEnded, &visitor.user, None, device).await?;
        }
        Ok(Reply::of(View::AccountDevices))
    }

    /// What is asked about on account pages. What the session showed within ten minutes is fresh there, as on the portal.
    async fn account_facts(&self, snapshot: &Snapshot, client: &Client) -> Result<Option<Facts>, SignInError> {
        let Some(visitor) = self.visitor(client).await? else { return Ok(None) };
        let person = Person { shown: visitor.session.proofs.clone(), ..visitor.person() };
        self.gather(snapshot, client, &person, &self.portal_target()).await.map(Some)
    }

    fn may_remove(&self, snapshot: &Snapshot, facts: &Facts) -> Option<StepPermit<RemoveDevice>> {
        let question = facts.question(snapshot.portal());
        snapshot.bundle.permit_remove_device(&question, self.parts.clock.now()).ok()
    }

    async fn remove(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        permit: StepPermit<RemoveDevice>,
        user: &User,
        device: DeviceId,
        sign_in: Option<SignInId>,
    ) -> Result<(), SignInError> {
        let owner = permit.redeem(self.parts.clock.now()).map_err(|_| SignInError::Expired)?;
        if self.parts.devices.remove(owner, device, &app_ids(snapshot)).await? {
            self.log_device(client, EventKind::DeviceRemoved, user, sign_in, device).await?;
            self.tell(user, NoticeKind::DeviceRemoved, client).await?;
        }
        Ok(())
    }

    async fn own_devices(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        user: &User,
    ) -> Result<Vec<OwnDevice>, SignInError> {
        let (now, days) = (self.parts.clock.now(), snapshot.config.devices.trust_days);
        let current = match &client.device {
            Some(token) => self.parts.devices.find(token).await?.map(|device| device.id),
            None => None,
        };
        let listed = self.parts.devices.list(user.id, &app_ids(snapshot)).await?;
        let own = listed.into_iter().map(|listed| {
            let standing = listed.trusts.iter().filter(|(_, trust)| trust.stands(user, days, now));
            let named = |app: &AppId| snapshot.display_name(app).unwrap_or_else(|| app.to_string());
            let remembered = standing.map(|(app, trust)| (named(app), trust.ends(days))).collect();
            OwnDevice { is_current: current == Some(listed.id), remembered, listed }
        });
        Ok(own.collect())
    }

    async fn log_device(
        &self,
        client: &Client,
        event: EventKind,
        user: &User,
        sign_in: Option<SignInId>,
        about: DeviceId,
    ) -> Result<(), SignInError> {
        let record = EventRecord { about_device: Some(about), ..self.event(client, event, user, sign_in).await? };
        Ok(self.parts.journal.append(record).await?)
    }
}

/// Whether the person may remove a device, now or after showing what they can show.
fn removal(snapshot: &Snapshot, facts: &Facts) -> Result<Removal, SignInError> {
    let goal = Goal::Step(Step::RemoveDevice);
    let planned = plan(&snapshot.bundle, goal, &facts.question(snapshot.portal()), &facts.repertoire)?;
    Ok(match planned.decision {
        Decision::Allow => Removal::Permitted,
        Decision::Challenge { .. } => Removal::ExtraStep,
        Decision::Deny(DenyReason::Forbidden { policies }) => Removal::Refused(policies),
        Decision::Enrol { .. } | Decision::Deny(_) => Removal::Refused(Vec::new()),
    })
}

/// Every app that may count devices.
fn app_ids(snapshot: &Snapshot) -> Vec<AppId> {
    snapshot.bundle.vocabulary().apps.iter().map(|app| app.id.clone()).collect()
}
