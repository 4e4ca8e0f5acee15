//! Pages: their contexts, templates, styles. Cedar is not known here.

pub mod assets;
pub mod demo;
pub mod errors;
pub mod page;
pub mod portal;
pub mod saml;
pub mod signin;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
