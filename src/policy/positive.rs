//! positive
