//! Whom to tell of a decision, and telling them: the mails that policies ask for. Mails are for afterwards: none of this can
//! stop a sign-in, and what goes wrong is in the log.

use std::collections::BTreeMap;

use crate::accounts::{OutboxMail, Urgency};
use crate::clock::Timestamp;
use crate::config::Mail as MailSettings;
use crate::domain::{Decision, EmailAddress, EnforcedPolicy, PolicyId};
use crate::notify::{
    AlertKind, AlertMail, Mail, Origin, RefusedVisitsMail, SecurityAlertMail, alert, refused_visits, security_alert,
};
use crate::policy::Outcome;
use crate::runtime::Snapshot;
use crate::signals::NetworkPrefix;
use crate::state::{Bounded, Key, Kind, Ttl};

use super::decide::Decided;
use super::enrol::{outbox_mail, zone_of};
use super::error::SignInError;
use super::flow::{Person, SignIn};
use super::service::{Client, Delivery, Service};
use crate::devices::{DeviceName, DeviceToken};

const HOUR_SECONDS: i64 = 60 * 60;
/// A sign-in or a session is told of once per policy; neither lives longer.
const SIGN_IN_TTL: Ttl = Ttl::seconds(13 * 60 * 60);
/// Somebody let in from one device and country is told of once per policy in 30 days.
const DEVICE_TTL: Ttl = Ttl::seconds(30 * 24 * 60 * 60);
/// A policy that cannot be evaluated is told of once an hour.
const FAILED_TTL: Ttl = Ttl::seconds(60 * 60);
/// How many alerts of one [`Urge`] concern one person per hour, so that whoever has a password cannot flood mailboxes.
const MOST_ALERTS_PER_HOUR: u64 = 10;
/// How many networks are told apart in the refused visits of one hour.
const MOST_NETWORKS: u32 = 100;
/// How long refused visits wait to be summed up.
const VISITS_TTL: Ttl = Ttl::seconds(3 * 60 * 60);
/// Stands for the networks beyond [`MOST_NETWORKS`].
const OTHERS: &str = "others";
/// Whose the entries about refused visits are.
const VISITS: &str = "visits";

/// Whom a mail goes to, as part of keys.
#[derive(Clone, Copy)]
enum Audience {
    User,
    Security,
}

impl Audience {
    fn code(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Security => "security",
        }
    }
}

/// What an alert counts as, towards its limit: whoever has a password brings about many challenges, and these must not use up
/// the mails about what matters more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urge {
    /// Somebody was let in.
    LetIn,
    /// A policy with `@severity("high")` is among those told of.
    Severe,
    /// Any other.
    Ordinary,
}

impl Urge {
    fn of(snapshot: &Snapshot, decision: &Decision, policies: &[EnforcedPolicy]) -> Self {
        if *decision == Decision::Allow {
            Self::LetIn
        } else if policies.iter().any(|policy| snapshot.bundle.is_severe(&policy.id)) {
            Self::Severe
        } else {
            Self::Ordinary
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::LetIn => "let-in",
            Self::Severe => "severe",
            Self::Ordinary => "ordinary",
        }
    }
}

/// What was not told of yet, and the marks by which it now was. Whoever then does not tell takes them away again.
struct Untold<T> {
    what: Vec<T>,
    marks: Vec<Key>,
}

impl<T> Untold<T> {
    fn nothing() -> Self {
        Self { what: Vec::new(), marks: Vec::new() }
    }
}

/// Within what a policy is told of once.
struct Scope {
    id: String,
    ttl: Ttl,
}

