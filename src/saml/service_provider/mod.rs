//! What an app is to SAML: where its responses go and what they say about whom. Built from `[[apps]]` when config loads;
//! whatever would be refused by the service provider later is a problem of the config file now (`build`, `aws`).

mod aws;
pub(in crate::saml) mod aws_lint;
mod build;
mod encryption;
mod imported;
mod mapping;

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::config::SignedRequests;
use crate::domain::{
    App, AppId, Attribute, AuthnContextClass, EmailAddress, Encryption, IssueRequest, LogoutEndpoint, NameId,
    NameIdFormat, RelayState, RoleCandidate, RoleName, SignMode, SignatureAlgorithm, User, Username,
};
use crate::saml::certificate::Certificate;
use crate::saml::request::Subject;
use crate::saml::sp_metadata::SpMetadata;
pub(in crate::saml) use build::check_acs_url;
use mapping::{Mapping, Naming};

/// The most certificates an app signs with. Each is tried on each request, and anybody can send requests.
pub(in crate::saml) const MAX_REQUEST_CERTIFICATES: usize = 8;

/// A user for whom this app's assertion cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no assertion for user `{user}` and app `{app}`: {rule}")]
pub struct MappingError {
    /// Who.
    pub user: Username,
    /// For what.
    pub app: AppId,
    /// The rule that is broken, with the value.
    pub rule: String,
}

/// No page of the app has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the app has no page named `{0}` under `relay_states`")]
pub struct UnknownTarget(pub String);

/// What the files that `[[apps]]` names hold, read by whoever reads files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supplied {
    /// What the app signs its requests with.
    pub request_certificates: Vec<Certificate>,
    /// What it is encrypted for.
    pub encryption_certificate: Option<Certificate>,
    /// What its metadata says.
    pub metadata: Option<SpMetadata>,
}

/// What one sign-in adds to an assertion.
#[derive(Debug, Clone, Copy)]
pub struct IssueContext<'a> {
    /// One of the app's addresses; `None` = its first.
    pub acs: Option<&'a str>,
    /// The request it answers.
    pub in_response_to: Option<&'a str>,
    /// What goes back beside the response: of [`ServiceProvider::relay_state_for_launch`], or of the verified request.
    pub relay_state: Option<&'a RelayState>,
    /// `SessionIndex`: an opaque name of the session, not its secret.
    pub session_index: &'a str,
    /// When the person authenticated.
    pub authn_instant: Timestamp,
    /// How.
    pub authn_context: AuthnContextClass,
    /// When the session here ends; apps that are not to be told are not.
    pub session_not_on_or_after: Option<Timestamp>,
    /// The one role chosen; `None` = all that policies permit.
    pub role: Option<&'a RoleName>,
    /// The NameID format a verified request asked for.
    pub name_id_format: Option<NameIdFormat>,
    /// Keys the persistent and transient NameIDs; the same for the life of the installation.
    pub persistent_id_key: &'a [u8; 32],
}

/// Which RelayState answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelayRule {
    /// The one it carried.
    Echo,
    /// The app's own.
    Override,
}

/// Who may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Initiation {
    /// The portal may open the app.
    Anybody,
    /// Only the app's own request.
    ServiceProviderOnly,
}

/// Whether an assertion says when our session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionEnd {
    /// It does, and the app's own ends then.
    Told,
    /// It does not.
    Untold,
}

/// What AWS is told besides roles and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AwsSession {
    name: Naming,
    duration: Option<u32>,
    /// Keys of tags.
    transitive_tags: Vec<String>,
}

/// An app with all that SAML needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProvider {
    app: App,
    entity_id: String,
    acs: Vec<String>,
    /// The numbers by which requests may name addresses: those of the metadata; without it, the positions in config.
    acs_numbers: BTreeMap<u16, String>,
    valid_until: Option<Timestamp>,
    relay_state: Option<RelayState>,
    relay_rule: RelayRule,
    relay_states: BTreeMap<String, RelayState>,
    sign: SignMode,
    signature_algorithm: SignatureAlgorithm,
    signed_requests: SignedRequests,
    request_certificates: Vec<Certificate>,
    encryption: Option<Encryption>,
    session_end: SessionEnd,
    /// As configured; `None` = persistent, and requests may choose another that tells no more.
    name_id: Option<NameIdFormat>,
    name_id_field: Option<Naming>,
    attributes: Vec<Mapping>,
    roles: Vec<RoleCandidate>,
    aws: Option<AwsSession>,
    initiation: Initiation,
    icon: Option<String>,
    logout: Option<LogoutEndpoint>,
}

impl ServiceProvider {
    /// The app as policies and pages see it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The service provider's entity id: the `Audience`.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Its assertion consumer services; the first is the default.
    #[must_use]
    pub fn acs(&self) -> &[String] {
        &self.acs
    }

