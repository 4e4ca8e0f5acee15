//! The metadata of this identity provider (SAML metadata §2.4.3). Our own writer: samael's leaves out what AWS needs.

use super::sign::SigningKeys;
use super::wire::{Text, TextError, escape};
use super::{BINDING_POST, BINDING_REDIRECT, ns};
use crate::domain::NameIdFormat;

/// The EntityDescriptor to upload to service providers: entity id, single sign-on address for both bindings, certificate.
///
/// # Errors
/// An address holds a control character.
pub fn identity_provider(entity_id: &str, sso_url: &str, keys: &SigningKeys) -> Result<String, TextError> {
    let entity_id = Text::new("the entity id", entity_id)?.element();
    let sso_url = Text::new("the single sign-on address", sso_url)?.element();
    let formats: String = NameIdFormat::ALL
        .iter()
        .map(|format| format!("    <md:NameIDFormat>{}</md:NameIDFormat>\n", escape(format.uri())))
        .collect();
    let services: String = [BINDING_REDIRECT, BINDING_POST]
        .iter()
        .map(|binding| format!("    <md:SingleSignOnService Binding=\"{binding}\" Location=\"{sso_url}\"/>\n"))
        .collect();
    let certificates: String = keys
        .certificates()
        .map(|certificate| {
            format!(
                "    <md:KeyDescriptor use=\"signing\">\n      <ds:KeyInfo>\n        <ds:X509Data>\n          \
                 <ds:X509Certificate>{}</ds:X509Certificate>\n        </ds:X509Data>\n      </ds:KeyInfo>\n    \
                 </md:KeyDescriptor>\n",
                certificate.base64()
            )
        })
        .collect();
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <md:EntityDescriptor xmlns:md=\"{md}\" xmlns:ds=\"{ds}\" entityID=\"{entity_id}\">\n\
         \x20 <md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" protocolSupportEnumeration=\"{protocol}\">\n\
         {certificates}{formats}{services}\
         \x20 </md:IDPSSODescriptor>\n\
         </md:EntityDescriptor>\n",
        md = ns::METADATA,
        ds = ns::DSIG,
        protocol = ns::PROTOCOL,
    ))
}
