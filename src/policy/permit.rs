//! Permits: values that only a yes of the policies makes, and that the acting code must hold and give up.
//!
//! INVARIANT: no assertion without an [`IssuePermit`]. It cannot be made outside this file, is not `Clone`, is consumed by
//! value, and is worthless ten seconds after it was made.

use std::marker::PhantomData;

use super::bundle::Bundle;
use super::engine::Verdict;
use super::question::Question;
use crate::clock::Timestamp;
use crate::domain::{DenyReason, IssueRequest, MethodSet, RoleName, SessionId, Step, UserId, Username};

/// How long a permit is good for.
const GOOD_FOR_SECONDS: i64 = 10;

/// The policies said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused by policy")]
pub struct Refused {
    /// What they said, of the step that failed.
    pub verdict: Verdict,
    /// Why, in the words of a decision.
    pub reason: DenyReason,
}

/// The permit is older than ten seconds, or from the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the permit has expired")]
pub struct PermitExpired;

/// Leave to issue one assertion that says just this. Redeem it to read it.
#[derive(Debug)]
#[must_use = "a permit that is not redeemed issues nothing"]
pub struct IssuePermit {
    permitted: Permitted,
    made: Timestamp,
}

/// What a redeemed [`IssuePermit`] allows to say. The issuer reads from nothing else.
#[derive(Debug)]
pub struct Permitted {
    user_id: UserId,
    username: Username,
    request: IssueRequest,
    session: SessionId,
    proofs: MethodSet,
    policy_digest: String,
}

/// The step [`Step::Enroll`], as a type.
#[derive(Debug)]
pub enum Enroll {}

/// The step [`Step::TrustDevice`], as a type.
#[derive(Debug)]
pub enum TrustDevice {}

/// The step [`Step::RemoveDevice`], as a type.
#[derive(Debug)]
pub enum RemoveDevice {}

/// Leave to take the step `S` once.
#[derive(Debug)]
#[must_use = "a permit that is not redeemed allows nothing"]
pub struct StepPermit<S> {
    user_id: UserId,
    policy_digest: String,
    made: Timestamp,
    step: PhantomData<S>,
}

impl IssuePermit {
    /// Gives the permit up for what it permits.
    ///
    /// # Errors
    /// More than ten seconds passed since it was made, or the clock went back.
    pub fn redeem(self, now: Timestamp) -> Result<Permitted, PermitExpired> {
        if is_good(self.made, now) { Ok(self.permitted) } else { Err(PermitExpired) }
    }

    /// What the assertion would say; for the record that is written before it is issued.
    #[must_use]
    pub fn request(&self) -> &IssueRequest {
        &self.permitted.request
    }
}

impl Permitted {
    /// Whom the assertion is about, inside.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Whom the assertion is about.
    #[must_use]
    pub fn username(&self) -> &Username {
        &self.username
    }

    /// What it says; the roles are the permitted ones.
    #[must_use]
    pub fn request(&self) -> &IssueRequest {
        &self.request
    }

    /// The session it belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The proofs it was permitted on.
    #[must_use]
    pub fn proofs(&self) -> MethodSet {
        self.proofs
    }

    /// The digest of the policies that permitted it.
    #[must_use]
    pub fn policy_digest(&self) -> &str {
        &self.policy_digest
    }
}

impl<S> StepPermit<S> {
    /// Gives the permit up for the user who may take the step.
    ///
    /// # Errors
    /// More than ten seconds passed since it was made, or the clock went back.
    pub fn redeem(self, now: Timestamp) -> Result<UserId, PermitExpired> {
        if is_good(self.made, now) { Ok(self.user_id) } else { Err(PermitExpired) }
    }

    /// The digest of the policies that permitted it.
    #[must_use]
    pub fn policy_digest(&self) -> &str {
        &self.policy_digest
    }
}

fn is_good(made: Timestamp, now: Timestamp) -> bool {
    (0..=GOOD_FOR_SECONDS * 1000).contains(&(now.as_millisecond() - made.as_millisecond()))
}

impl Bundle {
    /// Asks anew whether this user may open the app (signIn) and which of the roles in `request` they may become
    /// (assumeRole); only those stay.
    ///
    /// # Errors
    /// The policies refuse, what the service provider wants shown was not, `request` is for another app than the question, or the
    /// app has roles and none is permitted.
    pub fn permit_issue(
        &self,
        q: &Question<'_>,
        mut request: IssueRequest,
        session: SessionId,
        now: Timestamp,
    ) -> Result<IssuePermit, Refused> {
        let verdict = self.evaluate(Step::SignIn, None, q);
        if q.app.id != request.app || !verdict.allowed {
            return Err(Refused::from_verdict(verdict));
        }
        if !q.shows_required() {
            return Err(Refused { verdict: Verdict { allowed: false, ..verdict }, reason: DenyReason::CannotShow });
        }
        request.roles.retain(|role| q.app.roles.contains(&role.name) && self.may_become(&role.name, q));
        if !q.app.roles.is_empty() && request.roles.is_empty() {
            return Err(Refused { verdict: Verdict { allowed: false, ..verdict }, reason: DenyReason::NoRole });
        }
        let permitted = Permitted {
            user_id: q.user.id,
            username: q.user.username.clone(),
            request,
            session,
            proofs: q.counting(),
            policy_digest: self.digest().to_owned(),
        };
        Ok(IssuePermit { permitted, made: now })
    }

