#![no_main]

#[allow(dead_code)] // the others have a wrapper of their own
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::survey_row::survey_row(data));
