//! The demonstration's service provider: it takes a response the way AWS does and tells what it found, or why it refused.
//!
//! It shares no code with the side that signs. Signatures are checked by xmlsec (through samael) against the certificate in
//! our published metadata, and what is read afterwards is only what xmlsec says was signed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider as _, ReduceMode};
use samael::metadata::EntityDescriptor;
use samael::schema::{Assertion, Response};

use crate::clock::Timestamp;
use crate::domain::Attribute;

const ROLE: &str = "https://aws.amazon.com/SAML/Attributes/Role";
const SESSION_NAME: &str = "https://aws.amazon.com/SAML/Attributes/RoleSessionName";
const SESSION_DURATION: &str = "https://aws.amazon.com/SAML/Attributes/SessionDuration";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const MAX_BASE64_BYTES: usize = 100_000;
/// How many assertions are remembered against replay; more than a demonstration sees in five minutes.
const MAX_SEEN: usize = 10_000;

/// Which rules apply besides those of SAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Roles and a session name must be there, as AWS wants them.
    Aws,
    /// Attributes are taken as they come.
    Plain,
}

/// The metadata is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider's metadata is of no use: {0}")]
pub struct MetadataError(String);

/// Why a response was refused, in the words of the page that shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not base64 of XML, or larger than AWS takes.
    #[error("the response cannot be read: {0}")]
    Unreadable(String),
    /// xmlsec did not accept the signature.
    #[error("the signature is not valid for the certificate in the metadata")]
    Signature,
    /// The identity provider answered with an error status.
    #[error("the identity provider answered with the status `{0}`")]
    Status(String),
    /// Something in the signed assertion is missing or wrong.
    #[error("the assertion is refused: {0}")]
    Assertion(String),
    /// The assertion was shown before.
    #[error("the assertion was used before")]
    Replayed,
}

/// A role that may be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRole {
    /// The role.
    pub role_arn: String,
    /// The identity provider that vouches.
    pub provider_arn: String,
}

/// What a verified response said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who issued it.
    pub issuer: String,
    /// The subject's name.
    pub subject: String,
    /// How to read it.
    pub subject_format: Option<String>,
    /// For whom it is.
    pub audience: String,
    /// Where it had to be posted.
    pub recipient: String,
    /// Until when.
    pub not_on_or_after: Timestamp,
    /// The request it answers.
    pub in_response_to: Option<String>,
    /// The identity provider's name of the session.
    pub session_index: Option<String>,
    /// How the person authenticated.
    pub authn_context: Option<String>,
    /// All attributes, in order.
    pub attributes: Vec<Attribute>,
    /// The roles among them.
    pub roles: Vec<ReceivedRole>,
    /// What AWS would call the session.
    pub role_session_name: Option<String>,
    /// How long it would last, in seconds.
    pub session_duration: Option<u32>,
    /// The whole document as it came, for display.
    pub xml: String,
}

/// A service provider that trusts one identity provider.
pub struct VerifyingServiceProvider {
    kind: Kind,
    entity_id: String,
    acs: String,
    idp_entity_id: String,
    certificates: Vec<CertificateDer>,
    seen: Mutex<BTreeMap<String, Timestamp>>,
}

impl VerifyingServiceProvider {
    /// Trusts the identity provider of this metadata.
    ///
    /// # Errors
    /// The metadata cannot be read or holds no certificate to check signatures with.
    pub fn new(
        kind: Kind,
        idp_metadata: &str,
        entity_id: impl Into<String>,
        acs: impl Into<String>,
    ) -> Result<Self, MetadataError> {
        let idp_metadata: EntityDescriptor = idp_metadata.parse().map_err(|e| MetadataError(format!("{e}")))?;
        let idp_entity_id = idp_metadata.entity_id.clone().ok_or_else(|| MetadataError("it has no entityID".into()))?;
        let reader = samael::service_provider::ServiceProvider { idp_metadata, ..Default::default() };
        let certificates = reader.idp_signing_certs().map_err(|e| MetadataError(e.to_string()))?.unwrap_or_default();
        if certificates.is_empty() {
            return Err(MetadataError("it has no certificate for signatures".into()));
        }
        let (entity_id, acs) = (entity_id.into(), acs.into());
        Ok(Self { kind, entity_id, acs, idp_entity_id, certificates, seen: Mutex::default() })
    }

