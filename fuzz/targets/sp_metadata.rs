//! The metadata of a service provider: XML, certificates, addresses, durations, and the app that comes of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| cedargate_fuzz::sp_metadata(input));