    fn may_become(&self, role: &RoleName, q: &Question<'_>) -> bool {
        self.evaluate(Step::AssumeRole, Some(role), q).allowed
    }

    /// Asks whether this user may add an authenticator now. Steps of self-service are always asked on the portal, whichever
    /// app the question is about.
    ///
    /// # Errors
    /// The policies refuse.
    pub fn permit_enroll(&self, q: &Question<'_>, now: Timestamp) -> Result<StepPermit<Enroll>, Refused> {
        self.permit_step(Step::Enroll, q, now)
    }

    /// Asks whether this user may have the device trusted for the app of the question, on what was shown now.
    ///
    /// # Errors
    /// The policies refuse.
    pub fn permit_trust_device(&self, q: &Question<'_>, now: Timestamp) -> Result<StepPermit<TrustDevice>, Refused> {
        self.permit_step(Step::TrustDevice, q, now)
    }

    /// Asks whether this user may take one of their devices off the list now. Asked on the portal.
    ///
    /// # Errors
    /// The policies refuse.
    pub fn permit_remove_device(&self, q: &Question<'_>, now: Timestamp) -> Result<StepPermit<RemoveDevice>, Refused> {
        self.permit_step(Step::RemoveDevice, q, now)
    }

    fn permit_step<S>(&self, step: Step, q: &Question<'_>, now: Timestamp) -> Result<StepPermit<S>, Refused> {
        let verdict = self.evaluate(step, None, q);
        if !verdict.allowed {
            return Err(Refused::from_verdict(verdict));
        }
        let policy_digest = self.digest().to_owned();
        Ok(StepPermit { user_id: q.user.id, policy_digest, made: now, step: PhantomData })
    }
}

