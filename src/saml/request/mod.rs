//! AuthnRequests: read from either binding, then checked against what is registered. What comes out as
//! [`VerifiedAuthnRequest`] may be acted on; nothing else may.
//!
//! Whoever knows an app's entity id can send a request in its name, unless config demands signatures. So everything a request
//! can ask for only narrows (a fresh sign-in, no page, a stronger context, a certain person), and its answer goes to
//! registered addresses alone.

mod contexts;
mod parse;
mod signed;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BINDING_POST;
use super::binding::{BindingError, Fields};
use super::issuer::{SecondLevel, StatusReply};
use super::service_provider::ServiceProvider;
use super::verify::VerifyError;
use super::xml::ReadError;
use crate::clock::Timestamp;
use crate::domain::{
    AppId, AuthnContextClass, MethodSet, NameIdFormat, Profile, RelayState, Required, SignatureAlgorithm,
};
use contexts::Comparison;
use signed::Carried;

/// How old a request may be.
pub const MAX_AGE_SECONDS: i64 = 5 * 60;
/// How far the sender's clock may be ahead.
pub const MAX_AHEAD_SECONDS: i64 = 60;

/// A request that is answered here, with a page and status 400: whom it came from is not established.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no `SAMLRequest`.
    #[error("there is no `SAMLRequest`")]
    Missing,
    /// Nothing can be taken from the query or the form.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// It is not the XML of an AuthnRequest.
    #[error("the message is no AuthnRequest: {0}")]
    Malformed(#[from] ReadError),
    /// No app has this entity id.
    #[error("no app is registered under the issuer `{0}`")]
    UnknownIssuer(String),
    /// What is known of the app has ended.
    #[error("the metadata of the app `{0}` has ended")]
    MetadataEnded(AppId),
    /// The address for the answer is not registered.
    #[error("the address `{0}` is not registered for this app")]
    UnknownAcs(String),
    /// It was meant for somebody else.
    #[error("the message is addressed to `{0}`, not to us")]
    Destination(String),
    /// The app's requests have to be signed, and this one is not.
    #[error("the request is not signed, and this app's have to be")]
    Unsigned,
    /// It is signed, but not by the app, or not in an accepted way.
    #[error("the request's signature is refused: {0}")]
    Signature(#[from] VerifyError),
    /// It is signed, but says not for whom.
    #[error("the request is signed but has no `Destination`")]
    NoDestination,
    /// It is older than five minutes or from the future.
    #[error("the message was issued at `{0}`: too old, or from the future")]
    IssueInstant(Timestamp),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AcsChoice {
    Default,
    Url(String),
    Index(u16),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Contexts {
    comparison: Comparison,
    asked: Vec<String>,
}

/// The contexts that satisfy a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RequestedContexts {
    /// Best first.
    accepted: Vec<AuthnContextClass>,
    /// Those the sender named.
    asked: Vec<AuthnContextClass>,
}

/// Who must be the one that signs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The format of the name; `None` = any.
    pub format: Option<String>,
    /// The name.
    pub value: String,
}

/// An AuthnRequest as it was sent, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    id: String,
    issuer: String,
    issue_instant: Timestamp,
    destination: Option<String>,
    acs: AcsChoice,
    protocol_binding: Option<String>,
    force_authn: bool,
    is_passive: bool,
    name_id_format: Option<String>,
    sp_name_qualifier: Option<String>,
    contexts: Option<Contexts>,
    /// Who may answer; `None` = anybody.
    idp_list: Option<Vec<String>>,
    subject: Option<Subject>,
    relay_state: Option<RelayState>,
    digest: String,
    carried: Carried,
}

/// Reads the query of the HTTP-Redirect binding, as it stood in the address.
///
/// # Errors
/// It is missing, doubled, too large, or no AuthnRequest.
pub fn parse_redirect(raw_query: &str) -> Result<Parsed, RequestError> {
    let fields = Fields::of_query(raw_query)?;
    let parsed = read(&fields)?;
    match (&parsed.carried, fields.has_signature()) {
        // In this binding a signature stands beside the message and never in it (SAML bindings §3.4.4.1).
        (Carried::Message(_), _) => Err(VerifyError::Form("it stands in a message of the Redirect binding").into()),
        (_, false) => Ok(parsed),
        (_, true) => Ok(Parsed { carried: Carried::Query(raw_query.to_owned()), ..parsed }),
    }
}

