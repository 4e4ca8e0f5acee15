//! The form of HTTP-POST: fields, base64, XML, and what is registered.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cedargate_fuzz::post_binding(input));
