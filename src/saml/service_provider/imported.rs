//! What metadata adds to an app. Config says more than metadata, and metadata never makes anything looser (X9): who can
//! change it can ask for more signatures, not for fewer, and for names that tell less, not more.

use std::collections::BTreeMap;

use super::{Supplied, aws};
use crate::config::{AppConfig, Problem};
use crate::domain::{LogoutBinding, LogoutEndpoint, NameIdFormat, SignMode};
use crate::saml::sp_metadata::SpMetadata;
use crate::saml::{BINDING_POST, BINDING_REDIRECT};

/// The addresses, default first.
pub(super) fn acs(
    metadata: &SpMetadata,
    partition: Option<&aws::Partition>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::with_capacity(metadata.acs.len());
    for address in &metadata.acs {
        if let Err(rule) = partition.map_or(Ok(()), |partition| aws::check_acs(&address.url, partition)) {
            problems.push(Problem::new(".metadata", format!("`{}` cannot take responses: {rule}", address.url)));
        }
        if !addresses.contains(&address.url) {
            addresses.push(address.url.clone());
        }
    }
    addresses
}

/// The numbers by which requests may name the addresses.
pub(super) fn acs_numbers(acs: &[String], metadata: Option<&SpMetadata>) -> BTreeMap<u16, String> {
    match metadata {
        Some(metadata) => metadata.acs.iter().map(|address| (address.index, address.url.clone())).collect(),
        None => (0..).zip(acs.iter().cloned()).collect(),
    }
}

/// A problem that metadata could have spared: it is the metadata's, and where that was fetched it concerns this app alone.
pub(super) fn lacking(key: &str, supplied: &Supplied, message: &str) -> Problem {
    match &supplied.metadata {
        Some(_) => Problem::new(".metadata", format!("{message}, not in the metadata either")),
        None => Problem::new(key, message),
    }
}

/// Whether each of its requests must carry a signature; then there must be something to verify it by.
pub(super) fn signs_requests(supplied: &Supplied, problems: &mut Vec<Problem>) -> bool {
    let signs = supplied.metadata.as_ref().is_some_and(|metadata| metadata.signs_requests);
    if signs && supplied.request_certificates.is_empty() {
        problems.push(
            Problem::new(
                ".metadata",
                "the metadata says that requests are signed, and holds no certificate to verify them by",
            )
            .with_help("ask for metadata with a signing certificate, or give it as `request_certificates`"),
        );
    }
    signs
}

/// What is signed: what config says, and the assertion when the metadata wants it.
pub(super) fn sign(config: &AppConfig, metadata: Option<&SpMetadata>) -> SignMode {
    match (config.sign, metadata.is_some_and(|metadata| metadata.wants_assertions_signed)) {
        (SignMode::Response, true) => SignMode::Both,
        (mode, _) => mode,
    }
}

/// The configured format; else the first of the metadata's that tells nothing about the person. An address or a username
/// goes only to an app whose block says so.
pub(super) fn name_id(
    config: &AppConfig,
    metadata: Option<&SpMetadata>,
    problems: &mut Vec<Problem>,
) -> Option<NameIdFormat> {
    let listed = metadata.map(|metadata| metadata.name_id_formats.as_slice()).unwrap_or_default();
    let lists = |format: NameIdFormat| listed.iter().any(|uri| uri == format.uri());
    // Left open: persistent by default, and a request may choose what tells no more.
    if config.name_id.is_some()
        || config.name_id_field.is_some()
        || listed.is_empty()
        || lists(NameIdFormat::Persistent)
        || lists(NameIdFormat::Unspecified)
    {
        return config.name_id;
    }
    if lists(NameIdFormat::Transient) {
        return Some(NameIdFormat::Transient);
    }
    let wanted = listed.iter().map(|uri| format!("`{uri}`")).collect::<Vec<_>>().join(", ");
    problems.push(
        Problem::new(".metadata", format!("the metadata takes no other names of people than {wanted}"))
            .with_help("say `name_id = \"emailAddress\"`, or what else the app is to be told"),
    );
    None
}

