//! The metadata of this identity provider (SAML metadata §2.4.3). Our own writer: samael's leaves out what AWS needs.

use super::keys::Certificate;
use super::wire::{Text, TextError, escape};
use super::{BINDING_POST, BINDING_REDIRECT, ns};
use crate::domain::NameIdFormat;

/// The EntityDescriptor to upload to service providers: entity id, single sign-on address for both bindings, certificate.
///
/// # Errors
/// An address holds a control character.
pub fn identity_provider(entity_id: &str, sso_url: &str, certificate: &Certificate) -> Result<String, TextError> {
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
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <md:EntityDescriptor xmlns:md=\"{md}\" xmlns:ds=\"{ds}\" entityID=\"{entity_id}\">\n\
         \x20 <md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" protocolSupportEnumeration=\"{protocol}\">\n\
         \x20   <md:KeyDescriptor use=\"signing\">\n\
         \x20     <ds:KeyInfo>\n\
         \x20       <ds:X509Data>\n\
         \x20         <ds:X509Certificate>{certificate}</ds:X509Certificate>\n\
         \x20       </ds:X509Data>\n\
         \x20     </ds:KeyInfo>\n\
         \x20   </md:KeyDescriptor>\n\
         {formats}{services}\
         \x20 </md:IDPSSODescriptor>\n\
         </md:EntityDescriptor>\n",
        md = ns::METADATA,
        ds = ns::DSIG,
        protocol = ns::PROTOCOL,
        certificate = certificate.base64(),
    ))
}
