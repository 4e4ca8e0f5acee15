//! See `cedargate_fuzz::policy_tests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| cedargate_fuzz::policy_tests(input));
