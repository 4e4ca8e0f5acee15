//! See `cedargate_fuzz::policy_set`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| cedargate_fuzz::policy_set(input));
