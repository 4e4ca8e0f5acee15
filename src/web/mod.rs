//! Pages: their contexts, templates, styles. Cedar is not known here.

pub mod account;
pub mod answer;
pub mod assets;
pub mod client_ip;
pub mod context;
pub mod cookies;
pub mod demo;
pub mod errors;
pub mod form;
pub mod lifecycle;
pub mod mailing;
pub mod operations;
pub mod page;
pub mod portal;
pub mod routes;
pub mod saml;
pub mod security_headers;
pub mod server;
pub mod signin;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
