//! A logout message: escapes, base64, deflate, XML, signatures of both bindings, and what is registered.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| cedargate_fuzz::logout_request(input));
