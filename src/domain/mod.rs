//! Plain nouns that two modules or more share. No I/O, no clock, nothing of Cedar, SAML or HTTP.

mod app;
mod assertion;
mod authn_context;
mod decision;
mod encryption;
mod field;
mod ids;
mod logout;
mod method;
mod proof;
mod sign_in;
mod signals;
mod template;
mod totp;
mod user;

pub use app::{App, AppName};
pub use assertion::{
    Attribute, IssueRequest, NameFormat, NameId, NameIdFormat, RoleCandidate, SignMode, SignatureAlgorithm,
};
pub use authn_context::{AuthnContextClass, Required};
pub use decision::{Decision, DecisionKind, DenyReason, EnforcedPolicy, Offer, Repertoire, Step};
pub use encryption::{EncryptedPart, Encryption, EncryptionAlgorithm, KeyTransport};
pub use field::{FieldSource, UserField};
pub(crate) use ids::fold;
pub use ids::{
    AppId, AuthenticatorId, CountryListName, DeviceId, GroupName, IdError, MailId, NetworkName, PolicyId, ReferenceId,
    RoleName, SessionId, SignInId, UserId, Username,
};
pub use logout::{LogoutBinding, LogoutEndpoint};
pub use method::{Class, ClassSet, Method, MethodSet, Profile, classes};
pub use proof::Proof;
pub use sign_in::{Language, RelayState, RelayStateError};
pub use signals::{Country, DeviceFacts, RiskFacts, SignalSet, UnknownSignal};
pub use template::{Template, TemplateError};
pub use totp::{TotpSecret, TotpSecretError};
pub use user::{EmailAddress, User, UserStatus};

/// The group every user belongs to. It is never declared in config.toml.
pub const EVERYONE: &str = "everyone";
/// The group that holds [`CONSOLE_GROUPS`].
pub const CONSOLE_USERS: &str = "console-users";
/// The built-in groups of people who work in the console; each lies within [`CONSOLE_USERS`].
pub const CONSOLE_GROUPS: [&str; 3] = ["owners", "administrators", "helpdesk"];
/// The reserved app that stands for the page with the app icons.
pub const PORTAL: &str = "portal";
/// The reserved app that stands for the admin console.
pub const CONSOLE: &str = "console";