impl Service {
    /// Tells whoever the policies say is to be told of `decided`: once per sign-in (or session) and policy, and for an Allow
    /// once per device, country and policy in 30 days. `device` is the one recorded with an Allow.
    pub(super) async fn alert(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        person: &Person,
        decided: &Decided,
        device: Option<&DeviceToken>,
    ) {
        if self.parts.delivery == Delivery::Nobody || !decided.asks_to_open() {
            return;
        }
        let scope = scope(sign_in, person, decided, device);
        if let Err(error) = self.try_alert(snapshot, client, sign_in, decided, &scope).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                signin.id = %sign_in.id,
                decision.reference = %decided.reference,
                "an alert could not be written"
            );
        }
    }

    async fn try_alert(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        sign_in: &SignIn,
        decided: &Decided,
        scope: &Scope,
    ) -> Result<(), SignInError> {
        let facts = &decided.facts;
        let app = snapshot.app(&sign_in.target.app).ok_or(SignInError::UnknownApp)?;
        let alerts = snapshot.bundle.alerts(&decided.decision, &facts.question(app));
        let place = facts.signals.place_in_words();
        let name = client.user_agent.as_deref().map(DeviceName::of_user_agent).and_then(|name| name.in_words());
        let origin = Origin {
            ip: client.ip,
            place: place.as_deref(),
            device: name.as_deref(),
            is_known_device: facts.signals.device.known,
        };
        let kind = kind_of(&decided.decision);
        let app_name = snapshot.display_name(&app.id);
        let organisation = snapshot.config.organisation.name.as_str();
        let owner = facts.user.id.to_string();
        let told_user = async {
            let untold = self.untold(&owner, scope, Audience::User, &alerts.user).await?;
            let urge = Urge::of(snapshot, &decided.decision, &untold.what);
            let told = async {
                if untold.what.is_empty() || !self.may_alert(&owner, Audience::User, urge).await? {
                    return Ok(false);
                }
                let mail = alert(
                    facts.user.language.unwrap_or_default(),
                    &AlertMail {
                        kind,
                        name: &facts.user.display_name(),
                        organisation,
                        at: facts.signals.now,
                        zone: zone_of(snapshot, &facts.user),
                        origin,
                        app: app_name.as_deref(),
                        policies: &untold.what,
                        contact: snapshot.config.organisation.contact.as_deref(),
                    },
                )?;
                self.parts.accounts.enqueue(outbox_mail(&facts.user, mail)).await?;
                Ok(true)
            };
            self.keep_if_told(&untold.marks, told.await).await
        };
        let team = team(snapshot);
        let told_team = async {
            let untold = match team {
                [] => Untold::nothing(),
                _ => self.untold(&owner, scope, Audience::Security, &alerts.security).await?,
            };
            let failed = self.untold_failures(&alerts.failed).await?;
            let urge = Urge::of(snapshot, &decided.decision, &untold.what);
            let told = async {
                let may_alert = !untold.what.is_empty() && self.may_alert(&owner, Audience::Security, urge).await?;
                if !may_alert && failed.what.is_empty() {
                    return Ok(false);
                }
                let mail = security_alert(&SecurityAlertMail {
                    kind,
                    organisation,
                    at: facts.signals.now,
                    zone: snapshot.config.organisation.time_zone.zone().clone(),
                    origin,
                    user: &facts.user.username,
                    app: app_name.as_deref(),
                    policies: &untold.what,
                    failed: &failed.what,
                    reference: &decided.reference,
                })?;
                self.tell_team(team, &mail).await?;
                Ok(true)
            };
            let marks: Vec<Key> = untold.marks.iter().chain(&failed.marks).cloned().collect();
            self.keep_if_told(&marks, told.await).await
        };
        // That one of them cannot be told is no reason not to tell the other.
        let (user, team) = (told_user.await, told_team.await);
        user.and(team)
    }

    /// Takes `marks` away again when nobody was told, so that the next occasion tells.
    async fn keep_if_told(&self, marks: &[Key], told: Result<bool, SignInError>) -> Result<(), SignInError> {
        if !matches!(told, Ok(true)) {
            for mark in marks {
                if let Err(error) = self.parts.store.delete(mark).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "an alert that was left out stays left out"
                    );
                }
            }
        }
        told.map(drop)
    }

    /// The policies of `policies` that were not told of yet within `scope`; from now on they were.
    async fn untold(
        &self,
        owner: &str,
        scope: &Scope,
        audience: Audience,
        policies: &[EnforcedPolicy],
    ) -> Result<Untold<EnforcedPolicy>, SignInError> {
        let mut untold = Untold::nothing();
        for policy in policies {
            let key = Key::new(Kind::Told, owner, &format!("{}/{}/{}", scope.id, audience.code(), policy.id));
            if self.parts.store.put_if_absent(&key, b"1", scope.ttl).await? {
                untold.what.push(policy.clone());
                untold.marks.push(key);
            }
        }
        Ok(untold)
    }

    async fn untold_failures(&self, failed: &[PolicyId]) -> Result<Untold<PolicyId>, SignInError> {
        let mut untold = Untold::nothing();
        for policy in failed {
            tracing::error!(policy.id = %policy, "a policy could not be evaluated");
            let key = Key::new(Kind::Told, "failed-policies", policy.as_str());
            if self.parts.store.put_if_absent(&key, b"1", FAILED_TTL).await? {
                untold.what.push(policy.clone());
                untold.marks.push(key);
            }
        }
        Ok(untold)
    }

    async fn may_alert(&self, owner: &str, audience: Audience, urge: Urge) -> Result<bool, SignInError> {
        let key = Key::new(Kind::AlertCount, owner, &format!("{}/{}", audience.code(), urge.code()));
        let count = self.parts.store.increment(&key, Ttl::seconds(60 * 60)).await?;
        if count > MOST_ALERTS_PER_HOUR {
            let (audience, urge) = (audience.code(), urge.code());
            tracing::warn!(
                user.id = owner,
                alert.audience = audience,
                alert.urge = urge,
                "too many alerts; one is left out"
            );
        }
        Ok(count <= MOST_ALERTS_PER_HOUR)
    }

    async fn tell_team(&self, team: &[EmailAddress], mail: &Mail) -> Result<(), SignInError> {
        for to in team {
            let mail = OutboxMail {
                user: None,
                to: to.clone(),
                subject: mail.subject.clone(),
                text: mail.text.clone(),
                html: Some(mail.html.clone()),
                urgency: Urgency::Ordinary,
                expires: None,
            };
            self.parts.accounts.enqueue(mail).await?;
        }
        Ok(())
    }

    /// Counts a visitor who was refused before they were known, when a policy asks to tell the security team.
    pub(super) async fn count_refused_visit(
        &self,
        snapshot: &Snapshot,
        client: &Client,
        at: Timestamp,
        policies: &[EnforcedPolicy],
    ) {
        let ids: Vec<&str> =
            policies.iter().filter(|policy| policy.alerts_security).map(|policy| policy.id.as_str()).collect();
        if ids.is_empty() || self.parts.delivery == Delivery::Nobody || team(snapshot).is_empty() {
            return;
        }
        if let Err(error) = self.try_count_refused_visit(client, at, &ids.join(", ")).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a refused visit could not be counted");
        }
    }

    async fn try_count_refused_visit(&self, client: &Client, at: Timestamp, ids: &str) -> Result<(), SignInError> {
        let hour = at.as_second().div_euclid(HOUR_SECONDS);
        // Neither a network nor an id holds a `|`.
        let member = format!("{}|{ids}", NetworkPrefix::of(client.ip));
        let set = Key::new(Kind::RefusedNetworks, VISITS, &hour.to_string());
        let bounded = self.parts.store.insert_bounded(&set, &member, MOST_NETWORKS, VISITS_TTL).await?;
        let member = if matches!(bounded, Bounded::Full(_)) { OTHERS } else { &member };
        self.parts.store.increment(&visits_key(hour, member), VISITS_TTL).await?;
        Ok(())
    }

    /// Mails the security team what the hours before this one had of refused visits: one mail per network and hour, whatever
    /// the number of nodes. To be called every now and then.
    ///
    /// # Errors
    /// A store failed; what was not mailed is mailed by a later call, within two hours.
    pub async fn sum_up_refused_visits(&self) -> Result<(), SignInError> {
        let snapshot = self.snapshot();
        let team = team(&snapshot);
        if self.parts.delivery == Delivery::Nobody || team.is_empty() {
            return Ok(());
        }
        let this_hour = self.parts.clock.now().as_second().div_euclid(HOUR_SECONDS);
        for hour in [this_hour - 2, this_hour - 1] {
            let set = Key::new(Kind::RefusedNetworks, VISITS, &hour.to_string());
            let members = self.parts.store.members(&set).await?;
            let mut networks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for member in &members {
                let (network, ids) = member.split_once('|').unwrap_or((member, ""));
                networks.entry(network).or_default().push(ids);
            }
            for (network, ids) in networks {
                let members = ids.iter().map(|ids| format!("{network}|{ids}")).collect();
                self.sum_up_network(&snapshot, team, hour, Some(network), members, &ids.join(", ")).await?;
            }
            let others = vec![OTHERS.to_owned()];
            self.sum_up_network(&snapshot, team, hour, None, others, "several").await?;
        }
        Ok(())
    }

    async fn sum_up_network(
        &self,
        snapshot: &Snapshot,
        team: &[EmailAddress],
        hour: i64,
        network: Option<&str>,
        members: Vec<String>,
        policies: &str,
    ) -> Result<(), SignInError> {
        let mut count = 0;
        for member in members {
            count += self.parts.store.count(&visits_key(hour, &member)).await?;
        }
        let key = Key::new(Kind::Told, VISITS, &format!("{hour}/{}", network.unwrap_or(OTHERS)));
        if count == 0 || !self.parts.store.put_if_absent(&key, b"1", VISITS_TTL).await? {
            return Ok(());
        }
        let instant = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let mail = refused_visits(&RefusedVisitsMail {
            organisation: &snapshot.config.organisation.name,
            network,
            from: instant(hour * HOUR_SECONDS),
            until: instant((hour + 1) * HOUR_SECONDS),
            zone: snapshot.config.organisation.time_zone.zone().clone(),
            count,
            policies,
        })?;
        let told = self.tell_team(team, &mail).await;
        self.keep_if_told(&[key], told.map(|()| true)).await
    }
}

fn visits_key(hour: i64, member: &str) -> Key {
    Key::new(Kind::AlertCount, VISITS, &format!("{hour}/{member}"))
}

fn team(snapshot: &Snapshot) -> &[EmailAddress] {
    snapshot.config.mail.as_ref().map(|mail: &MailSettings| mail.security_team.as_slice()).unwrap_or_default()
}

fn scope(sign_in: &SignIn, person: &Person, decided: &Decided, device: Option<&DeviceToken>) -> Scope {
    match (Outcome::of(&decided.decision), device) {
        (Outcome::Allow, Some(device)) => {
            Scope { id: format!("device/{}/{}", device.hash(), decided.facts.signals.country), ttl: DEVICE_TTL }
        }
        (outcome, _) => {
            let id = person.session.map_or_else(|| sign_in.id.to_string(), |session| session.to_string());
            Scope { id: format!("{}/{id}", outcome.code()), ttl: SIGN_IN_TTL }
        }
    }
}

fn kind_of(decision: &Decision) -> AlertKind {
    match Outcome::of(decision) {
        Outcome::Allow => AlertKind::SignedIn,
        Outcome::Challenge => AlertKind::ProofAsked,
        Outcome::Deny => AlertKind::Refused,
    }
}
