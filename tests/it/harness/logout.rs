//! The service provider's side of single logout: its key, its messages in both bindings, and ours read back.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cedargate::clock::{Clock, SystemClock};
use flate2::read::DeflateDecoder;
use tempfile::TempDir;
use url::Url;

use super::client::Page;
use super::judges;
use super::receiver::request;
use super::saml::{Delivered, SUCCESS, instant, redirect_value};

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// A service provider that signs its messages.
pub(crate) struct Provider {
    pub(crate) entity_id: String,
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    _folder: TempDir,
}

impl Provider {
    pub(crate) fn new(entity_id: &str) -> Self {
        let (folder, key, certificate) = judges::stranger();
        Self { entity_id: entity_id.to_owned(), key, certificate, _folder: folder }
    }

    /// The lines of config that let it sign people out.
    pub(crate) fn config(&self, logout: &str) -> String {
        format!("request_certificates = [\"{}\"]\nlogout = {logout}\n", self.certificate.display())
    }

    /// A LogoutRequest about whom an assertion of ours was.
    pub(crate) fn request(&self, slo: &str, told: &Delivered) -> LogoutText {
        let id = format!("_{}", uuid::Uuid::from_u128(SystemClock.now().as_nanosecond().cast_unsigned()).simple());
        let xml = format!(
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" \
             Destination=\"{}\" NotOnOrAfter=\"{}\"><saml:Issuer>{}</saml:Issuer>\
             <saml:NameID Format=\"{}\">{}</saml:NameID><samlp:SessionIndex>{}</samlp:SessionIndex>\
             </samlp:LogoutRequest>",
            instant(0),
            slo,
            instant(300),
            self.entity_id,
            told.xml_attribute("NameID", "Format").unwrap(),
            told.element("NameID").unwrap(),
            told.xml_attribute("AuthnStatement", "SessionIndex").unwrap(),
        );
        LogoutText { id, xml, name: "SAMLRequest" }
    }

    /// A LogoutResponse with this status to a request of ours.
    pub(crate) fn response(&self, slo: &str, to: &str, status: &str) -> LogoutText {
        let id = format!("_{}", uuid::Uuid::from_u128(SystemClock.now().as_nanosecond().cast_unsigned()).simple());
        let xml = format!(
            "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" \
             Destination=\"{}\" InResponseTo=\"{to}\"><saml:Issuer>{}</saml:Issuer>\
             <samlp:Status><samlp:StatusCode Value=\"{status}\"/></samlp:Status></samlp:LogoutResponse>",
            instant(0),
            slo,
            self.entity_id,
        );
        LogoutText { id, xml, name: "SAMLResponse" }
    }

    /// The path of the Redirect binding, signed.
    pub(crate) fn redirect(&self, message: &LogoutText, relay_state: Option<&str>) -> String {
        let pem = std::fs::read_to_string(&self.key).unwrap();
        let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = KeyPair::from_pkcs8(&BASE64.decode(lines).unwrap()).unwrap();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair(message.name, &redirect_value(message.xml.as_bytes()));
        if let Some(relay_state) = relay_state {
            query.append_pair("RelayState", relay_state);
        }
        query.append_pair("SigAlg", RSA_SHA256);
        let query = query.finish();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), query.as_bytes(), &mut signature).unwrap();
        let mut last = url::form_urlencoded::Serializer::new(query);
        last.append_pair("Signature", &BASE64.encode(signature));
        format!("/saml/slo?{}", last.finish())
    }

    /// The value of the POST binding, signed by xmlsec1.
    pub(crate) fn post(&self, message: &LogoutText) -> String {
        let skeleton = format!(
            "</saml:Issuer><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
             <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"/><ds:Reference URI=\"#{}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
             <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue/>\
             </ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>",
            message.id
        );
        let xml = message.xml.replacen("</saml:Issuer>", &skeleton, 1);
        BASE64.encode(judges::xmlsec1_sign(&xml, &self.key))
    }
}

/// A message of a service provider; the text is free to be spoiled.
#[derive(Debug, Clone)]
pub(crate) struct LogoutText {
    pub(crate) id: String,
    pub(crate) xml: String,
    name: &'static str,
}

impl LogoutText {
    /// With `old` exchanged for `new`; `old` has to be there.
    pub(crate) fn with(mut self, old: &str, new: &str) -> Self {
        assert!(self.xml.contains(old), "`{old}` is not in {}", self.xml);
        self.xml = self.xml.replace(old, new);
        self
    }

    /// With the time in `attribute` set to so many seconds from now.
    pub(crate) fn timed(mut self, attribute: &str, seconds: i64) -> Self {
        let pattern = regex::Regex::new(&format!("{attribute}=\"[^\"]*\"")).unwrap();
        let (old, new) = (self.xml.clone(), format!("{attribute}=\"{}\"", instant(seconds)));
        self.xml = pattern.replace(&self.xml, new).into_owned();
        assert_ne!(self.xml, old, "{attribute}");
        self
    }