    /// Takes the form field `SAMLResponse`. `asked` is the id of the request it must answer; `None` for a response that
    /// nobody asked for.
    ///
    /// # Errors
    /// Something is not as it should be.
    pub fn verify(&self, saml_response: &str, asked: Option<&str>, now: Timestamp) -> Result<Received, Refusal> {
        if saml_response.len() > MAX_BASE64_BYTES {
            return Err(Refusal::Unreadable("it is larger than AWS takes".into()));
        }
        let bytes = STANDARD.decode(saml_response).map_err(|e| Refusal::Unreadable(e.to_string()))?;
        let xml = String::from_utf8(bytes).map_err(|e| Refusal::Unreadable(e.to_string()))?;
        let signed = Crypto::reduce_xml_to_signed_with_allowed_algorithms(
            &xml,
            &self.certificates,
            ReduceMode::ValidateAndMarkNoAncestors,
            Some(&[AllowedSignatureAlgorithm::RsaSha256]),
        )
        .map_err(|_| Refusal::Signature)?;
        let assertion = signed_assertion(&signed)?;
        let received = self.check(assertion, asked, now, xml)?;
        Ok(received)
    }

    fn check(
        &self,
        assertion: Assertion,
        asked: Option<&str>,
        now: Timestamp,
        xml: String,
    ) -> Result<Received, Refusal> {
        let issuer = assertion.issuer.value.unwrap_or_default();
        demand(issuer == self.idp_entity_id, || format!("its issuer is `{issuer}`"))?;
        let conditions = assertion.conditions.ok_or_else(|| missing("Conditions"))?;
        let from = conditions.not_before.ok_or_else(|| missing("NotBefore"))?;
        let until = conditions.not_on_or_after.ok_or_else(|| missing("NotOnOrAfter"))?;
        demand(from.timestamp() <= now.as_second(), || format!("it is valid from {from} on"))?;
        demand(now.as_second() < until.timestamp(), || format!("it was valid until {until}"))?;
        let mut audiences = conditions.audience_restrictions.unwrap_or_default().into_iter().flat_map(|r| r.audience);
        let audience = audiences
            .find(|audience| *audience == self.entity_id)
            .ok_or_else(|| Refusal::Assertion(format!("it is not for the audience `{}`", self.entity_id)))?;

        let subject = assertion.subject.ok_or_else(|| missing("Subject"))?;
        let name_id = subject.name_id.ok_or_else(|| missing("NameID"))?;
        let mut confirmations = subject.subject_confirmations.unwrap_or_default().into_iter();
        let confirmation = confirmations.next().ok_or_else(|| missing("SubjectConfirmation"))?;
        demand(confirmations.next().is_none(), || "it has several subject confirmations".into())?;
        demand(confirmation.method.as_deref() == Some(BEARER), || "its confirmation is not of a bearer".into())?;
        let data = confirmation.subject_confirmation_data.ok_or_else(|| missing("SubjectConfirmationData"))?;
        let recipient = data.recipient.ok_or_else(|| missing("Recipient"))?;
        demand(recipient == self.acs, || format!("its recipient is `{recipient}`, not `{}`", self.acs))?;
        let end = data.not_on_or_after.ok_or_else(|| missing("NotOnOrAfter of the confirmation"))?;
        demand(now.as_second() < end.timestamp(), || format!("its confirmation was valid until {end}"))?;
        demand(data.in_response_to.as_deref() == asked, || "it answers another request".into())?;

        let statement = assertion.authn_statements.unwrap_or_default().into_iter().next();
        let statement = statement.ok_or_else(|| missing("AuthnStatement"))?;
        let attributes = attributes(assertion.attribute_statements.unwrap_or_default());
        let not_on_or_after = Timestamp::from_second(end.timestamp())
            .map_err(|e| Refusal::Assertion(format!("its end is no instant: {e}")))?;
        let (roles, role_session_name, session_duration) = match self.kind {
            Kind::Aws => aws(&attributes)?,
            Kind::Plain => (Vec::new(), None, None),
        };
        self.remember(assertion.id, not_on_or_after, now)?;
        Ok(Received {
            issuer,
            subject: name_id.value,
            subject_format: name_id.format,
            audience,
            recipient,
            not_on_or_after,
            in_response_to: data.in_response_to,
            session_index: statement.session_index,
            authn_context: statement.authn_context.and_then(|context| context.value).and_then(|class| class.value),
            attributes,
            roles,
            role_session_name,
            session_duration,
            xml,
        })
    }

    fn remember(&self, id: String, until: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| *until > now);
        if seen.len() >= MAX_SEEN || seen.insert(id, until).is_some() { Err(Refusal::Replayed) } else { Ok(()) }
    }
}

fn demand(good: bool, reason: impl FnOnce() -> String) -> Result<(), Refusal> {
    if good { Ok(()) } else { Err(Refusal::Assertion(reason())) }
}

fn missing(what: &str) -> Refusal {
    Refusal::Assertion(format!("it has no {what}"))
}

