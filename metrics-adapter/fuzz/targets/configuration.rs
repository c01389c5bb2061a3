#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
#[allow(dead_code, reason = "one of them is fuzzed here")]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::configuration(input));
