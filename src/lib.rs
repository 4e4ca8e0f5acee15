//! cedargate: a SAML identity provider whose every decision is a Cedar policy kept in files.

pub mod accounts;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod devices;
pub mod domain;
pub mod i18n;
pub mod methods;
pub mod notify;
pub mod policy;
pub mod runtime;
pub mod saml;
pub mod sessions;
pub mod signals;
pub mod signin;
pub mod state;
pub mod telemetry;
pub mod web;
pub mod workers;