    /// The path of the Redirect binding, unsigned.
    pub(crate) fn unsigned(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair(self.name, &redirect_value(self.xml.as_bytes()));
        format!("/saml/slo?{}", query.finish())
    }
}

/// A message of ours, as it stands in an address or a form.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) url: Url,
    pub(crate) relay_state: Option<String>,
    pub(crate) xml: String,
    pub(crate) id: String,
}

impl Told {
    /// Reads the redirect that a page is.
    pub(crate) fn by_redirect(page: &Page) -> Self {
        assert_eq!(page.status.as_u16(), 303, "{page:?}");
        Self::in_address(page.header("location"))
    }

    /// Reads the query of an address.
    pub(crate) fn in_address(address: &str) -> Self {
        let url = Url::parse(address).unwrap();
        let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let message = value("SAMLRequest").or_else(|| value("SAMLResponse")).unwrap_or_else(|| panic!("{url}"));
        let mut xml = String::new();
        DeflateDecoder::new(BASE64.decode(message).unwrap().as_slice()).read_to_string(&mut xml).unwrap();
        Self { relay_state: value("RelayState"), id: id_of(&xml), xml, url: url.clone() }
    }

    /// Reads the form of a page.
    pub(crate) fn by_post(page: &Page) -> Self {
        let form = page.forms().into_iter().find(|form| form.value("csrf_token").is_none()).unwrap();
        let message = form.value("SAMLRequest").or_else(|| form.value("SAMLResponse")).unwrap();
        let xml = String::from_utf8(BASE64.decode(message).unwrap()).unwrap();
        let relay_state = form.value("RelayState").map(str::to_owned);
        Self { relay_state, id: id_of(&xml), xml, url: form.action.clone() }
    }

    /// The status codes, outermost first.
    pub(crate) fn status(&self) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let codes = document.descendants().filter(|node| node.tag_name().name() == "StatusCode");
        codes.filter_map(|node| node.attribute("Value").map(str::to_owned)).collect()
    }

    /// The text of the first element called `name`.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let node = document.descendants().find(|node| node.tag_name().name() == name)?;
        node.text().map(str::to_owned)
    }

    /// An attribute of the root.
    pub(crate) fn root(&self, name: &str) -> Option<String> {
        roxmltree::Document::parse(&self.xml).unwrap().root_element().attribute(name).map(str::to_owned)
    }
}

fn id_of(xml: &str) -> String {
    roxmltree::Document::parse(xml).unwrap().root_element().attribute("ID").unwrap().to_owned()
}

/// A service provider on `localhost`, which is another site than the identity provider's `127.0.0.1`: it answers whatever
/// LogoutRequest a browser brings, by redirect or by a form that posts itself.
pub(crate) struct Party {
    pub(crate) provider: Arc<Provider>,
    pub(crate) url: String,
}

impl Party {
    pub(crate) fn start(entity_id: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let provider = Arc::new(Provider::new(entity_id));
        let (own, base) = (Arc::clone(&provider), url.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (provider, base) = (Arc::clone(&own), base.clone());
                thread::spawn(move || provider.serve(stream, &base));
            }
        });
        Self { provider, url }
    }
}

impl Provider {
    /// One request of a browser; a broken connection is the browser's business.
    fn serve(&self, stream: TcpStream, base: &str) -> Option<()> {
        let (line, body, mut stream) = request(stream)?;
        let path = line.split(' ').nth(1)?;
        let answer = if path.starts_with("/slo?SAMLRequest=") {
            let (slo, response) = self.answer(&Told::in_address(&format!("{base}{path}")).xml);
            let site = slo.trim_end_matches("/saml/slo");
            format!("HTTP/1.1 302 Found\r\nLocation: {site}{}\r\nContent-Length: 0\r\n", self.redirect(&response, None))
                + "Connection: close\r\n\r\n"
        } else if path == "/slo" {
            let fields: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
            let request = &fields.iter().find(|(name, _)| name == "SAMLRequest")?.1;
            let (slo, response) = self.answer(&String::from_utf8(BASE64.decode(request).ok()?).ok()?);
            page(&format!(
                "<form method=post action=\"{slo}\"><input type=hidden name=SAMLResponse value=\"{}\"></form>\
                 <script>document.forms[0].submit()</script>",
                self.post(&response)
            ))
        } else {
            page("<h1 id=app>Welcome</h1>")
        };
        stream.write_all(answer.as_bytes()).ok()
    }

    /// Where the answer to a request goes, and what it says.
    fn answer(&self, request: &str) -> (String, LogoutText) {
        let document = roxmltree::Document::parse(request).unwrap();
        let issuer = document.descendants().find(|node| node.tag_name().name() == "Issuer").unwrap();
        let slo = issuer.text().unwrap().replace("/saml/metadata", "/saml/slo");
        let response = self.response(&slo, &id_of(request), SUCCESS);
        (slo, response)
    }
}

fn page(content: &str) -> String {
    let page = format!("<!doctype html><html lang=\"en\"><title>App</title>{content}");
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}
