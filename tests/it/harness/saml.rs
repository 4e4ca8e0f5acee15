//! The service provider's side: AuthnRequests as they go over both bindings, and the response page read back.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cedargate::clock::{Clock, SystemClock};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::SignedDuration;
use regex::Regex;

use super::client::Page;
use super::server::Server;

pub(crate) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
pub(crate) const NO_PASSIVE: &str = "urn:oasis:names:tc:SAML:2.0:status:NoPassive";
pub(crate) const REQUEST_DENIED: &str = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied";
pub(crate) const UNKNOWN_PRINCIPAL: &str = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal";
pub(crate) const INVALID_NAME_ID_POLICY: &str = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy";
pub(crate) const AWS: &str = "urn:amazon:webservices";
pub(crate) const AWS_ACS: &str = "https://signin.aws.amazon.com/saml";
pub(crate) const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
pub(crate) const EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";

/// The time `seconds` from now, as SAML writes it.
pub(crate) fn instant(seconds: i64) -> String {
    (SystemClock.now() + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An AuthnRequest of the wiki; the text is free to be spoiled.
#[derive(Debug, Clone)]
pub(crate) struct AuthnRequest {
    pub(crate) id: String,
    pub(crate) xml: String,
}

impl AuthnRequest {
    /// A plain one.
    pub(crate) fn of(server: &Server, entity_id: &str, acs: &str) -> Self {
        // Ids only have to differ within a test.
        let id = format!("_{}", uuid::Uuid::from_u128(SystemClock.now().as_nanosecond().cast_unsigned()).simple());
        let xml = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" \
             Destination=\"{}\" AssertionConsumerServiceURL=\"{acs}\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\">\
             <saml:Issuer>{entity_id}</saml:Issuer></samlp:AuthnRequest>",
            instant(0),
            server.sso(),
        );
        Self { id, xml }
    }

    /// One of the wiki, at its usual ACS.
    pub(crate) fn of_wiki(server: &Server) -> Self {
        Self::of(server, "https://wiki.example.com/saml", "https://wiki.example.com/acs")
    }

    /// With `old` exchanged for `new`; `old` has to be there.
    pub(crate) fn with(mut self, old: &str, new: &str) -> Self {
        assert!(self.xml.contains(old), "`{old}` is not in {}", self.xml);
        self.xml = self.xml.replace(old, new);
        self
    }

    /// With further attributes on the root.
    pub(crate) fn asking(self, attributes: &str) -> Self {
        self.with(" Version=\"2.0\"", &format!(" Version=\"2.0\" {attributes}"))
    }

    /// With further elements after the issuer.
    pub(crate) fn saying(self, elements: &str) -> Self {
        self.with("</saml:Issuer>", &format!("</saml:Issuer>{elements}"))
    }

    /// Issued `seconds` from now.
    pub(crate) fn issued(mut self, seconds: i64) -> Self {
        let pattern = Regex::new("IssueInstant=\"[^\"]*\"").unwrap();
        self.xml = pattern.replace(&self.xml, format!("IssueInstant=\"{}\"", instant(seconds))).into_owned();
        self
    }

    /// The path and query of the Redirect binding.
    pub(crate) fn redirect(&self, relay_state: Option<&str>) -> String {
        redirect_path(&redirect_value(self.xml.as_bytes()), relay_state)
    }

    /// The fields of the POST binding.
    pub(crate) fn post<'a>(&self, relay_state: Option<&'a str>) -> Vec<(&'static str, std::borrow::Cow<'a, str>)> {
        let mut fields = vec![("SAMLRequest", BASE64.encode(&self.xml).into())];
        fields.extend(relay_state.map(|value| ("RelayState", value.into())));
        fields
    }
}

/// Deflated and in base64.
pub(crate) fn redirect_value(octets: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    BASE64.encode(encoder.finish().unwrap())
}

/// `/saml/sso` with a query of these parameters.
pub(crate) fn redirect_path(saml_request: &str, relay_state: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("SAMLRequest", saml_request);
    if let Some(relay_state) = relay_state {
        query.append_pair("RelayState", relay_state);
    }
    format!("/saml/sso?{}", query.finish())
}

/// What a response page posts to the service provider.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) acs: String,
    /// The field as it is posted.
    pub(crate) response: String,
    pub(crate) xml: String,
    pub(crate) relay_state: Option<String>,
}

impl Delivered {
    /// Reads the form of a response page, or of a block page with its way back to the app.
    pub(crate) fn from_page(page: &Page) -> Self {
        let form = page
            .forms()
            .into_iter()
            .find(|form| form.value("SAMLResponse").is_some())
            .unwrap_or_else(|| panic!("no form holds a SAMLResponse: {page:?}"));
        let relay_state = form.value("RelayState").map(str::to_owned);
        Self::new(form.action.as_str(), form.value("SAMLResponse").unwrap(), relay_state)
    }

    /// Takes the fields as they arrived.
    pub(crate) fn new(acs: &str, response: &str, relay_state: Option<String>) -> Self {
        let xml = String::from_utf8(BASE64.decode(response).expect("SAMLResponse is base64")).unwrap();
        Self { acs: acs.to_owned(), response: response.to_owned(), xml, relay_state }
    }

    /// The values of an attribute, as a parser sees them.
    pub(crate) fn attribute(&self, name: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let attribute =
            document.descendants().find(|node| node.has_tag_name("Attribute") && node.attribute("Name") == Some(name));
        attribute
            .map(|node| node.children().filter(|child| child.is_element()).map(all_text).collect())
            .unwrap_or_default()
    }

    /// The text of the first element called `name`.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        document.descendants().find(|node| node.tag_name().name() == name).map(all_text)
    }

    /// The status codes, outermost first.
    pub(crate) fn status(&self) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let codes = document.descendants().filter(|node| node.tag_name().name() == "StatusCode");
        codes.filter_map(|node| node.attribute("Value").map(str::to_owned)).collect()
    }

    /// An attribute of the first tag called `tag`, read from the text as it stands.
    pub(crate) fn xml_attribute(&self, tag: &str, attribute: &str) -> Option<String> {
        let pattern = Regex::new(&format!(r#"<(?:\w+:)?{tag}\b[^>]*?\s{attribute}="([^"]*)""#)).unwrap();
        pattern.captures(&self.xml).map(|found| found[1].to_owned())
    }
}

fn all_text(node: roxmltree::Node<'_, '_>) -> String {
    node.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
}
