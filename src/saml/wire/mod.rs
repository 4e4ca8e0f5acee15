//! The only writer of SAML XML.