/// The assertion within what was signed: the assertion itself, or a whole response.
fn signed_assertion(signed: &str) -> Result<Assertion, Refusal> {
    let unreadable = |e: &dyn std::fmt::Display| Refusal::Unreadable(e.to_string());
    let document = roxmltree::Document::parse(signed).map_err(|e| unreadable(&e))?;
    match document.root_element().tag_name().name() {
        "Assertion" => signed.parse().map_err(|e| unreadable(&e)),
        "Response" => {
            // The innermost code says most.
            let status = document.descendants().rfind(|node| node.tag_name().name() == "StatusCode");
            let status = status.and_then(|code| code.attribute("Value")).unwrap_or("none");
            if !status.ends_with(":status:Success") {
                return Err(Refusal::Status(status.rsplit(':').next().unwrap_or(status).to_owned()));
            }
            let response: Response = signed.parse().map_err(|e| unreadable(&e))?;
            response.assertion.ok_or_else(|| missing("assertion that was signed"))
        }
        other => Err(Refusal::Unreadable(format!("what was signed is `{other}`"))),
    }
}

fn attributes(statements: Vec<samael::schema::AttributeStatement>) -> Vec<Attribute> {
    let attributes = statements.into_iter().flat_map(|statement| statement.attributes);
    attributes
        .map(|attribute| {
            let values = attribute.values.into_iter().map(|value| value.value.unwrap_or_default());
            Attribute::new(attribute.name.unwrap_or_default(), values.collect())
        })
        .collect()
}

type AwsSession = (Vec<ReceivedRole>, Option<String>, Option<u32>);

