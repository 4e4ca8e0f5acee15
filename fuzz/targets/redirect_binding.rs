//! The query of HTTP-Redirect: escapes, base64, deflate, XML, and what is registered.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| cedargate_fuzz::redirect_binding(input));
