#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| plasma_runtime::fuzz::envelope(data));