impl Refused {
    fn from_verdict(verdict: Verdict) -> Self {
        let reason = verdict.reason();
        Self { verdict: Verdict { allowed: false, ..verdict }, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        AppId, Attribute, AuthnContextClass, Method, NameId, NameIdFormat, RoleCandidate, SignMode, SignatureAlgorithm,
    };
    use crate::policy::samples::{self, Sample};

    fn request(app: &str, roles: &[&str]) -> IssueRequest {
        IssueRequest {
            app: AppId::parse(app).unwrap(),
            audience: "urn:amazon:webservices".to_owned(),
            acs: "https://signin.aws.amazon.com/saml".to_owned(),
            in_response_to: None,
            relay_state: None,
            name_id: NameId { format: NameIdFormat::Persistent, value: "x".to_owned() },
            attributes: vec![Attribute::new("mail", vec!["ann@example.com".to_owned()])],
            role_attribute: None,
            roles: roles
                .iter()
                .map(|name| RoleCandidate { name: samples::role(name), value: format!("arn:{name}") })
                .collect(),
            session_index: "s".to_owned(),
            authn_instant: at(0),
            session_not_on_or_after: None,
            authn_context: AuthnContextClass::TimeSyncToken,
            sign: SignMode::Assertion,
            signature_algorithm: SignatureAlgorithm::RsaSha256,
            encryption: None,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    fn session() -> SessionId {
        SessionId::parse("01890000-0000-7000-8000-000000000002").unwrap()
    }

    fn shown(methods: &[Method]) -> MethodSet {
        methods.iter().copied().collect()
    }

    #[test]
    fn only_permitted_roles_stay() {
        let (bundle, sample) = (samples::shipped(), Sample::new(&["aws-users", "aws-admins"], "aws"));
        for (proofs, roles) in [
            (vec![Method::Password, Method::Totp], vec!["Dev"]),
            (vec![Method::Password, Method::SecurityKey], vec!["Dev", "Admin"]),
        ] {
            let q = sample.question(shown(&proofs));
            let permit =
                bundle.permit_issue(&q, request("aws", &["Dev", "Admin", "Unknown"]), session(), at(0)).unwrap();
            let permitted = permit.redeem(at(1)).unwrap();
            let names: Vec<_> = permitted.request().roles.iter().map(|role| role.name.as_str()).collect();
            assert_eq!(names, roles);
            assert_eq!(permitted.policy_digest(), bundle.digest());
            assert_eq!((permitted.user_id(), permitted.session()), (sample.user.id, session()));
            assert_eq!((permitted.username(), permitted.proofs()), (&sample.user.username, q.proofs));
        }
    }

    #[test]
    fn nothing_is_permitted_without_the_yes_of_every_policy() {
        let bundle = samples::shipped();
        let refused = |groups: &[&str], proofs: &[Method], app: &str, roles: &[&str]| {
            let sample = Sample::new(groups, "aws");
            let q = sample.question(shown(proofs));
            let refused = bundle.permit_issue(&q, request(app, roles), session(), at(0)).unwrap_err();
            assert!(!refused.verdict.allowed);
            refused.reason
        };
        let both = [Method::Password, Method::Totp];
        assert_eq!(refused(&[], &both, "aws", &["Dev"]), DenyReason::NoPermit);
        assert_eq!(refused(&["aws-users"], &both, "wiki", &["Dev"]), DenyReason::NoPermit);
        assert_eq!(refused(&["aws-users"], &both, "aws", &["Admin"]), DenyReason::NoRole);
        assert_eq!(refused(&["aws-users"], &both, "aws", &[]), DenyReason::NoRole);
        let reason = refused(&["aws-users"], &[Method::Password], "aws", &["Dev"]);
        assert!(
            matches!(&reason, DenyReason::Forbidden { policies } if policies[0].id.as_str() == "aws.second-factor")
        );
    }

    #[test]
    fn nothing_is_permitted_before_what_the_service_provider_wants_was_shown() {
        let bundle = samples::shipped();
        let mut sample = Sample::new(&[], "portal");
        sample.signals.device.trusted = true;
        let required = crate::domain::Required::any_of(&[AuthnContextClass::TimeSyncToken]);
        let permit = |proofs: &[Method]| {
            let q = Question { required, ..sample.question(shown(proofs)) };
            bundle.permit_issue(&q, request("portal", &[]), session(), at(0))
        };
        let refused = permit(&[Method::Password]).unwrap_err();
        assert_eq!((refused.reason, refused.verdict.allowed), (DenyReason::CannotShow, false));
        assert!(permit(&[Method::Password, Method::Totp]).is_ok());
    }

    #[test]
    fn a_permit_is_worth_nothing_after_ten_seconds_or_before_it_was_made() {
        let (bundle, sample) = (samples::shipped(), Sample::new(&["aws-users"], "aws"));
        for (millis, good) in [(0, true), (10_000, true), (10_001, false), (-1, false)] {
            let q = sample.question(shown(&[Method::Password, Method::Totp]));
            let permit = bundle.permit_issue(&q, request("aws", &["Dev"]), session(), at(0)).unwrap();
            assert_eq!(permit.redeem(at(millis)).is_ok(), good, "{millis} ms");
            let q = sample.question(shown(&[Method::Password, Method::ActivationLink]));
            let permit = bundle.permit_enroll(&q, at(0)).unwrap();
            assert_eq!(permit.redeem(at(millis)).is_ok(), good, "{millis} ms");
        }
    }

    #[test]
    fn trusting_and_removing_a_device_take_a_second_factor_shown_now() {
        let (bundle, sample) = (samples::shipped(), Sample::new(&["aws-users"], "aws"));
        let both = shown(&[Method::Password, Method::Totp]);
        let now = sample.question(both);
        let earlier = Question { fresh: shown(&[Method::Password]), ..sample.question(both) };
        assert_eq!(bundle.permit_trust_device(&now, at(0)).unwrap().redeem(at(1)), Ok(sample.user.id));
        assert_eq!(bundle.permit_remove_device(&now, at(0)).unwrap().redeem(at(1)), Ok(sample.user.id));
        assert_eq!(bundle.permit_trust_device(&earlier, at(0)).unwrap_err().reason, DenyReason::NoPermit);
        let refused = bundle.permit_remove_device(&earlier, at(0)).unwrap_err();
        assert_eq!(refused.verdict.determining[0].id.as_str(), "base.self-service-proof");
        let contractor = Sample::new(&["contractors"], "aws");
        let refused = bundle.permit_remove_device(&contractor.question(both), at(0)).unwrap_err();
        assert_eq!(refused.verdict.determining[0].id.as_str(), "device.contractors-keep");
    }

    #[test]
    fn enrolling_takes_more_than_a_password() {
        let (bundle, sample) = (samples::shipped(), Sample::new(&["aws-users"], "aws"));
        let refused = bundle.permit_enroll(&sample.question(shown(&[Method::Password])), at(0)).unwrap_err();
        assert_eq!(refused.verdict.determining[0].id.as_str(), "base.self-service-proof");
    }
}