/// What AWS reads out of the attributes, with its rules.
fn aws(attributes: &[Attribute]) -> Result<AwsSession, Refusal> {
    let values = |name: &str| attributes.iter().filter(|a| a.name == name).flat_map(|a| &a.values).collect::<Vec<_>>();
    let mut roles = Vec::new();
    for value in values(ROLE) {
        let (role_arn, provider_arn) = value.split_once(',').unwrap_or((value, ""));
        let good = role_arn.contains(":role/") && provider_arn.contains(":saml-provider/") && !value.contains(' ');
        demand(good, || format!("the role `{value}` is no `role-arn,provider-arn`"))?;
        roles.push(ReceivedRole { role_arn: role_arn.into(), provider_arn: provider_arn.into() });
    }
    demand(!roles.is_empty(), || "it has no role".into())?;
    let session_name = match values(SESSION_NAME).as_slice() {
        [name] => (*name).clone(),
        _ => return Err(Refusal::Assertion("RoleSessionName is required, once".into())),
    };
    let good = (2..=64).contains(&session_name.len())
        && session_name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    demand(good, || format!("the RoleSessionName `{session_name}` is not of AWS's form"))?;
    let duration =
        match values(SESSION_DURATION).as_slice() {
            [] => None,
            [seconds] => {
                Some(seconds.parse().ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(|| {
                    Refusal::Assertion(format!("the SessionDuration `{seconds}` is not 900 to 43200"))
                })?)
            }
            _ => return Err(Refusal::Assertion("SessionDuration stands there twice".into())),
        };
    Ok((roles, Some(session_name), duration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AuthnContextClass, SignMode};
    use crate::saml::fixtures::{IDP, ann, aws_config, context, entropy, now, signed, wiki_config};
    use crate::saml::{IssueContext, Validity};

    fn metadata() -> String {
        IDP.metadata(None, Validity::Week, now()).unwrap().xml.clone()
    }

    fn aws_sp() -> VerifyingServiceProvider {
        let acs = "https://signin.aws.amazon.com/saml";
        VerifyingServiceProvider::new(Kind::Aws, &metadata(), "urn:amazon:webservices", acs).unwrap()
    }

    fn later(seconds: i64) -> Timestamp {
        Timestamp::from_second(now().as_second() + seconds).unwrap()
    }

    #[test]
    fn what_we_issue_is_accepted_however_it_is_signed() {
        for sign in [SignMode::Assertion, SignMode::Response, SignMode::Both] {
            let response = signed(&crate::config::AppConfig { sign, ..aws_config() }, &ann(), &context());
            let received = aws_sp().verify(&response.form_value(), None, now()).unwrap();
            assert_eq!(received.issuer, IDP.entity_id());
            assert_eq!(received.roles.len(), 2, "{sign:?}");
            assert_eq!(received.roles[0].role_arn, "arn:aws:iam::123456789012:role/Dev");
            assert_eq!(received.roles[0].provider_arn, "arn:aws:iam::123456789012:saml-provider/cedargate");
            assert_eq!(received.role_session_name.as_deref(), Some("ann@example.com"));
            assert_eq!(received.session_duration, Some(3600));
            assert_eq!(received.not_on_or_after, later(300));
            assert_eq!(received.authn_context.as_deref(), Some(AuthnContextClass::TimeSyncToken.uri()));
        }
    }

    #[test]
    fn names_with_markup_arrive_as_they_are() {
        let metadata = metadata();
        let (entity_id, acs) = ("https://wiki.example.com/saml", "https://wiki.example.com/acs");
        let sp = VerifyingServiceProvider::new(Kind::Plain, &metadata, entity_id, acs).unwrap();
        let context = IssueContext { in_response_to: Some("_r1"), ..context() };
        let response = signed(&wiki_config(), &ann(), &context);
        let received = sp.verify(&response.form_value(), Some("_r1"), now()).unwrap();
        let name = received.attributes.iter().find(|attribute| attribute.name == "sn").unwrap();
        assert_eq!(name.values, ["O'Neill <R&D>"]);
    }

    #[test]
    fn an_assertion_works_from_its_first_second_to_its_last_and_once() {
        let response = signed(&aws_config(), &ann(), &context()).form_value();
        for (seconds, good) in [(-31, false), (-30, true), (299, true), (300, false)] {
            let result = aws_sp().verify(&response, None, later(seconds));
            assert_eq!(result.is_ok(), good, "{seconds}: {result:?}");
        }
        let sp = aws_sp();
        assert!(sp.verify(&response, None, now()).is_ok());
        assert_eq!(sp.verify(&response, None, now()), Err(Refusal::Replayed));
    }

    #[test]
    fn what_is_meant_for_others_is_refused() {
        let metadata = metadata();
        let response = signed(&aws_config(), &ann(), &context()).form_value();
        for (audience, acs, asked) in [
            ("urn:other", "https://signin.aws.amazon.com/saml", None),
            ("urn:amazon:webservices", "https://eu-west-1.signin.aws.amazon.com/saml", None),
            ("urn:amazon:webservices", "https://signin.aws.amazon.com/saml", Some("_r1")),
        ] {
            let sp = VerifyingServiceProvider::new(Kind::Aws, &metadata, audience, acs).unwrap();
            assert!(matches!(sp.verify(&response, asked, now()), Err(Refusal::Assertion(_))), "{audience} {acs}");
        }
        let other = metadata.replace("entityID=\"https://login", "entityID=\"https://other");
        let sp = VerifyingServiceProvider::new(
            Kind::Aws,
            &other,
            "urn:amazon:webservices",
            "https://signin.aws.amazon.com/saml",
        );
        assert!(matches!(sp.unwrap().verify(&response, None, now()), Err(Refusal::Assertion(_))));
    }

    #[test]
    fn what_was_tampered_with_is_refused() {
        let xml = signed(&aws_config(), &ann(), &context()).xml;
        let assertion = &xml[xml.find("<saml2:Assertion").unwrap()..xml.find("</saml2p:Response>").unwrap()];
        let forged = assertion.replacen("ID=\"_", "ID=\"_f", 1).replace("role/Dev", "role/Own");
        let unsigned = {
            let (start, end) = (xml.find("<ds:Signature ").unwrap(), xml.find("</ds:Signature>").unwrap());
            format!("{}{}", &xml[..start], &xml[end + "</ds:Signature>".len()..])
        };
        for (tampered, what) in [
            (xml.replace("role/Dev", "role/Own"), "another role"),
            (xml.replace("12:05:00", "12:55:00"), "a later end"),
            (xml.replace("rsa-sha256", "rsa-sha1"), "a weaker algorithm"),
            (xml.replacen("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1), "another signature"),
            (unsigned, "no signature"),
            (xml.replace(assertion, &format!("{forged}{assertion}")), "a forged assertion before"),
            (xml.replace(assertion, &format!("{assertion}{forged}")), "a forged assertion after"),
            ("<a/>".to_owned(), "something else"),
        ] {
            assert_ne!(tampered, xml, "{what}");
            let result = aws_sp().verify(&STANDARD.encode(&tampered), None, now());
            assert!(result.is_err(), "{what}: {result:?}");
        }
        for value in ["", "!", "////", &"A".repeat(200_000)] {
            assert!(aws_sp().verify(value, None, now()).is_err());
        }
    }

    #[test]
    fn an_error_status_is_shown() {
        let reply = crate::saml::StatusReply {
            acs: "https://signin.aws.amazon.com/saml".into(),
            in_response_to: None,
            relay_state: None,
            status: crate::saml::SecondLevel::RequestDenied,
            signature_algorithm: crate::domain::SignatureAlgorithm::RsaSha256,
        };
        let response = crate::saml::issuer::status_response(&reply, &IDP, now(), &entropy()).unwrap();
        let refused = aws_sp().verify(&response.form_value(), None, now());
        assert_eq!(refused, Err(Refusal::Status("RequestDenied".into())));
    }
}