/// Where it takes logout messages: over the Redirect binding if it can.
pub(super) fn logout(metadata: &SpMetadata) -> Option<LogoutEndpoint> {
    let over = |uri: &str, binding: LogoutBinding| {
        let endpoint = metadata.logout.iter().find(|endpoint| endpoint.binding == uri)?;
        let response_url = endpoint.response_location.as_ref().unwrap_or(&endpoint.location).clone();
        Some(LogoutEndpoint { url: endpoint.location.clone(), response_url, binding })
    };
    over(BINDING_REDIRECT, LogoutBinding::Redirect).or_else(|| over(BINDING_POST, LogoutBinding::Post))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::config::{RoleConfig, SignedRequests};
    use crate::domain::RoleName;
    use crate::saml::ServiceProvider;
    use crate::saml::certificate::Certificate;
    use crate::saml::fixtures::{IDP, app_config, aws_config, now};
    use crate::saml::request::{Refusal, RequestError, parse_post, verify};
    use crate::saml::sp_metadata::IndexedAddress;

    const WIKI: &str = "https://wiki.example.com/saml";

    fn metadata() -> SpMetadata {
        let address = |index, path: &str| IndexedAddress { index, url: format!("https://wiki.example.com/{path}") };
        SpMetadata {
            entity_id: WIKI.to_owned(),
            acs: vec![address(7, "main"), address(2, "other")],
            signing: Vec::new(),
            encryption: Vec::new(),
            name_id_formats: Vec::new(),
            signs_requests: false,
            wants_assertions_signed: false,
            logout: Vec::new(),
            valid_until: None,
            cache_duration: None,
            left_out: Vec::new(),
        }
    }

    fn built(config: &AppConfig, metadata: SpMetadata) -> Result<ServiceProvider, Vec<Problem>> {
        ServiceProvider::build(config, &Supplied { metadata: Some(metadata), ..Supplied::default() })
    }

    fn asked(sp: ServiceProvider, attributes: &str) -> Result<String, Refusal> {
        let xml = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_1\" Version=\"2.0\" \
             IssueInstant=\"{}\" {attributes}><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">\
             {}</saml:Issuer></samlp:AuthnRequest>",
            now(),
            sp.entity_id()
        );
        let parsed = parse_post([("SAMLRequest", STANDARD.encode(xml).as_str())]).unwrap();
        let registry: [std::sync::Arc<ServiceProvider>; 1] = [sp.into()];
        verify(&parsed, registry.as_slice(), IDP.sso_url(), now()).map(|verified| verified.acs().to_owned())
    }

    #[test]
    fn an_app_needs_nothing_but_its_metadata() {
        let sp = built(&app_config("wiki"), metadata()).unwrap();
        assert_eq!(sp.entity_id(), WIKI);
        assert_eq!(sp.acs(), ["https://wiki.example.com/main", "https://wiki.example.com/other"]);
        assert!(sp.valid_until().is_none() && sp.signed_requests() == SignedRequests::Accepted);
    }

    #[test]
    fn requests_name_addresses_by_the_numbers_of_the_metadata() {
        let sp = |config: &AppConfig| built(config, metadata()).unwrap();
        let by = |number: u16| format!("AssertionConsumerServiceIndex=\"{number}\"");
        assert_eq!(asked(sp(&app_config("wiki")), ""), Ok("https://wiki.example.com/main".to_owned()));
        assert_eq!(asked(sp(&app_config("wiki")), &by(7)), Ok("https://wiki.example.com/main".to_owned()));
        assert_eq!(asked(sp(&app_config("wiki")), &by(2)), Ok("https://wiki.example.com/other".to_owned()));
        let unknown = Err(Refusal::Local(RequestError::UnknownAcs("number 0".to_owned())));
        assert_eq!(asked(sp(&app_config("wiki")), &by(0)), unknown);
        // What config says counts, and then the numbers are its positions.
        let own = AppConfig { acs: vec!["https://wiki.example.com/own".to_owned()], ..app_config("wiki") };
        assert_eq!(asked(sp(&own), &by(0)), Ok("https://wiki.example.com/own".to_owned()));
        assert!(asked(sp(&own), &by(7)).is_err());
        let other = "AssertionConsumerServiceURL=\"https://wiki.example.com/main\"";
        assert!(asked(sp(&own), other).is_err(), "the metadata adds no address to those of config");
    }

    #[test]
    fn nothing_is_taken_from_an_app_whose_metadata_ended() {
        let until = |end| built(&app_config("wiki"), SpMetadata { valid_until: Some(end), ..metadata() }).unwrap();
        let later = "2026-11-21T12:00:01Z".parse().unwrap();
        assert!(asked(until(later), "").is_ok());
        let app = app_config("wiki").id;
        assert_eq!(asked(until(now()), ""), Err(Refusal::Local(RequestError::MetadataEnded(app))));
    }

    #[test]
    fn logout_messages_go_where_config_says_and_then_where_the_metadata_does() {
        use crate::config::LogoutConfig;
        use crate::saml::sp_metadata::Endpoint;
        let endpoint = |binding: &str, path: &str| Endpoint {
            binding: binding.to_owned(),
            location: format!("https://wiki.example.com/{path}"),
            response_location: (path == "redirect").then(|| "https://wiki.example.com/back".to_owned()),
        };
        let (post, redirect) = (endpoint(BINDING_POST, "post"), endpoint(BINDING_REDIRECT, "redirect"));
        let soap = endpoint("urn:oasis:names:tc:SAML:2.0:bindings:SOAP", "soap");
        let taken = |config: &AppConfig, logout: Vec<Endpoint>| {
            let sp = built(config, SpMetadata { logout, ..metadata() }).unwrap();
            sp.logout().map(|logout| (logout.url.clone(), logout.response_url.clone(), logout.binding))
        };
        let at = |path: &str| format!("https://wiki.example.com/{path}");
        let wiki = app_config("wiki");
        let both = vec![soap.clone(), post.clone(), redirect];
        assert_eq!(taken(&wiki, both.clone()), Some((at("redirect"), at("back"), LogoutBinding::Redirect)));
        assert_eq!(taken(&wiki, vec![soap.clone(), post]), Some((at("post"), at("post"), LogoutBinding::Post)));
        assert_eq!(taken(&wiki, vec![soap]), None);
        let own = LogoutConfig { url: at("own"), response_url: None, binding: LogoutBinding::Post };
        let config = AppConfig { logout: Some(own), ..wiki };
        assert_eq!(taken(&config, both), Some((at("own"), at("own"), LogoutBinding::Post)));
    }

    #[test]
    fn metadata_asks_for_more_signatures_and_never_for_fewer() {
        let sign = |mode, wanted| {
            let config = AppConfig { sign: mode, ..app_config("wiki") };
            super::sign(&config, Some(&SpMetadata { wants_assertions_signed: wanted, ..metadata() }))
        };
        for (mode, wanted, signed) in [
            (SignMode::Assertion, false, SignMode::Assertion),
            (SignMode::Assertion, true, SignMode::Assertion),
            (SignMode::Response, false, SignMode::Response),
            (SignMode::Response, true, SignMode::Both),
            (SignMode::Both, false, SignMode::Both),
            (SignMode::Both, true, SignMode::Both),
        ] {
            assert_eq!(sign(mode, wanted), signed, "{mode:?} {wanted}");
        }
    }

    #[test]
    fn who_signs_requests_needs_a_certificate_to_verify_them_by() {
        let signs = SpMetadata { signs_requests: true, ..metadata() };
        let problems = built(&app_config("wiki"), signs.clone()).unwrap_err();
        assert_eq!((problems.len(), problems[0].key.as_str()), (1, ".metadata"));
        let certificate: Certificate =
            IDP.keys().key(crate::domain::SignatureAlgorithm::RsaSha256).unwrap().certificate().clone();
        let supplied =
            Supplied { metadata: Some(signs), request_certificates: vec![certificate], ..Supplied::default() };
        let sp = ServiceProvider::build(&app_config("wiki"), &supplied).unwrap();
        assert_eq!(sp.signed_requests(), SignedRequests::Required);
    }

    #[test]
    fn what_metadata_lacks_or_says_wrongly_is_a_problem_of_the_metadata() {
        let keys = |config: &AppConfig, metadata: SpMetadata| {
            let problems = built(config, metadata).unwrap_err();
            problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
        };
        let wiki = app_config("wiki");
        let encrypting = AppConfig { encrypt: crate::config::Encrypt::Assertion, ..wiki.clone() };
        assert_eq!(keys(&encrypting, metadata()), [".metadata"]);
        let signing = AppConfig { signed_requests: SignedRequests::Required, ..wiki.clone() };
        assert_eq!(keys(&signing, metadata()), [".metadata"]);
        let long = SpMetadata { entity_id: "ä".repeat(1024), ..metadata() };
        assert_eq!(keys(&wiki, long), [".metadata"]);
        let named = AppConfig { request_certificates: vec!["a.pem".into(); 9], ..wiki };
        assert_eq!(keys(&named, metadata()), [".request_certificates"]);
    }

    #[test]
    fn names_that_tell_who_somebody_is_go_only_where_config_says_so() {
        let format = |listed: &[NameIdFormat], config: &AppConfig| {
            let name_id_formats = listed.iter().map(|format| format.uri().to_owned()).collect();
            built(config, SpMetadata { name_id_formats, ..metadata() }).map(|sp| sp.name_id)
        };
        use NameIdFormat::{EmailAddress, Persistent, Transient, Unspecified};
        let wiki = app_config("wiki");
        for open in [[].as_slice(), &[Persistent], &[EmailAddress, Persistent], &[EmailAddress, Unspecified]] {
            assert_eq!(format(open, &wiki), Ok(None), "{open:?}");
        }
        assert_eq!(format(&[EmailAddress, Transient], &wiki), Ok(Some(Transient)));
        let problems = format(&[EmailAddress], &wiki).unwrap_err();
        assert_eq!(problems[0].key, ".metadata");
        assert!(problems[0].help.as_ref().unwrap().contains("name_id"), "{problems:?}");
        let said = AppConfig { name_id: Some(EmailAddress), ..wiki };
        assert_eq!(format(&[EmailAddress], &said), Ok(Some(EmailAddress)));
        assert_eq!(format(&[Persistent], &said), Ok(Some(EmailAddress)), "config beats metadata");
    }

    #[test]
    fn addresses_that_aws_does_not_have_are_a_problem_of_the_metadata() {
        let role = RoleConfig { name: RoleName::parse("Ops").unwrap(), ..aws_config().roles[0].clone() };
        let config = AppConfig { roles: vec![role], ..aws_config() };
        let mut aws = SpMetadata { entity_id: "urn:amazon:webservices".to_owned(), ..metadata() };
        aws.acs = vec![IndexedAddress { index: 1, url: "https://signin.aws.amazon.com/saml".to_owned() }];
        assert_eq!(built(&config, aws.clone()).unwrap().entity_id(), "urn:amazon:webservices");
        aws.acs[0].url = "https://signin.amazonaws.cn/saml".to_owned();
        let problems = built(&config, aws).unwrap_err();
        assert!(problems[0].key == ".metadata" && problems[0].message.contains("partition"), "{problems:?}");
    }
}
