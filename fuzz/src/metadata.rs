//! Metadata of service providers, and the apps that come of it.

use std::sync::LazyLock;

use cedargate::config::AppConfig;
use cedargate::domain::AppId;
use cedargate::saml::{Certificate, Entities, ServiceProvider, SpMetadata, Supplied};

/// Who signs metadata: RSA-2048 and P-256.
static SIGNERS: LazyLock<[Certificate; 2]> = LazyLock::new(|| {
    [include_str!("../certificates/metadata-rsa.pem"), include_str!("../certificates/metadata-ec.pem")]
        .map(|pem| Certificate::from_pem(pem).expect("a certificate"))
});

/// The one set of entities that they signed, with either key.
static SIGNED: LazyLock<Entities> = LazyLock::new(|| {
    Entities::verified(include_str!("../corpus/sp_metadata/signed-rsa"), SIGNERS.as_slice()).expect("signed metadata")
});

/// Metadata as it stands, and as somebody signed it. What is taken from it goes into an app, as the server does it.
pub fn sp_metadata(xml: &str) {
    // Nobody but those who made the corpora ever signed: what is believed is what they signed.
    let signed = &*SIGNED;
    if let Ok(verified) = Entities::verified(xml, SIGNERS.as_slice()) {
        assert_eq!(&verified, signed, "forged");
    }
    let alone = SpMetadata::parse(xml);
    let Ok(entities) = Entities::parse(xml) else {
        assert!(alone.is_err(), "one entity of metadata that is none");
        return;
    };
    let Ok(metadata) = alone else { return };
    assert_eq!(entities.choose(Some(&metadata.entity_id)), Ok(&metadata), "chosen by its name it is another");
    promises(&metadata);
    let config = AppConfig::new(AppId::parse("wiki").expect("an app id"));
    let supplied = Supplied {
        request_certificates: metadata.signing.clone(),
        metadata: Some(metadata.clone()),
        ..Supplied::default()
    };
    if let Ok(sp) = ServiceProvider::build(&config, &supplied) {
        assert_eq!(sp.entity_id(), metadata.entity_id);
        assert!(sp.acs().iter().all(|acs| metadata.acs.iter().any(|known| known.url == *acs)));
        assert!(!metadata.signs_requests || !supplied.request_certificates.is_empty(), "signed by nobody");
    }
}

/// What is true of all metadata that an app can be built from.
fn promises(metadata: &SpMetadata) {
    assert!(!metadata.entity_id.is_empty() && !metadata.entity_id.contains(char::is_whitespace));
    assert!((1..=64).contains(&metadata.acs.len()), "{} addresses", metadata.acs.len());
    let logout =
        metadata.logout.iter().flat_map(|endpoint| [Some(&endpoint.location), endpoint.response_location.as_ref()]);
    for address in metadata.acs.iter().map(|acs| &acs.url).chain(logout.flatten()) {
        let is_local = address.to_ascii_lowercase().starts_with("http:");
        assert!(address.to_ascii_lowercase().starts_with("https:") || is_local, "`{address}`");
        assert!(!address.chars().any(|c| c.is_control() || c.is_whitespace()), "`{address}`");
    }
    assert!(metadata.left_out.len() <= 16);
}