/// Reads the fields of the HTTP-POST binding.
///
/// # Errors
/// It is missing, doubled, too large, or no AuthnRequest.
pub fn parse_post<'a>(form: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Parsed, RequestError> {
    read(&Fields::of_form(form)?)
}

fn read(fields: &Fields<'_>) -> Result<Parsed, RequestError> {
    let xml = fields.decoded(fields.request().ok_or(RequestError::Missing)?)?;
    parse::authn_request(&xml, fields.relay_state()?)
}

/// Why a request is not acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Answer here: never send anybody to an address that is not registered.
    Local(RequestError),
    /// The sender is known: send this status back.
    Status {
        /// The app.
        app: AppId,
        /// What to send, and where.
        reply: StatusReply,
    },
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::Local(error)
    }
}

/// Finds the app registered under an entity id.
pub trait Registry {
    /// The app, if there is exactly one.
    fn by_entity_id(&self, entity_id: &str) -> Option<Arc<ServiceProvider>>;
}

impl Registry for [Arc<ServiceProvider>] {
    fn by_entity_id(&self, entity_id: &str) -> Option<Arc<ServiceProvider>> {
        let mut found = self.iter().filter(|sp| sp.entity_id() == entity_id);
        let only = found.next()?;
        found.next().is_none().then(|| Arc::clone(only))
    }
}

/// A request that may be acted on. Serialisable, so that it can be sealed into a form; open only what was sealed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedAuthnRequest {
    id: String,
    app: AppId,
    acs: String,
    relay_state: Option<RelayState>,
    force_authn: bool,
    is_passive: bool,
    name_id_format: Option<NameIdFormat>,
    contexts: Option<RequestedContexts>,
    issue_instant: Timestamp,
    digest: String,
    subject: Option<Subject>,
    signature_algorithm: SignatureAlgorithm,
}

impl VerifiedAuthnRequest {
    /// Its `ID`, for InResponseTo and to be consumed once.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The app that asks.
    #[must_use]
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// The registered address the answer goes to.
    #[must_use]
    pub fn acs(&self) -> &str {
        &self.acs
    }

    /// What goes back beside the answer, by the app's rules already.
    #[must_use]
    pub fn relay_state(&self) -> Option<&RelayState> {
        self.relay_state.as_ref()
    }

    /// An existing session does not do.
    #[must_use]
    pub fn force_authn(&self) -> bool {
        self.force_authn
    }

    /// No page may be shown.
    #[must_use]
    pub fn is_passive(&self) -> bool {
        self.is_passive
    }

    /// The format the subject's name must have; `None` = the app's.
    #[must_use]
    pub fn name_id_format(&self) -> Option<NameIdFormat> {
        self.name_id_format
    }

    /// When it was sent.
    #[must_use]
    pub fn issue_instant(&self) -> Timestamp {
        self.issue_instant
    }

    /// SHA-256 of its XML in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Who must be the one that signs in ([`ServiceProvider::is_subject`] compares); `None` = anybody.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// What has to be shown, besides what policies ask for, before the request can be answered as asked.
    #[must_use]
    pub fn required(&self) -> Required {
        self.contexts.as_ref().map_or(Required::NOTHING, |contexts| Required::any_of(&contexts.accepted))
    }

    /// The class to state when these proofs were shown, in the sender's own words where that is true. `None`: the request is not
    /// satisfied.
    #[must_use]
    pub fn context_to_state(&self, proofs: MethodSet, profile: Profile) -> Option<AuthnContextClass> {
        match &self.contexts {
            None => Some(AuthnContextClass::of(proofs, profile)),
            Some(contexts) => contexts::to_state(&contexts.accepted, &contexts.asked, proofs, profile),
        }
    }

    /// The answer with an error status.
    #[must_use]
    pub fn refused(&self, status: SecondLevel) -> StatusReply {
        StatusReply {
            acs: self.acs.clone(),
            in_response_to: Some(self.id.clone()),
            relay_state: self.relay_state.clone(),
            status,
            signature_algorithm: self.signature_algorithm,
        }
    }
}

