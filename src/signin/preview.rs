//! What an app would be told of somebody, and why: decided, mapped and written by the code of a sign-in, on facts that are
//! stated instead of gathered. Without a signature unless that is asked for, and then on record like any other.

use std::net::IpAddr;

use crate::accounts::{Authenticator, Envelope};
use crate::audit::{
    AssertionRecord, AssertionStage, AuditError, DecisionRecord, EventKind, EventRecord, Journal, WouldTell,
};
use crate::clock::{Clock, Entropy, Stopwatch, Timestamp};
use crate::domain::{
    App, AppId, AuthnContextClass, Decision, DecisionKind, DeviceFacts, EnforcedPolicy, IssueRequest, MethodSet,
    PolicyId, Profile, ReferenceId, RoleName, SessionId, SignalSet, Step, User, UserStatus,
};
use crate::policy::explain::{Explanation, explain};
use crate::policy::planner::plan;
use crate::policy::{Goal, IssuePermit, PlanError, Verdict};
use crate::runtime::Snapshot;
use crate::saml::issuer::{draft, issue};
use crate::saml::{IssueContext, IssueError, MappingError, ServiceProvider, SignedResponse};
use crate::sessions::end_of;
use crate::signals::{Observation, Past};

use super::decide::{Facts, repertoire};
use super::error::SignInError;
use super::finish::NAME_ID_KEY;

/// What is taken for granted about the sign-in to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Stated<'a> {
    /// Who signs in.
    pub user: &'a User,
    /// What they have enrolled.
    pub authenticators: &'a [Authenticator],
    /// To which app.
    pub app: &'a AppId,
    /// What they have shown, just now; `None` = all they can.
    pub proofs: Option<MethodSet>,
    /// The one role chosen.
    pub role: Option<&'a RoleName>,
    /// One of the app's addresses; `None` = its first.
    pub acs: Option<&'a str>,
    /// Where they come from.
    pub ip: IpAddr,
    /// What is known of the device.
    pub device: DeviceFacts,
}

