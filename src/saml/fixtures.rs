//! What the tests of this module share: a user, two apps, an identity provider with a real key.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::issuer::{IdentityProvider, SignedResponse, issue_permitted};
use super::keys::KeyStore;
use super::service_provider::{IssueContext, ServiceProvider, Supplied};
use crate::clock::{FixedEntropy, ManualClock, Timestamp};
use crate::config::{AppConfig, Preset, RoleConfig};
use crate::domain::{
    AppId, AuthnContextClass, Country, EmailAddress, GroupName, RoleName, User, UserId, UserStatus, Username,
};

pub(crate) const PERSISTENT_ID_KEY: [u8; 32] = [7; 32];

pub(crate) fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub(crate) fn entropy() -> FixedEntropy {
    FixedEntropy::seeded(42)
}

pub(crate) static IDP: LazyLock<IdentityProvider> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyStore::ensure(dir.path(), &ManualClock::at(now()), &entropy()).unwrap();
    IdentityProvider::new("https://login.example.com", keys.signing_keys())
});

pub(crate) fn ann() -> User {
    User {
        id: UserId::new(now(), &FixedEntropy::seeded(1)).unwrap(),
        username: Username::parse("ann").unwrap(),
        email: EmailAddress::parse("ann@example.com").unwrap(),
        first_name: "Ann".into(),
        last_name: "O'Neill <R&D>".into(),
        phone: None,
        groups: BTreeSet::from(["staff", "aws-users"].map(|group| GroupName::parse(group).unwrap())),
        home_country: Country::unknown(),
        time_zone: None,
        language: None,
        status: UserStatus::Active,
        session_epoch: 0,
        devices_since: None,
    }
}

pub(crate) fn app_config(id: &str) -> AppConfig {
    AppConfig { device_limit: 3, ..AppConfig::new(AppId::parse(id).unwrap()) }
}

pub(crate) fn aws_config() -> AppConfig {
    let role = |name: &str| RoleConfig {
        name: RoleName::parse(name).unwrap(),
        role_arn: format!("arn:aws:iam::123456789012:role/{name}"),
        provider_arn: "arn:aws:iam::123456789012:saml-provider/cedargate".into(),
    };
    AppConfig {
        preset: Some(Preset::Aws),
        roles: vec![role("Dev"), role("Admin")],
        role_session_name: Some("email".into()),
        session_duration: Some(3600),
        ..app_config("aws")
    }
}

pub(crate) fn wiki_config() -> AppConfig {
    let fields = [("mail", "email"), ("groups", "groups"), ("cn", "display_name"), ("sn", "last_name")];
    AppConfig {
        name: Some("Wiki".into()),
        entity_id: Some("https://wiki.example.com/saml".into()),
        acs: vec!["https://wiki.example.com/acs".into(), "https://wiki.example.com/acs2?a=1&b=2".into()],
        attributes: fields.map(|(name, field)| (name.to_owned(), field.into())).into(),
        ..app_config("wiki")
    }
}

pub(crate) fn build(config: &AppConfig) -> ServiceProvider {
    ServiceProvider::build(config, &Supplied::default()).unwrap()
}

pub(crate) fn context() -> IssueContext<'static> {
    IssueContext {
        acs: None,
        in_response_to: None,
        relay_state: None,
        session_index: "_s1",
        authn_instant: now(),
        authn_context: AuthnContextClass::TimeSyncToken,
        session_not_on_or_after: None,
        role: None,
        name_id_format: None,
        persistent_id_key: &PERSISTENT_ID_KEY,
    }
}

/// What is issued once policies permit all of it.
pub(crate) fn signed(config: &AppConfig, user: &User, context: &IssueContext<'_>) -> SignedResponse {
    issue_permitted(&build(config).issue_request(user, context).unwrap(), &IDP, now(), &entropy()).unwrap()
}

/// A document and the certificate in files, for tools of other people.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn of(xml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("document.xml"), xml).unwrap();
        let certificate = IDP.keys().key(crate::domain::SignatureAlgorithm::RsaSha256).unwrap().certificate().base64();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
        std::fs::write(dir.path().join("idp.pem"), pem).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Verifies the Signature below `parent` with xmlsec1, by the certificate alone.
    pub(crate) fn xmlsec1_verifies(&self, parent: &str) -> bool {
        let node = format!("//*[local-name()='{parent}']/*[local-name()='Signature']");
        let output = Command::new("xmlsec1")
            .args(["--verify", "--enabled-key-data", "rsa", "--pubkey-cert-pem"])
            .arg(self.path("idp.pem"))
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"])
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response"])
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor"])
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest"])
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:LogoutResponse"])
            .args(["--node-xpath", &node])
            .arg(self.path("document.xml"))
            .output()
            .expect("the tests need xmlsec1: apt-get install xmlsec1");
        output.status.success()
    }

    /// What xmllint says against an OASIS schema; empty = valid.
    pub(crate) fn schema_errors(&self, schema: &str) -> String {
        let schema = Path::new("/usr/share/xml/opensaml").join(schema);
        assert!(
            schema.exists(),
            "the tests need the SAML schemas: apt-get install opensaml-schemas xmltooling-schemas"
        );
        self.catalog();
        let output = Command::new("xmllint")
            .args(["--nonet", "--noout", "--schema"])
            .arg(schema)
            .arg(self.path("document.xml"))
            .env("XML_CATALOG_FILES", self.path("catalog.xml"))
            .stdin(Stdio::null())
            .output()
            .expect("the tests need xmllint: apt-get install libxml2-utils");
        if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// The schemas import others by address; here are those of Debian's packages.
    fn catalog(&self) {
        let mut catalog = std::fs::File::create(self.path("catalog.xml")).unwrap();
        writeln!(catalog, "<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">").unwrap();
        for (address, file) in [
            ("http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd", "xmldsig-core-schema.xsd"),
            ("http://www.w3.org/TR/xmldsig-core/xmldsig-core-schema.xsd", "xmldsig-core-schema.xsd"),
            ("http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/xenc-schema.xsd", "xenc-schema.xsd"),
            ("http://www.w3.org/TR/xmlenc-core/xenc-schema.xsd", "xenc-schema.xsd"),
            ("http://www.w3.org/2001/xml.xsd", "xml.xsd"),
        ] {
            let uri = format!("file:///usr/share/xml/xmltooling/{file}");
            writeln!(catalog, "<system systemId=\"{address}\" uri=\"{uri}\"/><uri name=\"{address}\" uri=\"{uri}\"/>")
                .unwrap();
        }
        writeln!(catalog, "</catalog>").unwrap();
    }
}