    /// The address that requests may name by this number.
    #[must_use]
    pub fn acs_by_number(&self, number: u16) -> Option<&str> {
        self.acs_numbers.get(&number).map(String::as_str)
    }

    /// When what its metadata says ends: nothing is sent to it from then on.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// Whether something may be sent to it now.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|end| now < end)
    }

    /// Whether the portal may open it without a request of its own.
    #[must_use]
    pub fn idp_initiated(&self) -> bool {
        self.initiation == Initiation::Anybody
    }

    /// The icon of its tile, by name.
    #[must_use]
    pub fn icon(&self) -> Option<&str> {
        self.icon.as_deref()
    }

    /// Whether our metadata is uploaded there by hand: a document that ends would end the sign-ins. AWS keeps what it was given
    /// until then (IAM API reference, GetSAMLProvider: `ValidUntil`).
    #[must_use]
    pub fn takes_uploads_only(&self) -> bool {
        self.aws.is_some()
    }

    /// Where it takes logout messages; `None` = nowhere.
    #[must_use]
    pub fn logout(&self) -> Option<&LogoutEndpoint> {
        self.logout.as_ref()
    }

    /// When the app ends its own session at the latest, by what `request` tells it at `now`; `None` where it was told nothing.
    /// AWS takes the lesser of both limits, and an hour when it is told none (IAM User Guide, SessionDuration).
    #[must_use]
    pub fn session_ends(&self, request: &IssueRequest, now: Timestamp) -> Option<Timestamp> {
        let told = request.session_not_on_or_after;
        let Some(session) = &self.aws else { return told };
        let seconds = i64::from(session.duration.unwrap_or(aws::DEFAULT_DURATION));
        let own = Timestamp::from_second(now.as_second().saturating_add(seconds)).ok()?;
        Some(told.map_or(own, |told| told.min(own)))
    }

    /// How what it gets is encrypted, where it is: its name of the person has to stay hidden in every message then.
    #[must_use]
    pub fn encryption(&self) -> Option<&Encryption> {
        self.encryption.as_ref()
    }

    /// How what it gets is signed.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.signature_algorithm
    }

    /// Whether its requests have to be signed.
    #[must_use]
    pub fn signed_requests(&self) -> SignedRequests {
        self.signed_requests
    }

    /// The certificates of the keys it signs with; any of them will do.
    #[must_use]
    pub fn request_certificates(&self) -> &[Certificate] {
        &self.request_certificates
    }

    /// Whether a request may ask for this format: the configured one; where none is configured, those that tell nothing
    /// beyond the app itself.
    #[must_use]
    pub fn offers(&self, format: NameIdFormat) -> bool {
        match self.name_id {
            Some(configured) => format == configured,
            None => matches!(format, NameIdFormat::Persistent | NameIdFormat::Transient),
        }
    }

    /// The RelayState of an answer to a request: echoed exactly, unless the app's own overrides it.
    #[must_use]
    pub fn relay_state_for_request<'a>(&'a self, carried: Option<&'a RelayState>) -> Option<&'a RelayState> {
        match self.relay_rule {
            RelayRule::Echo => carried,
            RelayRule::Override => self.relay_state.as_ref(),
        }
    }

    /// The RelayState of a response nobody asked for: the app's own, or that of a page named in config.
    ///
    /// # Errors
    /// Config names no such page: a RelayState is never taken from an address somebody else may have written.
    pub fn relay_state_for_launch(&self, page: Option<&str>) -> Result<Option<&RelayState>, UnknownTarget> {
        match page {
            None => Ok(self.relay_state.as_ref()),
            Some(name) => self.relay_states.get(name).map(Some).ok_or_else(|| UnknownTarget(name.to_owned())),
        }
    }

    /// Whether `user` is who a request's Subject names.
    #[must_use]
    pub fn is_subject(&self, user: &User, subject: &Subject, persistent_id_key: &[u8; 32]) -> bool {
        // A transient name is new each time and names nobody yet.
        let asked = subject.format.as_deref();
        let candidates = [NameIdFormat::Persistent, NameIdFormat::EmailAddress, NameIdFormat::Unspecified];
        candidates
            .into_iter()
            .filter(|format| *format == self.format(None) || self.offers(*format))
            .filter(|format| asked.is_none_or(|uri| uri == format.uri() || uri == NameIdFormat::Unspecified.uri()))
            .filter_map(|format| self.name_id_value(user, format, "", persistent_id_key).ok())
            .any(|value| value == subject.value)
    }

    /// What an assertion would say about `user`, before policies permit it.
    ///
    /// # Errors
    /// A value breaks a rule of the app.
    pub fn issue_request(&self, user: &User, context: &IssueContext<'_>) -> Result<IssueRequest, MappingError> {
        let error = |rule: String| MappingError { user: user.username.clone(), app: self.app.id.clone(), rule };
        let acs = match context.acs {
            None => self.acs.first(),
            Some(asked) => self.acs.iter().find(|acs| *acs == asked),
        };
        let acs = acs.ok_or_else(|| error(format!("`{}` is none of its addresses", context.acs.unwrap_or(""))))?;
        let format = self.format(context.name_id_format);
        if context.name_id_format.is_some_and(|asked| !self.offers(asked)) {
            return Err(error(format!("it does not offer the NameID format `{}`", format.uri())));
        }
        let value =
            self.name_id_value(user, format, context.session_index, context.persistent_id_key).map_err(error)?;
        if value.is_empty() || value.chars().count() > 256 {
            return Err(error("the NameID must have 1 to 256 characters".to_owned()));
        }
        let roles: Vec<_> =
            self.roles.iter().filter(|role| context.role.is_none_or(|chosen| *chosen == role.name)).cloned().collect();
        if let (Some(chosen), true) = (context.role, roles.is_empty()) {
            return Err(error(format!("it has no role `{chosen}`")));
        }
        let request = IssueRequest {
            app: self.app.id.clone(),
            audience: self.entity_id.clone(),
            acs: acs.clone(),
            in_response_to: context.in_response_to.map(str::to_owned),
            relay_state: context.relay_state.cloned(),
            name_id: NameId { format, value },
            attributes: self.attributes_of(user).map_err(error)?,
            role_attribute: self.aws.as_ref().map(|_| aws_lint::ROLE.to_owned()),
            roles,
            session_index: context.session_index.to_owned(),
            authn_instant: context.authn_instant,
            session_not_on_or_after: context.session_not_on_or_after.filter(|_| self.session_end == SessionEnd::Told),
            authn_context: context.authn_context,
            sign: self.sign,
            signature_algorithm: self.signature_algorithm,
            encryption: self.encryption.clone(),
        };
        // The issuer looks again at what is signed; whoever asks before that learns it here.
        aws_lint::check(&request).map_err(error)?;
        Ok(request)
    }

    fn format(&self, asked: Option<NameIdFormat>) -> NameIdFormat {
        asked.or(self.name_id).unwrap_or(NameIdFormat::Persistent)
    }

    /// Persistent: the configured field, or a name that tells two apps nothing about being the same person. Transient: the
    /// same for one session and app, unlike any other.
    fn name_id_value(
        &self,
        user: &User,
        format: NameIdFormat,
        session_index: &str,
        key: &[u8; 32],
    ) -> Result<String, String> {
        let value = match (format, &self.name_id_field) {
            (NameIdFormat::Transient, _) => self.opaque(key, "transient", &[&user.id.to_string(), session_index]),
            (NameIdFormat::Persistent, None) => self.opaque(key, "persistent", &[&user.id.to_string()]),
            (NameIdFormat::EmailAddress, None) => user.email.to_string(),
            (NameIdFormat::Unspecified, None) => user.username.to_string(),
            (_, Some(naming)) => naming.of("the NameID", user)?,
        };
        if format == NameIdFormat::EmailAddress && EmailAddress::parse(&value).is_err() {
            return Err(format!("the NameID `{value}` is no mail address"));
        }
        Ok(value)
    }

    fn opaque(&self, key: &[u8; 32], kind: &str, parts: &[&str]) -> String {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(b"cedargate NameID");
        for part in [kind, &self.entity_id].iter().chain(parts) {
            // None of the parts can hold a NUL, so no two lists of parts look the same.
            mac.update(&[0]);
            mac.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(mac.sign())
    }

    fn attributes_of(&self, user: &User) -> Result<Vec<Attribute>, String> {
        let mut attributes = Vec::with_capacity(self.attributes.len() + 2);
        if let Some(session) = &self.aws {
            let name = session.name.of("RoleSessionName", user)?;
            attributes.push(Attribute::new(aws_lint::SESSION_NAME, vec![name]));
            if let Some(seconds) = session.duration {
                attributes.push(Attribute::new(aws_lint::SESSION_DURATION, vec![seconds.to_string()]));
            }
        }
        for mapping in &self.attributes {
            if let Some(attribute) = mapping.of(user)? {
                attributes.push(attribute);
            }
        }
        if let Some(session) = &self.aws {
            let sent =
                |key: &&String| attributes.iter().any(|a| a.name.strip_prefix(aws_lint::TAG) == Some(key.as_str()));
            let values: Vec<String> = session.transitive_tags.iter().filter(sent).cloned().collect();
            if !values.is_empty() {
                attributes.push(Attribute::new(aws_lint::TRANSITIVE_TAGS, values));
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests;