/// There is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// No app of this id gets assertions.
    #[error("there is no app `{app}` that gets assertions; there are: {}", listed(known))]
    UnknownApp {
        /// What was asked for.
        app: AppId,
        /// Those there are.
        known: Vec<AppId>,
    },
    /// The app has no such role.
    #[error("app `{app}` has no role `{role}`; it has: {}", listed(known))]
    UnknownRole {
        /// The app.
        app: AppId,
        /// What was asked for.
        role: RoleName,
        /// Those there are.
        known: Vec<RoleName>,
    },
    /// The address is none of the app's.
    #[error("`{acs}` is no address of app `{app}`: {}", known.join(", "))]
    UnknownAcs {
        /// The app.
        app: AppId,
        /// What was asked for.
        acs: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// What the app has to be told cannot be said of this user.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The policies could not be decided.
    #[error("the policies can't be decided")]
    Plan(#[from] PlanError),
    /// A sign-in would end without it, too.
    #[error("nothing is signed: {0}")]
    Withheld(Withheld),
    /// It could not be written or signed.
    #[error("the response can't be made")]
    Issue(#[from] IssueError),
    /// It could not be recorded, so it was not shown either.
    #[error("the response can't be recorded")]
    Audit(#[from] AuditError),
    /// Keys or random bytes could not be had.
    #[error(transparent)]
    Unavailable(SignInError),
}

/// Why a sign-in that the portal begins would end without a response, whatever the policies say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// What the app's metadata said has ended.
    #[error("the app's metadata has ended")]
    MetadataEnded,
    /// The app takes no response that it did not ask for.
    #[error("the app takes a response only to its own request (`idp_initiated = false`)")]
    OnRequestOnly,
}

impl Withheld {
    fn of(provider: &ServiceProvider, now: Timestamp) -> Option<Self> {
        if !provider.is_valid_at(now) {
            return Some(Self::MetadataEnded);
        }
        (!provider.idp_initiated()).then_some(Self::OnRequestOnly)
    }
}

fn listed<T: std::fmt::Display>(known: &[T]) -> String {
    match known {
        [] => "none".to_owned(),
        known => known.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "),
    }
}

/// What the policies say of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleVerdict {
    /// The role.
    pub role: RoleName,
    /// What they say, with the policies it rests on.
    pub verdict: Verdict,
}

/// What a sign-in on the stated facts comes to.
#[derive(Debug)]
pub struct Preview {
    /// The app.
    pub app: App,
    /// What counts as shown.
    pub shown: MethodSet,
    /// What was stated as shown although the person has not set it up.
    pub not_theirs: MethodSet,
    /// The facts.
    pub signals: SignalSet,
    /// The answer to opening the app.
    pub decision: Decision,
    /// The policies it rests on.
    pub determining: Vec<EnforcedPolicy>,
    /// The policies on trial that would have had a part in it.
    pub shadow: Vec<PolicyId>,
    /// Those of them that could not be evaluated.
    pub shadow_failed: Vec<PolicyId>,
    /// The answer with them in force; `None` where none had a part in it.
    pub would: Option<DecisionKind>,
    /// Whom they would tell.
    pub would_tell: WouldTell,
    /// What came of every policy.
    pub explanation: Explanation,
    /// The roles of the app.
    pub roles: Vec<RoleVerdict>,
    /// The one that was chosen.
    pub role: Option<RoleName>,
    /// Why it would not be sent now, and is not signed.
    pub withheld: Option<Withheld>,
    /// Whether links can be mailed.
    pub mails: bool,
    facts: Facts,
    session: SessionId,
    evaluations: u32,
    micros: u64,
    permit: Option<IssuePermit>,
    /// The policies refused the permit that the plan had said yes to.
    at_permit: bool,
}

/// A response that was signed for looking at, on record already.
#[derive(Debug)]
pub struct Signed {
    /// The response.
    pub response: SignedResponse,
    /// Leads to the decision behind it.
    pub reference: ReferenceId,
    record: AssertionRecord,
}

/// Decides and maps what `stated` comes to.
///
/// # Errors
/// There is no such app, role or address; what has to be said cannot be; or the policies cannot be decided.
pub fn preview(
    snapshot: &Snapshot,
    envelope: &Envelope,
    entropy: &dyn Entropy,
    stated: &Stated<'_>,
) -> Result<Preview, PreviewError> {
    let unknown = || PreviewError::UnknownApp {
        app: stated.app.clone(),
        known: snapshot.service_providers().map(|provider| provider.app().id.clone()).collect(),
    };
    let provider = snapshot.service_provider(stated.app).ok_or_else(unknown)?;
    let app = snapshot.app(stated.app).ok_or_else(unknown)?;
    check_choices(provider, stated)?;
    let signals = snapshot.observer.observe(&Observation {
        ip: stated.ip,
        app: &app.id,
        time_zone: stated.user.time_zone.as_deref(),
        device: Some(stated.device),
        failed_attempts: 0,
        past: &Past::First,
    });
    let mailable = snapshot.config.mail.is_some() && stated.user.status == UserStatus::Active;
    let repertoire = repertoire(stated.authenticators, mailable, MethodSet::EMPTY);
    let theirs: MethodSet = repertoire.enrolled.iter().copied().collect();
    let shown = stated.proofs.unwrap_or(theirs);
    let facts = Facts::stated(stated.user.clone(), shown, signals, repertoire, !provider.idp_initiated());
    let q = facts.question(app);
    let roles = stated.role.map_or_else(|| app.roles.clone(), |role| vec![role.clone()]);
    let stopwatch = Stopwatch::start();
    let goal = Goal::App { roles: &roles };
    let planned = plan(&snapshot.bundle, goal, &q, &facts.repertoire)?;
    let micros = stopwatch.micros();
    let trial = snapshot.bundle.try_out(goal, &q, &facts.repertoire, &planned.decision);
    let unavailable = |error| PreviewError::Unavailable(SignInError::from(error));
    let session = SessionId::new(facts.signals.now, entropy).map_err(unavailable)?;
    let (mut decision, mut determining, mut permit) = (planned.decision, planned.determining, None);
    let is_yes = decision == Decision::Allow;
    if is_yes {
        let request = issue_request(provider, &facts, envelope, session, stated)?;
        match snapshot.bundle.permit_issue(&q, request, session, facts.signals.now) {
            Ok(given) => permit = Some(given),
            Err(refused) => {
                (decision, determining) = (Decision::Deny(refused.reason), refused.verdict.determining);
            }
        }
    }
    let role_verdict = |role: &RoleName| RoleVerdict {
        role: role.clone(),
        verdict: snapshot.bundle.evaluate(Step::AssumeRole, Some(role), &q),
    };
    Ok(Preview {
        app: app.clone(),
        shown,
        not_theirs: shown.difference(theirs),
        signals: facts.signals.clone(),
        decision,
        determining,
        shadow: trial.policies,
        shadow_failed: trial.failed,
        would: trial.would,
        would_tell: trial.would_tell,
        explanation: explain(&snapshot.bundle, Step::SignIn, None, &q),
        roles: app.roles.iter().map(role_verdict).collect(),
        role: stated.role.cloned(),
        withheld: Withheld::of(provider, facts.signals.now),
        mails: snapshot.config.mail.is_some(),
        session,
        evaluations: planned.evaluations,
        micros,
        at_permit: is_yes && permit.is_none(),
        permit,
        facts,
    })
}

fn check_choices(provider: &ServiceProvider, stated: &Stated<'_>) -> Result<(), PreviewError> {
    let app = &provider.app().id;
    if let Some(role) = stated.role.filter(|role| !provider.app().roles.contains(role)) {
        return Err(PreviewError::UnknownRole {
            app: app.clone(),
            role: role.clone(),
            known: provider.app().roles.clone(),
        });
    }
    match stated.acs {
        Some(acs) if !provider.acs().iter().any(|known| known == acs) => {
            Err(PreviewError::UnknownAcs { app: app.clone(), acs: acs.to_owned(), known: provider.acs().to_vec() })
        }
        _ => Ok(()),
    }
}

fn issue_request(
    provider: &ServiceProvider,
    facts: &Facts,
    envelope: &Envelope,
    session: SessionId,
    stated: &Stated<'_>,
) -> Result<IssueRequest, PreviewError> {
    let key = envelope.derive_key(NAME_ID_KEY).map_err(|error| PreviewError::Unavailable(error.into()))?;
    let relay_state = provider.relay_state_for_launch(None).ok().flatten();
    let context = IssueContext {
        acs: stated.acs,
        in_response_to: None,
        relay_state,
        // Of no session that is or will be.
        session_index: &format!("_preview-{session}"),
        authn_instant: facts.newest,
        authn_context: AuthnContextClass::of(facts.proofs, Profile::default()),
        session_not_on_or_after: Some(end_of(facts.newest)),
        role: stated.role,
        name_id_format: None,
        persistent_id_key: &key,
    };
    Ok(provider.issue_request(&facts.user, &context)?)
}

impl Preview {
    /// What would be said; `None` when the policies refuse. The roles are the permitted ones.
    #[must_use]
    pub fn request(&self) -> Option<&IssueRequest> {
        self.permit.as_ref().map(IssuePermit::request)
    }

    /// The response as it would be signed, but without a signature, so that no app takes it; `None` when the policies refuse.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn draft(self, snapshot: &Snapshot, entropy: &dyn Entropy) -> Result<Option<String>, PreviewError> {
        let now = self.facts.signals.now;
        Ok(self.permit.map(|permit| draft(permit, &snapshot.idp, now, entropy)).transpose()?)
    }

    /// The response, signed: the app takes it for five minutes. Decision, intent and the fact that it is none of a person's own
    /// sign-in are in the journal before this returns. `None` when the policies refuse, which is recorded too.
    ///
    /// # Errors
    /// A sign-in would not send it; or it cannot be written, signed or recorded.
    pub async fn sign(
        self,
        snapshot: &Snapshot,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
        journal: &Journal,
    ) -> Result<Option<Signed>, PreviewError> {
        if let Some(why) = self.withheld.filter(|_| self.permit.is_some()) {
            return Err(PreviewError::Withheld(why));
        }
        let reference = ReferenceId::new(entropy).map_err(|error| PreviewError::Unavailable(error.into()))?;
        journal.append(self.decision_record(snapshot, reference.clone())).await?;
        let Some(permit) = self.permit else { return Ok(None) };
        let user = self.facts.user.username.clone();
        journal
            .append(EventRecord {
                event: EventKind::PreviewSigned,
                at: clock.now(),
                user: user.clone(),
                sign_in: None,
                method: None,
                about_device: None,
                ip: None,
                device: None,
            })
            .await?;
        let response = issue(permit, &snapshot.idp, clock.now(), entropy)?;
        let record = AssertionRecord {
            stage: AssertionStage::Intended,
            at: clock.now(),
            assertion: response.assertion_id.clone().unwrap_or_default(),
            app: self.app.id,
            user,
            policy_digest: snapshot.bundle.digest().to_owned(),
            decision: reference.clone(),
            sha256: response.sha256.clone(),
            roles: response.roles.clone(),
            acs: response.acs.clone(),
        };
        // INVARIANT: on disk before anybody sees it.
        journal.append(record.clone()).await?;
        Ok(Some(Signed { response, reference, record }))
    }

    fn decision_record(&self, snapshot: &Snapshot, reference: ReferenceId) -> DecisionRecord {
        let user = &self.facts.user;
        DecisionRecord {
            reference,
            at: self.signals.now,
            sign_in: None,
            session: Some(self.session),
            user: Some(user.username.clone()),
            app: self.app.id.clone(),
            step: Step::SignIn,
            role: self.role.clone(),
            groups: user.groups.clone(),
            status: Some(user.status),
            home_country: Some(user.home_country.clone()),
            proofs: self.shown,
            fresh: self.shown,
            signals: self.signals.clone(),
            sp_initiated: self.facts.question(&self.app).sp_initiated,
            force_authn: false,
            required: self.facts.question(&self.app).required,
            profile: Profile::default(),
            roles: self.role.as_ref().map_or_else(|| self.app.roles.clone(), |role| vec![role.clone()]),
            repertoire: self.facts.repertoire.clone(),
            decision: self.decision.clone(),
            at_permit: self.at_permit,
            determining: self.determining.clone(),
            shadow: self.shadow.clone(),
            shadow_failed: self.shadow_failed.clone(),
            would: self.would,
            would_tell: self.would_tell.clone(),
            policy_digest: snapshot.bundle.digest().to_owned(),
            evaluations: self.evaluations,
            micros: self.micros,
        }
    }
}

impl Signed {
    /// Records that it was shown.
    ///
    /// # Errors
    /// The journal failed.
    pub async fn released(self, journal: &Journal) -> Result<(), AuditError> {
        journal.append(AssertionRecord { stage: AssertionStage::Released, ..self.record }).await
    }
}
