//! The demonstration. See ARCHITECTURE.md.

pub mod service_provider;