/// Checks a request against what is registered.
///
/// # Errors
/// It is refused, here or by a status sent back.
pub fn verify(
    parsed: &Parsed,
    registry: &(impl Registry + ?Sized),
    sso_url: &str,
    now: Timestamp,
) -> Result<VerifiedAuthnRequest, Refusal> {
    let sp = registry.by_entity_id(&parsed.issuer).ok_or_else(|| RequestError::UnknownIssuer(parsed.issuer.clone()))?;
    let parsed = &*signed::believed(parsed, &sp)?;
    if let Some(destination) = parsed.destination.as_ref().filter(|destination| *destination != sso_url) {
        return Err(RequestError::Destination(destination.clone()).into());
    }
    let age = now.as_second() - parsed.issue_instant.as_second();
    if !(-MAX_AHEAD_SECONDS..=MAX_AGE_SECONDS).contains(&age) {
        return Err(RequestError::IssueInstant(parsed.issue_instant).into());
    }
    if !sp.is_valid_at(now) {
        return Err(RequestError::MetadataEnded(sp.app().id.clone()).into());
    }
    let acs = registered_acs(&parsed.acs, &sp)?;
    let mut verified = VerifiedAuthnRequest {
        id: parsed.id.clone(),
        app: sp.app().id.clone(),
        acs,
        relay_state: sp.relay_state_for_request(parsed.relay_state.as_ref()).cloned(),
        force_authn: parsed.force_authn,
        is_passive: parsed.is_passive,
        name_id_format: None,
        contexts: None,
        issue_instant: parsed.issue_instant,
        digest: parsed.digest.clone(),
        subject: parsed.subject.clone(),
        signature_algorithm: sp.signature_algorithm(),
    };
    match wishes(parsed, &sp, sso_url) {
        Ok((name_id_format, contexts)) => {
            verified.name_id_format = name_id_format;
            verified.contexts = contexts;
            Ok(verified)
        }
        Err(status) => Err(Refusal::Status { app: verified.app.clone(), reply: verified.refused(status) }),
    }
}

fn registered_acs(choice: &AcsChoice, sp: &ServiceProvider) -> Result<String, RequestError> {
    let (found, asked) = match choice {
        AcsChoice::Default => (sp.acs().first().map(String::as_str), String::new()),
        AcsChoice::Url(url) => (sp.acs().iter().find(|acs| *acs == url).map(String::as_str), url.clone()),
        AcsChoice::Index(index) => (sp.acs_by_number(*index), format!("number {index}")),
    };
    found.map(str::to_owned).ok_or(RequestError::UnknownAcs(asked))
}

type Wishes = (Option<NameIdFormat>, Option<RequestedContexts>);

/// What a known sender asks for and may be told it cannot have.
fn wishes(parsed: &Parsed, sp: &ServiceProvider, sso_url: &str) -> Result<Wishes, SecondLevel> {
    if parsed.protocol_binding.as_deref().is_some_and(|binding| binding != BINDING_POST) {
        return Err(SecondLevel::UnsupportedBinding);
    }
    if parsed.idp_list.as_ref().is_some_and(|listed| !listed.iter().any(|entity_id| is_us(entity_id, sso_url))) {
        return Err(SecondLevel::NoSupportedIdp);
    }
    if parsed.sp_name_qualifier.as_deref().is_some_and(|qualifier| qualifier != sp.entity_id()) {
        return Err(SecondLevel::InvalidNameIdPolicy);
    }
    let format = match parsed.name_id_format.as_deref() {
        None => None,
        Some(uri) if uri == NameIdFormat::Unspecified.uri() => None,
        Some(uri) => {
            let format = NameIdFormat::ALL.into_iter().find(|format| format.uri() == uri);
            Some(format.filter(|format| sp.offers(*format)).ok_or(SecondLevel::InvalidNameIdPolicy)?)
        }
    };
    let contexts = parsed.contexts.as_ref().map(|wanted| RequestedContexts {
        accepted: contexts::accepted(wanted.comparison, &wanted.asked),
        asked: wanted.asked.iter().filter_map(|uri| AuthnContextClass::parse(uri)).collect(),
    });
    // Which proofs somebody can give is not looked at here: only what nobody could is refused at once.
    if contexts.as_ref().is_some_and(|contexts| contexts.accepted.is_empty()) {
        return Err(SecondLevel::NoAuthnContext);
    }
    Ok((format, contexts))
}

/// Whether an entity id is ours: both of our names hang from the same public address ([`super::IdentityProvider::new`]).
fn is_us(entity_id: &str, sso_url: &str) -> bool {
    let base = entity_id.strip_suffix("/saml/metadata");
    base.is_some() && base == sso_url.strip_suffix("/saml/sso")
}

#[cfg(test)]
mod tests;
