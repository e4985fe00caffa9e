//! A domain's policy against a fixed schema: it loads and decides, or its faults are told.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| airside::fuzzing::policy(text));
